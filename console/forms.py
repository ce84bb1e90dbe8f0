"""The forms of the console: which fields a proposal has; what content is allowed is decided in offers.catalog."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Iterable
from typing import Any, Final

from django import forms
from django.forms import BoundField

from offers import files

# What the unpacking of a spoilt archive raises, by method; a name that is no UTF-8 is a ValueError.
_UNREADABLE: Final = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, RuntimeError, NotImplementedError, ValueError,
)  # fmt: skip
MOST_AUDITED: Final = 50_000_000  # bytes
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


class ApprovalForm(forms.Form):
    """An approval of exactly the content that was seen, now or for later (UTC)."""

    content_hash = forms.CharField(max_length=64)
    evidence = forms.IntegerField(required=False)  # the one that was looked at
    comment = forms.CharField(max_length=2000, required=False)
    little_data_because = forms.CharField(max_length=2000, required=False)
    go_live_at = forms.DateTimeField(required=False)


class ReasonForm(forms.Form):
    """Why a proposal is turned down, sent back or justified."""

    comment = forms.CharField(max_length=2000)


class JustificationForm(ReasonForm):
    """Why a change that fails is approved all the same, and what else was considered."""

    alternatives = forms.CharField(max_length=2000)


class CatalogueFileForm(forms.Form):
    """An archive of files, as a release is exported."""

    title = forms.CharField(label="What changes, in a line", max_length=200)
    archive = forms.FileField(help_text="A ZIP of KIND/KEY.json, as a release is exported: the whole catalogue.")
    unpacked: dict[str, bytes]

    def clean_archive(self) -> Any:
        """Read what is in it, never more than a catalogue may hold."""
        given = self.cleaned_data["archive"]
        try:
            with zipfile.ZipFile(given) as packed:
                entries = [entry for entry in packed.infolist() if not entry.is_dir()]
                if sum(entry.file_size for entry in entries) > files.MOST_BYTES:
                    raise forms.ValidationError("The archive holds more than a catalogue may.")
                self.unpacked = {entry.filename: packed.read(entry) for entry in entries}
        except _UNREADABLE as error:
            raise forms.ValidationError("This is no ZIP archive that can be read.") from error
        return given


class FileAuditForm(forms.Form):
    """Which file to audit, and what its columns mean."""

    file = forms.FileField(help_text="CSV with a header, 50 MB at most.")
    groups = forms.CharField(
        label="Groups, by column",
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="One a line: sex, sex=male (male is the reference), or age>=40 (splits in two).",
    )
    decision = forms.CharField(
        label="Column of the decision", help_text="approved, or status=approved where the value must be named."
    )
    outcome = forms.CharField(
        label="Column of the outcome", required=False, help_text="What really happened, said alike. May stay empty."
    )
    score = forms.CharField(label="Column of the score", required=False, help_text="May stay empty.")
    weight = forms.CharField(
        label="Column of the weight", required=False, help_text="People that a row stands for. May stay empty."
    )

    def clean_file(self) -> Any:
        given = self.cleaned_data["file"]
        if given.size > MOST_AUDITED:
            raise forms.ValidationError("This is larger than 50 MB; the command audit_file takes files of any size.")
        return given
