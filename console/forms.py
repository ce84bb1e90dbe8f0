"""The forms of the console: which fields a proposal has; what content is allowed is decided in offers.catalog."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from django import forms
from django.forms import BoundField

from offers.models import Offer, Product

SCOPES: Final = (("all", "all offers"), ("product", "one product"), ("offer", "one offer"))


class DateInput(forms.DateInput):
    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


class ProposalForm(forms.Form):
    """What every proposal says for itself."""

    change_title = forms.CharField(label="What changes, in a line", max_length=200)
    rationale = forms.CharField(
        label="Why", required=False, widget=forms.Textarea(attrs={"rows": 3}), help_text="The approver reads this."
    )

    def bound(self, names: Iterable[str]) -> list[BoundField]:
        return [self[name] for name in names]

    @property
    def proposal(self) -> list[BoundField]:
        return self.bound(("change_title", "rationale"))


def midnight(day: Any, before: str | None) -> str | None:
    """The day's start in UTC; the moment that stood there before, if it is of the same day."""
    if day is None:
        return None
    return before if before and before.startswith(day.isoformat()) else f"{day.isoformat()}T00:00:00+00:00"


class RuleForm(ProposalForm):
    """What a rule is called, what it covers, and what a refusal says; its condition is in console.condition_form."""

    title = forms.CharField(label="Name", max_length=200)
    scope = forms.ChoiceField(choices=SCOPES, label="Covers")
    target = forms.ChoiceField(required=False, label="Which product or offer")
    reason_code = forms.RegexField(
        regex=r"^[A-Z][A-Z0-9_]{2,39}$", help_text="Stands in every refusal, for example SCORE_BELOW_FLOOR."
    )
    basis = forms.CharField(max_length=200, help_text="The regulation or policy that asks for it.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        target = self.fields["target"]
        assert isinstance(target, forms.ChoiceField)
        target.choices = [
            ("", "–"),
            ("products", list(Product.objects.filter(live=True).values_list("key", "title"))),
            ("offers", list(Offer.objects.filter(live=True).values_list("key", "title"))),
        ]

    @property
    def policy(self) -> list[BoundField]:
        return self.bound(("title", "scope", "target", "reason_code", "basis"))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        scope, target = cleaned.get("scope"), cleaned.get("target")
        table = {"product": Product, "offer": Offer}.get(scope or "")
        if table and not table._default_manager.filter(key=target, live=True).exists():
            self.add_error("target", f"Choose the {scope} that it covers.")
        return cleaned

    def content(self, when: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
        given = self.cleaned_data
        return {
            **(before or {}),
            **{name: given[name] for name in ("title", "scope", "reason_code", "basis")},
            "target": "" if given["scope"] == "all" else given["target"],
            "when": when,
        }


class ReasonForm(forms.Form):
    """Why a proposal is turned down, sent back or justified."""

    comment = forms.CharField(max_length=2000)
