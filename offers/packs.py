"""Policy packs: what the law of a place asks for on a day, read from approved content; what the law says is data.

The packs of `shipped_packs/` are what Candor brings along: a bank's counsel approves them, as they are or changed, like
any other content. Where none covers the whole of HOME, the strict default of that folder is in force beside them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

from offers.models import Release as ReleaseRow
from offers.types import AgeBand, Bands, Citation, Monitors, Notice, Pack, Prescreening, Release, Ruling

SHIPPED: Final = Path(__file__).parent / "shipped_packs"
STRICT: Final = "strict-default"
HOME: Final = "US"
"""Where the bank's customers live: only a pack that covers all of it takes the strict default's place."""
REWEIGHING, GROUP_AWARE = "reweighing", "group_aware_decision_time"
PERMISSIONS: Final = ("allowed", "flagged", "forbidden")  # of a mitigation, the strictest last
LDA: Final = ("waivable", "required")
NO_PAUSE: Final = "none"
PAUSES: Final = (NO_PAUSE, "arm", "model")
EXCLUDED, ALLOWED = "excluded", "allowed"  # people under 21, of prescreened offers; the strictest first
RULINGS: Final = ("allowed", "firm_offer", "prohibited")

STRICTER_ABOVE: Final = frozenset(
    {"fail_ratio", "watch_ratio", "significance", "smallest_cell", "power", "calibration_watch", "calibration_fail",
     "lockout_share", "smallest_shown"}
)  # fmt: skip
"""The lines of Bands that are stricter where they are larger; every other one is where it is smaller."""
LINES: Final = tuple(one.name for one in fields(Bands) if one.name not in ("references", "age_bands"))

Source = Mapping[str, Any] | Release
T = TypeVar("T")


def read(key: str, content: Mapping[str, Any]) -> Pack:
    """The value of one item of kind pack, whose content follows its schema; lines that it leaves out are the default's.
    See offers/pack_schema.py."""
    place = content.get("place", {})
    return Pack(
        key=key,
        title=content["title"],
        summary=content["summary"],
        countries=frozenset(place.get("countries", ())),
        states=frozenset(place.get("states", ())),
        effective_from=date.fromisoformat(content["effective_from"]),
        effective_until=_day(content.get("effective_until")),
        verified_on=date.fromisoformat(content["verified_on"]),
        metrics=tuple(content["metrics"]),
        bands=bands(content.get("bands", {})),
        mitigations=dict(content["mitigations"]),
        lda=content["lda"],
        notices=tuple(
            Notice(one["template"], one["version"], one["text"], _citation(one)) for one in content.get("notices", ())
        ),
        retention=dict(content["retention"]),
        proxies=frozenset(content.get("proxies", ())),
        rulings=tuple(
            Ruling(tuple(one["attributes"]), one["ruling"], tuple(one.get("uses", ())), one["reason"], _citation(one))
            for one in content.get("rulings", ())
        ),
        monitors=_monitors(content["monitors"]),
        prescreening=_prescreening(content.get("prescreening") or shipped()[STRICT]["prescreening"]),
        citations=tuple(Citation(**one) for one in content["citations"]),
    )


def _prescreening(content: Mapping[str, Any]) -> Prescreening:
    return Prescreening(content["under_21"], content["honour_days"], _citation(content))


def _monitors(content: Mapping[str, Any]) -> Monitors:
    """One word says what a pack pauses; several packs together pause what each of them does."""
    given = {name: value for name, value in content.items() if name != "pause"}
    return Monitors(**given, pauses=frozenset({content["pause"]} - {NO_PAUSE}))


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _citation(content: Mapping[str, Any]) -> Citation:
    return Citation(content["citation"], content["url"])


def bands(content: Mapping[str, Any]) -> Bands:
    """The lines that a pack states; those that it leaves out are the strict default's."""
    given: dict[str, Any] = {name: value for name, value in content.items() if name in LINES}
    if "references" in content:
        given["references"] = dict(content["references"])
    if "age_bands" in content:
        given["age_bands"] = tuple(
            AgeBand(one["name"], one["lower"], one.get("upper"), one["basis"]) for one in content["age_bands"]
        )
    return Bands(**given)


@lru_cache(maxsize=1)
def shipped() -> Mapping[str, Mapping[str, Any]]:
    """The content of every pack that Candor brings along, by key."""
    return {path.stem: tomllib.loads(path.read_text("utf-8")) for path in sorted(SHIPPED.glob("*.toml"))}


@lru_cache(maxsize=1)
def strict_default() -> Pack:
    return read(STRICT, shipped()[STRICT])


def approved(source: Source) -> tuple[Pack, ...]:
    """Every pack of a release or of its content, by key, whatever its dates."""
    if isinstance(source, Release):
        return tuple(source.packs.values())
    return tuple(read(key, content) for key, content in sorted(source.get("pack", {}).items()))


def in_force(source: Source, on: date) -> tuple[Pack, ...]:
    """The packs in force on a day, wherever, by key; and last the strict default where none of them covers the whole of
    HOME: a pack for one place says nothing of the others."""
    found = tuple(pack for pack in approved(source) if pack.in_force(on))
    return found if any(pack.covers(HOME, "") for pack in found) else (*found, strict_default())


def live_content() -> Mapping[str, Any]:
    """The packs of the live release as content; only they are read, and not a catalogue of thousands of offers."""
    content = ReleaseRow.objects.order_by("-number").values_list("content__pack", flat=True).first()
    return {"pack": content or {}}


def live(on: date) -> tuple[Pack, ...]:
    """Those of the live release that are in force."""
    return in_force(live_content(), on)


def for_place(source: Source, country: str, state: str, on: date) -> Pack:
    """What applies to whoever lives there: the most specific pack in force, that of a state before that of its country
    before one for everywhere, so that a state's pack repeats what its country's law asks for. Two of the same kind
    apply together; where there is none, the strict default does."""
    covering = [pack for pack in in_force(source, on) if pack.covers(country, state)]
    most = max((_specific(pack) for pack in covering), default=0)
    return strictest([pack for pack in covering if _specific(pack) == most])


def _specific(pack: Pack) -> int:
    return 2 if pack.states else 1 if pack.countries else 0


def strictest(packs: Sequence[Pack]) -> Pack:
    """One pack that satisfies all of these, line by line; what cannot be ordered (a title, reference groups, age bands)
    is that of the first. The strict default where there are none."""
    if len(packs) < 2:
        return packs[0] if packs else strict_default()
    first = packs[0]
    return Pack(
        key="+".join(pack.key for pack in packs),
        title=" and ".join(pack.title for pack in packs),
        summary=" ".join(dict.fromkeys(pack.summary for pack in packs)),
        countries=frozenset()
        if any(not pack.countries for pack in packs)
        else _union(pack.countries for pack in packs),
        states=frozenset() if any(not pack.states for pack in packs) else _union(pack.states for pack in packs),
        effective_from=max(pack.effective_from for pack in packs),
        effective_until=min((pack.effective_until for pack in packs if pack.effective_until), default=None),
        verified_on=min(pack.verified_on for pack in packs),
        metrics=tuple(sorted(_union(pack.metrics for pack in packs), key=_number)),
        bands=_strictest_bands([pack.bands for pack in packs]),
        mitigations=_strictest_of([pack.mitigations for pack in packs], PERMISSIONS),
        lda=max((pack.lda for pack in packs), key=LDA.index),
        notices=_once(notice for pack in packs for notice in pack.notices),
        retention={
            kind: max(pack.retention.get(kind, 0) for pack in packs)
            for kind in sorted(_union(pack.retention for pack in packs))
        },
        proxies=frozenset.intersection(*(pack.proxies for pack in packs)),
        rulings=_once(ruling for pack in packs for ruling in pack.rulings),
        monitors=Monitors(
            min(pack.monitors.red_periods for pack in packs),
            first.monitors.owner,
            min(pack.monitors.days_to_settle for pack in packs),
            _union(pack.monitors.pauses for pack in packs),
        ),
        prescreening=_strictest_prescreening([pack.prescreening for pack in packs]),
        citations=_once(citation for pack in packs for citation in pack.citations),
    )


def _strictest_prescreening(stated: Sequence[Prescreening]) -> Prescreening:
    under_21 = min((one.under_21 for one in stated), key=(EXCLUDED, ALLOWED).index)
    longest = max(stated, key=lambda one: one.honour_days)
    return Prescreening(under_21, longest.honour_days, longest.citation)


def _strictest_bands(stated: Sequence[Bands]) -> Bands:
    lines = {
        name: (max if name in STRICTER_ABOVE else min)(getattr(one, name) for one in stated) for name in LINES
    }  # fmt: skip
    references = {name: group for one in reversed(stated) for name, group in one.references.items()}
    return Bands(**lines, references=references, age_bands=stated[0].age_bands)


def _strictest_of(values: Sequence[Mapping[str, str]], order: Sequence[str]) -> dict[str, str]:
    """By method; one that a pack does not name is forbidden."""
    return {name: max((one.get(name, order[-1]) for one in values), key=order.index) for name in sorted(_union(values))}


def _union(parts: Iterable[Iterable[str]]) -> frozenset[str]:
    return frozenset(one for part in parts for one in part)


def _once(values: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(values))


def _number(metric: str) -> int:
    return int(metric[1:])


def rulings_on(pack: Pack, attribute: str) -> Iterator[Ruling]:
    """What a pack says about one attribute of the register; nothing where the register's own row is enough."""
    return (ruling for ruling in pack.rulings if attribute in ruling.attributes)
