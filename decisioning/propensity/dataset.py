"""Training examples from what was decided, seen and answered, as known at the decision; no training here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from decisioning import decision_log, runtime
from decisioning.models import Decision as DecisionRow
from decisioning.models import FeatureRow, LoggedDecision, Outcome
from decisioning.propensity.encoding import OfferRow, arm_row, offer_row
from decisioning.propensity.training import Example
from offers.types import Release

ACCEPTED = frozenset({"click", "application", "activation"})  # what P(accept) is the probability of
MOST_DECISIONS = 200_000  # the latest ones: older behaviour is of another time, and memory is bounded
_CHUNK = 2000


class NothingLogged(LookupError):
    """A campaign has no decision that could be learned from."""


def from_decisions(*, per_arm: bool, most: int = MOST_DECISIONS) -> list[Example]:
    """One example for each offer that a customer was shown, with the values recorded in its decision."""
    examples: list[Example] = []
    rows = DecisionRow.objects.filter(reason__isnull=True).order_by("-id")[:most].iterator(chunk_size=_CHUNK)
    chunk: list[DecisionRow] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == _CHUNK:
            examples.extend(_examples(chunk, per_arm))
            chunk = []
    examples.extend(_examples(chunk, per_arm))
    return examples


def _examples(rows: list[DecisionRow], per_arm: bool) -> Iterator[Example]:
    met: dict[tuple[UUID, str], set[str]] = defaultdict(set)
    outcomes = Outcome.objects.filter(
        customer_id__in={row.customer_id for row in rows}, decision_id__in=[row.id for row in rows]
    )
    for decision_id, offer, kind in outcomes.values_list("decision_id", "offer", "type"):
        met[decision_id, offer].add(kind)
    for row in rows:
        release = runtime.plan(row.release).release
        _, known = decision_log.inputs(row)
        for choice in decision_log.result(row).choices:
            types = met[row.id, choice.offer]
            if "impression" not in types:
                continue  # nobody saw it, so nobody refused it
            yield Example(
                customer=row.customer_id,
                attributes=known.attributes,
                row=_row(release, choice.arm, per_arm),
                accepted=bool(types & ACCEPTED),
                logged_probability=choice.action_probability,
                at=row.made_at,
            )


def from_logged(source: str, release: Release, *, per_arm: bool) -> list[Example]:
    """One example for each loaded decision with a live arm, with the features known at its moment.

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
        history = _history([row.customer_id for row in rows])
        examples.extend(
            Example(
                customer=row.customer_id,
                attributes=_known_at(history[row.customer_id], row.known_at),
                row=_row(release, row.arm, per_arm),
                accepted=row.reward > 0,
                logged_probability=row.action_probability,
                at=row.occurred_at,
            )
            for row in rows
        )
    return examples


History = list[tuple[datetime, dict[str, object]]]  # known at, values of one group; oldest first


def _history(customers: list[int]) -> dict[int, History]:
    history: dict[int, History] = defaultdict(list)
    rows = FeatureRow.objects.filter(customer_id__in=customers).order_by("known_at")
    for customer, known_at, values in rows.values_list("customer_id", "known_at", "values"):
        history[customer].append((known_at, values))
    return history


def _known_at(history: History, moment: datetime) -> dict[str, object]:
    """The latest value of each group that was known when the bank decided: a later one would be the future."""
    attributes: dict[str, object] = {}
    for known_at, values in history:
        if known_at <= moment:
            attributes.update(values)
    return attributes


def _row(release: Release, arm: str, per_arm: bool) -> OfferRow:
    offer = release.offers[release.arms[arm].offer]
    return arm_row(arm, offer, release.creatives[release.arms[arm].creative]) if per_arm else offer_row(offer)
