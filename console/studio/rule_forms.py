"""The forms of the rule studio: eligibility rules with their golden tests, boosts, contact policy and ranking; a
condition is in console.studio.condition_form, and what content is allowed is decided in offers.catalog."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from django import forms
from django.forms import BoundField
from django.utils.dateparse import parse_datetime
from django.utils.text import capfirst

from console.forms import SCOPES, DateInput, ProposalForm, midnight
from console.studio.condition_form import number_of
from console.wording import LABELS
from offers.models import Offer, Product
from offers.register import ATTRIBUTES, STATES

PROPOSED: Final = 200  # products and offers each that a field proposes
EXPECTATIONS: Final = (("eligible", "eligible"), ("refused", "refused"), ("data_missing", "data missing"))
_YES, _NO = ("yes", "true"), ("no", "false")


class ScopedForm(ProposalForm):
    """What a rule or a boost is called, what it covers, and from when to when."""

    title = forms.CharField(label="Name", max_length=200)
    scope = forms.ChoiceField(choices=SCOPES, label="Covers")
    target = forms.CharField(
        required=False,
        label="Which product or offer",
        widget=forms.TextInput(attrs={"list": "targets"}),
        help_text="Its key; the field proposes.",
    )
    starts_at = forms.DateField(label="In force from", required=False, widget=DateInput(), help_text="Empty: at once.")
    ends_at = forms.DateField(label="Until", required=False, widget=DateInput(), help_text="Empty: no end.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["change_title"].required = False
        self.fields["change_title"].help_text = "Empty: made from what you changed."

    @property
    def targets(self) -> list[tuple[str, str]]:
        """Products, then offers, as proposals for the target: (key, title)."""
        rows = [table._default_manager.filter(live=True).values_list("key", "title") for table in (Product, Offer)]
        return [row for found in rows for row in found[:PROPOSED]]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        scope, target = cleaned.get("scope"), cleaned.get("target")
        table = {"product": Product, "offer": Offer}.get(scope or "")
        if table and not table._default_manager.filter(key=target, live=True).exists():
            self.add_error("target", f"Choose the {scope} that it covers.")
        starts, ends = cleaned.get("starts_at"), cleaned.get("ends_at")
        if starts and ends and ends <= starts:
            self.add_error("ends_at", "This is not after its start.")
        return cleaned

    def scoped(self, before: Mapping[str, Any]) -> dict[str, Any]:
        given = self.cleaned_data
        return {
            **before,
            "title": given["title"],
            "scope": given["scope"],
            "target": "" if given["scope"] == "all" else given["target"],
            **{name: midnight(given[name], before.get(name)) for name in ("starts_at", "ends_at")},
        }


class RuleForm(ScopedForm):
    """An eligibility rule beside its condition and its tests."""

    reason_code = forms.RegexField(
        regex=r"^[A-Z][A-Z0-9_]{2,39}$", help_text="Stands in every refusal, for example SCORE_BELOW_FLOOR."
    )
    basis = forms.CharField(max_length=200, help_text="The regulation or policy that asks for it.")
    country = forms.RegexField(
        regex=r"^[A-Za-z]{2}$", required=False, help_text="Two letters. Empty: residents of every country."
    )
    states = forms.CharField(required=False, help_text="Such as NJ, NY. Empty: residents of every state.")
    next_review = forms.DateField(required=False, widget=DateInput())

    @property
    def policy(self) -> list[BoundField]:
        names = ("title", "reason_code", "scope", "target", "basis", "next_review", "country", "states")
        return self.bound((*names, "starts_at", "ends_at"))

    def clean_states(self) -> list[str]:
        states = [part for part in re.split(r"[\s,;]+", self.cleaned_data["states"].upper()) if part]
        unknown = [state for state in states if state not in STATES]
        if unknown:
            raise forms.ValidationError(f"{', '.join(unknown)}: no state of the United States has this code.")
        return sorted(set(states))

    def content(
        self, when: Mapping[str, Any], tests: Sequence[Mapping[str, Any]], before: Mapping[str, Any]
    ) -> dict[str, Any]:
        given = self.cleaned_data
        where = {"country": given["country"].upper(), "states": given["states"]}
        review: date | None = given["next_review"]
        return _said(
            {
                **self.scoped(before),
                "reason_code": given["reason_code"],
                "basis": given["basis"],
                "when": when,
                "jurisdiction": {name: value for name, value in where.items() if value} or None,
                "next_review": review.isoformat() if review else None,
                "tests": list(tests) or None,
            }
        )


class BoostForm(ScopedForm):
    """A boost beside its condition."""

    factor = forms.FloatField(
        min_value=0.01, max_value=10, help_text="Multiplies the propensity: 1.1 is ten per cent more."
    )

    @property
    def policy(self) -> list[BoundField]:
        return self.bound(("title", "factor", "scope", "target", "starts_at", "ends_at"))

    def content(
        self, when: Mapping[str, Any], tests: Sequence[Mapping[str, Any]], before: Mapping[str, Any]
    ) -> dict[str, Any]:
        return _said({**self.scoped(before), "factor": self.cleaned_data["factor"], "when": when})


def _label(name: str) -> str:
    """As the field is called wherever it is shown."""
    return capfirst(LABELS[name])


class ContactPolicyForm(ProposalForm):
    """How often a customer is contacted at most, counted over calendar days in UTC."""

    title = forms.CharField(label="Name", max_length=200)
    decisions_per_day = forms.IntegerField(
        label=_label("decisions_per_day"), min_value=0, max_value=1000, help_text="Decisions with an offer; 0: none."
    )
    decisions_per_week = forms.IntegerField(label=_label("decisions_per_week"), min_value=0, max_value=1000)
    same_offer_per_week = forms.IntegerField(label=_label("same_offer_per_week"), min_value=0, max_value=1000)
    holdout_share = forms.FloatField(
        label="Held out, %", min_value=0, max_value=100, required=False, help_text="Customers who get no offer at all."
    )

    def content(self, before: Mapping[str, Any]) -> dict[str, Any]:
        given = self.cleaned_data
        names = ("title", "decisions_per_day", "decisions_per_week", "same_offer_per_week")
        share = round((given["holdout_share"] or 0.0) / 100, 6)
        kept = {"holdout_share": share} if share or "holdout_share" in before else {}
        return {**before, **{name: given[name] for name in names}, **kept}


class RankingForm(ProposalForm):
    """How propensity and bandit are blended, and how far boosts may go together."""

    title = forms.CharField(label="Name", max_length=200)
    propensity_weight = forms.FloatField(
        label="Weight of the propensity, %", min_value=0, max_value=100, help_text="The bandit has the rest."
    )
    value_exponent = forms.FloatField(
        label=_label("value_exponent"),
        min_value=0,
        max_value=2,
        help_text="0 ranks by response alone; 1 by response times value.",
    )
    shift_trials = forms.FloatField(
        label="Shift to the bandit after, trials", min_value=1, required=False, help_text="Empty: fixed weights."
    )
    boost_cap = forms.FloatField(
        label="All boosts together multiply by at most", min_value=1, max_value=10, required=False,
        help_text="Empty: no cap.",
    )  # fmt: skip
    attribution_days = forms.IntegerField(label=_label("attribution_days"), min_value=1, max_value=365)
    lease_minutes = forms.IntegerField(label=_label("lease_minutes"), min_value=1, max_value=1440)

    def content(self, before: Mapping[str, Any]) -> dict[str, Any]:
        given = self.cleaned_data
        weight = round(given["propensity_weight"] / 100, 6)
        names = ("title", "value_exponent", "shift_trials", "boost_cap", "attribution_days", "lease_minutes")
        weights = {"propensity_weight": weight, "bandit_weight": round(1 - weight, 6)}
        return _said({**before, **{name: given[name] for name in names}, **weights})


def _said(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content without what is left open."""
    return {name: value for name, value in content.items() if value is not None}


def initial(content: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of any of these forms as a content fills them."""
    where = content.get("jurisdiction") or {}
    shares = ("propensity_weight", "holdout_share")
    return {
        **content,
        **{name: round(content[name] * 100, 4) for name in shares if content.get(name) is not None},
        "country": where.get("country", ""),
        "states": ", ".join(where.get("states", [])),
        "starts_at": parse_datetime(content.get("starts_at") or ""),
        "ends_at": parse_datetime(content.get("ends_at") or ""),
    }


def tests_of(posted: Mapping[str, str]) -> list[dict[str, Any]]:
    """The golden tests that were posted, as content. What cannot be read stays a text, to be refused by name."""
    places = sorted({int(found[1]) for name in posted if (found := re.match(r"t\.(\d{1,4})\.", name))})
    rows = [{part: posted.get(f"t.{place}.{part}", "") for part in ("name", "customer", "expect")} for place in places]
    return [
        {"name": row["name"].strip() or f"test {place}", "customer": customer_of(row["customer"]),
         "expect": row["expect"] if row["expect"] in dict(EXPECTATIONS) else "eligible"}
        for place, row in enumerate(rows, start=1)
    ]  # fmt: skip


def customer_of(text: str) -> dict[str, Any]:
    """ "credit_score = 699; cards_held = a | b" as attributes."""
    pairs = [part.partition("=") for part in re.split(r"[;\n]", text) if part.strip()]
    return {name.strip(): _value(name.strip(), value.strip()) for name, _, value in pairs}


def _value(name: str, text: str) -> Any:
    declared = ATTRIBUTES.get(name)
    if declared is None or declared.type == "category":
        return text
    if declared.type == "boolean":
        return text.lower() in _YES if text.lower() in (*_YES, *_NO) else text
    if declared.type == "set":
        return [item.strip() for item in text.split("|") if item.strip()]
    return number_of(text)


def customer_text(customer: Mapping[str, Any]) -> str:
    """The attributes of a golden test as `customer_of` reads them."""
    return "; ".join(f"{name} = {_text(value)}" for name, value in customer.items())


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " | ".join(value) if isinstance(value, list) else str(value)
