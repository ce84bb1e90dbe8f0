"""A policy pack as a person reads it: every line with its unit and its source, for its page and for the reviewer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from console.templatetags.console import NONE, listed, percent, words
from console.wording import attribute_name
from offers import packs
from offers.roles import ROLES
from offers.types import Citation, Pack, Ruling

_COUNTRIES_SHOWN = 3
# Each line of offers.types.Bands: what it says, and how its value is written.
LINES: Final[Mapping[str, tuple[str, str]]] = {
    "fail_ratio": ("Impact ratio fails under", "ratio"),
    "watch_ratio": ("Impact ratio is watched under", "ratio"),
    "reverse_ratio": ("Reference group falls behind above a ratio of", "ratio"),
    "significance": ("Significant with a corrected p under", "ratio"),
    "material_shortfall": ("Material from a shortfall of", "people"),
    "smallest_cell": ("Favourable and unfavourable of both groups, at least", "people"),
    "power": ("Power that a group's size must give", "share"),
    "parity_watch": ("Difference of shares is watched from", "points"),
    "parity_fail": ("Difference of shares fails from", "points"),
    "odds_watch": ("Equal opportunity and average odds are watched from", "points"),
    "odds_fail": ("Equal opportunity and average odds fail from", "points"),
    "smd_watch": ("Standardised mean difference is watched from", "ratio"),
    "smd_fail": ("Standardised mean difference fails from", "ratio"),
    "effect_watch": ("Marginal effect is watched from", "points"),
    "effect_fail": ("Marginal effect fails from", "points"),
    "calibration_watch": ("Calibration is watched under", "ratio"),
    "calibration_fail": ("Calibration fails under", "ratio"),
    "steering_watch": ("Steering is watched from", "points"),
    "steering_fail": ("Steering fails from", "points"),
    "exposure_watch": ("Exposure against eligibility is watched from", "points"),
    "exposure_fail": ("Exposure against eligibility fails from", "points"),
    "lockout_people": ("Locked out is judged from, eligible", "people"),
    "lockout_share": ("Locked out under, of the most exposed group", "share"),
    "proxy_notable": ("Proxy is notable from an AUC of", "ratio"),
    "proxy_strong": ("Proxy is strong from an AUC of", "ratio"),
    "smallest_shown": ("Groups are shown from", "people"),
}
# What the lines are about, as the form groups them; together they are all of LINES.
TOPICS: Final[Mapping[str, tuple[str, ...]]] = {
    "What is watched and what fails": (
        "watch_ratio", "fail_ratio", "reverse_ratio", "parity_watch", "parity_fail", "odds_watch", "odds_fail",
    ),
    "When there is enough to say so": (
        "significance", "material_shortfall", "smallest_cell", "power", "smallest_shown",
    ),
    "Scores and their calibration": (
        "smd_watch", "smd_fail", "effect_watch", "effect_fail", "calibration_watch", "calibration_fail",
    ),
    "Steering and exposure": (
        "steering_watch", "steering_fail", "exposure_watch", "exposure_fail", "lockout_people", "lockout_share",
    ),
    "Inputs that give a group away": ("proxy_notable", "proxy_strong"),
}  # fmt: skip
UNITS: Final[Mapping[str, str]] = {
    "points": "A share: 0.05 is 5 points. ", "share": "A share: 0.8 is 80 %. ", "people": "People. ", "ratio": "",
}  # fmt: skip
METRICS: Final[Mapping[str, str]] = {
    "M1": "adverse impact ratio", "M2": "statistical parity", "M3": "equal opportunity", "M4": "average odds",
    "M5": "error rates", "M6": "Theil and entropy", "M7": "consistency", "M8": "standardised mean difference",
    "M9": "marginal effect", "M10": "odds ratio", "M11": "ratio by score cut", "M12": "segmented ratio",
    "M13": "residual difference", "M14": "shortfall", "M15": "calibration", "M16": "intersections",
    "M17": "subgroup scan", "M18": "exposure",
}  # fmt: skip
LDA: Final[Mapping[str, str]] = {
    "required": "a search for alternatives, not older than twelve months",
    "waivable": "a search for alternatives, or the reason why there is none",
}
RECORDS: Final[Mapping[str, str]] = {
    "decision": "decisions", "application": "applications", "firm_offer": "firm offers and their criteria",
    "complaint": "complaints", "self_test": "self-tests", "request": "requests of customers", "log": "logs",
}  # fmt: skip
MITIGATIONS: Final[Mapping[str, str]] = {
    packs.REWEIGHING: "Reweighing in training",
    packs.GROUP_AWARE: "Looking at the group when deciding",
}
_PERMISSIONS: Final[Mapping[str, str]] = {
    "forbidden": "forbidden", "flagged": "with a second signature", "allowed": "allowed",
}  # fmt: skip
RULINGS: Final[Mapping[str, str]] = {
    "allowed": "allowed", "firm_offer": "for firm offers only", "prohibited": "not allowed",
}  # fmt: skip
UNDER_21: Final[Mapping[str, str]] = {"excluded": "are chosen for none", "allowed": "may be chosen"}
REPORTED: Final = "Figures that are reported for this place"
PAUSES: Final[Mapping[str, str]] = {"none": "nothing", "arm": "the arm that causes it", "model": "the model"}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that a pack says, and where it is written, if the pack names that."""

    label: str
    value: str
    citation: Citation | None = None


def sections(pack: Pack) -> dict[str, list[Line]]:
    """Everything that a pack says, by heading, in the order of its page."""
    return {
        "Where and when": list(_place(pack)),
        "Lines of the audits": list(_lines(pack)),
        "Before anything goes live": list(_gates(pack)),
        "Firm offers from a consumer report": [
            Line(
                "People under 21, or of unknown age", UNDER_21[pack.prescreening.under_21], pack.prescreening.citation
            ),
            Line("Days that an offer is honoured", str(pack.prescreening.honour_days), pack.prescreening.citation),
        ],
        "When a line is crossed": list(_monitors(pack)),
        "Attributes": [Line(_attributes(one), _ruling(one), one.citation) for one in pack.rulings],
        "Notices to customers": [
            Line(f"{words(one.template).capitalize()}, version {one.version}", one.text, one.citation)
            for one in pack.notices
        ],
        "Months that records are kept": [
            Line(RECORDS[kind].capitalize(), str(pack.retention[kind])) for kind in RECORDS if kind in pack.retention
        ],
        "Sources": [Line(cited.text, cited.url, cited) for cited in pack.citations],
    }


def flat(content: Mapping[str, Any] | None) -> dict[str, str] | None:
    """The same of a content in one level, for a comparison of two."""
    if content is None:
        return None
    pack = packs.read("", content)
    said = {"name": pack.title, "summary": pack.summary}
    for lines in sections(pack).values():
        for line in lines:
            source = f" ({line.citation.text})" if line.citation and line.label != line.citation.text else ""
            said[line.label] = line.value + source
    return said


def place(pack: Pack) -> str:
    """Where it applies, in a few words."""
    if pack.states:
        return ", ".join(sorted(pack.states))
    countries = sorted(pack.countries)
    if len(countries) > _COUNTRIES_SHOWN:
        return f"{len(countries)} countries"
    return ", ".join(countries) or "everywhere"


def _place(pack: Pack) -> Iterator[Line]:
    yield Line("Countries", ", ".join(sorted(pack.countries)) or "every one")
    yield Line("States", ", ".join(sorted(pack.states)) or "every one")
    yield Line("In force from", _day(pack.effective_from))
    yield Line("In force until, not included", _day(pack.effective_until) if pack.effective_until else "no end")
    yield Line("Verified on", _day(pack.verified_on))


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _lines(pack: Pack) -> Iterator[Line]:
    for name, (label, unit) in LINES.items():
        yield Line(label, _value(getattr(pack.bands, name), unit))
    for attribute, group in sorted(pack.bands.references.items()):
        yield Line(f"Reference group, {words(attribute)}", group)
    for band in pack.bands.age_bands:
        years = f"{band.lower} to {band.upper - 1}" if band.upper else f"{band.lower} and over"
        yield Line(f"Age band {band.name}", f"{years}. {band.basis}")
    left_out = [name for metric, name in METRICS.items() if metric not in pack.metrics]
    yield Line(REPORTED, f"all but {listed(left_out)}" if left_out else f"all {len(METRICS)}")
    yield Line("Estimated where not recorded", listed(sorted(pack.proxies)) if pack.proxies else "nothing")


def _gates(pack: Pack) -> Iterator[Line]:
    yield Line("Going live takes", LDA[pack.lda])
    for method, label in MITIGATIONS.items():
        yield Line(label, _PERMISSIONS[pack.mitigations.get(method, "forbidden")])


def _monitors(pack: Pack) -> Iterator[Line]:
    said = pack.monitors
    yield Line("Drift alert after red months in a row", str(said.red_periods))
    yield Line("Finding belongs to", ROLES[said.owner].lower())
    yield Line("Days to settle it", str(said.days_to_settle))
    pauses = [PAUSES[scope] for scope in sorted(said.pauses)] or [PAUSES[packs.NO_PAUSE]]
    yield Line("Paused by itself", listed(pauses))


def _attributes(ruling: Ruling) -> str:
    names = [attribute_name(name) for name in ruling.attributes]
    text = listed(names) if len(names) <= _COUNTRIES_SHOWN else f"{', '.join(names[:-1])} and {names[-1]}"
    return text[0].upper() + text[1:]


def _ruling(ruling: Ruling) -> str:
    uses = f" in {listed([f'{use}s' for use in ruling.uses])} alone" if ruling.uses else ""
    return f"{RULINGS[ruling.ruling].capitalize()}{uses}. {ruling.reason}"


def _value(value: float, unit: str) -> str:
    if unit == "people":
        return f"{value:,} people"
    if unit == "share":
        return percent(value, 0)
    return f"{100 * value:g} points" if unit == "points" else f"{value:.2f}" if value else NONE
