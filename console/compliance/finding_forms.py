"""The forms on a finding; what may be done with it is decided in fairness.findings."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.db.models import QuerySet

from console.forms import DateInput


class AssignForm(forms.Form):
    """Who answers for it, and until when."""

    owner = forms.ModelChoiceField(label="Owner", queryset=User.objects.none(), empty_label=None)
    due_on = forms.DateField(label="Due", widget=DateInput())

    def __init__(self, owners: QuerySet[User], *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        field = self.fields["owner"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = owners


class RemedyForm(forms.Form):
    """What was wrong and what was done about it."""

    root_cause = forms.CharField(max_length=4000)
    remediation = forms.CharField(max_length=4000)
