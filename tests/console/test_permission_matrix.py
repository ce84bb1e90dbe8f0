"""Every write path, every role, every state of a change: allowed or refused as offers.roles says, through the page, the
domain and SQL alike. One bank for all of it; each step is undone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any, Final

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import URLPattern, reverse
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker
from redis import Redis

from console.urls import pages
from decisioning import runtime
from fairness import evidence, gate
from offers import approvals, catalog, roles, stopping
from offers.catalog import Item
from offers.models import KINDS, ChangeRequest, Stop
from tests import factories

if TYPE_CHECKING:
    from tests.conftest import TestDatabase

# `scheduled` is approved for later; `broken` is in review, and a first person has broken the glass.
STATES: Final = ("draft", "submitted", "broken", "scheduled", "approved", "rejected", "withdrawn")
IN_REVIEW: Final = frozenset({"submitted", "broken"})
# The author holds every role that one person may hold, so that hardly anything but authorship refuses them.
AUTHOR, NOBODY, FIRST = "author", "nobody", "first"
AUTHORS: Final = frozenset(roles.ROLES) - {roles.AUDITOR, roles.MODEL_RISK}
PEOPLE: Final = (*roles.ROLES, AUTHOR, NOBODY)
STALE: Final = "0" * 64
SAID: Final = {gate.NotBroken}  # refused although the person may act at all: a message on the page, no 403


@dataclass(frozen=True, slots=True)
class Bank:
    people: dict[str, User]
    changes: dict[str, ChangeRequest]  # by state: the same change of a rule
    browsers: dict[str, Client]


@dataclass(frozen=True, slots=True)
class Step:
    """One way to write, as (change, person) to the domain and as a POST; `refusal` says who is refused, and with what.

    `states` are those that it starts from; `authors` says that only the author may, else the author may not; `action`
    guards it and `also` another one; `then` is what is refused after all that, `page` is what the page asks beforehand,
    and `sql` writes the same without a line of our code: %(who)s, %(change)s.
    """

    domain: Callable[[ChangeRequest, User], object]
    url: str = ""
    data: Callable[[ChangeRequest], dict[str, Any]] = lambda change: {}
    states: frozenset[str] = IN_REVIEW
    authors: bool = False
    action: str = ""
    first: bool = False  # who may is asked for before the state
    also: str = ""
    closed: type[Exception] = approvals.WrongStatus
    then: tuple[type[Exception], frozenset[str]] | None = None
    page: str = "see:reviews"
    sql: str = ""
    sql_knows: bool = True  # whether the database refuses `then` too

    def refusal(self, person: str, state: str) -> type[Exception] | None:
        """What the domain raises, None where it does the step."""
        held = AUTHORS if person == AUTHOR else frozenset({person}) & frozenset(roles.ROLES)
        may = all(roles.PERMISSIONS[action] & held for action in (self.action, self.also) if action)
        if self.first and not (person == AUTHOR if self.authors else roles.PERMISSIONS[self.action] & held):
            return roles.NotAllowed
        if state not in self.states:
            return self.closed
        if self.authors:
            return None if person == AUTHOR else roles.NotAllowed
        if not may:
            return roles.NotAllowed
        if person == AUTHOR and self.action != "discuss":
            return approvals.SelfApproval
        return self.then[0] if self.then and state in self.then[1] else None

    def opens(self, person: str) -> bool:
        """Whether the page lets this person post at all."""
        return person == AUTHOR or person in roles.PERMISSIONS[self.page]


def _reason(change: ChangeRequest) -> dict[str, Any]:
    return {"comment": "because", "alternatives": "None serves the need."}


def _hash(change: ChangeRequest) -> dict[str, Any]:
    return {"content_hash": change.content_hash, "comment": "because", "little_data_because": factories.SMALL_BANK}


def _signed(change: ChangeRequest, person: User) -> dict[str, Any]:
    return {
        "checker": person, "content_hash": change.content_hash, "now": timezone.now(),
        "little_data_because": factories.SMALL_BANK,
    }  # fmt: skip


def _later(change: ChangeRequest) -> dict[str, Any]:
    return {**_hash(change), "go_live_at": (timezone.now() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")}


def _otherwise(change: ChangeRequest) -> list[Item]:
    return [Item(item["kind"], item["key"], {**item["content"], "title": "Otherwise"}) for item in change.items]


RULE: Final = "approve:rule"
SETTLE: Final = "UPDATE offers_changerequest"
BY: Final = "checker_id = %(who)s, checked_at = now() WHERE id = %(change)s"
STEPS: Final[dict[str, Step]] = {
    "submit": Step(
        lambda change, who: approvals.submit(change.pk, author=who, now=timezone.now()),
        "review_submit", states=frozenset({"draft"}), authors=True,
    ),
    "withdraw": Step(
        lambda change, who: approvals.withdraw(change.pk, author=who, now=timezone.now()),
        "review_withdraw", states=IN_REVIEW | {"draft", "scheduled"}, authors=True,
    ),
    "reopen": Step(
        lambda change, who: approvals.reopen(change.pk, author=who, now=timezone.now()), "review_reopen", authors=True
    ),
    "approve": Step(
        lambda change, who: gate.approve(change.pk, **_signed(change, who)), "review_approve", _hash, action=RULE
    ),
    "approve what changed since": Step(
        lambda change, who: gate.approve(change.pk, **_signed(change, who) | {"content_hash": STALE}),
        "review_approve", lambda change: {"content_hash": STALE}, action=RULE, then=(approvals.StaleContent, IN_REVIEW),
        sql=f"{SETTLE} SET status = 'approved', approved_hash = repeat('0', 64), {BY}",
    ),
    "approve for later": Step(
        lambda change, who: gate.schedule(
            change.pk, go_live_at=timezone.now() + timedelta(days=1), **_signed(change, who)
        ),
        "review_approve", _later, action=RULE,
    ),
    "reject": Step(
        lambda change, who: approvals.reject(change.pk, checker=who, reason="because", now=timezone.now()),
        "review_reject", _reason, action=RULE, sql=f"{SETTLE} SET status = 'rejected', {BY}",
    ),
    "send back": Step(
        lambda change, who: approvals.request_changes(change.pk, checker=who, reason="because", now=timezone.now()),
        "review_send_back", _reason, action=RULE,
    ),
    "justify": Step(
        lambda change, who: factories.justify(change, who, "because", now=timezone.now()),
        "review_justify", _reason, action="justify", page="justify", then=(approvals.NothingFails, IN_REVIEW),
        sql_knows=False,
        sql=f"{SETTLE} SET justification = 'because', justified_by_id = %(who)s WHERE id = %(change)s",
    ),
    "cancel": Step(
        lambda change, who: approvals.cancel(change.pk, checker=who, reason="because", now=timezone.now()),
        "review_cancel", _reason, states=frozenset({"scheduled"}), action=RULE,
    ),
    "break the glass": Step(
        lambda change, who: approvals.break_glass(change.pk, officer=who, reason="because", now=timezone.now()),
        "review_break_glass", _reason, action="break_glass", page="break_glass",
        sql=f"{SETTLE} SET broken_because = 'now', broken_by_id = %(who)s WHERE id = %(change)s",
    ),
    "put it through the broken glass": Step(
        lambda change, who: gate.break_glass(
            change.pk, checker=who, content_hash=change.content_hash, now=timezone.now(), comment="because"
        ),
        "review_break_glass", _hash, action="break_glass", also=RULE, first=True, page="break_glass",
        then=(gate.NotBroken, frozenset({"submitted"})),
    ),
    "revise": Step(
        lambda change, who: catalog.revise(change, items=_otherwise(change), author=who, now=timezone.now()),
        states=frozenset({"draft"}), authors=True, first=True, closed=IntegrityError,
    ),
    "discuss": Step(
        lambda change, who: approvals.discuss(change.pk, author=who, text="Why?", now=timezone.now()),
        "review_discuss", _reason, states=frozenset(STATES), action="discuss", page="discuss",
    ),
}  # fmt: skip
DOORS: Final = {
    "domain": list(STEPS),
    "page": [name for name, step in STEPS.items() if step.url],
    "sql": [name for name, step in STEPS.items() if step.sql],
}


@pytest.fixture(scope="module")
def bank(test_database: TestDatabase, django_db_blocker: DjangoDbBlocker) -> Iterator[Bank]:
    with django_db_blocker.unblock():
        with Redis.from_url(settings.REDIS_URL) as client:
            client.flushdb()
        yield _make()
        runtime.forget()
        test_database.recreate()


def _make() -> Bank:
    now = timezone.now()
    factories.make_bank(20, now=now)
    factories.approve_content(now=now)
    people = {role: factories.make_user(role, role) for role in roles.ROLES}
    people[AUTHOR] = factories.make_user(roles.RISK_APPROVER, AUTHOR + " of it")
    people[NOBODY] = User.objects.create(username=NOBODY)
    for role in AUTHORS:
        people[AUTHOR].groups.add(Group.objects.get(name=role))
    changes = {state: _draft(people[AUTHOR]) for state in STATES}
    checker, signed = people[roles.RISK_APPROVER], {"now": now}
    for state, change in changes.items():
        if state != "draft":
            with transaction.atomic():
                approvals.submit(change.pk, author=people[AUTHOR], **signed)
    evidence.compute(changes["approved"], now)
    gate.approve(changes["approved"].pk, **_signed(changes["approved"], checker))
    for state in ("submitted", "broken", "scheduled"):
        evidence.compute(changes[state], now)
    with transaction.atomic():
        approvals.reject(changes["rejected"].pk, checker=checker, reason="no", **signed)
        approvals.withdraw(changes["withdrawn"].pk, author=people[AUTHOR], **signed)
        approvals.break_glass(changes["broken"].pk, officer=factories.make_user(roles.COMPLIANCE, FIRST),
                              reason="x", **signed)  # fmt: skip
    gate.schedule(changes["scheduled"].pk, go_live_at=now + timedelta(days=2), **_signed(changes["scheduled"], checker))
    browsers = {name: Client() for name in people}
    for name, browser in browsers.items():
        browser.force_login(people[name])
    return Bank(people, {state: ChangeRequest.objects.get(pk=row.pk) for state, row in changes.items()}, browsers)


def _draft(author: User) -> ChangeRequest:
    item = factories.rule("low-debt", factories.clause("debt_to_income", "<=", 0.49), "student")
    with transaction.atomic():
        return catalog.draft(
            kind="rule", key="low-debt", title="A change", items=[item], author=author, now=timezone.now()
        )


def _row(change: ChangeRequest) -> Callable[[], object]:
    """All there is of a change, its discussion included."""
    return lambda: {**ChangeRequest.objects.filter(pk=change.pk).values().get(), "said": change.discussion.count()}


def _undone(act: Callable[[], object], probe: Callable[[], object]) -> tuple[Any, bool]:
    """What came of it, and whether what is probed is another by then."""
    before = probe()
    with transaction.atomic():
        try:
            with transaction.atomic():
                came: Any = act()
        except Exception as refusal:  # which one is what the caller asserts
            came = refusal
        changed = probe() != before
        transaction.set_rollback(True)
    return came, changed


def _sql(statement: str, change: ChangeRequest, person: User) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"who": person.pk, "change": change.pk})


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize(("door", "step"), [(door, step) for door, steps in DOORS.items() for step in steps])
def test_a_step_is_taken_by_whom_the_table_allows_and_by_nobody_else(
    bank: Bank, door: str, step: str, person: str, state: str
) -> None:
    taken, who, change = STEPS[step], bank.people[person], ChangeRequest(**_columns(bank.changes[state]))
    refused = taken.refusal(person, state)
    if door == "domain":
        came, changed = _undone(lambda: taken.domain(change, who), _row(change))
        assert type(came) is refused if refused else not isinstance(came, Exception), came
    elif door == "sql":
        if taken.then and refused is taken.then[0] and not taken.sql_knows:
            refused = None
        came, changed = _undone(lambda: _sql(taken.sql, change, who), _row(change))
        assert isinstance(came, IntegrityError) is (refused is not None), came
    else:
        address, browser = reverse(taken.url, args=[change.pk]), bank.browsers[person]
        came, changed = _undone(lambda: browser.post(address, taken.data(change)), _row(change))
        closed = refused not in SAID and refused is not None and issubclass(refused, PermissionError)
        # What is refused all the same is said on the page, which keeps what was typed.
        expected = 403 if closed or not taken.opens(person) else 200 if refused else 302
        assert came.status_code == expected
        refused = refused if taken.opens(person) else roles.NotAllowed
    assert changed is (refused is None)


def _columns(change: ChangeRequest) -> dict[str, Any]:
    """A copy for each test: the domain writes on what it is given."""
    return {field.attname: getattr(change, field.attname) for field in ChangeRequest._meta.concrete_fields}


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_proposed_and_approved_by_the_roles_of_the_table(bank: Bank, kind: str, person: str) -> None:
    """Retiring an item of the kind, from nothing to its approval."""
    item, who = Item(kind, "x/x" if kind in ("arm", "creative") else "x", None), bank.people[person]

    def draft(author: User) -> ChangeRequest:
        return catalog.draft(kind=kind, key="x", title="x", items=[item], author=author, now=timezone.now())

    with transaction.atomic():
        made = draft(bank.people[AUTHOR])
        approvals.submit(made.pk, author=bank.people[AUTHOR], now=timezone.now())
        approved, _ = _undone(lambda: approvals.approve(made.pk, **_signed(made, who)), _row(made))
        drafted, _ = _undone(lambda: draft(who), _row(made))
        transaction.set_rollback(True)
    may_approve = person in roles.PERMISSIONS[f"approve:{kind}"]
    assert isinstance(approved, ChangeRequest) is may_approve
    assert isinstance(drafted, ChangeRequest) is (person == AUTHOR or person in roles.PERMISSIONS[f"propose:{kind}"])


def test_every_step_on_a_change_that_a_page_offers_is_in_the_matrix() -> None:
    """`review_evidence` writes nothing: it queues a computation."""
    named = [page for page in pages if isinstance(page, URLPattern)]
    posted = {str(page.name) for page in named if str(page.pattern).startswith("reviews/<")}
    assert posted - {"review", "review_evidence"} == {step.url for step in STEPS.values() if step.url}


def _stop(door: str, bank: Bank, person: str, scope: str) -> Any:
    who = bank.people[person]
    if door == "domain":
        return stopping.stop(scope=scope, target="student", reason="x", officer=who, now=timezone.now())
    if door == "command":
        return call_command(
            "stop", scope, "student", "--officer", who.get_username(), "--reason", "x", stdout=StringIO()
        )
    return bank.browsers[person].post(reverse("stop_make"), {"target": f"{scope}:student", "comment": "x"})


def _resume(door: str, bank: Bank, person: str, scope: str) -> Any:
    who = bank.people[person]
    if door == "domain":
        return stopping.resume(scope=scope, target="student", officer=who, now=timezone.now())
    if door == "command":
        return call_command("stop", scope, "student", "--officer", who.get_username(), "--resume", stdout=StringIO())
    return bank.browsers[person].post(reverse("stop_resume"), {"target": f"{scope}:student", "comment": "x"})


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("door", ["domain", "page", "command"])
def test_a_stop_is_made_by_the_roles_of_the_table(bank: Bank, door: str, person: str) -> None:
    came, changed = _undone(lambda: _stop(door, bank, person, "offer"), _stops)
    assert changed is (person == AUTHOR or person in roles.PERMISSIONS["stop"]), came
    assert changed or _refused(door, came), came


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("door", ["domain", "page", "command"])
def test_what_somebody_else_stopped_is_resumed_by_the_roles_of_the_table(bank: Bank, door: str, person: str) -> None:
    came, changed = _resumed(door, bank, person, User.objects.get(username=FIRST))
    assert changed is (person == AUTHOR or person in roles.PERMISSIONS["resume"]), came
    assert changed or _refused(door, came), came


@pytest.mark.parametrize("person", [AUTHOR, *sorted(roles.PERMISSIONS["stop"])])
@pytest.mark.parametrize("door", ["domain", "page", "command"])
def test_nobody_resumes_what_they_stopped_themselves(bank: Bank, door: str, person: str) -> None:
    came, changed = _resumed(door, bank, person, bank.people[person])
    assert not changed, came


def _resumed(door: str, bank: Bank, person: str, first: User) -> tuple[Any, bool]:
    with transaction.atomic():
        stopping.stop(scope="offer", target="student", reason="x", officer=first, now=timezone.now())
        outcome = _undone(lambda: _resume(door, bank, person, "offer"), _stops)
        transaction.set_rollback(True)
    return outcome


def _stops() -> list[Any]:
    return list(Stop.objects.values_list("pk", "resumed_by_id"))


def _refused(door: str, came: Any) -> bool:
    """In the way of the door, and for want of a role or of a second person."""
    if door == "page":
        return bool(came.status_code == 403)
    return isinstance(came, CommandError if door == "command" else PermissionError)


@pytest.mark.parametrize("person", PEOPLE)
def test_going_back_is_proposed_by_the_roles_of_the_table(bank: Bank, person: str) -> None:
    def press() -> Any:
        return bank.browsers[person].post(reverse("release_roll_back", args=[1]), {"rationale": "It was better."})

    came, changed = _undone(press, ChangeRequest.objects.count)
    assert changed is (person == AUTHOR or person in roles.PERMISSIONS["propose:rollback"])
    assert came.status_code == (302 if changed else 403)
