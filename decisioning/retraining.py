"""Train a challenger on logged decisions, store it with its report, draft its promotion; approving that is another
person's decision."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from decisioning import jobs, runtime
from decisioning.features import statistics
from decisioning.models import ModelVersion
from decisioning.propensity import dataset
from decisioning.propensity.training import Example, train
from offers import audit, catalog
from offers.catalog import Item
from offers.models import ChangeRequest
from offers.snapshot import live_row

SEED = 7


def retrain(now: datetime, source: str = "") -> str:
    """The new challenger's name. `source` trains on a loaded campaign instead of the product's own decisions.

    Raises NoRelease, NothingLogged, TooFewExamples or AlreadyRunning.
    """
    with jobs.running("retrain", {"source": source}, now) as job:
        examples, per_arm = examples_of(source)
        job.total = job.done = len(examples)
        model = train(f"propensity-{ModelVersion.objects.count() + 1}", examples, per_arm=per_arm, seed=SEED)
        with transaction.atomic():
            ModelVersion.objects.create(
                name=model.name,
                sha256=model.sha256,
                content=model.to_bytes(),
                report={**model.report, "source": source or "decisions"},
                trained_at=now,
            )
            statistics.keep_training(model.name, examples, now)
            audit.record(
                actor="candor", action="model.trained", subject=f"model {model.name}",
                detail={"sha256": model.sha256, "rows": len(examples), "auc": model.report["auc"]}, now=now,
            )  # fmt: skip
        job.message = model.name
    return model.name


def examples_of(source: str) -> tuple[list[Example], bool]:
    """What there is to learn from, and whether the model must tell creatives apart. Raises NoRelease, NothingLogged."""
    live = live_row()
    if live is None:
        raise runtime.NoRelease("no release is live: there are no decisions to learn from")
    release = runtime.plan(live.number).release
    # Creatives that carry facts of their own (a mailer) differ in acceptance: the model must tell them apart.
    per_arm = any(creative.facts for creative in release.creatives.values())
    if source:
        return dataset.from_logged(source, release, per_arm=per_arm), per_arm
    return dataset.from_decisions(per_arm=per_arm), per_arm


def propose(name: str, *, author: User, now: datetime) -> ChangeRequest:
    """A draft that would make this model champion. Raises NotAllowed; call inside a transaction."""
    model = ModelVersion.objects.get(name=name)
    report, title = model.report, f"Propensity model {name}"
    return catalog.draft(
        kind="model", key=name, title=f"{title} as champion",
        items=[Item("model", name, {"title": title, "sha256": model.sha256})], author=author, now=now,
        rationale=f"Trained on {report['rows']} rows of {report['source']}, {report['positives']} accepted. "
        f"AUC {report['auc']:.3f}, calibration slope {report['calibration_slope']:.2f}; {report['evaluated']}.",
    )  # fmt: skip
