"""The letter to a customer: short sentences, no codes, and the notices of the place with their sources (T-LEG-20)."""

from __future__ import annotations

import re

import pytest
from django.utils import timezone

from decisioning.models import Decision as DecisionRow
from fairness.explanations import letter, pdf
from offers import packs, roles
from tests import bank, catalogue
from tests.fairness.explanations import bank as explained

pytestmark = pytest.mark.django_db
LONGEST, USUAL = 26, 14  # words of a sentence, and of one on average
CODE = re.compile(r"\b\w+_\w+\b|\b[A-Z]{4,}\b|\b[a-z]+-\d+\b|\b\d\.\d{3,}")


@pytest.fixture
def row() -> DecisionRow:
    explained.make(trained=explained.model(proxy=False))
    return explained.decide()


def sentences(row: DecisionRow) -> list[str]:
    built = letter.build(row, timezone.now())
    own = [text for block in built["blocks"] if block["key"] != "notices" for text in block["sentences"]]
    return [sentence for text in own for sentence in re.split(r"(?<=[.!?:])\s+", text) if sentence]


def test_sentences_are_short_and_hold_no_code(row: DecisionRow) -> None:
    lengths = [len(sentence.split()) for sentence in sentences(row)]
    assert max(lengths) <= LONGEST
    assert sum(lengths) / len(lengths) <= USUAL
    assert not [sentence for sentence in sentences(row) if CODE.search(sentence)]


def test_it_says_what_counted_and_what_can_be_done(row: DecisionRow) -> None:
    told = " ".join(sentences(row))
    assert "spoke for this card" in told
    assert "You can ask a person to look at this decision." in told


def test_the_notices_of_the_place_stand_in_it_with_source_and_version(row: DecisionRow) -> None:
    bank.person("maker", roles.COMPLIANCE)
    content = catalogue.content(offers=2)
    content["pack"] = {"eu": {**packs.shipped()["eu"], "place": {}, "effective_from": "2020-01-01"}}
    bank.publish(content)
    bank.warm()
    built = letter.build(explained.decide(session="s-9"), timezone.now())
    notices = next(block for block in built["blocks"] if block["key"] == "notices")["sentences"]
    assert any("Directive (EU) 2023/2225, Article 13, text 2026-11" in text for text in notices)


def test_it_prints_on_one_sheet(row: DecisionRow) -> None:
    assert len(re.findall(rb"/Type /Page\b", pdf.render(letter.build(row, timezone.now())))) == 1
