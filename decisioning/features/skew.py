"""What decisions were served against the same values computed again from history; it repairs nothing.

One declaration computes both sides, so a difference means that what was served is not what history says: bytes that
changed, a fact entered or altered after the fact, or a path that computes on its own. The recorded consents and the
recorded moment decide again what is withheld, stale, defaulted or missing, so these are compared like any value.
Differences that are none:

- A fact that became known within the promise of the real-time tier before or after the read may have been seen or not:
  what was served must equal what history says with it or without it, all values together.
- What the request itself said is an input of the decision and is not compared.
- Where a customer has withdrawn a level of personalisation since, the history of its groups may have ended with it:
  they are not compared.
- A customer who was erased has no history, and a decision of before there were vectors names none: both are skipped,
  and counted as such.

A group whose meaning changed with a release of Candor, and so its version, differs for the decisions of that day.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import numpy as np
from django.db import connection

from decisioning import decision_log
from decisioning.features import fold, forests, history
from decisioning.features.engines.postgres import Postgres
from decisioning.features.fold import Row
from decisioning.features.levels import beyond
from decisioning.features.vector import Groups, Vector, stamp
from decisioning.known import session_values, usable
from decisioning.models import Consent, Customer, Signal, SkewCheck
from decisioning.models import Decision as DecisionRow
from decisioning.types import DecisionRequest, Known
from offers.register import ATTRIBUTES, PROMISE_SECONDS, RESOLUTION, attribute

DAY = timedelta(days=1)
LATE = 2 * DAY
IN_FLIGHT = timedelta(seconds=PROMISE_SECONDS["real_time"])
EXAMPLES = 20

# The random half of a UUIDv7 orders the decisions: the same sample in every run, and an even one.
_SAMPLED = """
SELECT id FROM decisioning_decision WHERE id >= candor_uuid_bound(%s) AND id < candor_uuid_bound(%s)
ORDER BY substring(uuid_send(id) FROM 9), id LIMIT %s
"""

Differences = Mapping[str, tuple[Any, Any]]  # attribute: served, recomputed


@dataclass(frozen=True, slots=True)
class State:
    """Of the newest check, for the health page. `red`: values differed. `late`: none has run for two nights. `none`: no
    check has run yet, or the newest had nothing to compare. `detail` is a sentence."""

    state: Literal["green", "red", "late", "none"]
    detail: str
    check: SkewCheck | None


@dataclass(frozen=True, slots=True)
class _Served:
    """One decision as it was recorded, the moment of its vector, and the attributes that history can still tell."""

    id: UUID
    request: DecisionRequest
    known: Known
    vector_at: datetime
    comparable: frozenset[str]


@dataclass(slots=True)
class _Tally:
    values: int = 0
    mismatches: Counter[str] = field(default_factory=Counter)
    examples: list[dict[str, Any]] = field(default_factory=list)

    def add(self, served: _Served, differences: Differences) -> None:
        self.values += len(served.comparable & served.known.attributes.keys())
        self.mismatches.update(differences.keys())
        room = EXAMPLES - len(self.examples)
        self.examples += [
            {"decision": str(served.id), "attribute": name, "served": ours, "recomputed": theirs,
             "moment": served.request.now.isoformat()}
            for name, (ours, theirs) in list(differences.items())[:room]
        ]  # fmt: skip


def check(now: datetime, sample: int = 1000) -> SkewCheck:
    """Compute again what a sample of the decisions since the last check (of the last day, the first time) were served,
    and store the result. `mismatches` is attribute to count, `examples` a few of {decision, attribute, served,
    recomputed, moment}, `skipped` reason to count of sampled decisions that cannot be computed again."""
    last = SkewCheck.objects.first()
    found, skipped = _read(last.made_at if last else now - DAY, now, sample)
    tally = _Tally()
    for served, differences in zip(found, _differences(found), strict=True):
        tally.add(served, differences)
    return SkewCheck.objects.create(
        made_at=now, decisions=len(found), values=tally.values, mismatches=dict(tally.mismatches),
        examples=tally.examples, skipped=dict(skipped),
    )  # fmt: skip


def state(now: datetime) -> State:
    """How the newest check ended; values that differ are red until a check without any."""
    return state_of(SkewCheck.objects.first(), now)


def state_of(newest: SkewCheck | None, now: datetime) -> State:
    """`state` of a check that was read already."""
    if newest is None:
        return State("none", "No check has run yet; it runs every night.", None)
    wrong = sum(newest.mismatches.values())
    if wrong:
        most = max(newest.mismatches, key=lambda name: int(newest.mismatches[name]))
        detail = f"{wrong:,} of {newest.values:,} served values differ from history, most of them {_meaning(most)}."
        return State("red", detail, newest)
    if now - newest.made_at > LATE:
        return State("late", "The nightly check has not run for two days.", newest)
    if not newest.values:
        return State("none", "The newest check had no served value to compare, so nothing is proven.", newest)
    return State(
        "green", f"All {newest.values:,} values of {newest.decisions:,} decisions are as history says.", newest
    )


def _meaning(name: str) -> str:
    return attribute(name).meaning if name in ATTRIBUTES else name


# --- Served --------------------------------------------------------------------------------------------------------


def _read(after: datetime, until: datetime, sample: int) -> tuple[list[_Served], Counter[str]]:
    with connection.cursor() as cursor:
        cursor.execute(_SAMPLED, [after, until, sample])
        ids = [row[0] for row in cursor.fetchall()]
    rows = list(DecisionRow.objects.filter(id__in=ids).only("id", "customer_id", "inputs").order_by("id"))
    customers = {row.customer_id for row in rows}
    erased = set(Customer.objects.filter(pk__in=customers, erased_at__isnull=False).values_list("pk", flat=True))
    consents = _consents(customers)
    found, skipped = [], Counter[str]()
    for row in rows:
        request, known = decision_log.inputs(row)
        if row.customer_id in erased:
            skipped["erased"] += 1
        elif known.vector_at is None:
            skipped["no vector"] += 1
        else:
            comparable = _comparable(request, consents[row.customer_id])
            found.append(_Served(row.id, request, known, known.vector_at, comparable))
    return found, skipped


def _consents(customers: Collection[int]) -> dict[int, set[str]]:
    """The levels of personalisation that these customers grant now."""
    granted: dict[int, set[str]] = defaultdict(set)
    rows = Consent.objects.filter(customer_id__in=customers, purpose="personalisation", granted=True)
    for customer, level in rows.values_list("customer_id", "channel"):
        granted[customer].add(f"personalisation:{level}")
    return granted


def _comparable(request: DecisionRequest, consents: Collection[str]) -> frozenset[str]:
    """What the request itself did not say, of groups whose history has not ended with a consent."""
    return frozenset(ATTRIBUTES.keys() - beyond(consents) - session_values(request.context).keys())


# --- Recomputed ----------------------------------------------------------------------------------------------------


def _differences(found: Sequence[_Served]) -> list[Differences]:
    """For each decision the values that differ from history in every way that it may have been seen."""
    signals = _signals(found)
    differences = [
        _least(served, vector, signals[served.request.customer])
        for served, vector in zip(found, _vectors(found, timedelta(0)), strict=True)
    ]
    again = [place for place, differing in enumerate(differences) if differing]
    earlier = _vectors([found[place] for place in again], IN_FLIGHT)
    for place, vector in zip(again, earlier, strict=True):
        without = _least(found[place], vector, signals[found[place].request.customer])
        differences[place] = min(differences[place], without, key=len)
    return differences


def _least(served: _Served, vector: Vector, signals: Sequence[tuple[datetime, Row]]) -> Differences:
    """The fewest differences over the signals that were surely seen and each of those under way, in their order."""
    moment = served.request.now
    under_way = sorted({at for at, _ in signals if moment - IN_FLIGHT < at <= moment + IN_FLIGHT})
    ways = (
        _differing(served, _recomputed(served, vector, [row for at, row in signals if at <= known]))
        for known in (moment - IN_FLIGHT, *under_way)
    )
    return min(ways, key=len)


def _recomputed(served: _Served, vector: Vector, rows: Sequence[Row]) -> Mapping[str, Any]:
    """What the same decision would be served now, of what was known then."""
    request, known = served.request, served.known
    groups = fold.over(vector, rows, stamp(request.now))
    return usable(groups, known.consents, request.context, request.now).attributes


def _differing(served: _Served, again: Mapping[str, Any]) -> Differences:
    ours = served.known.attributes
    return {
        name: (ours.get(name), again.get(name))
        for name in sorted(served.comparable & (ours.keys() | again.keys()))
        if _exact(name, ours.get(name)) != _exact(name, again.get(name))
    }


def _exact(name: str, value: Any) -> Any:
    """A number in steps of its resolution, so that two are equal exactly where their decimals are."""
    declared = ATTRIBUTES[name]
    if value is None or declared.type in ("boolean", "category"):
        return value
    return tuple(sorted(value)) if declared.type == "set" else round(value / RESOLUTION[declared.unit])


def _vectors(found: Sequence[_Served], before: timedelta) -> Iterator[Vector]:
    """The vector of each decision, from history as known `before` the moment that the served one names."""
    if not found:
        return
    moments = [served.vector_at - before for served in found]
    customers = np.array([served.request.customer for served in found], dtype=np.int64)
    at = np.array([moment.replace(tzinfo=None) for moment in moments], dtype="datetime64[us]")
    held = forests.kept(min(moments), max(moments))
    rows = history.as_of(Postgres(), history.spine(customers, at), forests=held).to_pylist()
    for moment, row in zip(moments, rows, strict=True):
        yield Vector(moment, _groups(row))


def _groups(row: Mapping[str, Any]) -> Groups:
    """A row of history as a decoded vector gives it: since when is told in whole seconds."""
    return {group: (float(round(since)), values) for group, (since, values) in history.groups(row).items()}


def _signals(found: Sequence[_Served]) -> dict[int, list[tuple[datetime, Row]]]:
    """By customer, the signals that any of these decisions could have seen, in the order of when they happened."""
    rows: dict[int, list[tuple[datetime, Row]]] = defaultdict(list)
    if not found:
        return rows
    oldest = min(served.request.now for served in found) - timedelta(microseconds=fold.OLDEST)
    events = Signal.objects.filter(
        customer_id__in={served.request.customer for served in found}, occurred_at__gt=oldest, type__in=fold.TYPES
    ).order_by("customer_id", "occurred_at", "event_id")
    for customer, at, known_at, kind, payload in events.values_list(
        "customer_id", "occurred_at", "known_at", "type", "payload"
    ):
        rows[customer].append((known_at, fold.row(stamp(at), kind, payload)))
    return rows
