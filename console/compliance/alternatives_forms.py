"""The forms of the searches for alternatives: what a protocol asks for, a decision, a reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django import forms

from decisioning.models import ModelVersion
from fairness.alternatives.protocol import Settings
from fairness.small_groups import FLOOR
from offers.models import EligibilityRule

MOST_OFFERED: Final = 100
_REWEIGHING: Final = (0.5, 1.0)


def subjects() -> list[tuple[str, list[tuple[str, str]]]]:
    """What alternatives may be searched to: the models, the champion first, and the live rules."""
    models = sorted(
        ModelVersion.objects.values_list("name", "status").order_by("-id")[:20], key=lambda m: m[1] != "champion"
    )
    rules = EligibilityRule.objects.filter(live=True).order_by("key").values_list("key", "title")
    return [
        ("Models", [(f"model:{name}", f"{name} ({status})") for name, status in models]),
        ("Thresholds of rules", [(f"rule:{key}", f"{title} ({key})") for key, title in rules[:MOST_OFFERED]]),
    ]


class ProtocolForm(forms.Form):
    """The choices of a protocol; what it leaves out follows from the model and the data."""

    subject = forms.ChoiceField(label="Search alternatives to")
    metric = forms.ChoiceField(
        label="Performance is", choices=[("auc", "AUC: how well it foretells"), ("value", "value: what is accepted")],
        help_text="A rule is always measured by expected value.",
    )  # fmt: skip
    tolerance = forms.FloatField(
        label="Performance that may be lost", min_value=0, max_value=0.2, initial=0.005,
        help_text="Points of AUC, or a share of the value. It is fixed before anything is known.",
    )  # fmt: skip
    offer_rate = forms.FloatField(
        label="Share of people who are offered", min_value=0.01, max_value=0.9, initial=0.25,
        help_text="Groups are compared by who is among the highest scores.",
    )  # fmt: skip
    smallest_group = forms.IntegerField(
        label="Smallest group that counts", min_value=FLOOR, max_value=10_000, initial=30,
        help_text=f"People out of time; smaller groups steer nothing, and those under {FLOOR} are not shown.",
    )  # fmt: skip
    trials = forms.IntegerField(label="Candidates", min_value=2, max_value=500, initial=60)
    seed = forms.IntegerField(
        label="Seed", min_value=0, max_value=2**31, initial=7, help_text="The same seed gives the same table."
    )
    reweighing = forms.BooleanField(
        label="Also try reweighing, which uses groups in training", required=False,
        help_text="Only where the packs in force allow it, and compliance signs it before the run.",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["subject"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = subjects()

    def settings(self) -> Settings:
        given = self.cleaned_data
        return Settings(
            given["metric"], given["tolerance"], given["offer_rate"], given["smallest_group"], given["trials"],
            given["seed"], _REWEIGHING if given["reweighing"] else (),
        )  # fmt: skip


class MemoForm(forms.Form):
    """What is decided on a run, and why."""

    candidate = forms.ChoiceField(label="Decision")
    rationale = forms.CharField(
        label="Why", widget=forms.Textarea(attrs={"rows": 4}), max_length=4000,
        help_text="For whoever reads it in a year: what was weighed against what.",
    )  # fmt: skip

    def __init__(self, *args: Any, choices: Sequence[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["candidate"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices


class SignatureForm(forms.Form):
    """A signature with a remark."""

    purpose = forms.ChoiceField(choices=[("memo", "memo"), ("reweighing", "reweighing")], widget=forms.HiddenInput)
    comment = forms.CharField(label="Remark", required=False, max_length=2000)


class WaiverForm(forms.Form):
    """Why a model may go live without a search."""

    model = forms.CharField(label="Model", max_length=60)
    reason = forms.CharField(label="Why no search is needed", widget=forms.Textarea(attrs={"rows": 2}), max_length=2000)
