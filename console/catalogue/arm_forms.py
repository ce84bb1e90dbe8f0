"""The forms of an arm: its prior and its mandate; what content is allowed is decided in offers.catalog and
offers.mandates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.forms import BoundField
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from console.forms import DateInput, ProposalForm, midnight
from offers import mandates

PRIOR_STRENGTH: Final = 50.0  # trials that a new arm's expected reward counts for


class PriorForm(ProposalForm):
    """What is believed of an arm before its first trial."""

    prior_mean = forms.FloatField(
        label="Expected reward of a trial, %", min_value=0, max_value=100, help_text="3 means 3 %"
    )
    prior_strength = forms.FloatField(
        label="Counts for so many trials", min_value=0.01, max_value=1e6, help_text="Fewer learn sooner."
    )

    @property
    def prior(self) -> list[BoundField]:
        return self.bound(("prior_mean", "prior_strength"))

    def prior_content(self) -> dict[str, float]:
        given = self.cleaned_data
        return {"prior_mean": round(given["prior_mean"] / 100, 6), "prior_strength": given["prior_strength"]}


class ArmForm(PriorForm):
    """A change of an arm: its mandate first, which is what most come for."""

    min_share = forms.FloatField(label="At least, %", required=False, min_value=0, max_value=100)
    max_share = forms.FloatField(
        label="At most, %",
        required=False,
        min_value=0,
        max_value=100,
        help_text="Of the decisions in which it competes. Empty: merit alone.",
    )
    learning_budget = forms.IntegerField(
        label="Learning budget a day",
        required=False,
        min_value=0,
        max_value=10_000_000,
        help_text="How often it may be chosen while another arm promises more. Empty: no limit.",
    )
    ends_at = forms.DateField(
        label="Ends on", required=False, widget=DateInput(), help_text="From the start of that day (UTC) merit alone."
    )
    never_explore = forms.MultipleChoiceField(
        label="Never explored on whoever has",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Whoever may have it counts as having it. Protected characteristics are not offered here.",
    )

    def __init__(self, data: Any = None, *, content: Mapping[str, Any], name: str) -> None:
        mandate = content.get("mandate") or {}
        initial = {
            "change_title": f"Change the share of {name}"[:200],
            "prior_mean": round(content["prior_mean"] * 100, 4),
            "prior_strength": content["prior_strength"],
            **{
                field: round(mandate[field] * 100, 4)
                for field in ("min_share", "max_share")
                if mandate.get(field) is not None
            },
            "learning_budget": mandate.get("learning_budget"),
            "ends_at": parse_datetime(mandate.get("ends_at") or ""),
            "never_explore": mandate.get("never_explore", []),
        }
        super().__init__(data, initial=initial)
        spared = self.fields["never_explore"]
        assert isinstance(spared, forms.ChoiceField)
        spared.choices = [(declared.name, declared.meaning) for declared in mandates.shields()]
        self.fields["max_share"].widget.attrs["autofocus"] = True
        self.before = content

    @property
    def share(self) -> list[BoundField]:
        return self.bound(("min_share", "max_share", "ends_at"))

    @property
    def learning(self) -> list[BoundField]:
        return self.bound(("learning_budget", "never_explore"))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        low, high = cleaned.get("min_share"), cleaned.get("max_share")
        if low is not None and high is not None and low > high:
            self.add_error("min_share", "The minimum is above the maximum.")
        ends = cleaned.get("ends_at")
        if ends and ends != self.initial["ends_at"] and ends <= timezone.now().date():
            self.add_error("ends_at", "This is not in the future.")
        return cleaned

    def content(self) -> dict[str, Any]:
        """The arm's content; an empty mandate is none."""
        content = {**self.before, **self.prior_content()}
        content.pop("mandate", None)
        mandate = self._mandate()
        return {**content, "mandate": mandate} if mandate else content

    def _mandate(self) -> dict[str, Any]:
        given, before = self.cleaned_data, self.before.get("mandate") or {}
        asked: dict[str, Any] = {}
        if given["min_share"]:
            asked["min_share"] = round(given["min_share"] / 100, 6)
        if given["max_share"] is not None and given["max_share"] < 100:
            asked["max_share"] = round(given["max_share"] / 100, 6)
        if given["learning_budget"] is not None:
            asked["learning_budget"] = given["learning_budget"]
        if given["never_explore"]:
            asked["never_explore"] = sorted(given["never_explore"])
        if asked and given["ends_at"]:
            asked["ends_at"] = midnight(given["ends_at"], before.get("ends_at"))
        return asked


class NewArmForm(PriorForm):
    """A message of an offer that is to compete."""

    creative = forms.ChoiceField(label="Offer and message")

    def __init__(self, data: Any = None, *, creatives: list[tuple[str, str]], initial: Mapping[str, Any]) -> None:
        super().__init__(data, initial={"prior_strength": PRIOR_STRENGTH, **initial})
        choice = self.fields["creative"]
        assert isinstance(choice, forms.ChoiceField)
        choice.choices = [("", "–"), *creatives]
