"""Training examples from what was decided, seen and answered, as known at the decision; no training here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC
from typing import Any
from uuid import UUID

import numpy as np

from decisioning import decision_log, runtime
from decisioning.features import history
from decisioning.features.engines.postgres import Postgres
from decisioning.features.history import Engine
from decisioning.features.levels import allowed
from decisioning.known import held
from decisioning.models import Consent, LoggedDecision, Outcome
from decisioning.models import Decision as DecisionRow
from decisioning.propensity.encoding import OfferRow, arm_row, offer_row
from decisioning.propensity.training import Example
from offers.register import ATTRIBUTES, GROUPS
from offers.types import Release

ACCEPTED = frozenset({"click", "application", "activation"})  # what P(accept) is the probability of
MOST_DECISIONS = 200_000  # the latest ones: older behaviour is of another time, and memory is bounded
_CHUNK = 2000


class NothingLogged(LookupError):
    """A campaign has no decision that could be learned from."""


def from_decisions(
    *, per_arm: bool, most: int = MOST_DECISIONS, accepting: Collection[str] = ACCEPTED
) -> list[Example]:
    """One example for each offer that a customer was shown, with the values recorded in its decision, as far as the
    consents that hold now allow them to be read; `accepting` are the outcomes that count as accepted."""
    examples: list[Example] = []
    rows = DecisionRow.objects.filter(reason__isnull=True).order_by("-id")[:most].iterator(chunk_size=_CHUNK)
    chunk: list[DecisionRow] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == _CHUNK:
            examples.extend(_examples(chunk, per_arm, accepting))
            chunk = []
    examples.extend(_examples(chunk, per_arm, accepting))
    return examples


def _examples(rows: list[DecisionRow], per_arm: bool, accepting: Collection[str]) -> Iterator[Example]:
    met: dict[tuple[UUID, str], set[str]] = defaultdict(set)
    outcomes = Outcome.objects.filter(
        customer_id__in={row.customer_id for row in rows}, decision_id__in=[row.id for row in rows]
    )
    for decision_id, offer, kind in outcomes.values_list("decision_id", "offer", "type"):
        met[decision_id, offer].add(kind)
    levels = _levels({row.customer_id for row in rows})
    for row in rows:
        release = runtime.plan(row.release).release
        _, known = decision_log.inputs(row)
        for choice in decision_log.result(row).choices:
            types = met[row.id, choice.offer]
            if "impression" not in types:
                continue  # nobody saw it, so nobody refused it
            yield Example(
                customer=row.customer_id,
                attributes=of_today(_readable(known.attributes, levels[row.customer_id]), known.versions),
                row=_row(release, choice.arm, per_arm),
                accepted=not types.isdisjoint(accepting),
                logged_probability=choice.action_probability,
                at=row.made_at,
            )


def from_logged(source: str, release: Release, *, per_arm: bool, engine: Engine | None = None) -> list[Example]:
    """One example for each loaded decision with a live arm, with the features known at its moment; `engine` reads them,
    Postgres unless another is given.

    Raises NothingLogged where nothing was loaded from `source`, or no arm of it is live.
    """
    loaded = LoggedDecision.objects.filter(source=source)
    logged = loaded.filter(arm__in=release.arms).order_by("customer_id", "decision_key")
    if not logged.exists():
        if loaded.exists():
            raise NothingLogged(f"no arm of {source} is live: its catalogue has to be approved first")
        raise NothingLogged(f"no decision was loaded from {source}")
    examples: list[Example] = []
    for start in range(0, logged.count(), _CHUNK):
        rows = list(logged[start : start + _CHUNK])
        examples.extend(
            Example(
                customer=row.customer_id,
                attributes=attributes,
                row=_row(release, row.arm, per_arm),
                accepted=row.reward > 0,
                logged_probability=row.action_probability,
                at=row.occurred_at,
            )
            for row, attributes in zip(rows, _known_then(rows, engine or Postgres()), strict=True)
        )
    return examples


def _known_then(rows: list[LoggedDecision], engine: Engine) -> Iterator[dict[str, Any]]:
    """The attributes that each of these decisions could have used: what was known when the bank decided, under the
    consents that hold now and the ages of then. A later value would be the future."""
    customers = np.array([row.customer_id for row in rows], dtype=np.int64)
    moments = [row.occurred_at for row in rows]
    at = np.array([moment.astimezone(UTC).replace(tzinfo=None) for moment in moments], dtype="datetime64[us]")
    levels = _levels({row.customer_id for row in rows})
    table = history.as_of(engine, history.spine(customers, at))
    for row, known in zip(rows, table.to_pylist(), strict=True):
        yield held(history.groups(known), levels[row.customer_id], row.occurred_at.timestamp()).attributes


def _readable(attributes: Mapping[str, Any], consents: Collection[str]) -> dict[str, Any]:
    """What was recorded, without the groups whose consent has been withdrawn since."""
    return {name: value for name, value in allowed(attributes, consents).items() if name in ATTRIBUTES}


def of_today(attributes: Mapping[str, Any], versions: Mapping[str, int]) -> dict[str, Any]:
    """What was recorded of groups that mean the same today: a model names today's versions."""
    return {
        name: value
        for name, value in attributes.items()
        if versions.get(ATTRIBUTES[name].group, 1) == GROUPS[ATTRIBUTES[name].group].version
    }


def _levels(customers: Collection[int]) -> Mapping[int, set[str]]:
    granted = Consent.objects.filter(customer_id__in=customers, purpose="personalisation", granted=True)
    levels: dict[int, set[str]] = defaultdict(set)
    for customer, level in granted.values_list("customer_id", "channel"):
        levels[customer].add(f"personalisation:{level}")
    return levels


def _row(release: Release, arm: str, per_arm: bool) -> OfferRow:
    offer = release.offers[release.arms[arm].offer]
    return arm_row(arm, offer, release.creatives[release.arms[arm].creative]) if per_arm else offer_row(offer)
