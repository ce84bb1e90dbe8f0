"""The form of an override for one customer; what may be kept from whom is decided in decisioning.suppression."""

from __future__ import annotations

from django import forms

from console.forms import DateInput
from decisioning.suppression import Reason


class SuppressionForm(forms.Form):
    """What is kept from the customer, why, and until when."""

    offer = forms.CharField(
        label="Offer", required=False, max_length=120, help_text="Its key, as travel-gold. Empty: every offer.",
        widget=forms.TextInput(attrs={"list": "keepable"}),
    )  # fmt: skip
    reason_code = forms.ChoiceField(label="Reason", choices=[("", "Choose"), *Reason.choices])
    note = forms.CharField(
        label="In your own words", max_length=2000, widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Whoever ends it has to judge it.",
    )  # fmt: skip
    until = forms.DateField(
        label="Ends on", required=False, widget=DateInput(), help_text="Empty: until a second person ends it."
    )
