"""The form of a legal hold; what may be held is decided in fairness.holds."""

from __future__ import annotations

from typing import Any

from django import forms

from console.forms import DateInput
from decisioning.models import Customer
from fairness.holds import Held
from fairness.models import LegalHold
from offers.models import Offer


class HoldForm(forms.Form):
    """What is kept, from when to when, and for what."""

    scope = forms.ChoiceField(label="Keep everything of", choices=LegalHold.Scope.choices)
    customer = forms.CharField(
        required=False, max_length=64, help_text="The bank's key, such as C-204113. Months with anything of hers stay."
    )
    offer = forms.CharField(
        required=False, max_length=120, help_text="Its key, such as travel-gold. Decisions and outcomes stay."
    )
    first_day = forms.DateField(
        label="From", required=False, widget=DateInput(), help_text="Empty: from the beginning. A period needs it."
    )
    last_day = forms.DateField(label="To", required=False, widget=DateInput(), help_text="Empty: without an end.")
    reason = forms.CharField(
        label="What it is kept for", max_length=2000, widget=forms.Textarea(attrs={"rows": 2}),
        help_text="The dispute or examination; it stays on record.",
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if given.get("scope") == LegalHold.Scope.CUSTOMER and given.get("customer"):
            found = Customer.objects.filter(external_id=given["customer"].strip()).values_list("pk", flat=True).first()
            if found is None:
                self.add_error("customer", "There is no such customer.")
            given["customer_pk"] = found
        if given.get("offer") and not Offer.objects.filter(key=given["offer"].strip()).exists():
            self.add_error("offer", "There is no such offer.")
        return given

    def held(self) -> Held:
        given = self.cleaned_data
        return Held(
            given["scope"], given.get("customer_pk"), given["offer"].strip(), given["first_day"], given["last_day"]
        )
