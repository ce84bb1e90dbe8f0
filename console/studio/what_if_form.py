"""The levers of the what-if page: which numbers of the live release may be moved, and the items that say so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from django import forms

from console.wording import measured
from decisioning.impact.funnel import with_value
from offers.catalog import Item
from offers.conditions.grammar import Clause, Condition, clauses, parse, to_json
from offers.register import ATTRIBUTES
from offers.snapshot import Content

_NO_CAP: Final = 10.0  # the highest cap that the schema knows, which no boost exceeds alone
_SHARES: Final = ("min_share", "max_share")
_CAPS: Final = ("decisions_per_day", "decisions_per_week", "same_offer_per_week")


class Range(forms.NumberInput):
    """A slider with its number beside it; without JavaScript the number is the submitted one."""

    input_type = "range"
    template_name = "django/forms/widgets/number.html"


def _slider(label: str, low: float, high: float, step: float, help_text: str = "") -> forms.FloatField:
    return forms.FloatField(
        label=label, min_value=low, max_value=high, step_size=step, required=False, widget=Range, help_text=help_text
    )


class WhatIfForm(forms.Form):
    """Unbound it stands at the live release; what was typed for another offer, arm or clause than is chosen now does
    not count, which the hidden fields tell."""

    propensity_weight = _slider("Weight of the propensity", 0, 1, 0.05, "The rest is the bandit's.")
    value_exponent = _slider("Weight of an offer's value", 0, 2, 0.1, "0 ranks by interest alone.")
    boost_cap = _slider("Boosts together at most", 1, _NO_CAP, 0.1, "At 10 there is no cap.")
    decisions_per_day = _slider("Offers a customer and day", 0, 20, 1)
    decisions_per_week = _slider("Offers a customer and week", 0, 60, 1)
    same_offer_per_week = _slider("The same offer a week", 0, 30, 1)
    offer = forms.ChoiceField(label="Offer", required=False)
    offer_value = forms.FloatField(label="Its value to the bank", min_value=0, max_value=100_000, required=False)
    arm = forms.ChoiceField(label="Arm", required=False)
    min_share = _slider("At least this share of decisions", 0, 1, 0.01)
    max_share = _slider("At most this share", 0, 1, 0.01)
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
        # As a slider's script would write it: 4 and not 4.0.
        shown = {name: "" if value is None else f"{value:g}" for name, value in start.items()}
        super().__init__({**shown, **given, **chosen, **{f"of_{name}": key for name, key in chosen.items()}})
        self.start = start
        self.limits = limits
        self._choices(chosen)

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
            weight = round(moved["propensity_weight"], 4)
            changed |= {"propensity_weight": weight, "bandit_weight": round(1 - weight, 4)}
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
            when = with_value(parse(value["when"]), path, int(limit) if limit == int(limit) else limit)
            yield Item("rule", key, {**value, "when": to_json(when)})


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
    return f"{title}: {declared.meaning} {clause.op} {measured(clause.value, declared.unit)}"
