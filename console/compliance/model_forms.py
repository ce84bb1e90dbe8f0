"""The forms of model risk: what people state of a model, and what a validator writes; what is allowed is decided in
fairness.governance."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.contrib.auth.models import User

from fairness.governance import fields, inventory
from fairness.governance.inventory import Statement
from fairness.models import ModelRecord, ModelValidation
from offers import roles

_TIERS: Final = (("", "from purpose and exposure"), ("1", "1, most material"), ("2", "2"), ("3", "3, least material"))


class RecordForm(forms.Form):
    """A row of the inventory: a field for each that people state, then who developed it, its tier, and why."""

    developer = forms.CharField(
        label="Developer's account", required=False, max_length=150,
        help_text="They will not validate it. Empty where Candor trained it by itself.",
    )  # fmt: skip
    developer_role = forms.ChoiceField(
        label="Developed by a role", required=False, choices=[("", "nobody in particular"), *roles.ROLES.items()],
        help_text="Nobody who holds it will validate the model.",
    )  # fmt: skip
    tier = forms.ChoiceField(label="Tier", required=False, choices=_TIERS)
    rationale = forms.CharField(
        label="Rationale of the tier", required=False, max_length=1000,
        help_text="Asked for where it is another than purpose and exposure give.",
    )  # fmt: skip
    note = forms.CharField(label="What changes, and why", max_length=1000)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = self.fields
        self.fields = {field.name: _field(field) for field in fields.STATED} | own

    def clean_developer(self) -> User | None:
        """The person with this name."""
        name = self.cleaned_data["developer"].strip()
        found = User.objects.filter(username=name).first() if name else None
        if name and found is None:
            raise forms.ValidationError("There is no account with this name.")
        return found

    @property
    def statement(self) -> Statement:
        given = self.cleaned_data
        return Statement(
            content={field.name: given[field.name] for field in fields.STATED}, note=given["note"],
            developer=given["developer"], developer_role=given["developer_role"],
            tier=int(given["tier"]) if given["tier"] else None, rationale=given["rationale"],
        )  # fmt: skip


def _field(stated: fields.Field) -> forms.Field:
    if stated.choices:
        return forms.ChoiceField(label=stated.label, choices=list(stated.choices.items()))
    return forms.CharField(
        label=stated.label, required=stated.mandatory, max_length=2000, help_text=stated.help,
        widget=forms.Textarea(attrs={"rows": 2}),
    )  # fmt: skip


def initial(row: ModelRecord) -> dict[str, Any]:
    return {
        **row.content,
        "developer": row.developer.get_username() if row.developer else "",
        "developer_role": row.developer_role,
        "tier": str(row.tier),
        "rationale": row.content.get(inventory.RATIONALE, ""),
    }


class ReportForm(forms.Form):
    """A validation report, section by section; it may be saved half written."""

    findings = forms.CharField(
        label="Findings and conditions, with severity, owner and date", required=False, max_length=5000,
        widget=forms.Textarea(attrs={"rows": 3}),
    )  # fmt: skip
    conclusion = forms.ChoiceField(
        label="Conclusion", required=False, choices=[("", "not yet"), *ModelValidation.Conclusion.choices]
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = self.fields
        self.fields = {
            name: forms.CharField(
                label=label, required=False, max_length=5000, widget=forms.Textarea(attrs={"rows": 3})
            )
            for name, label in fields.SECTIONS.items()
        } | own

    @property
    def sections(self) -> dict[str, str]:
        return {name: self.cleaned_data[name] for name in fields.SECTIONS}
