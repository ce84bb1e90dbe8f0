"""The months before the demo opened: the engine's own decisions, at past moments and on what was known then.

On a few days of each month some customers of the first chunk come. What the books say of them that night is told first,
their features are computed from history as of that moment, and the engine decides under the release and the posterior
that the months before have led to. In the evening the channels report what came of it, and the learner learns. A month
whose books are closed, because it is sealed or counted, is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
from django.db import transaction
from django.utils import timezone

from console.bank import catalogue, customers, events, history, people, profiles, sessions
from console.bank.events import SOURCE, moment
from console.bank.history import Shown
from console.bank.people import CHUNK
from console.bank.sessions import Visit
from decisioning import activity, jobs, learn, outcomes, partitions, serve
from decisioning.features import fold, forests, online, stored, vector
from decisioning.features import history as features
from decisioning.features.engines.postgres import Postgres
from decisioning.features.ledger import Ledger, readable_groups
from decisioning.features.vector import Vector, stamp
from decisioning.models import Customer, FeatureRow, Transaction
from fairness.models import CubePosition
from offers.register import GROUPS

DAYS = (3, 9, 15, 21, 27)
"""Of each month: further apart than the caps look back on one offer in a day, and few, as campaigns are."""
FIRST_NUMBER = 1_000_000_000  # of a visit; the sessions of today count from 0
_FOUNDED = timedelta(days=14)  # before the first of these months the catalogue was agreed
_TOLD, _COMPUTED = time(0, 5, tzinfo=UTC), time(0, 10, tzinfo=UTC)
_OPEN, _REPORTED = time(8, tzinfo=UTC), time(23, 30, tzinfo=UTC)
_OPEN_SECONDS = 13 * 3600
_EARLIER_HISTORY = 1  # added to the seed: other amounts than in the half year that followed

Clock = Callable[[], datetime]
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """A visit of a past day, and when the customer comes."""

    visit: Visit
    at: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """What the bank held of one customer on a past day."""

    ledger: Ledger
    vector: Vector
    signals: Sequence[fold.Row]

    def read(self, versions: online.Versions, at: datetime) -> online.Read:
        """What a decision at this moment reads; a signal of later does not count yet."""
        groups = fold.over(self.vector, self.signals, stamp(at))
        profile = online.Profile(self.ledger.customer, groups, None, self.vector.as_of)
        return online.Read(versions, profile, self.ledger, None, ())


def months(opened: datetime, count: int) -> list[date]:
    """The first days of so many months before the one in which the bank opened, rising."""
    number = opened.year * 12 + opened.month - 1
    return [date((number - back) // 12, (number - back) % 12 + 1, 1) for back in range(count, 0, -1)]


def founded(opened: datetime, count: int) -> datetime:
    """When the first people agreed on the first catalogue, before the first of so many months."""
    return _at(months(opened, count)[0], _OPEN) - _FOUNDED


def clock(since: datetime, start: datetime) -> Clock:
    """A clock that showed `start` when the real one showed `since`; for what people did back then. It stays on that day
    however long a killed run has been away."""
    return lambda: min(start + (timezone.now() - since), start + timedelta(hours=15))


def numbers(month: date, visits: int) -> range:
    """The numbers of a month's visits, which no other month and no session of today has."""
    first = FIRST_NUMBER + (month.year * 12 + month.month) * 100_000
    return range(first, first + visits)


def live(month: date, *, seed: int, visits: int, opened: datetime, progress: Progress) -> None:
    """Live through so many visits of a month. Resumable: what a killed run did is found and not done again."""
    pool = min(customers.present(), CHUNK)
    each, number = visits // len(DAYS), numbers(month, visits).start
    _before(pool, seed, opened)
    for place, day in enumerate(DAYS):
        if _is_closed(month):
            break
        with jobs.running(partitions.BACKFILL, {"month": month.isoformat()}, timezone.now()):
            _day(_arrivals(month.replace(day=day), range(number, number + each), seed, pool), seed)
        number += each
        progress((place + 1) * each)


def _is_closed(month: date) -> bool:
    """Whether the month's partition is sealed, or the cube has counted beyond its beginning and what came later."""
    position = CubePosition.objects.first()
    end = (month + timedelta(days=31)).replace(day=1)
    counted = position is not None and position.decision >= activity.first_id(_at(end, time(tzinfo=UTC)))
    return counted or partitions.is_sealed(f"decisioning_decision_{month:%Y%m}")


def _before(pool: int, seed: int, opened: datetime) -> None:
    """Purchases of the half year before the one that every customer brings, for those who may come."""
    ids = _ids(range(pool))
    if Transaction.objects.filter(customer_id=ids[0], transaction_key="p0").exists():
        return
    until = opened - timedelta(days=events.DAYS)
    partitions.ensure((until - timedelta(days=events.DAYS + 31)).date(), until.date(), ("transaction",))
    found = events.transactions(
        people.chunk(seed, 0), slice(0, pool), np.array(ids), seed + _EARLIER_HISTORY, until
    )  # fmt: skip
    found["transaction_key"] = [f"p{at}" for at in range(len(found["transaction_key"]))]
    customers.copy("decisioning_transaction", found)


def _arrivals(day: date, numbers: range, seed: int, pool: int) -> list[Asked]:
    """The visits of a day in the order in which they come; nobody comes twice on one day."""
    found = {visit.customer: visit for visit in (sessions.visit(seed, number, pool) for number in numbers)}
    pause = _OPEN_SECONDS / max(1, len(found))
    return [
        Asked(visit, _at(day, _OPEN) + timedelta(seconds=pause * place)) for place, visit in enumerate(found.values())
    ]


def _day(arrivals: Sequence[Asked], seed: int) -> None:
    """The night, the day and the evening of one day."""
    day = arrivals[0].at.date()
    known = history.earlier([one.visit for one in arrivals], seed)
    new = [one for one in arrivals if one.visit.number not in known]
    shown = list(known.values())
    if new:
        _tell(new, seed, _at(day, _TOLD))
        shown += _ask(new, seed, _at(day, _COMPUTED))
    arms = catalogue.traits()
    happened = [event for one in shown for event in history.happened(one, arms)]
    outcomes.take(list(enumerate(happened)), _at(day, _REPORTED))
    learn.run(timezone.now())


def _tell(arrivals: Sequence[Asked], seed: int, at: datetime) -> None:
    """What the bank's books and the bureau said of these customers that night, in one transaction."""
    chunk = people.chunk(seed, 0)
    with transaction.atomic():
        told = {one.visit.customer: key for one, key in zip(arrivals, _ids_of(arrivals), strict=True)}
        held = FeatureRow.objects.filter(customer_id__in=told.values(), known_at=at, source=SOURCE)
        missing = {
            place: key for place, key in told.items() if key not in set(held.values_list("customer_id", flat=True))
        }
        if not missing:
            return
        places = sorted(missing)
        # The first statement of a group is its oldest: the bureau's of before its last refresh.
        first = {group: values for group, _, values in reversed(list(profiles.rows(chunk, slice(0, CHUNK))))}
        size, moment_ = len(places) * len(first), moment(at)
        customers.copy("decisioning_featurerow", {
            "customer_id": [missing[place] for _ in first for place in places],
            "group": [group for group in first for _ in places], "source": [SOURCE] * size,
            "version": [GROUPS[group].version for group in first for _ in places],
            "occurred_at": [moment_] * size, "known_at": [moment_] * size,
            "values": [values[place] for values in first.values() for place in places],
        })  # fmt: skip


def _ask(arrivals: Sequence[Asked], seed: int, computed: datetime) -> list[Shown]:
    """The engine's decisions. Who has been in touch with the bank since then is left out: her ledger knows of it."""
    versions, known, found = online.versions_in_postgres(), _known(_ids_of(arrivals), computed), []
    for one in arrivals:
        held = known[people.external_id(one.visit.customer)]
        if any(day > one.at.date().isoformat() for day in held.ledger.contacts):
            continue
        visit = one.visit
        ask = serve.Ask(
            people.external_id(visit.customer), history.session_id(seed, visit), visit.channel, visit.placement, 1,
            visit.context,
        )  # fmt: skip
        answer = serve.answer_on(held.read(versions, one.at), ask, one.at)
        if answer is not None:  # else she was in touch with the bank this very moment
            found.append(Shown.of(visit, answer))
    return found


def _known(ids: Sequence[int], computed: datetime) -> dict[str, Known]:
    """By the bank's own number: features from history as of that night, the signals around it, and the ledger."""
    table = features.as_of(
        Postgres(), features.spine(np.array(ids, dtype=np.int64), moment(computed)),
        forests=forests.kept(computed, computed),
    )  # fmt: skip
    contents = dict(zip(ids, vector.encode(table, computed), strict=True))
    names = dict(Customer.objects.filter(pk__in=ids).values_list("pk", "external_id"))
    return {
        str(names[held.ledger.customer]): Known(
            held.ledger,
            vector.decode(contents[held.ledger.customer], readable_groups(held.ledger.consents)),
            stored.rows(held.moment),
        )
        for held in stored.many(ids, computed)
    }


def _ids(places: Sequence[int]) -> list[int]:
    """Surrogate keys of the customers at these places of the bank, in that order; erased ones are left out."""
    numbers = [people.external_id(place) for place in places]
    rows = dict(Customer.objects.filter(external_id__in=numbers).values_list("external_id", "id"))
    return [rows[number] for number in numbers if number in rows]


def _ids_of(arrivals: Sequence[Asked]) -> list[int]:
    return _ids([one.visit.customer for one in arrivals])


def _at(day: date, hour: time) -> datetime:
    return datetime.combine(day, hour)
