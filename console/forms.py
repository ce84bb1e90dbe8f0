"""The forms of the console: which fields a proposal has; what content is allowed is decided in offers.catalog."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from django import forms
from django.forms import BoundField
from django.utils.dateparse import parse_datetime
from django.utils.text import slugify

from console.surfaces import SURFACES
from offers.models import Offer, Placement, Product
from offers.types import CHANNELS

LEGAL_BASES: Final = (
    ("invitation", "invitation to apply"),
    ("firm_offer", "firm offer of credit"),
    ("account_review", "account review"),
)
SCOPES: Final = (("all", "all offers"), ("product", "one product"), ("offer", "one offer"))
# The facts that every card has, in the order of the form; other facts of an offer stay as they are.
FACTS: Final = ("rate", "fee", "limit", "bonus")


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


class OfferForm(ProposalForm):
    """The facts of an offer, and where and when it runs."""

    title = forms.CharField(label="Name", max_length=200)
    product = forms.ChoiceField()
    family = forms.SlugField(max_length=59, help_text="Cards of one kind, for example travel.")
    rate = forms.FloatField(
        label="Rate, % a year", required=False, min_value=0, max_value=100, help_text="19.9 means 19.9 %"
    )
    fee = forms.FloatField(label="Annual fee", required=False, min_value=0)
    limit = forms.FloatField(label="Credit limit", required=False, min_value=0)
    bonus = forms.FloatField(label="Welcome bonus", required=False, min_value=0)
    value = forms.FloatField(label="Value of an acceptance", min_value=0)
    benefit_rank = forms.IntegerField(
        min_value=1, max_value=100, help_text="In its family; 1 serves the customer best."
    )
    base_rate = forms.FloatField(
        label="Expected acceptance, %", min_value=0.01, max_value=99, help_text="Assumed until a model has seen it."
    )
    legal_basis = forms.ChoiceField(choices=LEGAL_BASES)
    channels = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple)
    placements = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple)
    starts_at = forms.DateField(label="From", required=False, widget=DateInput())
    ends_at = forms.DateField(label="Until", required=False, widget=DateInput())

    def __init__(self, *args: Any, offer: Offer | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("initial", _initial(offer.content) if offer else {"channels": ["mobile_app", "web"]})
        super().__init__(*args, **kwargs)
        self.offer = offer
        choices: dict[str, Any] = {
            "product": Product.objects.filter(live=True).values_list("key", "title"),
            "placements": Placement.objects.filter(live=True).values_list("key", "title"),
            "channels": [(channel, channel.replace("_", " ")) for channel in CHANNELS],
        }
        for name, options in choices.items():
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = list(options)

    @property
    def groups(self) -> list[tuple[str, list[BoundField]]]:
        return [
            ("Product", self.bound(("title", "product", "family", "legal_basis"))),
            ("Facts", self.bound(FACTS)),
            ("Worth", self.bound(("value", "base_rate", "benefit_rank"))),
            ("Where and when", self.bound(("channels", "placements", "starts_at", "ends_at"))),
        ]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        starts, ends = cleaned.get("starts_at"), cleaned.get("ends_at")
        if starts and ends and ends <= starts:
            self.add_error("ends_at", "This is not after its start.")
        if self.offer is None and Offer.objects.filter(key=slugify(cleaned.get("title", ""))[:59]).exists():
            self.add_error("title", "There is an offer of this name.")
        return cleaned

    def content(self) -> dict[str, Any]:
        """The offer's content; facts and settings that the form does not show stay as they were."""
        given = self.cleaned_data
        before: Mapping[str, Any] = self.offer.content if self.offer else {}
        facts = {**before.get("facts", {}), **{name: given[name] for name in FACTS}}
        if given["rate"] is not None:
            facts["rate"] = round(given["rate"] / 100, 6)
        return {
            **before,
            "title": given["title"],
            "product": given["product"],
            "family": given["family"],
            "facts": {name: value for name, value in facts.items() if value is not None},
            "value": given["value"],
            "benefit_rank": given["benefit_rank"],
            "base_rate": round(given["base_rate"] / 100, 6),
            "channels": sorted(given["channels"]),  # a set: its order is no change
            "placements": given["placements"],
            "legal_basis": given["legal_basis"],
            **{
                name: _midnight(given[name], before.get(name))
                for name in ("starts_at", "ends_at")
                if given[name] or name in before
            },
        }


def _initial(content: Mapping[str, Any]) -> dict[str, Any]:
    facts = content.get("facts", {})
    rate = facts.get("rate")
    return {
        **content,
        **{name: facts.get(name) for name in FACTS},
        "rate": None if rate is None else round(rate * 100, 4),
        "base_rate": round(content["base_rate"] * 100, 4),
        "starts_at": parse_datetime(content.get("starts_at") or ""),
        "ends_at": parse_datetime(content.get("ends_at") or ""),
    }


def _midnight(day: Any, before: str | None) -> str | None:
    """The day's start in UTC; the moment that stood there before, if it is of the same day."""
    if day is None:
        return None
    return before if before and before.startswith(day.isoformat()) else f"{day.isoformat()}T00:00:00+00:00"


class TextForm(forms.Form):
    """The words of one creative on one channel."""

    headline = forms.CharField(max_length=120)
    body = forms.CharField(max_length=600, widget=forms.Textarea(attrs={"rows": 3}))
    call_to_action = forms.CharField(label="Call to action", max_length=60)
    disclosure = forms.CharField(max_length=600, widget=forms.Textarea(attrs={"rows": 2}))

    def __init__(self, data: Any = None, *, channel: str, initial: Mapping[str, Any] | None = None) -> None:
        super().__init__(data, prefix=channel, initial=dict(initial or {}))
        self.channel = channel

    def as_typed(self) -> dict[str, str]:
        """What stands in the fields now, right or wrong; for the preview."""
        return {name: str(self[name].value() or "") for name in self.fields}

    def content(self, before: Mapping[str, str] | None) -> dict[str, str]:
        kind = before["format"] if before else SURFACES[self.channel]
        return {"format": kind, **{name: self.cleaned_data[name] for name in self.fields}}


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
