"""What a rule, boost or context may read: the register's row first, then the packs in force where it applies."""

from datetime import date
from typing import Any

import pytest

from offers import lawfulness, packs, snapshot
from offers.catalog import Item, faults_of
from offers.conditions.grammar import InvalidCondition, parse
from offers.models import ChangeRequest
from offers.register import ATTRIBUTES, ProtectedAttribute, Use, attribute
from tests import catalogue

TODAY = date(2026, 11, 22)
US, EU = "us-federal-from-2026-07", "eu"
# The nine bases of ECOA, as a bank's export may spell each.
BASES = {
    "race": "race", "colour": "skin color", "religion": "creed", "national origin": "country_of_birth",
    "sex": "Customer Gender", "marital status": "is_married", "age": "age_years",
    "public assistance": "benefits_income", "rights exercised": "chargeback_count",
}  # fmt: skip


def clause(name: str, op: str = "is", value: Any = True) -> dict[str, Any]:
    return {"attribute": name, "op": op, "value": value}


CARES = clause("first_child_180d")
LICENSED = clause("state", "in", ["NY", "NJ"])


def against(
    item: Item, *applied: Item, rationale: str = "because", on: date = TODAY, kind: str = "", **bases: str
) -> list[tuple[str, str]]:
    """(path, code) of what speaks against an item in a catalogue of three offers with these packs."""
    content = catalogue.content()
    for name, legal_basis in bases.items():
        content["offer"][name.replace("_", "-")]["legal_basis"] = legal_basis
    content = snapshot.apply(content, [*applied, item])
    change = ChangeRequest(kind=kind or item.kind, items=[item.to_json()], rationale=rationale)
    found = lawfulness.against(change, snapshot.read(0, content), on)
    return [(fault.path, fault.code) for fault in found]


def pack(key: str, **changes: Any) -> Item:
    return Item("pack", key, {**packs.shipped()[key], **changes})


def ruling(name: str, said: str, *uses: str) -> list[dict[str, Any]]:
    return [{"attributes": [name], "ruling": said, "uses": list(uses), "reason": "A test.", "citation": "A law",
             "url": "https://law.example/1"}]  # fmt: skip


def rule(when: dict[str, Any], **changes: Any) -> Item:
    return Item("rule", "floor", {**catalogue.rule(when), **changes})


def boost(when: dict[str, Any]) -> Item:
    return Item("boost", "push", {"title": "Push", "scope": "all", "target": "", "when": when, "factor": 1.1})


@pytest.mark.parametrize("basis", BASES.values(), ids=list(BASES))
@pytest.mark.parametrize("use", ["rule", "boost", "arm", "model"])
def test_each_of_the_nine_bases_is_refused_with_its_law_whatever_it_is_called(basis: str, use: Use) -> None:
    """T-LEG-01. A segment is a condition for the use "rule"; what the bandit learns in is for the use "arm"."""
    with pytest.raises(ProtectedAttribute, match=r"15 USC 1691|12 CFR 1002"):
        attribute(basis)
    with pytest.raises(InvalidCondition, match=r"15 USC 1691|12 CFR 1002"):
        parse(clause(basis), use=use)


@pytest.mark.parametrize("basis", BASES.values(), ids=list(BASES))
@pytest.mark.parametrize("kind", [rule, boost])
def test_no_rule_and_no_boost_on_a_protected_basis_leaves_its_draft(basis: str, kind: Any) -> None:
    """T-LEG-01."""
    assert any("1691" in fault.message or "1002" in fault.message for fault in faults_of(kind(clause(basis))))


@pytest.mark.parametrize("basis", BASES.values(), ids=list(BASES))
def test_the_bandit_learns_in_no_protected_basis(basis: str) -> None:
    """T-LEG-01."""
    content = catalogue.content()
    content["ranking"]["default"]["context"] = [{"attribute": basis, "scale": 1.0}]
    with pytest.raises(ValueError, match=r"15 USC 1691|12 CFR 1002"):
        snapshot.read(0, content)


def test_a_rule_that_every_pack_allows_is_lawful() -> None:
    assert against(rule(CARES), pack(US), pack(EU)) == []


def test_what_a_pack_rules_out_is_refused_with_its_law() -> None:
    strict = pack(US, rulings=ruling("balance", "prohibited"))
    item = rule(clause("balance", ">=", 100))
    assert against(item, strict) == [("/rule/floor/when", "ruled_out")]
    assert against(boost(clause("balance", ">=", 100)), strict) == [("/boost/push/when", "ruled_out")]
    release = snapshot.read(0, snapshot.apply(catalogue.content(), [strict, item]))
    (fault,) = lawfulness.against(ChangeRequest(kind="rule", items=[item.to_json()]), release, TODAY)
    assert "balance (balance) may not be used" in fault.message
    assert "A law" in fault.message


def test_a_pack_may_leave_an_attribute_to_some_uses() -> None:
    kept = pack(US, rulings=ruling("balance", "allowed", "rule", "model"))
    assert against(rule(clause("balance", ">=", 100)), kept) == []
    assert against(boost(clause("balance", ">=", 100)), kept) == [("/boost/push/when", "ruled_out")]


def test_what_the_bandit_learns_in_is_judged_by_the_packs() -> None:
    strict = pack(US, rulings=ruling("device_type", "prohibited"))
    content = catalogue.content()["ranking"]["default"]
    found = against(Item("ranking", "default", content), strict)
    assert found == [("/ranking/default/context/0/attribute", "ruled_out")]


def test_a_pack_of_another_place_says_nothing_of_a_rule_for_this_one() -> None:
    posts = clause("text_sentiment", ">=", 0)
    assert against(rule(posts), pack(US), pack(EU)) == [("/rule/floor/when", "ruled_out")]
    assert against(rule(posts, jurisdiction={"country": "US"}), pack(US), pack(EU)) == []
    assert against(rule(posts, jurisdiction={"states": ["NJ"]}), pack(US), pack(EU)) == []
    assert against(rule(posts, jurisdiction={"country": "DE"}), pack(US), pack(EU)) == [
        ("/rule/floor/when", "ruled_out")
    ]


def test_the_day_decides_which_pack_rules() -> None:
    """T-LEG-02."""
    strict = pack(US, rulings=ruling("balance", "prohibited"))
    item = rule(clause("balance", ">=", 100))
    assert against(item, strict, on=date(2026, 7, 20)) == []
    assert against(item, strict, on=date(2026, 7, 22)) == [("/rule/floor/when", "ruled_out")]


def test_an_attribute_is_used_where_the_law_that_it_rests_on_holds() -> None:
    grown = clause("is_21_or_over")
    assert against(rule(grown, jurisdiction={"country": "US"})) == []
    assert against(rule(grown, jurisdiction={"country": "DE"})) == [("/rule/floor/when", "jurisdiction")]


def test_a_trigger_of_a_bureau_serves_firm_offers_alone() -> None:
    """T-LEG-07a, also where the register would let it pass."""
    item = rule(clause("balance", ">=", 100), scope="offer", target="offer-1")
    list_only = pack(US, rulings=ruling("balance", "firm_offer"))
    assert against(item, list_only) == [("/rule/floor/when", "ruled_out")]
    assert against(item, list_only, offer_1="firm_offer") == []
    assert ATTRIBUTES["competitor_inquiry_30d"].purpose == "prescreen_firm_offer"


@pytest.mark.parametrize("op", ["in", "not_in"])
def test_leaving_people_out_by_where_they_live_takes_the_business_need_in_words(op: str) -> None:
    """T-LEG-18."""
    item = rule({"all": [clause("balance", ">=", 0), clause("state", op, ["NY"])]})
    assert against(item, rationale=" ") == [("/rule/floor/when/all/1", "geography")]
    assert against(item, rationale="The partner holds no licence elsewhere.") == []
    assert against(item, rationale="", kind="rollback") == []


def test_the_lint_names_the_precedent() -> None:
    """T-LEG-18."""
    change = ChangeRequest(kind="rule", items=[rule(LICENSED).to_json()], rationale="")
    content = snapshot.apply(catalogue.content(), [rule(LICENSED)])
    (fault,) = lawfulness.against(change, snapshot.read(0, content), TODAY)
    assert "2014-CFPB-0007" in fault.message


@pytest.mark.parametrize(
    "name", ["language", "preferred_language", "immigration_status", "benefits_income", "citizenship"]
)
def test_language_status_and_benefits_are_no_attributes_at_all(name: str) -> None:
    """T-LEG-18."""
    assert [fault.code for fault in faults_of(rule(clause(name)))] == ["protected_attribute"]


def test_a_proposal_about_something_else_does_not_answer_for_what_is_live() -> None:
    strict = pack(US, rulings=ruling("balance", "prohibited"))
    assert against(strict, rule(clause("balance", ">=", 100))) == []


@pytest.mark.parametrize("declared", ATTRIBUTES.values(), ids=list(ATTRIBUTES))
def test_every_row_of_the_register_says_whence_for_what_with_whose_consent_and_where(declared: Any) -> None:
    """R-ISO-2."""
    assert declared.source in ("own_txn", "application", "consumer_report", "prescreen", "affiliate", "third_party",
                               "session")  # fmt: skip
    assert declared.consent in ("basic", "moderate", "advanced")
    assert declared.jurisdictions <= {"US"}
    assert (declared.purpose == "prescreen_firm_offer") == (declared.source in ("consumer_report", "prescreen"))


@pytest.mark.parametrize("said", ["elderly_test", "", "Allowed"])
def test_a_ruling_of_a_kind_that_is_not_known_says_no(said: str) -> None:
    """A pack that was approved when there were other kinds fails closed."""
    old = pack(US, rulings=ruling("balance", said))
    assert against(rule(clause("balance", ">=", 1)), old) == [("/rule/floor/when", "ruled_out")]
