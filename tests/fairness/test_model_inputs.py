"""What a model reads is asked for like what a rule reads: by the register, and by the packs in force."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from decisioning.propensity.encoding import Column, Encoder
from fairness import model_inputs
from offers import packs, snapshot
from offers.catalog import Item, faults_of
from offers.register import ATTRIBUTES, PROTECTED, Attribute
from tests import catalogue

TODAY = date(2026, 11, 22)
BASES = (
    "race",
    "skin color",
    "creed",
    "country_of_birth",
    "gender",
    "is_married",
    "age",
    "benefits_income",
    "disputes",
)


def faults(*names: str, legal_basis: str = "firm_offer", rulings: list[dict[str, Any]] | None = None) -> list[str]:
    content = catalogue.content()
    for offer in content["offer"].values():
        offer["legal_basis"] = legal_basis
    pack = {**packs.shipped()["us-federal-from-2026-07"], "rulings": rulings or []}
    release = snapshot.read(0, snapshot.apply(content, [Item("pack", "us", pack)]))
    encoder = Encoder([Column(name, "customer", "number", name) for name in names])
    return [fault.message for fault in model_inputs.faults(encoder, "/model/m/inputs", release, TODAY)]


@pytest.mark.parametrize("basis", BASES)
def test_no_model_reads_a_protected_basis_under_any_name(basis: str) -> None:
    """T-LEG-01."""
    (message,) = faults("balance", basis)
    assert "15 USC 1691" in message or "12 CFR 1002" in message


def test_an_input_that_the_register_does_not_hold_or_keeps_from_models_is_refused() -> None:
    assert "x17 is not in the register" in faults("x17")[0]
    assert "not by models" in faults("state")[0]
    assert faults("balance", "credit_score") == []


def test_a_consumer_report_ranks_no_invitation() -> None:
    messages = faults("credit_score", legal_basis="invitation")
    assert len(messages) == 1
    assert "1681b" in messages[0]


@pytest.mark.parametrize(("ruling", "uses"), [("prohibited", []), ("allowed", ["rule"])])
def test_what_a_pack_rules_out_no_model_reads(ruling: str, uses: list[str]) -> None:
    said = {"attributes": ["balance"], "ruling": ruling, "uses": uses, "reason": "A test.", "citation": "A law",
            "url": "https://law.example/1"}  # fmt: skip
    (message,) = faults("balance", "tenure_months", rulings=[said])
    assert "A law" in message


AGE = "12 CFR 1002.6(b)(2)"
AGES = [spelling for entry in PROTECTED if AGE in entry.citation for spelling in (entry.name, *entry.aliases)]
FLAGS = [declared for declared in ATTRIBUTES.values() if declared.basis_class == "age_special"]


@pytest.mark.parametrize("age", AGES)
def test_no_score_reads_an_age_whatever_a_pack_allows(age: str) -> None:
    """T-LEG-04: age is an input of nothing, so no elderly applicant's age can count against her; a pack cannot say
    otherwise, as it may only name what the register holds."""
    (message,) = faults(age)
    assert AGE in message
    said = {
        "attributes": [age],
        "ruling": "allowed",
        "reason": "A test.",
        "citation": AGE,
        "url": "https://law.example",
    }
    pack = {**packs.shipped()["us-federal-from-2026-07"], "rulings": [said]}
    assert [fault.path for fault in faults_of(Item("pack", "us", pack))] == ["/pack/us/rulings/0/attributes/0"]


@pytest.mark.parametrize("flag", FLAGS, ids=[declared.name for declared in FLAGS])
def test_a_legal_flag_of_age_is_for_rules_alone_and_a_pack_cannot_widen_that(flag: Attribute) -> None:
    """T-LEG-04."""
    said = {"attributes": [flag.name], "ruling": "allowed", "uses": [], "reason": "A test.", "citation": "A law",
            "url": "https://law.example/1"}  # fmt: skip
    assert flag.uses == {"rule"}
    (message,) = faults(flag.name, rulings=[said])
    assert "not by models" in message


def test_there_is_a_flag_of_age_and_it_splits_far_below_62() -> None:
    """T-LEG-04: 21 is the one age that the register knows of; nothing tells 62 from 61."""
    assert [flag.name for flag in FLAGS] == ["is_21_or_over"]


def test_a_live_release_without_what_the_packs_ask_for_now_is_told() -> None:
    """T-LEG-07c: of a release from before the law was published with it."""
    content = catalogue.content(offers=1)
    content["offer"]["offer-0"]["legal_basis"] = "firm_offer"
    score = {"all": [{"attribute": "credit_score", "op": ">=", "value": 600}]}
    content["boost"]["push"] = {"title": "P", "scope": "offer", "target": "offer-0", "when": score, "factor": 1.1}
    published = snapshot.under_law(content)
    release = snapshot.read(1, published)
    assert release.prescreened == {"offer-0"}
    said = [fault.path for fault in model_inputs.standing(content, release, TODAY) if fault.code == "outdated"]
    assert said == ["/law/firm_offers"]
    assert not [fault for fault in model_inputs.standing(published, release, TODAY) if fault.code == "outdated"]
