"""The distribution of every attribute over the population and over each model's training set, stored, and the drift
between them; counts and the edges between them, and nobody's row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from decisioning import decision_log
from decisioning.features import distribution, usage
from decisioning.features import population as customers
from decisioning.features.distribution import Distribution, Drift
from decisioning.models import Decision as DecisionRow
from decisioning.models import FeatureStatistics
from decisioning.propensity.training import Example
from offers.conditions.vectorise import Column, columns_from_rows
from offers.register import ATTRIBUTES, SESSION_GROUP, attributes

__all__ = ["Distribution", "Drift", "Statistics", "drift", "keep_training", "measure", "population", "training"]

POPULATION = "population"
CUSTOMERS = 100_000  # sampled, always the same ones: a share is known to within 0.3 points
DECISIONS = 5_000  # the newest, for what belongs to a session and not to a customer
_CHUNK = 1_000

_SESSION = tuple(declared.name for declared in attributes(group=SESSION_GROUP))
_LASTING = tuple(name for name in ATTRIBUTES if name not in _SESSION)
Parts = Mapping[str, list[Column]]  # by attribute: a chunk of rows each


@dataclass(frozen=True, slots=True)
class Statistics:
    """One stored measurement: `subject` is "population" or "training:<model>"; `compared` holds, of the population, its
    distributions in the bins of each model's training, by model and attribute."""

    subject: str
    made_at: datetime
    rows: int
    attributes: Mapping[str, Distribution]
    compared: Mapping[str, Mapping[str, Distribution]] = field(default_factory=dict)


def measure(now: datetime) -> Statistics:
    """Measure the population as a decision now would know it, consent and age applied, also in the bins of each model
    that is live or may become so; attributes of a session over the newest decisions. Stored, and returned."""
    parts = {**_of_customers(now), **_of_sessions()}
    compared = {}
    for model in usage.models():
        learned = training(model.name)
        if learned is not None:
            compared[model.name] = {
                name: distribution.like(found, parts[name]) for name, found in learned.attributes.items()
            }
    found = {name: distribution.of(name, parts[name]) for name in ATTRIBUTES}
    rows = max((found[name].rows for name in _LASTING), default=0)
    return _store(Statistics(POPULATION, now, rows, found, compared))


def keep_training(model: str, examples: Sequence[Example], now: datetime) -> None:
    """Store what a model was trained on. A decision counts once, however many of its offers were learned from."""
    once = {(example.customer, example.at): example.attributes for example in examples}
    columns = columns_from_rows(list(once.values()), ATTRIBUTES)
    found = {name: distribution.of(name, [column]) for name, column in columns.items()}
    _store(Statistics(_training(model), now, len(once), found))


def population() -> Statistics | None:
    """The newest measurement of the population; None before the first night."""
    return _newest(POPULATION)


def training(model: str) -> Statistics | None:
    """What this model was trained on; None of one that was trained before statistics were kept."""
    return _newest(_training(model))


def drift(model: str) -> Mapping[str, Drift]:
    """The population of the last measurement against this model's training, by attribute, the furthest apart first.

    Empty where the model's training was not stored, or not yet before the population was last measured."""
    now, learned = population(), training(model)
    if now is None or learned is None:
        return {}
    found = [
        distribution.compare(measured, learned.attributes[name])
        for name, measured in now.compared.get(model, {}).items()
    ]
    return {drift.attribute: drift for drift in sorted(found, key=lambda drift: -(drift.index or 0.0))}


def _of_customers(now: datetime) -> Parts:
    share = min(1.0, CUSTOMERS / max(1, customers.size()))
    return _by_name(_LASTING, (chunk.columns for chunk in customers.chunks(_LASTING, now, share=share)))


def _of_sessions() -> Parts:
    """What the newest decisions were made with: whoever has no session now had one then."""
    rows = DecisionRow.objects.order_by("-id").only("inputs")[:DECISIONS].iterator(chunk_size=_CHUNK)
    known = (decision_log.inputs(row)[1].attributes for row in rows)
    chunks = iter(lambda: list(islice(known, _CHUNK)), [])
    return _by_name(_SESSION, (columns_from_rows(chunk, _SESSION) for chunk in chunks))


def _by_name(names: Sequence[str], chunks: Iterable[Mapping[str, Column]]) -> Parts:
    parts: dict[str, list[Column]] = {name: [] for name in names}
    for chunk in chunks:
        for name in names:
            parts[name].append(chunk[name])
    return parts


def _training(model: str) -> str:
    return f"training:{model}"


def _store(found: Statistics) -> Statistics:
    content = {
        "attributes": _to_json(found.attributes),
        "compared": {model: _to_json(by_name) for model, by_name in found.compared.items()},
    }
    FeatureStatistics.objects.create(subject=found.subject, made_at=found.made_at, rows=found.rows, content=content)
    return found


def _newest(subject: str) -> Statistics | None:
    row = FeatureStatistics.objects.filter(subject=subject).first()
    if row is None:
        return None
    compared = {model: _from_json(by_name) for model, by_name in row.content["compared"].items()}
    return Statistics(subject, row.made_at, row.rows, _from_json(row.content["attributes"]), compared)


def _to_json(by_name: Mapping[str, Distribution]) -> dict[str, Any]:
    return {name: found.to_json() for name, found in by_name.items()}


def _from_json(content: Mapping[str, Any]) -> dict[str, Distribution]:
    """An attribute that the register no longer has is left out: nothing reads it."""
    return {name: Distribution.from_json(found) for name, found in content.items() if name in ATTRIBUTES}
