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
    assert "counted for this card" in told
    assert "You can ask a person to look at this decision." in told


def test_it_names_the_credit_report_only_where_one_was_read(row: DecisionRow) -> None:
    """The bank's rule reads the credit score; without that rule and its model nothing of a report is read."""
    assert any(re.match("It used what we know from your accounts .*your credit report", one) for one in sentences(row))
    bank.publish(catalogue.content(offers=2))
    bank.warm()
    assert "credit report" not in " ".join(sentences(explained.decide(session="s-7")))


def noticed(pack: str, basis: str, session: str) -> list[str]:
    """The notices of a letter about an offer on this basis, under a shipped pack that holds everywhere."""
    bank.person("maker", roles.COMPLIANCE)
    content = catalogue.content(offers=2)
    for offer in content["offer"].values():
        offer["legal_basis"] = basis
    content["pack"] = {pack: {**packs.shipped()[pack], "place": {}, "effective_from": "2020-01-01"}}
    content["pack"][pack].pop("effective_until", None)
    bank.publish(content)
    bank.warm()
    built = letter.build(explained.decide(session=session), timezone.now())
    return [text for block in built["blocks"] if block["key"] == "notices" for text in block["sentences"]]


@pytest.mark.parametrize("basis", ["invitation", "firm_offer"])
def test_the_notices_of_the_place_stand_in_it_with_source_and_version(row: DecisionRow, basis: str) -> None:
    notices = noticed("eu", basis, "s-9")
    assert any("Directive (EU) 2023/2225, Article 13, text 2026-11" in text for text in notices)
    assert any("You can object at any time" in text for text in notices)


@pytest.mark.parametrize("pack", ["us-federal-until-2026-07", "us-federal-from-2026-07", "us-new-jersey"])
def test_no_offer_that_nobody_asked_for_is_told_of_as_a_refusal(row: DecisionRow, pack: str) -> None:
    """FAIRNESS L6: no adverse action for marketing; the prescreen text goes with a firm offer alone."""
    assert noticed(pack, "invitation", "s-8") == []
    firm = noticed(pack, "firm_offer", "s-9")
    assert len(firm) == 1
    assert "1-888-567-8688" in firm[0]


def test_the_age_that_a_rule_reads_is_named_and_not_denied(row: DecisionRow) -> None:
    """The release of the bank has a rule on whether a customer is 21."""
    told = " ".join(sentences(row))
    assert "it used only your age: whether you are 21 or older, as the law asks." in told
    assert "did not use any protected" not in told


def test_nothing_protected_is_said_to_be_used_where_no_input_is(row: DecisionRow) -> None:
    content = catalogue.content(offers=2)
    bank.publish(content)
    bank.warm()
    assert "It did not use any protected characteristic." in sentences(explained.decide(session="s-7"))


def test_it_prints_on_one_sheet(row: DecisionRow) -> None:
    assert len(re.findall(rb"/Type /Page\b", pdf.render(letter.build(row, timezone.now())))) == 1
