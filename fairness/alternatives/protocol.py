"""What a search for alternatives is held to, written down and hashed before anything is run; no candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal

import orjson
from django.contrib.auth.models import User
from django.db import transaction

from decisioning import retraining
from decisioning.models import ModelVersion
from decisioning.propensity.training import PARAMETERS, Example
from fairness import proxies
from fairness.alternatives import rule_thresholds
from fairness.models import Search
from offers import audit, canonical, packs, roles, snapshot
from offers.register import ATTRIBUTES

Metric = Literal["auc", "value"]

WINDOWS: Final = 3  # out of time, in which a candidate must hold
_SHARES: Final = (
    0.55,
    0.65,
    0.75,
    0.85,
)  # of the rows, by time: what is trained on, then each window; the rest is held
LEAST_ROWS: Final = 200
MOST_DROPPABLE: Final = 8
MONOTONE: Final[Mapping[str, int]] = {"credit_score": 1, "on_time_payment_rate_12m": 1, "debt_to_income": -1}
"""Directions that the bank's policy states, for those of them that a model reads."""
TARGETS: Final[Mapping[str, frozenset[str]]] = {
    "accepted": frozenset({"click", "application", "activation"}),
    "applied": frozenset({"application", "activation"}),
}


class InvalidProtocol(ValueError):
    """There is nothing that such a search could be run on, or a pack in force forbids it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a person chooses of a protocol; the rest follows from the data and the model. `tolerance` is how much less
    performance is still good enough: in points of AUC, or as a share of the value. `reweighing` are strengths of the
    use of groups in training, empty where they are not used."""

    metric: Metric = "auc"
    tolerance: float = 0.005
    offer_rate: float = 0.25
    smallest_group: int = 30
    trials: int = 60
    seed: int = 7
    reweighing: tuple[float, ...] = ()


def freeze_model_search(name: str, settings: Settings, *, author: User, now: datetime) -> Search:
    """The protocol of a search for alternatives to this model, frozen. Raises NotAllowed, InvalidProtocol, NoRelease or
    NothingLogged, and ModelVersion.DoesNotExist."""
    model = ModelVersion.objects.get(name=name)
    source = model.report.get("source", "decisions")
    source = "" if source == "decisions" else source
    examples, _ = retraining.examples_of(source)
    _require_reweighing_allowed(settings, now)
    protocol = {
        "kind": Search.Kind.MODEL.value, "subject": name, "source": source, **_shared(settings, now),
        "periods": periods([example.at for example in examples if example.at is not None]),
        "space": _space(model, settings, has_targets=not source),
    }  # fmt: skip
    return _freeze(protocol, author, now)


def freeze_rule_search(key: str, settings: Settings, *, author: User, now: datetime) -> Search:
    """The same for the threshold of a live rule. Raises NotAllowed or InvalidProtocol."""
    try:
        space = rule_thresholds.space(key, now)
    except rule_thresholds.NoThreshold as fault:
        raise InvalidProtocol(str(fault)) from fault
    shared = _shared(settings, now) | {"metric": "value"}
    return _freeze({"kind": Search.Kind.RULE.value, "subject": key, **shared, "space": space}, author, now)


def _freeze(protocol: dict[str, Any], author: User, now: datetime) -> Search:
    roles.require(author, "search:alternatives")
    protocol = canonical_json(protocol)
    with transaction.atomic():
        search = Search.objects.create(
            kind=protocol["kind"], subject=protocol["subject"], protocol=protocol, sha256=canonical.digest(protocol),
            reweighing=bool(protocol["space"].get("reweighing")), author=author, frozen_at=now,
        )  # fmt: skip
        audit.record(
            actor=author.get_username(), action="alternatives.protocol_frozen", subject=f"search {search.pk}",
            detail={"sha256": search.sha256, "kind": search.kind, "for": search.subject}, now=now,
        )  # fmt: skip
    return search


def canonical_json(protocol: Mapping[str, Any]) -> dict[str, Any]:
    """As the database gives it back, so that the hash of what is stored is the hash of what was frozen."""
    read: dict[str, Any] = orjson.loads(canonical.dumps(dict(protocol)))
    return read


def intact(search: Search) -> bool:
    """Whether the protocol is still the one that was hashed."""
    return canonical.digest(search.protocol) == search.sha256


def _shared(settings: Settings, now: datetime) -> dict[str, Any]:
    """What both kinds of search are measured by. Groups and references are those of the packs in force."""
    live = snapshot.live_row()
    in_force = packs.live(now.date())
    bands = packs.strictest(in_force).bands
    return {
        "metric": settings.metric,
        "tolerance": settings.tolerance,
        "offer_rate": settings.offer_rate,
        "groups": {
            "references": dict(bands.references),
            "age_bands": [asdict(band) for band in bands.age_bands],
            "smallest_group": settings.smallest_group,
        },
        "packs": [pack.key for pack in in_force],
        "release": live.number if live else 0,
    }


def _require_reweighing_allowed(settings: Settings, now: datetime) -> None:
    pack = packs.strictest(packs.live(now.date()))
    if settings.reweighing and pack.mitigations.get(packs.REWEIGHING, "forbidden") == "forbidden":
        raise InvalidProtocol(f"{pack.title} forbids the use of groups in training")


def periods(moments: Sequence[datetime]) -> dict[str, Any]:
    """Training, then WINDOWS windows out of time, then the holdout, each from its first moment to before the next's.

    Raises InvalidProtocol where there are too few rows, or they all are of one moment.
    """
    if len(moments) < LEAST_ROWS:
        raise InvalidProtocol(f"{len(moments)} offers with their outcomes; a search needs at least {LEAST_ROWS}")
    ordered = sorted(moments)
    edges = [ordered[0], *(ordered[int(share * len(ordered))] for share in _SHARES), ordered[-1]]
    if len(set(edges)) < len(edges):
        raise InvalidProtocol("the outcomes are all of one moment, so nothing can be judged out of time")
    texts = [edge.isoformat() for edge in edges]
    return {
        "train": texts[0:2],
        "out_of_time": [texts[at : at + 2] for at in range(1, 1 + WINDOWS)],
        "holdout": [texts[1 + WINDOWS], None],
    }


def of_period(examples: Sequence[Example], since: str, until: str | None) -> list[Example]:
    """The examples from one moment on to before the other."""
    first, last = datetime.fromisoformat(since), datetime.fromisoformat(until) if until else None
    return [one for one in examples if one.at is not None and first <= one.at and (last is None or one.at < last)]


def _space(model: ModelVersion, settings: Settings, *, has_targets: bool) -> dict[str, Any]:
    report = model.report
    columns = set(report.get("columns", ()))
    return {
        "trials": settings.trials,
        "seed": settings.seed,
        "today": {name: report["parameters"][name] for name in (*_TUNED, "num_leaves") if name in report["parameters"]},
        "learning_rate": [0.02, 0.1],
        "min_data_in_leaf": [20, 120],
        "lambda_l2": [1.0, 20.0],
        "feature_fraction": [0.5, 1.0],
        "num_leaves": [3, 7, 15],
        "seeds": [settings.seed, settings.seed + 4, settings.seed + 6],
        "windows": [1.0, 0.6],
        "targets": list(TARGETS) if has_targets else ["accepted"],
        "monotone": {name: way for name, way in MONOTONE.items() if name in columns},
        "droppable": droppable(report.get("gain", {})),
        "reweighing": list(settings.reweighing),
    }


_TUNED: Final = tuple(name for name in ("learning_rate", "min_data_in_leaf", "lambda_l2") if name in PARAMETERS)


def droppable(gain: Mapping[str, float]) -> list[str]:
    """The attributes of a model that a search may leave out: those that tell most of a group for what they tell of
    acceptance come first. Before the first night of measurement, the close proxies of the register."""
    total = sum(gain.values()) or 1.0
    strengths = proxies.strongest()
    told = {
        name: (strengths[name].auc - 0.5 if name in strengths else 0.0)
        + (0.5 if ATTRIBUTES[name].basis_class != "ok" else 0.0)
        for name in gain
        if name in ATTRIBUTES
    }
    order = sorted(told, key=lambda name: (-told[name] / (gain[name] / total + 0.01), name))
    return [name for name in order if told[name] > 0][:MOST_DROPPABLE]
