"""The forms of the catalogue: an offer as a whole and by the steps of the wizard, the words of a message, an arm, a
placement; what content is allowed is decided in offers.catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django import forms
from django.core.validators import MaxLengthValidator
from django.forms import BoundField
from django.utils.dateparse import parse_datetime
from django.utils.text import slugify

from console.catalogue.surfaces import SURFACES
from console.forms import DateInput, ProposalForm, midnight
from console.templatetags.console import words
from offers import channels as channel_words
from offers.models import Arm, Offer, Placement, Product
from offers.terms import OWNED
from offers.types import CHANNELS

LEGAL_BASES: Final = (
    ("invitation", "invitation to apply"),
    ("firm_offer", "firm offer of credit"),
    ("account_review", "account review"),
)
# The facts that every card has, in the order of the form; other facts of an offer stay as they are.
TERMS: Final = ("rate", "limit", "intro_months")
PRICE: Final = ("fee", "bonus")
LOCKED: Final = "Set by risk."
NEW_PRODUCT: Final = "new product"  # no key: it has a blank
SAME_TERMS, NO_TERMS = "same", ""
PRIOR_STRENGTH: Final = 50.0  # trials that a new arm's expected acceptance counts for


def key_of(title: str) -> str:
    """The key that a title becomes; empty where it has no Latin letter or digit."""
    return slugify(title).replace("_", "-").strip("-")[:59].rstrip("-")


def choose(form: forms.Form, **choices: Sequence[tuple[Any, Any]]) -> None:
    """Give choice fields what is live now."""
    for name, options in choices.items():
        field = form.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = list(options)


def products() -> list[tuple[str, str]]:
    return list(Product.objects.filter(live=True).values_list("key", "title"))


class CardFields(forms.Form):
    """What an offer is, and the facts that are marketing's."""

    title = forms.CharField(label="Name", max_length=200)
    product = forms.ChoiceField()
    family = forms.SlugField(max_length=59, help_text="Cards of one kind, for example travel.")
    legal_basis = forms.ChoiceField(choices=LEGAL_BASES)
    fee = forms.FloatField(label="Annual fee", required=False, min_value=0)
    bonus = forms.FloatField(label="Welcome bonus", required=False, min_value=0)

    def clean_title(self) -> str:
        title = str(self.cleaned_data["title"])
        if not key_of(title):
            raise forms.ValidationError("Its key is made of Latin letters and digits: use at least one.")
        return title


class TermsFields(forms.Form):
    """The facts that are risk's."""

    rate = forms.FloatField(
        label="Rate, % a year", required=False, min_value=0, max_value=100, help_text="19.9 means 19.9 %"
    )
    limit = forms.FloatField(label="Credit limit", required=False, min_value=0)
    intro_months = forms.IntegerField(label="Introductory months", required=False, min_value=0, max_value=60)

    def lock(self) -> None:
        """What is posted for these fields is ignored from here on."""
        for name in TERMS:
            self.fields[name].disabled = True
            self.fields[name].help_text = LOCKED


class WorthFields(forms.Form):
    """What an offer is worth, and where and when it runs."""

    value = forms.FloatField(label="Value of an acceptance", min_value=0, help_text="To the bank, in its currency.")
    base_rate = forms.FloatField(
        label="Expected acceptance, %", min_value=0.01, max_value=99, help_text="Assumed until a model has seen it."
    )
    benefit_rank = forms.IntegerField(
        min_value=1, max_value=100, help_text="In its family; 1 serves the customer best."
    )
    channels = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple, choices=[(key, words(key)) for key in CHANNELS]
    )
    placements = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple)
    starts_at = forms.DateField(label="From", required=False, widget=DateInput(), help_text="Empty: at once.")
    ends_at = forms.DateField(label="Until", required=False, widget=DateInput(), help_text="Empty: no end.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choose(self, placements=list(Placement.objects.filter(live=True).values_list("key", "title")))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        starts, ends = cleaned.get("starts_at"), cleaned.get("ends_at")
        if starts and ends and ends <= starts:
            self.add_error("ends_at", "This is not after its start.")
        return cleaned


class OfferForm(ProposalForm, CardFields, TermsFields, WorthFields):
    """A whole offer: a change of `offer`, or a new one made like `like`. Terms are locked unless the author sets them;
    on a copy they are the original's, for every author."""

    def __init__(
        self, *args: Any, offer: Offer | None = None, like: Offer | None = None, sets_terms: bool = False, **kwargs: Any
    ) -> None:
        self.offer, self.like = offer, like
        base = offer or like
        super().__init__(
            *args, initial={**(initial(base.content) if base else {}), **kwargs.pop("initial", {})}, **kwargs
        )
        choose(self, product=products())
        if not sets_terms or offer is None:
            self.lock()

    @property
    def groups(self) -> list[tuple[str, list[BoundField]]]:
        return [
            ("Product", self.bound(("title", "product", "family", "legal_basis"))),
            ("Terms", self.bound((*PRICE, *TERMS))),
            ("Worth", self.bound(("value", "base_rate", "benefit_rank"))),
            ("Where and when", self.bound(("channels", "placements", "starts_at", "ends_at"))),
        ]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.offer is None and taken(cleaned.get("title", "")):
            self.add_error("title", "There is an offer of this name.")
        return cleaned

    def content(self) -> dict[str, Any]:
        base = self.offer or self.like
        given = {name: value for name, value in self.cleaned_data.items() if not self.fields[name].disabled}
        return offer_content(given, base.content if base else {})


def taken(title: str) -> bool:
    return Offer.objects.filter(key=key_of(title)).exists()


def offer_content(given: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """An offer's content; facts and settings that the form does not show stay as they were."""
    facts = {**before.get("facts", {}), **{name: given[name] for name in (*TERMS, *PRICE) if name in given}}
    if given.get("rate") is not None:
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
        "placements": sorted(given["placements"]),
        "legal_basis": given["legal_basis"],
        **{
            name: midnight(given[name], before.get(name))
            for name in ("starts_at", "ends_at")
            if given[name] or name in before
        },
    }


def initial(content: Mapping[str, Any]) -> dict[str, Any]:
    """What the fields of an offer show of its content."""
    facts = content.get("facts", {})
    rate = facts.get("rate")
    return {
        **content,
        **{name: facts.get(name) for name in (*TERMS, *PRICE)},
        "rate": None if rate is None else round(rate * 100, 4),
        "base_rate": round(content["base_rate"] * 100, 4),
        "starts_at": parse_datetime(content.get("starts_at") or ""),
        "ends_at": parse_datetime(content.get("ends_at") or ""),
    }


class TermsForm(ProposalForm, TermsFields):
    """The terms of one live offer, for whoever owns them."""

    def __init__(self, *args: Any, offer: Offer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.update(initial(offer.content))
        self.offer = offer

    @property
    def terms(self) -> list[BoundField]:
        return self.bound(TERMS)

    def content(self) -> dict[str, Any]:
        given = {name: self.cleaned_data[name] for name in TERMS}
        if given["rate"] is not None:
            given["rate"] = round(given["rate"] / 100, 6)
        others = {name: value for name, value in self.offer.content["facts"].items() if name not in OWNED}
        return {**self.offer.content, "facts": {**others, **{n: v for n, v in given.items() if v is not None}}}


class TextForm(forms.Form):
    """The words of one creative on one channel, as long as the channel allows. Without data it holds what it starts
    from, and is judged on that."""

    headline = forms.CharField()
    body = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}))
    call_to_action = forms.CharField(label="Call to action")
    disclosure = forms.CharField(widget=forms.Textarea(attrs={"rows": 2}))

    def __init__(
        self, data: Mapping[str, Any] | None, *, channel: str, prefix: str = "", start: Mapping[str, Any] | None = None
    ) -> None:
        prefix = prefix or channel
        if data is None or f"{prefix}-headline" not in data:
            data = {f"{prefix}-{name}": (start or {}).get(name, "") for name in channel_words.FIELDS}
        super().__init__(data, prefix=prefix)
        self.channel = channel
        for name, field in self.fields.items():
            assert isinstance(field, forms.CharField)
            most = channel_words.LIMITS[channel].of(name)
            field.max_length, field.help_text = most, f"At most {most} characters."
            field.validators = [*field.validators, MaxLengthValidator(most)]
            field.widget.attrs["maxlength"] = most

    def as_typed(self) -> dict[str, str]:
        """What stands in the fields now, right or wrong; for the preview."""
        return {name: str(self[name].value() or "") for name in self.fields}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        words = {name: str(cleaned.get(name, "")) for name in channel_words.FIELDS}
        most = channel_words.LIMITS[self.channel].segments
        used = channel_words.segments(channel_words.sms_text(words))
        if most is not None and used > most:
            self.add_error("body", f"All words together take {used} messages, at most {most}.")
        return cleaned

    def content(self, before: Mapping[str, str] | None = None) -> dict[str, str]:
        kind = before["format"] if before else SURFACES[self.channel]
        return {"format": kind, **{name: self.cleaned_data[name] for name in self.fields}}


class ProductStep(CardFields):
    """The first step: of which product the offer is, what it starts from, and which approved terms it takes over."""

    new_product = forms.CharField(
        label="Name of the new product", required=False, max_length=200, help_text="Only with “a new product” above."
    )
    start_from = forms.ChoiceField(
        label="Start from", required=False, help_text="Its words, worth and places are filled in; change what differs."
    )
    terms = forms.ChoiceField(
        label="Approved terms",
        required=False,
        help_text="Rate, limit and introductory months, as risk approved them for a live offer.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in PRICE:
            self.fields[name].help_text = "Empty: as the offer that it starts from."
        choose(self, product=[("", "Choose a product"), *products(), (NEW_PRODUCT, "a new product")])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if taken(cleaned.get("title", "")):
            self.add_error("title", "There is an offer of this name.")
        if cleaned.get("product") == NEW_PRODUCT:
            name = key_of(cleaned.get("new_product", ""))
            if not name:
                self.add_error("new_product", "Name the new product.")
            elif Product.objects.filter(key=name).exists():
                self.add_error("new_product", "There is a product of this name: choose it above.")
        return cleaned


class WorthStep(WorthFields):
    """The second step."""


class ArmForm(forms.Form):
    """What is believed of a message before its first trial."""

    expected = forms.FloatField(label="Expected acceptance, %", min_value=0, max_value=100)
    strength = forms.FloatField(
        label="Strength, in trials", min_value=1, max_value=1e6, help_text="More holds on to it longer."
    )

    def content(self) -> dict[str, float]:
        given = self.cleaned_data
        return {"prior_mean": round(given["expected"] / 100, 6), "prior_strength": given["strength"]}


class CreativeForm(ProposalForm):
    """The name of a creative, beside its words."""

    title = forms.CharField(label="Name of the message", max_length=200)

    def __init__(self, *args: Any, offer: str, key: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer, self.key = offer, key

    def clean_title(self) -> str:
        title = str(self.cleaned_data["title"])
        if not self.key:
            key = f"{self.offer}/{key_of(title)}"
            if not key_of(title) or Arm.objects.filter(key=key).exists():
                raise forms.ValidationError(
                    "There is a message of this name." if key_of(title) else "Use Latin letters."
                )
        return title


class PlacementForm(ProposalForm):
    """A place in which offers are shown, and what stands there when no offer is left."""

    title = forms.CharField(label="Name", max_length=200)
    fallback = forms.CharField(
        label="Fallback arm", required=False, max_length=120,
        help_text="The key of a live arm; empty: the place stays empty.",
        widget=forms.TextInput(attrs={"list": "arms"}),
    )  # fmt: skip

    def clean_fallback(self) -> str | None:
        key = str(self.cleaned_data["fallback"]).strip()
        if key and not Arm.objects.filter(key=key, live=True).exists():
            raise forms.ValidationError(f"There is no live arm {key}.")
        return key or None
