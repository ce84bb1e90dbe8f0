"""Asking what applies to somebody who lives in one place on one day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from django import forms

from console.compliance import pack_words
from console.forms import DateInput
from offers import packs
from offers.types import Pack


@dataclass(frozen=True, slots=True)
class Asked:
    """The pack of that place and day; `keys` are those that it was made of where two apply together."""

    country: str
    state: str
    on: date
    pack: Pack
    keys: tuple[str, ...]
    lda: str


class PlaceForm(forms.Form):
    """Unbound it asks nothing."""

    country = forms.RegexField(
        regex=r"^[A-Za-z]{2}$", error_messages={"invalid": "Two letters, such as US."},
        widget=forms.TextInput(attrs={"size": 3, "autocomplete": "off"}),
    )  # fmt: skip
    state = forms.RegexField(
        regex=r"^[A-Za-z]{2}$", required=False, widget=forms.TextInput(attrs={"size": 3, "autocomplete": "off"})
    )
    on = forms.DateField(label="Day", widget=DateInput())

    def asked(self, content: Any) -> Asked:
        given = self.cleaned_data
        country, state = given["country"].upper(), given["state"].upper()
        pack = packs.for_place(content, country, state, given["on"])
        return Asked(country, state, given["on"], pack, tuple(pack.key.split("+")), pack_words.LDA[pack.lda])
