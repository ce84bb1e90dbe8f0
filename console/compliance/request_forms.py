"""Forms of the requests of customers: what is asked and how it ends; who may do so is decided in
fairness.explanations.requests."""

from __future__ import annotations

from datetime import date
from typing import Final

from django import forms
from django.core.validators import MinValueValidator

from console.forms import DateInput
from fairness.explanations.requests import Kind

LONGEST: Final = 4000  # characters


def _words(label: str, help_text: str = "", *, required: bool = True) -> forms.CharField:
    area = forms.Textarea(attrs={"rows": 3})
    return forms.CharField(label=label, max_length=LONGEST, widget=area, help_text=help_text, required=required)


class RequestForm(forms.Form):
    """A request as it came in."""

    kind = forms.ChoiceField(label="Asks for", choices=Kind.choices)
    customer = forms.CharField(label="Customer", max_length=64, help_text="The bank's own id.")
    decision = forms.UUIDField(
        label="Decision", required=False, help_text="Empty where it is about none in particular."
    )
    received_on = forms.DateField(
        label="Came in on", required=False, widget=DateInput, help_text="Empty: today.",
        validators=[MinValueValidator(date(1970, 1, 1))],
    )  # fmt: skip
    question = _words("In the customer's words")


class AnswerForm(forms.Form):
    answer = _words("What the customer is told")


class RefusalForm(forms.Form):
    reason = _words("Why it is refused", "The customer reads this.")


class ReviewForm(forms.Form):
    """The end of a human review."""

    wrong = forms.TypedChoiceField(
        label="The decision was", coerce=lambda value: value == "wrong", empty_value=None,
        choices=(("", "choose"), ("right", "right"), ("wrong", "wrong")),
    )  # fmt: skip
    answer = _words("What the customer is told")
    remedy = _words("What was done, if it was wrong", "It opens a finding.", required=False)
