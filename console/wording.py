"""Catalogue content as a person reads it: facts with their units, and two versions of a content side by side."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from console.templatetags.console import NONE, amount, day_of, listed, percent, words
from offers.register import ATTRIBUTES, OFFER_FACTS, Attribute, Unit
from offers.types import CHANNELS, Offer

_ABBREVIATION = 3  # letters: "HI" is a state and stays large
_CHOICES_SHOWN = 6
_NO_LIMIT = 1e9  # a bound that only tells numbers from nonsense
_HIDDEN = ("when",)  # shown clause by clause instead
_UNSAID = ("texts", "facts")  # what stands in them says itself what it is
_DAY = re.compile(r"\d{4}-\d\d-\d\d(T00:00:00\+00:00)?")
_SHARES = ("propensity_weight", "bandit_weight", "holdout_share")
# What a field of a content is called, in its form and where two contents stand side by side.
LABELS: Final[Mapping[str, str]] = {
    "decisions_per_day": "offers to one customer a day",
    "decisions_per_week": "offers to one customer a week",
    "same_offer_per_week": "the same offer to one customer a week",
    "holdout_share": "held out, without any offer",
    "propensity_weight": "weight of the propensity",
    "bandit_weight": "weight of the bandit",
    "value_exponent": "weight of an offer's value",
    "shift_trials": "shift to the bandit after, trials",
    "boost_cap": "all boosts together multiply by at most",
    "attribution_days": "attribution of an outcome, days",
    "lease_minutes": "a choice is kept, minutes",
}
# The register's codes of an attribute, in words.
WARNINGS: Final[Mapping[str, str]] = {
    "close_proxy": "Close proxy of a protected characteristic.",
    "age_special": "Age: allowed only where the law asks for it.",
}
PURPOSES: Final[Mapping[str, str]] = {
    "account_servicing": "For servicing the account",
    "marketing_own_data": "For marketing, the bank's own data",
    "prescreen_firm_offer": "For a firm offer only",
    "legal_requirement": "Because the law requires it",
}
ORIGINS: Final[Mapping[str, str]] = {
    "own_txn": "own records",
    "application": "application",
    "consumer_report": "consumer report",
    "prescreen": "list of a credit bureau",
    "affiliate": "affiliate",
    "third_party": "third party",
    "session": "this session",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One field of a content, before and after."""

    label: str
    before: str
    after: str

    @property
    def changed(self) -> bool:
        return self.before != self.after


def measured(value: Any, unit: Unit) -> str:
    """A value with its unit: shares as per cent, sums and counts with thousands apart."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple | set | frozenset):
        return listed(sorted(map(str, value))) if value else "none"
    if not isinstance(value, int | float):
        return spelt(value)
    if unit == "ratio":
        return percent(value, 2 if 0 < abs(value) < 0.1 else 1)
    return f"{amount(round(value, 2))} {unit}" if unit in ("months", "days", "seconds") else amount(round(value, 2))


def spelt(code: str) -> str:
    """A value of a category in words, but for abbreviations."""
    return words(code) if len(code) > _ABBREVIATION else code


def facts(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The facts of an offer in the register's order: (meaning, value)."""
    given = content.get("facts", {})
    return [(fact.meaning, measured(given[name], fact.unit)) for name, fact in OFFER_FACTS.items() if name in given]


def terms(content: Mapping[str, Any]) -> str:
    """The price of an offer in a few words: "19.9 % a year, fee 95, bonus 600"."""
    given = content.get("facts", {})
    parts = []
    if given.get("rate") is not None:
        parts.append(f"{percent(given['rate'])} a year")
    if given.get("fee") is not None:
        parts.append(f"fee {amount(given['fee'])}" if given["fee"] else "no fee")
    parts += [f"{name} {amount(given[name])}" for name in ("bonus", "limit") if given.get(name)]
    return ", ".join(parts)


def channels(keys: Collection[str]) -> str:
    """Channels in a few words: "every channel but SMS", "web and e-mail"."""
    missing = [channel for channel in CHANNELS if channel not in keys]
    if len(missing) <= len(CHANNELS) // 4:
        return "every channel" + (f" but {listed(missing)}" if missing else "")
    return listed([channel for channel in CHANNELS if channel in keys])


def attribute_value(name: str, value: Any) -> str:
    """A customer's value of an attribute, or an offer's of a fact."""
    declared = ATTRIBUTES.get(name) or OFFER_FACTS.get(name)
    return measured(value, declared.unit if declared else "none")


def offer_values(offer: Offer) -> dict[str, Any]:
    """What a model may read of an offer, by name of the register."""
    return {**offer.facts, "value": offer.value, "benefit_rank": offer.benefit_rank, "family": offer.family}


def value_range(declared: Attribute) -> str:
    """What values an attribute can have: "number in points, 300 to 850", "one of low, medium and high"."""
    if declared.choices:
        shown = declared.choices[:_CHOICES_SHOWN]
        rest = f" and {len(declared.choices) - len(shown)} more" if len(shown) < len(declared.choices) else ""
        return f"one of {', '.join(map(spelt, shown))}{rest}" if rest else f"one of {listed(shown)}"
    if declared.bounds is None:
        return {"boolean": "yes or no", "set": "any number of keys", "category": "a code"}[declared.type]
    low, high = declared.bounds
    within = "" if high >= _NO_LIMIT else f", {amount(low)} to {amount(high)}"
    if declared.unit == "ratio":
        return f"share, {percent(low, 0)} to {percent(high, 0)}"
    if declared.unit in ("currency", "score"):
        return f"{'sum of money' if declared.unit == 'currency' else 'score'}{within}"
    unit = "" if declared.unit in ("none", "count") else f" of {declared.unit}"
    return f"{'whole number' if declared.type == 'integer' else 'number'}{unit}{within}"


def attribute_name(name: str) -> str:
    """What an attribute or an offer fact means; a column that is neither stays as it is."""
    declared = ATTRIBUTES.get(name) or OFFER_FACTS.get(name)
    return declared.meaning if declared else words(name)


def side_by_side(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[Row]:
    """Every field of either content, changed ones first, in the order of the content."""
    old, new = (dict(_flat(content or {})) for content in (before, after))
    rows = [Row(label, old.get(label, NONE), new.get(label, NONE)) for label in {**new, **old}]
    return sorted(rows, key=lambda row: not row.changed)


def _flat(content: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for name, value in content.items():
        label = f"{path}{LABELS.get(name) or words(name)}"
        if name in _HIDDEN and not path:
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, path if name in _UNSAID else f"{label}, ")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for index, entry in enumerate(value, start=1):
                if "attribute" in entry:
                    yield f"{label} {index}", _context(entry)
                else:
                    yield from _flat(entry, f"{label} {index}, ")
        elif (fact := OFFER_FACTS.get(name)) is not None:
            yield fact.meaning, _plain(value) if isinstance(value, str) else measured(value, fact.unit)
        else:
            yield label, measured(value, "ratio") if name in _SHARES else _plain(value)


def _context(entry: Mapping[str, Any]) -> str:
    """What a bandit sees of a customer: "device type is app", "time with the bank, around 60 in steps of 60"."""
    name = attribute_name(str(entry["attribute"]))
    if "equals" in entry:
        return f"{name} is {spelt(str(entry['equals']))}"
    around, step = (attribute_value(str(entry["attribute"]), entry.get(end)) for end in ("centre", "scale"))
    return f"{name}, around {around} in steps of {step}"


def _plain(value: Any) -> str:
    """A text stays as its author wrote it; only days, lists and numbers are put into words."""
    if isinstance(value, str) and _DAY.fullmatch(value):
        return day_of(value)
    return value if isinstance(value, str) and value else measured(value, "none")
