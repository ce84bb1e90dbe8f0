"""How a model does on what was decided and answered: by group and segment, beside a simple rival and the champion, and
whether it can be made again. Groups are read for the length of a count; kept are aggregates of 20 people at least."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from django.db import transaction
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from decisioning import runtime
from decisioning.features import statistics
from decisioning.models import ModelVersion, SkewCheck
from decisioning.propensity import dataset
from decisioning.propensity.scoring import PropensityModel
from decisioning.propensity.training import Example, train
from fairness.counts import NOT_RECORDED
from fairness.dataset import groupings
from fairness.models import ModelMeasurement
from fairness.score_metrics import Floats, auc
from fairness.small_groups import FLOOR
from offers import audit
from offers.snapshot import live_row

OWN: Final = "decisions"
SEGMENT: Final = "credit_score_band"
_FOLDS: Final = 5


@dataclass(frozen=True, slots=True)
class Measured:
    """Rows with an answer, how many accepted, the expected number of them, and the area under the ROC curve with its
    95 % interval: None where too few accepted or refused to tell."""

    rows: int
    accepted: int
    expected: float
    auc: float | None
    low: float | None
    high: float | None

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def newest(name: str) -> ModelMeasurement | None:
    return ModelMeasurement.objects.filter(model__name=name).first()


def measure(name: str, now: datetime, *, again: bool = False) -> ModelMeasurement:
    """Measure and keep it; `again` trains the model once more as well, which takes as long as it took.

    Raises ModelVersion.DoesNotExist, NoRelease or NothingLogged.
    """
    row = ModelVersion.objects.get(name=name)
    model = PropensityModel.from_bytes(bytes(row.content))
    examples = _examples(row, model.per_arm)
    content = {
        **_performance(model, row, examples, now),
        "drift": _drift(name),
        "skew": _skew(),
        **({"replication": _replicated(row, model.per_arm, examples)} if again else {}),
    }
    with transaction.atomic():
        made = ModelMeasurement.objects.create(model_id=name, made_at=now, content=content)
        audit.record(
            actor="candor", action="model.measured", subject=f"model {name}",
            detail={"measurement": made.pk, "auc": content["overall"]["auc"]}, now=now,
        )  # fmt: skip
    return made


def _examples(row: ModelVersion, per_arm: bool) -> list[Example]:
    """From where it was trained."""
    source = row.report.get("source", OWN)
    if source == OWN:
        return dataset.from_decisions(per_arm=per_arm)
    live = live_row()
    if live is None:
        raise runtime.NoRelease("no release is live: there is nothing to measure on")
    return dataset.from_logged(source, runtime.plan(live.number).release, per_arm=per_arm)


def _performance(
    model: PropensityModel, row: ModelVersion, examples: Sequence[Example], now: datetime
) -> dict[str, Any]:
    """On what was decided after its training where that is enough, else on all and said so."""
    later = [example for example in examples if example.at is not None and example.at > row.trained_at]
    enough = _tells(Counter(example.accepted for example in later))
    rows = later if enough else list(examples)
    accepted = np.array([example.accepted for example in rows], dtype=bool)
    scores = _scores(model, rows)
    return {
        "out_of_time": enough,
        "overall": measured(scores, accepted).to_json(),
        "groups": _by_group(rows, scores, accepted, now),
        "segments": _by_segment(rows, scores, accepted),
        "rivals": _rivals(model, rows, accepted),
    }


def _scores(model: PropensityModel, rows: Sequence[Example]) -> Floats:
    matrix = model.encoder.training_matrix([row.attributes for row in rows], [row.row for row in rows])
    return model.score_matrix(matrix) if len(rows) else np.empty(0)


def _tells(counts: Mapping[bool, int]) -> bool:
    return min(counts.get(True, 0), counts.get(False, 0)) >= FLOOR


def measured(scores: Floats, accepted: NDArray[np.bool_]) -> Measured:
    """Expected beside actual acceptances, and the ranking where there are enough of both answers."""
    positives, expected = int(accepted.sum()), float(scores.sum())
    area = auc(scores, accepted) if min(positives, len(accepted) - positives) >= FLOOR else None
    ends = (None, None, None) if area is None else (area.value, area.low, area.high)
    return Measured(len(accepted), positives, expected, *ends)


def _by_group(
    rows: Sequence[Example], scores: Floats, accepted: NDArray[np.bool_], now: datetime
) -> list[dict[str, Any]]:
    """Each group of each attribute of the vault, people who recorded nothing too."""
    distinct, place = np.unique(np.array([row.customer for row in rows], dtype=np.int64), return_inverse=True)
    found = []
    for attribute, grouping in groupings(distinct, now).items():
        names = np.array([*grouping.names, NOT_RECORDED])[grouping.codes]
        for group in sorted(set(names.tolist())):
            if (names == group).sum() >= FLOOR:
                chosen = (names == group)[place]
                told = measured(scores[chosen], accepted[chosen])
                found.append({"attribute": attribute, "group": group, **told.to_json()})
    return found


def _by_segment(rows: Sequence[Example], scores: Floats, accepted: NDArray[np.bool_]) -> list[dict[str, Any]]:
    bands = np.array([str(row.attributes.get(SEGMENT) or NOT_RECORDED) for row in rows])
    people = {
        band: len({row.customer for row, is_of in zip(rows, bands == band, strict=True) if is_of}) for band in bands
    }
    return [
        {"segment": band, **measured(scores[bands == band], accepted[bands == band]).to_json()}
        for band in sorted(people)
        if people[band] >= FLOOR
    ]


def _rivals(model: PropensityModel, rows: Sequence[Example], accepted: NDArray[np.bool_]) -> dict[str, Any]:
    """A logistic regression on the same columns, out of fold by customer; and the champion, where it is another one."""
    if not _tells(Counter(accepted.tolist())):
        return {}
    matrix = model.encoder.training_matrix([row.attributes for row in rows], [row.row for row in rows])
    logistic = make_pipeline(
        SimpleImputer(keep_empty_features=True), StandardScaler(), LogisticRegression(max_iter=1000)
    )
    customers = np.array([str(row.customer) for row in rows])
    folds = GroupKFold(min(_FOLDS, len(set(customers.tolist()))))
    foretold = cross_val_predict(logistic, matrix, accepted, groups=customers, cv=folds, method="predict_proba")
    rivals = {"logistic": measured(np.asarray(foretold)[:, 1], accepted).to_json()}
    champion = ModelVersion.objects.filter(status=ModelVersion.Status.CHAMPION).exclude(name=model.name).first()
    if champion is not None:
        other = PropensityModel.from_bytes(bytes(champion.content))
        if other.per_arm == model.per_arm:
            rivals["champion"] = {"name": champion.name, **measured(_scores(other, rows), accepted).to_json()}
    return rivals


def _drift(name: str) -> list[dict[str, Any]]:
    """The five inputs furthest from what it was trained on."""
    found = [drift for drift in statistics.drift(name).values() if drift.index is not None][:5]
    return [{"attribute": drift.attribute, "index": drift.index, "reading": drift.reading} for drift in found]


def _skew() -> dict[str, Any] | None:
    """Values served differently from what training would read, in the last nightly sample."""
    last = SkewCheck.objects.first()
    if last is None:
        return None
    return {"made_at": last.made_at.isoformat(), "values": last.values, "mismatches": sum(last.mismatches.values())}


def _replicated(row: ModelVersion, per_arm: bool, examples: Sequence[Example]) -> dict[str, Any]:
    """Trained once more with its seed: the same data must give the same bytes. Where data came or consents went since,
    that is told apart, and training twice on what there is now must agree instead."""
    then = [example for example in examples if example.at is None or example.at <= row.trained_at]
    seed = int(row.report.get("seed", 0))
    made = train(row.name, then, per_arm=per_arm, seed=seed)
    same_data = made.report["training_sha256"] == row.report.get("training_sha256")
    told = {"same_data": same_data, "rows_then": row.report.get("rows"), "rows_now": len(then)}
    if same_data:
        return {**told, "identical": made.booster_text == _booster(row)}
    again = train(row.name, then, per_arm=per_arm, seed=seed)
    return {**told, "identical": made.sha256 == again.sha256}


def _booster(row: ModelVersion) -> str:
    return PropensityModel.from_bytes(bytes(row.content)).booster_text
