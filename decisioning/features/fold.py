"""What the last signals of a customer say at a moment: the session, the last hours and days, and what changes an
account at once. Pure: the same signals give the same values in whatever order, and however late, they came.

A row is (at, code, fields ...), `at` in microseconds since 1970; rows stand in the order of when they happened. Values
that time itself changes, such as a count of the last 24 hours, are folded when they are read and never stored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import orjson

from decisioning.features.aggregates import LARGE_PURCHASE
from decisioning.features.vector import Vector, stamp
from offers.register import ATTRIBUTES, RESOLUTION, SESSION_GROUP

Row = tuple[Any, ...]
Groups = dict[str, tuple[float, dict[str, Any]]]

SECOND = 1_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
SESSION = 30 * MINUTE
OLDEST = 31 * DAY  # no adapter takes an older signal, and no value here looks further back
_PRUNED_EVERY = 16  # rows

# What of a payload is kept, by type of signal.
_SESSION_FIELDS = ("entry_point", "device_type", "session_risk_score")
_FIELDS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "page_view": ("p", ("page", "seconds", *_SESSION_FIELDS)),
    "card_view": ("v", ("card", "seconds", *_SESSION_FIELDS)),
    "login": ("l", ("", "", *_SESSION_FIELDS)),
    "transaction": ("t", ("amount", "mcc", "channel")),
    "transaction_declined": ("d", ()),
    "balance": ("b", ("balance", "utilisation")),
    "payment": ("y", ()),
    "service_call": ("c", ()),
    "complaint": ("m", ()),
    "alert_acknowledged": ("a", ()),
    "experiment_assigned": ("e", ("experiment", "variant")),
    "life_event": ("f", ("event",)),
}
TYPES = tuple(_FIELDS)
SESSION_TYPES = ("page_view", "card_view", "login")
_CARDS_PAGE = "cards"
_LIFE_EVENTS = {
    "new_mortgage": "new_mortgage_180d", "first_child": "first_child_180d", "salary_change": "salary_changed_90d"
}  # fmt: skip
_HAPPENS = ("large_purchase_7d", *_LIFE_EVENTS.values())
# Groups that signals alone tell, and so true at the moment of the fold: where nothing has happened since the vector was
# computed, what it says holds still.
COMPUTED = frozenset({"recent_activity"})


def row(at: int, type_: str, payload: Mapping[str, Any]) -> Row:
    """The row of one signal of a type in TYPES."""
    code, fields = _FIELDS[type_]
    return (at, code, *(payload.get(name) for name in fields))


# --- Kept --------------------------------------------------------------------------------------------------------


def pack(rows: Sequence[Row], now: int) -> bytes:
    """The rows that any fold at `now` or later can need, as bytes; empty where there is none."""
    kept = _needed(rows, now)
    if not kept:
        return b""
    base = kept[-1][0]
    return orjson.dumps([base, *([base - at, code, *_trimmed(fields)] for at, code, *fields in kept)])


def unpack(content: bytes) -> list[Row]:
    """The rows of `pack`. Raises ValueError or TypeError where the bytes are something else."""
    if not content:
        return []
    base, *rows = orjson.loads(content)
    return [(base - before, *rest) for before, *rest in rows]


def added(content: bytes, rows: Sequence[Row], now: int) -> bytes | None:
    """The bytes of `pack` with further rows in them; None where two of one moment meet, whose order history knows.

    Rows that nobody needs any more are left out now and then: to look for them costs ten times the adding.
    """
    held: list[Any] = orjson.loads(content) if content else [now]
    base, kept = held[0], held[1:]
    moments = {each[0] for each in kept}
    for at, code, *fields in rows:
        if base - at in moments:
            return None
        moments.add(base - at)
        kept.append([base - at, code, *_trimmed(fields)])
    kept.sort(key=itemgetter(0), reverse=True)
    added = orjson.dumps([base, *kept])
    return added if len(kept) % _PRUNED_EVERY else pack(unpack(added), now)


def _needed(rows: Sequence[Row], now: int) -> list[Row]:
    """Of what only the newest counts, the newest; with what is not yet, because a channel's clock may be ahead."""
    seen: set[tuple[Any, ...]] = set()
    kept = []
    for each in reversed(rows):
        if each[0] > now:
            kept.append(each)
            continue
        newest_of = _newest_of(each, now)
        if _in_window(each, now) or not newest_of <= seen:
            kept.append(each)
            seen |= newest_of
    return kept[::-1]


def _in_window(each: Row, now: int) -> bool:
    """Whether this row is counted beside others of its kind."""
    at, code = each[0], each[1]
    if code in "pvl":
        return bool(at > now - SESSION)
    return bool((code == "t" and at > now - DAY) or (code in "ca" and at > now - 7 * DAY))


def _newest_of(each: Row, now: int) -> set[tuple[Any, ...]]:
    """What this row could be the newest of."""
    at, code = each[0], each[1]
    if at <= now - OLDEST or code in "pvlca":
        return set()
    if code == "t":
        return {("large",)} if each[2] >= LARGE_PURCHASE else set()
    if code == "b":
        return {("b", place) for place, value in enumerate(each[2:]) if value is not None}
    return {("e", each[2])} if code == "e" else {("f", each[2])} if code == "f" else {(code,)}


def _trimmed(fields: Sequence[Any]) -> Sequence[Any]:
    known = [place for place, value in enumerate(fields) if value is not None]
    return fields[: known[-1] + 1] if known else ()


# --- Folded ------------------------------------------------------------------------------------------------------


def over(vector: Vector | None, rows: Sequence[Row], now: int) -> Groups:
    """What is known of a customer at `now`: the vector with what signals say laid over it."""
    groups: Groups = dict(vector.groups) if vector else {}
    as_of, happened = stamp(vector.as_of) if vector else 0, until(rows, now)
    if happened:
        session = _session(happened, now)
        if session:
            groups[SESSION_GROUP] = session
        for name, change in CHANGES.items():
            since, told = groups.get(name, (now / SECOND, {}))
            changed = change(happened, told, as_of, now)
            if changed:
                groups[name] = now / SECOND if name in COMPUTED else since, {**told, **changed}
    for name in COMPUTED & groups.keys():
        since, told = groups[name]
        if abs(since - as_of / SECOND) < 1:
            groups[name] = now / SECOND, told
    return groups


def until(rows: Sequence[Row], now: int) -> list[Row]:
    """What had happened at `now`, as far back as anything here looks."""
    oldest = now - OLDEST
    return [each for each in rows if oldest < each[0] <= now]


def _session(happened: Iterable[Row], now: int) -> tuple[float, dict[str, Any]] | None:
    """The last half hour; None without a sign of life in it."""
    lately = [each for each in happened if each[0] > now - SESSION and each[1] in "pvlt"]
    if not lately:
        return None
    values: dict[str, Any] = {}
    viewed: list[str] = []
    pages, seconds = 0, 0.0
    for _, code, *fields in lately:
        if code == "t":
            values |= _told(zip(("transaction_amount", "transaction_mcc", "transaction_channel"), fields, strict=False))
            continue
        values |= _told(zip(_SESSION_FIELDS, fields[2:], strict=False))
        pages += code == "p"
        if code == "v":
            viewed.append(fields[0])
        if code == "v" or fields[:1] == [_CARDS_PAGE]:
            seconds += fields[1] or 0 if len(fields) > 1 else 0
    values |= {"cards_viewed": sorted(set(viewed)), "cards_viewed_count": len(viewed), "pages_viewed_count": pages,
               "seconds_on_cards_page": seconds}  # fmt: skip
    return lately[-1][0] / SECOND, {name: _typed(name, value) for name, value in values.items()}


def _told(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in pairs if value is not None}


def recent_activity(happened: Sequence[Row], told: Mapping[str, Any], as_of: int, now: int) -> dict[str, Any]:
    """The whole group: every count is known as soon as anything is, because signals of this customer do reach us."""
    if not happened:
        return {}
    day, week, month = now - DAY, now - 7 * DAY, now - 30 * DAY
    count = {"t": 0, "c": 0, "a": 0, "d": 0, "m": 0}
    since = {"t": day, "c": week, "a": week, "d": month, "m": month}
    cents = 0
    variants = {name: variant for name, _, variant in (each.partition(":") for each in told.get("experiments", ()))}
    for each in happened:
        code = each[1]
        if code == "e":
            variants[each[2]] = each[3]
        elif code in since and each[0] > since[code]:
            count[code] += 1
            if code == "t" and each[2] > 0:
                cents += math.floor(each[2] * 100 + 0.5)
    values: dict[str, Any] = {
        "transactions_24h": count["t"], "spend_24h": cents / 100, "declined_transaction_30d": count["d"] > 0,
        "service_calls_7d": count["c"], "complaint_30d": count["m"] > 0, "alerts_acknowledged_7d": count["a"],
    }  # fmt: skip
    if variants:
        values["experiments"] = sorted(f"{name}:{variant}" for name, variant in variants.items())
    return {name: _typed(name, value) for name, value in values.items()}


def account_state(happened: Sequence[Row], told: Mapping[str, Any], as_of: int, now: int) -> dict[str, Any]:
    """What signals change of the values `told`, which were computed `as_of` and had seen what happened until then."""
    if not happened:
        return {}
    # Of a customer whose signals reach us, it is known that nothing of this has happened.
    values: dict[str, Any] = {name: False for name in _HAPPENS if name not in told}
    paid = large = None
    for each in happened:
        at, code, fresh = each[0], each[1], each[0] > as_of
        if code == "b" and fresh:
            values |= _told(zip(("balance", "utilisation"), each[2:], strict=False))
        elif code == "f" and fresh and each[2] in _LIFE_EVENTS:
            values[_LIFE_EVENTS[each[2]]] = True
        elif code == "y":
            paid = at
        elif code == "t" and each[2] >= LARGE_PURCHASE:
            large = at
    days = told.get("days_since_last_payment")
    if paid is not None and (days is None or (as_of - paid) // DAY <= days):  # else a booking has told a later one
        values["days_since_last_payment"] = (now - paid) // DAY
    if large is not None:
        recent, was_recent = large > now - 7 * DAY, large > as_of - 7 * DAY
        if recent or was_recent:
            values["large_purchase_7d"] = recent
    return {name: _typed(name, value) for name, value in values.items()}


Change = Callable[[Sequence[Row], Mapping[str, Any], int, int], dict[str, Any]]
# What signals change of a group: from what happened, what the vector says, its moment and now.
CHANGES: Mapping[str, Change] = {"account_state": account_state, "recent_activity": recent_activity}


def _identity(value: Any) -> Any:
    return value


def _number(bounds: tuple[float, float], scale: int) -> Callable[[Any], float]:
    low, high = bounds
    return lambda value: round(min(max(value, low), high) * scale) / scale


def _converter(name: str) -> Callable[[Any], Any]:
    declared = ATTRIBUTES[name]
    if declared.type not in ("number", "integer") or declared.bounds is None:
        return _identity
    scale = round(1 / RESOLUTION[declared.unit])
    number = _number(declared.bounds, scale)
    return number if declared.type == "number" else lambda value: int(number(value))


_CONVERTERS = {name: _converter(name) for name in ATTRIBUTES}


def _typed(name: str, value: Any) -> Any:
    """The value at its resolution and within its bounds, as history gives it."""
    return _CONVERTERS[name](value)
