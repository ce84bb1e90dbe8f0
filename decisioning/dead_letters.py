"""Events of a stream that could not be taken in: kept once with their reason, shown, replayed, discarded, forgotten.

A body is what a producer sent, and names a customer by the bank's own id. The text of a post is cut out before
anything is kept; the body itself goes as soon as its event is taken in or discarded, and `forget` deletes every letter
of a customer: erasure must call it, because these bodies are the one place outside of the customer table that holds
external ids.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from django.db import connection, transaction
from django.db.models import Count, QuerySet

from decisioning import customer_signals
from decisioning.events import Accepted, Rejection
from decisioning.models import DeadLetter
from decisioning.streams import intake
from decisioning.streams.source import Message
from offers import audit

ACCEPTED, DUPLICATE, DISCARDED = "accepted", "duplicate", "discarded"
SETTLED = (ACCEPTED, DUPLICATE, DISCARDED)
LONGEST_REASON = 500  # characters: a reason names a field, and a hostile field's name may be long
# The body was cut or is no JSON: to send it again would change nothing.
HOPELESS = ("NO_EVENT", "NOT_JSON", "TOO_LARGE")
HEAD = 2000  # bytes kept of what is no JSON, for the person who has to find its producer
DEEPEST = 8  # levels kept of JSON: an event has three, and what is read with more cannot all be written again
CUT = "not kept"

_OF_CUSTOMER = "SELECT id FROM decisioning_deadletter WHERE position(%s::bytea IN body) > 0 FOR UPDATE"


def keep(origin: str, messages: Sequence[Message], rejected: Sequence[Rejection], now: datetime) -> None:
    """Store the rejected ones among these messages, inside the transaction of the good ones. A message that comes
    again is the letter that is there already."""
    DeadLetter.objects.bulk_create(
        (
            DeadLetter(
                origin=origin, position=messages[fault.index].position, body=_body(messages[fault.index].body),
                code=fault.code, reason=_storable(fault.message), arrived_at=now,
            )
            for fault in rejected
        ),
        ignore_conflicts=True,
    )  # fmt: skip


def waiting() -> QuerySet[DeadLetter]:
    """The letters that nobody has settled, newest first; those whose replay failed are among them, with its result."""
    return DeadLetter.objects.exclude(result__in=SETTLED)


def counts() -> dict[str, int]:
    """How many wait, by code; the most frequent first."""
    rows = waiting().order_by().values_list("code").annotate(count=Count("pk")).order_by("-count", "code")
    return dict(rows)


def replay(ids: Collection[int], *, by: str, now: datetime) -> dict[int, str]:
    """Send letters along the path of every event again, on behalf of `by`; returns the result of each by id.

    A result is "accepted", "duplicate" or "<CODE>: <reason>"; with the last the letter goes on waiting. One that is
    settled already is not sent again and gives the result that it has, so that a repeated request changes nothing.
    """
    with transaction.atomic():
        letters = _locked(ids)
        opened = [letter for letter in letters if letter.result not in SETTLED]
        sent = [letter for letter in opened if letter.code not in HOPELESS]
        taken = intake.take([Message(letter.position, bytes(letter.body)) for letter in sent], now)
        results = dict(zip([letter.pk for letter in sent], _results(len(sent), taken), strict=True))
        for letter in opened:
            _settle(letter, results.get(letter.pk, f"{letter.code}: {letter.reason}"), by, now)
        if opened:
            _record("dead_letters.replayed", opened, by, now)
    customer_signals.refresh(taken)
    return {letter.pk: letter.result for letter in letters}


def discard(ids: Collection[int], *, by: str, now: datetime) -> dict[int, str]:
    """Give letters up that will never be good; their bodies go, what is recorded of them stays. Returns the result of
    each by id, which for one that was taken in already says so."""
    with transaction.atomic():
        letters = _locked(ids)
        opened = [letter for letter in letters if letter.result not in SETTLED]
        for letter in opened:
            _settle(letter, DISCARDED, by, now)
        if opened:
            _record("dead_letters.discarded", opened, by, now)
    return {letter.pk: letter.result for letter in letters}


def forget(external_id: str) -> int:
    """Delete every letter of a customer who is erased; returns how many. Call it in the erasure's transaction.

    A letter goes if its `customer_id` is this one, or if it has none and the id stands anywhere in it.
    """
    # As JSON writes it without escapes, which is how bodies are kept.
    written = orjson.dumps(external_id)[1:-1]
    with connection.cursor() as cursor:
        cursor.execute(_OF_CUSTOMER, [written])
        ids = [row[0] for row in cursor.fetchall()]
    named = DeadLetter.objects.filter(pk__in=ids)
    theirs = [letter.pk for letter in named if _customer(bytes(letter.body)) in (None, external_id)]
    return DeadLetter.objects.filter(pk__in=theirs).delete()[0]


def _locked(ids: Collection[int]) -> list[DeadLetter]:
    """One replay of a letter at a time: the second finds what the first made of it."""
    return list(DeadLetter.objects.select_for_update().filter(pk__in=ids).order_by("pk"))


def _results(count: int, taken: Accepted) -> list[str]:
    faults: Mapping[int, str] = {fault.index: f"{fault.code}: {fault.message}" for fault in taken.rejected}
    return [faults.get(index, ACCEPTED if index in taken.fresh else DUPLICATE) for index in range(count)]


def _settle(letter: DeadLetter, result: str, by: str, now: datetime) -> None:
    letter.result, letter.replayed_by, letter.replayed_at = _storable(result)[:200], by, now
    if result in SETTLED:
        letter.body = b""
    letter.save(update_fields=["result", "replayed_by", "replayed_at", "body"])


def _record(action: str, letters: Sequence[DeadLetter], by: str, now: datetime) -> None:
    results = {str(letter.pk): letter.result.partition(":")[0] for letter in letters}
    audit.record(actor=by, action=action, subject="dead letters", detail={"results": results}, now=now)


def _body(body: bytes) -> bytes:
    """What is kept of a body: JSON without a post's text, written in one way; the head of what is no event's JSON."""
    if len(body) > intake.LARGEST:
        return body[:HEAD]
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body[:HEAD]
    if isinstance(value, dict) and isinstance(value.get("payload"), dict):
        value["payload"].pop("text", None)
    return orjson.dumps(_without_text(value, DEEPEST))


def _without_text(value: Any, levels: int) -> Any:
    """JSON of at most so many levels, without the text of a post wherever a producer has put it."""
    if isinstance(value, dict | list) and not levels:
        return CUT
    if isinstance(value, list):
        return [_without_text(part, levels - 1) for part in value]
    if isinstance(value, dict):
        return {name: CUT if name == "text" else _without_text(part, levels - 1) for name, part in value.items()}
    return value


def _customer(body: bytes) -> Any:
    """Whom a body speaks of; None where it does not say so in the field for it."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    named = value.get("customer_id") if isinstance(value, dict) else None
    return named.strip() if isinstance(named, str) else None


def _storable(text: str) -> str:
    """Postgres holds no NUL in text, and a hostile field may be named with one."""
    return text.replace("\0", "\\0")[:LONGEST_REASON]
