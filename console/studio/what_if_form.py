"""The levers of the what-if page: which numbers of the live release may be moved, and the items that say so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

from django import forms

from console.wording import measured
from decisioning.impact.funnel import with_value
from offers.catalog import Item
from offers.conditions.grammar import Clause, Condition, clauses, parse, to_json
from offers.register import ATTRIBUTES
from offers.snapshot import Content

_NO_CAP: Final = 10.0  # the highest cap that the schema knows, which no boost exceeds alone
_PLACES: Final = 9  # of the finest step of a slider
_MOST: Final = 1e9  # a number that a slider can stand at
_EXACT: Final = 2**53  # below it every whole number is a float of its own
_SIGNS: Final = {"<=": "≤", ">=": "≥"}
_SHARES: Final = ("min_share", "max_share")
_CAPS: Final = ("decisions_per_day", "decisions_per_week", "same_offer_per_week")


class Range(forms.NumberInput):
    """A slider with its number beside it; without JavaScript the number is the submitted one."""

    input_type = "range"
    template_name = "django/forms/widgets/number.html"


def _slider(
    low: float, high: float, step: str, *, label: str, help_text: str = "", share: bool = False
) -> forms.FloatField:
    """`low` and `high` are the schema's own bounds. How finely it moves is no validation: what is live may lie between
    two steps. A `share` reads as per cent beside it."""
    field = forms.FloatField(
        label=label, min_value=low, max_value=high, required=False, widget=Range, help_text=help_text
    )  # fmt: skip
    field.widget.attrs |= {"step": step} | ({"data-share": ""} if share else {})
    return field


def _cap(label: str, usual: int) -> forms.IntegerField:
    """A count, of which `usual` is the most that its slider shows unless the live one is higher."""
    field = forms.IntegerField(label=label, min_value=0, max_value=1000, required=False, widget=Range)
    field.widget.attrs["max"] = usual
    return field


class WhatIfForm(forms.Form):
    """Unbound it stands at the live release; what was typed for another offer, arm or clause than is chosen now does
    not count, which the hidden fields tell."""

    propensity_weight = _slider(
        0, 1, "0.05", label="Weight of the propensity", help_text="The rest is the bandit's.", share=True
    )
    value_exponent = _slider(
        0,
        2,
        "0.1",
        label="Weight of an offer's value",
        help_text="0 ranks by response alone, 1 by response times value.",
    )
    boost_cap = _slider(1, _NO_CAP, "0.1", label="Boosts together at most", help_text="At 10 there is no cap.")
    decisions_per_day = _cap("Offers to one customer a day", 20)
    decisions_per_week = _cap("Offers to one customer a week", 60)
    same_offer_per_week = _cap("The same offer to one customer a week", 30)
    offer = forms.ChoiceField(label="Offer", required=False)
    offer_value = forms.FloatField(label="Its value to the bank", min_value=0, max_value=100_000, required=False)
    arm = forms.ChoiceField(label="Arm", required=False)
    min_share = _slider(0, 1, "0.01", label="At least this share of decisions", share=True)
    max_share = _slider(0, 1, "0.01", label="At most this share of decisions", share=True)
    rule = forms.ChoiceField(label="Rule and limit", required=False)
    threshold = forms.FloatField(label="Its limit", required=False)
    of_offer = forms.CharField(widget=forms.HiddenInput, required=False)
    of_arm = forms.CharField(widget=forms.HiddenInput, required=False)
    of_rule = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(self, content: Content, data: Mapping[str, str]) -> None:
        self.content = content
        limits = dict(_limits(content))
        chosen = {
            "offer": _chosen(data.get("offer"), sorted(content["offer"])),
            "arm": _chosen(data.get("arm"), sorted(content["arm"])),
            "rule": _chosen(_whole(data.get("rule", ""), limits), list(limits)),
        }
        start = _live(content, chosen, limits)
        given = {
            name: data[name] for name in start if name in data and data[name] != "" and _counts(name, data, chosen)
        }
        shown = {name: "" if value is None else _written(value) for name, value in start.items()}
        super().__init__({**shown, **given, **chosen, **{f"of_{name}": key for name, key in chosen.items()}})
        self.start = start
        self.limits = limits
        self._choices(chosen)
        for name in start:
            self._reaching(name, shown[name], given.get(name, ""))

    def _reaching(self, name: str, *values: str) -> None:
        """Let a slider stand exactly where the live release does, and where it was moved to: a browser would put it at
        the nearest step, which nobody asked for."""
        field = self.fields[name]
        if isinstance(field.widget, Range):
            attrs, numbers = field.widget.attrs, [number for value in values for number in _number(value)]
            attrs["max"] = max([Decimal(attrs["max"]), *numbers])
            if isinstance(field, forms.FloatField):
                attrs["step"] = _finer(Decimal(attrs["step"]), numbers)

    def _choices(self, chosen: Mapping[str, str]) -> None:
        content = self.content
        choices: dict[str, list[tuple[str, str]]] = {
            "offer": [(key, content["offer"][key]["title"]) for key in sorted(content["offer"])],
            "arm": [(key, content["arm"][key]["title"]) for key in sorted(content["arm"])],
            "rule": [(key, _limit_words(content, key, clause)) for key, clause in self.limits.items()],
        }
        for name, listed in choices.items():
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = listed
            field.widget.attrs |= {"data-lever": name}

    def faults(self) -> list[str]:
        """What is wrong with the levers, each with the name of its lever."""
        return [f"{self[name].label}: {fault}" for name, faults in self.errors.items() for fault in faults]

    def items(self) -> list[Item]:
        """What differs from the live release, as whole catalogue items; nothing where nothing was moved."""
        moved = {
            name: value
            for name, value in self.cleaned_data.items()
            if name in self.start and value is not None and value != self.start[name]
        }
        return [*self._ranking(moved), *self._policy(moved), *self._offer(moved), *self._arm(moved), *self._rule(moved)]

    def _ranking(self, moved: Mapping[str, float]) -> Iterator[Item]:
        changed: dict[str, Any] = {name: moved[name] for name in ("value_exponent", "boost_cap") if name in moved}
        if "propensity_weight" in moved:
            weight = moved["propensity_weight"]
            changed |= {"propensity_weight": weight, "bandit_weight": round(1 - weight, 10)}
        for key, value in self.content["ranking"].items() if changed else ():
            yield Item("ranking", key, {**value, **changed})

    def _policy(self, moved: Mapping[str, float]) -> Iterator[Item]:
        changed = {name: int(moved[name]) for name in _CAPS if name in moved}
        for key, value in self.content["contact_policy"].items() if changed else ():
            yield Item("contact_policy", key, {**value, **changed})

    def _offer(self, moved: Mapping[str, float]) -> Iterator[Item]:
        if "offer_value" in moved:
            key = self.cleaned_data["offer"]
            yield Item("offer", key, {**self.content["offer"][key], "value": moved["offer_value"]})

    def _arm(self, moved: Mapping[str, float]) -> Iterator[Item]:
        changed = {name: moved[name] for name in _SHARES if name in moved}
        if changed:
            key = self.cleaned_data["arm"]
            value = self.content["arm"][key]
            yield Item("arm", key, {**value, "mandate": {**(value.get("mandate") or {}), **changed}})

    def _rule(self, moved: Mapping[str, float]) -> Iterator[Item]:
        if "threshold" in moved:
            key, _, path = self.cleaned_data["rule"].partition(" ")
            value, limit = self.content["rule"][key], moved["threshold"]
            when = with_value(parse(value["when"]), path, int(limit) if limit.is_integer() else limit)
            yield Item("rule", key, {**value, "when": to_json(when)})


def _written(value: float) -> str:
    """In full, as a slider's script would write it: 4 and not 4.0."""
    return str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(value)


def _number(text: str) -> Iterator[Decimal]:
    """The number, if it is one at which a slider can stand."""
    with suppress(ValueError):
        if abs(float(text)) < _MOST:
            yield Decimal(_written(float(text)))


def _finer(step: Decimal, numbers: list[Decimal]) -> Decimal | str:
    """The step, or the power of ten below it on which all numbers lie."""
    finer = (Decimal(1).scaleb(-places) for places in range(1, _PLACES + 1))
    fitting = (each for each in (step, *finer) if each <= step and not any(number % each for number in numbers))
    return next(fitting, "any")


def _chosen(wanted: str | None, there: list[str]) -> str:
    return wanted if wanted in there else there[0] if there else ""


def _whole(wanted: str, limits: Mapping[str, Clause]) -> str:
    """A rule alone stands for its first limit."""
    return wanted if wanted in limits else next((key for key in limits if key.partition(" ")[0] == wanted), "")


def _counts(name: str, data: Mapping[str, str], chosen: Mapping[str, str]) -> bool:
    lever = {"offer_value": "offer", "min_share": "arm", "max_share": "arm", "threshold": "rule"}.get(name)
    return lever is None or data.get(f"of_{lever}", chosen[lever]) == chosen[lever]


def _live(content: Content, chosen: Mapping[str, str], limits: Mapping[str, Clause]) -> dict[str, Any]:
    """Where each lever stands in the live release."""
    ranking: Mapping[str, Any] = next(iter(content["ranking"].values()), {})
    policy: Mapping[str, Any] = next(iter(content["contact_policy"].values()), {})
    mandate = content["arm"].get(chosen["arm"], {}).get("mandate") or {}
    limit = limits.get(chosen["rule"])
    return {
        "propensity_weight": float(ranking.get("propensity_weight", 0.6)),
        "value_exponent": float(ranking.get("value_exponent", 0.0)),
        "boost_cap": float(ranking.get("boost_cap") or _NO_CAP),
        **{name: float(policy.get(name, 0)) for name in _CAPS},
        "offer_value": float(content["offer"].get(chosen["offer"], {}).get("value", 0)),
        "min_share": float(mandate.get("min_share", 0.0)),
        "max_share": float(mandate.get("max_share", 1.0)),
        "threshold": float(limit.value) if limit and isinstance(limit.value, int | float) else None,
    }


def _limits(content: Content) -> Iterator[tuple[str, Clause]]:
    """Every clause of a rule that compares with one number, by "<rule> <path>"."""
    for key in sorted(content["rule"]):
        for path, clause in clauses(_condition(content["rule"][key])):
            if clause.op in ("<", "<=", ">", ">=") and isinstance(clause.value, int | float):
                yield f"{key} {path}", clause


def _condition(value: Mapping[str, Any]) -> Condition:
    return parse(value["when"])


def _limit_words(content: Content, key: str, clause: Clause) -> str:
    declared = ATTRIBUTES[clause.attribute]
    title = content["rule"][key.partition(" ")[0]]["title"]
    return f"{title}: {declared.meaning} {_SIGNS.get(clause.op, clause.op)} {measured(clause.value, declared.unit)}"
