"""One page on one decision: its blocks by audience, what a customer must not read, and that it fits on one sheet
(T-EXP-01, 03, 05, 07, 08)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.utils import timezone
from reportlab.pdfbase import pdfmetrics

from decisioning import suppression
from decisioning.models import Customer, ModelVersion
from decisioning.models import Decision as DecisionRow
from decisioning.propensity.encoding import PAIR_COLUMNS
from fairness import vault
from fairness.explanations import close_proxies, letter, outcome, page, pdf, wording
from fairness.explanations.block import SHOWN
from fairness.explanations.record import Record
from fairness.models import CubeComparison, Finding
from offers import roles
from offers.register import ATTRIBUTES, PROTECTED
from tests import bank, catalogue, living_bank
from tests.fairness.explanations import bank as explained

pytestmark = pytest.mark.django_db
VAGUE = re.compile(r"internal score|\bother (reason|factor)s?\b|internal (policy|standards)|\bpoints system\b", re.I)


@pytest.fixture
def row() -> DecisionRow:
    explained.make()
    return explained.decide()


def built(row: DecisionRow, audience: Any = "examiner") -> dict[str, Any]:
    return page.build(row, audience, timezone.now())


def block(found: dict[str, Any], number: int) -> dict[str, Any]:
    held: dict[str, Any] = next(one for one in found["blocks"] if one["number"] == number)
    return held


@pytest.mark.parametrize("audience", SHOWN)
def test_each_audience_gets_its_blocks_of_the_one_record(row: DecisionRow, audience: Any) -> None:
    found = built(row, audience)
    assert tuple(one["number"] for one in found["blocks"]) == SHOWN[audience]
    for one in found["blocks"]:
        assert one["sentences"] or one["facts"] or one["table"], one["title"]


def test_reasons_of_the_record_add_up_to_the_score(row: DecisionRow) -> None:
    told = block(built(row), 5)["data"]
    listed = sum(reason["log_odds"] for reason in [*told["raising"], *told["lowering"]])
    assert told["base"] + listed + told["rest"] == pytest.approx(told["raw_score"], abs=1e-9)


def test_reasons_are_at_most_four_each_way_and_never_vague(row: DecisionRow) -> None:
    told = block(built(row), 5)["data"]
    assert 1 <= len(told["raising"]) <= 4
    assert len(told["lowering"]) <= 4
    for audience in ("customer", "examiner"):
        assert not [text for text in explained.texts(built(row, audience)) if VAGUE.search(text)]


def test_a_customer_reads_values_in_words_and_what_is_typical(row: DecisionRow) -> None:
    told = " ".join(block(built(row, "customer"), 5)["sentences"])
    assert "your credit history counted for this card (credit score: 720, typical is" in told.lower()


def test_a_customer_reads_no_protected_word_no_proxy_and_no_value_of_the_vault(row: DecisionRow) -> None:
    known = {"gender": "female", "region": "Islands", "birth_date": "1961-04-05", "religion": "Quaker"}
    ids = list(Customer.objects.values_list("pk", flat=True))
    vault.write((vault.Entry(ids[0], *item) for item in known.items()), source="test", now=timezone.now())
    read = "\n".join(explained.texts(built(row, "customer"))).lower()
    assert "household" not in read
    words = {spelling for entry in PROTECTED for spelling in (entry.name, *entry.aliases)}
    proxies = {one.name for one in ATTRIBUTES.values() if one.basis_class != "ok"}
    meanings = {ATTRIBUTES[name].meaning for name in proxies}
    banned = (
        {word.replace("_", " ") for word in words | proxies} | meanings | {value.lower() for value in known.values()}
    )
    assert not [word for word in banned if re.search(rf"\b{re.escape(word.lower())}\b", read)]


def test_a_close_proxy_among_the_reasons_is_told_and_a_reader_writes_nothing(row: DecisionRow) -> None:
    told = block(built(row), 5)
    assert any("household size: 6" in cell for line in told["table"]["rows"] for cell in line)
    assert "application" in " ".join(block(built(row, "customer"), 5)["sentences"])
    assert not Finding.objects.exists()


def test_a_night_opens_one_finding_on_a_model_with_a_close_proxy_among_its_reasons(row: DecisionRow) -> None:
    explained.decide("C-2", "s-2")
    for _ in range(2):
        close_proxies.nightly(timezone.now() + timedelta(seconds=1))
    finding = Finding.objects.get(kind="close_proxy")
    assert finding.subject == "model propensity-1"
    assert finding.evidence["offer"]
    assert finding.times_seen == 1


def test_a_model_without_a_proxy_opens_no_finding() -> None:
    explained.make(trained=explained.model(proxy=False))
    explained.decide()
    assert close_proxies.nightly(timezone.now() + timedelta(seconds=1)) == 1
    assert not Finding.objects.filter(kind="close_proxy").exists()


def test_the_statement_on_inputs_names_each_proxy_with_what_reads_it(row: DecisionRow) -> None:
    told = block(built(row), 8)
    assert told["data"]["protected_inputs"] == []
    assert told["data"]["proxy_inputs"] == {"is_21_or_over": ["rule"], "household_size": ["model"]}
    assert "household size (model)" in told["sentences"][0]


def test_the_alternatives_say_what_the_card_asks_for_and_what_we_have(row: DecisionRow) -> None:
    held = dict(block(built(row, "customer"), 3)["table"]["rows"])
    said = " ".join(held.values())
    assert "open to you; another card was expected to suit you better" in said
    by_rule = built(explained.decide(session="s-2", placement="offer_slot"), "agent")
    assert block(by_rule, 4)["data"]["not_met"] == 2
    assert any(
        "credit score: needs at least 760, has 720" in cell
        for row in block(by_rule, 4)["table"]["rows"]
        for cell in row
    )


def test_a_rule_on_what_is_close_to_a_protected_characteristic_is_not_named_to_the_customer(row: DecisionRow) -> None:
    rule = Record(row, timezone.now()).of.plan.release.rules["of-age"]
    clauses = outcome.failed(rule, {"is_21_or_over": True})
    assert [outcome.plain_clause(clause) for clause in clauses] == [
        "A requirement that the law sets for this card was not met."
    ]


def test_the_chance_in_the_box_is_that_of_a_simulation_from_the_snapshot(row: DecisionRow) -> None:
    told = block(built(row), 6)["data"]
    assert told["recomputed"] == told["action_probability"] == row.action_probability
    case = Record(row, timezone.now()).case
    draws = case.location + case.scale * np.random.default_rng(1).normal(size=(100_000, len(case.location)))
    first = np.mean(np.argmax(draws, axis=1) == [row.arm == case.plan.arms[arm] for arm in case.arms].index(True))
    assert first == pytest.approx(told["action_probability"], abs=0.006)
    best = np.mean(np.argmax(draws, axis=1) != np.argmax(case.location))
    assert best == pytest.approx(told["learning_share"], abs=0.006)


def test_makers_and_checkers_stand_beside_what_they_agreed_to(row: DecisionRow) -> None:
    told = block(built(row), 10)["data"]["items"]
    assert {one["kind"] for one in told} == {"model", "offer", "creative", "arm", "rule", "ranking", "contact_policy"}
    assert {(one["maker"], one["checker"]) for one in told} == {("maker", "checker")}


def test_a_version_that_has_changed_since_is_still_named(row: DecisionRow) -> None:
    content = Record(row, timezone.now()).of.plan.release
    later = catalogue.content(offers=explained.OFFERS)
    for offer in later["offer"].values():
        offer |= {**explained.FIRM, "value": 1.0}
    later["model"] = {content.model[0]: {"title": "Champion", "sha256": content.model[1]}} if content.model else {}
    bank.publish(later)
    told = {(one["kind"], one["release"]) for one in block(built(row), 10)["data"]["items"]}
    assert ("offer", 1) in told


def test_no_ratio_of_a_group_of_fewer_than_twenty_stands_in_the_fairness_of_the_offer(row: DecisionRow) -> None:
    living_bank.audit_made_up_months()
    made_up = CubeComparison.objects.filter(offer="student", attribute="region", stage="eligible").latest("month")
    made_up.pk, made_up.offer = None, row.offer or ""
    made_up.save()
    made_up.pk, made_up.group, made_up.total, made_up.favourable, made_up.ratio = None, "A few", 19, 1, 0.05
    made_up.save()
    ratios = block(built(row), 9)["data"]["ratios"]
    assert [one["group"] for one in ratios] == ["Islands"]


def test_a_retired_model_still_explains_and_replays(row: DecisionRow) -> None:
    ModelVersion.objects.update(status=ModelVersion.Status.RETIRED)
    bank.warm()
    found = built(row)
    assert block(found, 1)["data"]["replay_identical"] is True
    assert block(found, 5)["data"]["raising"]


def test_a_decision_without_an_offer_has_a_page_too() -> None:
    explained.make()
    Customer.objects.update(suppressed=True)
    bank.warm()
    row = explained.decide()
    assert row.offer is None
    for audience in SHOWN:
        assert pdf.render(built(row, audience)).startswith(b"%PDF")
    assert "You asked us not to send offers." in block(built(row, "customer"), 2)["sentences"]


def test_whom_a_person_keeps_every_offer_from_is_not_told_that_she_asked_for_it() -> None:
    explained.make()
    keep("")
    row = explained.decide()
    read = explained.texts(letter.build(row, timezone.now()))
    assert "We are not making you card offers at the moment." in read
    assert any("We are not offering you this card at the moment." in text for text in read)
    assert not [text for text in read if "You asked us not" in text or "agreed to be contacted" in text]
    facts = dict(block(built(row), 7)["facts"])
    assert facts["Suppression"] == "not on the list; kept by override: every offer"
    assert {row[1] for row in block(built(row), 3)["table"]["rows"]} == {"stops"}


def test_of_every_card_the_letter_gives_the_reason_for_the_whole_answer_as_it_is() -> None:
    explained.make()
    Customer.objects.update(suppressed=True)
    bank.warm()
    (others,) = {why for _, why in block(built(explained.decide(), "customer"), 3)["table"]["rows"]}
    assert others == "You asked us not to send offers."


def keep(offer: str) -> None:
    person = bank.person("rene", roles.RISK_AUTHOR)
    suppression.suppress(
        customer=Customer.objects.get(external_id="C-1").pk, offer=offer, reason_code="hardship", note="A test.",
        until=None, by=person, now=timezone.now(),
    )  # fmt: skip
    bank.warm()


@pytest.mark.parametrize("audience", SHOWN)
def test_the_pdf_is_one_sheet_with_every_letter(row: DecisionRow, audience: Any) -> None:
    content = pdf.render(built(row, audience))
    assert len(re.findall(rb"/Type /Page\b", content)) == 1
    glyphs = pdfmetrics.getFont(pdf.fonts()[0]).face.charToGlyph
    assert not [
        letter for text in explained.texts(built(row, audience)) for letter in text if ord(letter) not in glyphs
    ]


def test_every_input_that_a_model_may_have_can_be_said_to_a_customer() -> None:
    for name in [*ATTRIBUTES, *PAIR_COLUMNS]:
        assert "_" not in wording.fact(name, 1, plain=True)
