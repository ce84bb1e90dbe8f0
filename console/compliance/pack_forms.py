"""The form of a policy pack: from its content and back; what a pack may say is decided in offers.pack_schema."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import date
from typing import Any, Final

from django import forms
from django.forms import BaseFormSet, BoundField, formset_factory

from console.compliance import pack_words
from console.forms import DateInput, ProposalForm
from console.templatetags.console import words
from console.wording import attribute_name
from offers import packs
from offers.conditions.grammar import Fault
from offers.pack_schema import PROXIES
from offers.register import ATTRIBUTES
from offers.roles import ROLES
from offers.types import Bands, Pack

_DEFAULT: Final = Bands()
_LINE = "line_"  # before the name of a line of Bands
_MONTHS = "months_"  # before a kind of record
_MONITORS: Final = ("red_periods", "owner", "days_to_settle", "pause")
_PRESCREENING: Final = ("under_21", "honour_days", "prescreening_citation", "prescreening_url")
_USES: Final = ("rule", "model", "arm", "boost")
_PERMISSIONS: Final = (
    ("forbidden", "forbidden"), ("flagged", "with a second signature"), ("allowed", "allowed"),
)  # fmt: skip


def _codes(text: str) -> list[str]:
    return sorted({part for part in re.split(r"[\s,;]+", text.upper()) if part})


class PackForm(ProposalForm):
    """Everything of a pack but its lists; a line left empty is the strict default's."""

    title = forms.CharField(label="Name", max_length=200)
    summary = forms.CharField(
        max_length=2000, widget=forms.Textarea(attrs={"rows": 3}), help_text="What it asks for, in a sentence or two."
    )
    countries = forms.CharField(required=False, help_text="Two letters each, such as US, DE. Empty: every country.")
    states = forms.CharField(required=False, help_text="Such as NJ, NY. Empty: every state.")
    effective_from = forms.DateField(label="In force from", widget=DateInput())
    effective_until = forms.DateField(
        label="Until", required=False, widget=DateInput(), help_text="Not included any more. Empty: no end."
    )
    verified_on = forms.DateField(
        widget=DateInput(), help_text="When somebody last read the sources. After 90 days the pack is shown as stale."
    )
    metrics = forms.MultipleChoiceField(
        label=pack_words.REPORTED, choices=list(pack_words.METRICS.items()), widget=forms.CheckboxSelectMultiple()
    )
    references = forms.CharField(
        label="Reference groups",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="One a line: gender = male.",
    )
    age_bands = forms.CharField(
        required=False, widget=forms.Textarea(attrs={"rows": 3}),
        help_text="One a line, from its first year on: 62 | 62 and over | Regulation B, 12 CFR 1002.2(o).",
    )  # fmt: skip
    proxies = forms.MultipleChoiceField(
        label="May be estimated where not recorded", required=False, choices=[(name, name) for name in PROXIES],
        widget=forms.CheckboxSelectMultiple(),
    )  # fmt: skip
    lda = forms.ChoiceField(label="Going live takes", choices=list(pack_words.LDA.items()))
    reweighing = forms.ChoiceField(label=pack_words.MITIGATIONS[packs.REWEIGHING], choices=_PERMISSIONS)
    group_aware_decision_time = forms.ChoiceField(
        label=pack_words.MITIGATIONS[packs.GROUP_AWARE], choices=_PERMISSIONS,
        help_text="Always forbidden where Americans live.",
    )  # fmt: skip
    under_21 = forms.ChoiceField(label="People under 21", choices=list(pack_words.UNDER_21.items()))
    honour_days = forms.IntegerField(label="Days that an offer is honoured", min_value=1, max_value=366)
    prescreening_citation = forms.CharField(label="Law on prescreening", max_length=200)
    prescreening_url = forms.URLField(label="Its address", assume_scheme="https")
    red_periods = forms.IntegerField(label="Drift alert after red months in a row", min_value=1, max_value=12)
    owner = forms.ChoiceField(label="Finding belongs to", choices=list(ROLES.items()))
    days_to_settle = forms.IntegerField(label="Days to settle it", min_value=1, max_value=365)
    pause = forms.ChoiceField(label="Paused by itself", choices=list(pack_words.PAUSES.items()))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, (label, unit) in pack_words.LINES.items():
            whole = isinstance(getattr(_DEFAULT, name), int)
            field = forms.IntegerField if whole else forms.FloatField
            told = f"{pack_words.UNITS[unit]}Strict default: {getattr(_DEFAULT, name):g}."
            self.fields[_LINE + name] = field(label=label, required=False, help_text=told)
        for kind, label in pack_words.RECORDS.items():
            self.fields[_MONTHS + kind] = forms.IntegerField(
                label=label.capitalize(), required=False, min_value=1, max_value=600
            )

    def clean_references(self) -> dict[str, str]:
        pairs = [line.partition("=") for line in self.cleaned_data["references"].splitlines() if line.strip()]
        if not all(group.strip() for _, _, group in pairs):
            raise forms.ValidationError("Each line is an attribute, an equals sign and its reference group.")
        return {name.strip(): group.strip() for name, _, group in pairs}

    def clean_age_bands(self) -> list[dict[str, Any]]:
        rows = [line.split("|") for line in self.cleaned_data["age_bands"].splitlines() if line.strip()]
        if not all(len(row) == 3 and row[0].strip().isdecimal() for row in rows):
            raise forms.ValidationError("Each line is the first year, a name and why, with | between.")
        starts = [int(row[0]) for row in rows]
        return [
            {"name": row[1].strip(), "lower": lower, "basis": row[2].strip(), **({"upper": upper} if upper else {})}
            for row, lower, upper in zip(rows, starts, [*starts[1:], None], strict=False)
        ]

    @property
    def sections(self) -> list[tuple[str, list[tuple[str, list[BoundField]]]]]:
        """The form by heading, and under it by topic; "" where the heading says enough."""
        return [
            ("Where and when", self._alone("title", "summary", "countries", "states", "effective_from",
                                           "effective_until", "verified_on")),
            ("Lines of the audits", [
                (topic, self.bound(tuple(_LINE + name for name in names)))
                for topic, names in pack_words.TOPICS.items()
            ]),
            ("Groups and figures", self._alone("references", "age_bands", "proxies", "metrics")),
            ("Before anything goes live", self._alone("lda", "reweighing", "group_aware_decision_time")),
            ("When a line is crossed", self._alone(*_MONITORS)),
            ("Months that records are kept", self._alone(*(_MONTHS + kind for kind in pack_words.RECORDS))),
        ]  # fmt: skip

    def _alone(self, *names: str) -> list[tuple[str, list[BoundField]]]:
        return [("", self.bound(names))]

    def content(self) -> dict[str, Any]:
        given = self.cleaned_data
        place = {"countries": _codes(given["countries"]), "states": _codes(given["states"])}
        until: date | None = given["effective_until"]
        return {
            "title": given["title"],
            "summary": given["summary"],
            "effective_from": given["effective_from"].isoformat(),
            "effective_until": until.isoformat() if until else None,
            "verified_on": given["verified_on"].isoformat(),
            "place": {name: codes for name, codes in place.items() if codes},
            "metrics": given["metrics"],
            "bands": self._bands(),
            "mitigations": {method: given[method] for method in pack_words.MITIGATIONS},
            "lda": given["lda"],
            "proxies": given["proxies"],
            "prescreening": {
                "under_21": given["under_21"],
                "honour_days": given["honour_days"],
                "citation": given["prescreening_citation"],
                "url": given["prescreening_url"],
            },
            "retention": {kind: given[_MONTHS + kind] for kind in pack_words.RECORDS if given[_MONTHS + kind]},
            "monitors": {name: given[name] for name in _MONITORS},
        }

    def _bands(self) -> dict[str, Any]:
        given = self.cleaned_data
        stated: dict[str, Any] = {
            name: given[_LINE + name] for name in pack_words.LINES
            if given[_LINE + name] is not None and given[_LINE + name] != getattr(_DEFAULT, name)
        }  # fmt: skip
        if given["references"] and given["references"] != dict(_DEFAULT.references):
            stated["references"] = given["references"]
        if given["age_bands"] and given["age_bands"] != age_bands(_DEFAULT):
            stated["age_bands"] = given["age_bands"]
        return stated


class CitedForm(forms.Form):
    """Where a notice or a ruling is written."""

    citation = forms.CharField(max_length=200)
    url = forms.URLField(label="Address", assume_scheme="https")


class NoticeForm(CitedForm):
    template = forms.RegexField(regex=r"^[a-z][a-z0-9_]{1,59}$", help_text="Such as adverse_action.")
    version = forms.CharField(max_length=200)
    text = forms.CharField(max_length=2000, widget=forms.Textarea(attrs={"rows": 3}))

    def row(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in ("template", "version", "text", "citation", "url")}


class RulingForm(CitedForm):
    attributes = forms.CharField(help_text="Names of the register, with commas between.")
    ruling = forms.ChoiceField(choices=list(pack_words.RULINGS.items()))
    uses = forms.MultipleChoiceField(
        label="Only in", required=False, choices=[(use, f"{use}s") for use in _USES],
        widget=forms.CheckboxSelectMultiple(), help_text="None: in all that the register allows.",
    )  # fmt: skip
    reason = forms.CharField(max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))

    def clean_attributes(self) -> list[str]:
        names = [part for part in re.split(r"[\s,;]+", self.cleaned_data["attributes"]) if part]
        unknown = [name for name in names if name not in ATTRIBUTES]
        if unknown:
            raise forms.ValidationError(f"{', '.join(unknown)}: not in the register.")
        return names

    def row(self) -> dict[str, Any]:
        names = ("attributes", "ruling", "reason", "citation", "url")
        uses = {"uses": self.cleaned_data["uses"]} if self.cleaned_data["uses"] else {}
        return {**{name: self.cleaned_data[name] for name in names}, **uses}


class SourceForm(forms.Form):
    text = forms.CharField(max_length=200)
    url = forms.URLField(label="Address", assume_scheme="https")

    def row(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in ("text", "url")}


def worded(fault: Fault) -> Fault:
    """What the catalogue says against a pack, with the names of this form's fields."""
    head, _, name = fault.path.rpartition("/")
    path = f"{head}/{_LINE}{name}" if name in pack_words.LINES else fault.path
    message = re.sub(r"\w+", lambda said: _label(said[0]), fault.message)
    return Fault(path, fault.code, message)


def _label(word: str) -> str:
    return f"“{pack_words.LINES[word][0]}”" if word in pack_words.LINES and "_" in word else word


Lists = dict[str, BaseFormSet[Any]]
_FORMS: Final[Mapping[str, type[forms.Form]]] = {
    "notices": NoticeForm, "rulings": RulingForm, "citations": SourceForm,
}  # fmt: skip
LIST_TITLES: Final[Mapping[str, tuple[str, str]]] = {
    "notices": ("Notices to customers", "Notice"),
    "rulings": ("Attributes", "Ruling"),
    "citations": ("Sources", "Source"),
}  # fmt: skip


def lists(content: Mapping[str, Any], posted: Any = None) -> Lists:
    """The lists of a pack, each with an empty row to add one."""
    return {
        name: formset_factory(form, extra=1, can_delete=True, max_num=100)(
            posted, prefix=name, initial=_rows(content.get(name, ()))
        )
        for name, form in _FORMS.items()
    }


def rows(made: Lists) -> dict[str, list[dict[str, Any]]]:
    """The rows that were filled in and not left out."""
    return {
        name: [
            form.row()
            for form in formset.forms
            if form.has_changed() | bool(form.initial) and not form.cleaned_data.get("DELETE")
        ]
        for name, formset in made.items()
    }


def _rows(content: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each row as its form starts, and what it is called above it."""
    return [{**one, **_called(one)} for one in content]


def _called(one: Mapping[str, Any]) -> dict[str, str]:
    if "attributes" in one:
        names = [attribute_name(name) for name in one["attributes"]]
        return {"attributes": ", ".join(one["attributes"]), "called": ", ".join(names)}
    return {"called": words(one["template"]) if "template" in one else one["text"]}


def age_bands(bands: Bands) -> list[dict[str, Any]]:
    return [
        {"name": band.name, "lower": band.lower, "basis": band.basis, **({"upper": band.upper} if band.upper else {})}
        for band in bands.age_bands
    ]


def initial(pack: Pack) -> dict[str, Any]:
    """The form of a pack as it stands."""
    return {
        "title": pack.title,
        "summary": pack.summary,
        "countries": ", ".join(sorted(pack.countries)),
        "states": ", ".join(sorted(pack.states)),
        "effective_from": pack.effective_from,
        "effective_until": pack.effective_until,
        "verified_on": pack.verified_on,
        "metrics": pack.metrics,
        "references": "\n".join(f"{name} = {group}" for name, group in sorted(pack.bands.references.items())),
        "age_bands": "\n".join(f"{band.lower} | {band.name} | {band.basis}" for band in pack.bands.age_bands),
        "proxies": sorted(pack.proxies),
        "lda": pack.lda,
        **pack.mitigations,
        **{_LINE + one.name: getattr(pack.bands, one.name) for one in fields(Bands) if one.name in packs.LINES},
        **{_MONTHS + kind: months for kind, months in pack.retention.items()},
        "under_21": pack.prescreening.under_21,
        "honour_days": pack.prescreening.honour_days,
        "prescreening_citation": pack.prescreening.citation.text,
        "prescreening_url": pack.prescreening.citation.url,
        **{name: getattr(pack.monitors, name) for name in _MONITORS if name != "pause"},
        "pause": next(iter(pack.monitors.pauses), packs.NO_PAUSE),
    }
