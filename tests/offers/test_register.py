"""Claims about the register: what it holds, what it refuses and why."""

import pytest

from offers.register import (
    ATTRIBUTES,
    GROUPS,
    OFFER_FACTS,
    PROTECTED,
    ProtectedAttribute,
    UnknownAttribute,
    attribute,
    attributes,
)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_every_declaration_is_complete(name: str) -> None:
    declared = attribute(name)
    assert declared.name == name
    assert declared.meaning
    assert declared.group in GROUPS
    assert declared.uses
    assert declared.basis_class != "prohibited"
    assert (declared.bounds is not None) == (declared.type in ("number", "integer"))
    assert (declared.statements is not None) == (declared.type == "boolean")
    assert not declared.choices or declared.type == "category"
    if declared.bounds is not None:
        assert declared.bounds[0] < declared.bounds[1]


def test_names_are_declared_once() -> None:
    protected = [spelling for entry in PROTECTED for spelling in (entry.name, *entry.aliases)]
    assert len(protected) == len(set(protected))
    assert not set(protected) & set(ATTRIBUTES)
    assert not set(OFFER_FACTS) & set(ATTRIBUTES)


def test_every_group_has_attributes_and_a_limit() -> None:
    for name, group in GROUPS.items():
        assert group.name == name
        assert group.freshness_seconds > 0
        assert attributes(group=name)


def test_freshness_limits_are_the_promised_ones() -> None:
    days = {name: group.freshness_seconds / 86_400 for name, group in GROUPS.items()}
    assert days == {
        "credit_risk": 35,
        "account_state": 1,
        "recent_activity": 1,
        "spend_behaviour": 2,
        "product_affinity": 7,
        "lifecycle": 7,
        "text_interest": 30,
        "session_context": 30 / (24 * 60),
    }


@pytest.mark.parametrize(
    "name",
    ["gender", "sex", "age", "birth_date", "race", "ethnicity", "colour", "religion", "national_origin", "nationality",
     "marital_status", "public_assistance_income", "language", "preferred_language", "disability", "vulnerability"],
)  # fmt: skip
def test_protected_characteristics_are_refused_with_the_law(name: str) -> None:
    with pytest.raises(ProtectedAttribute) as refused:
        attribute(name)
    assert refused.value.name == name
    assert any(law in refused.value.citation for law in ("USC", "CFR", "GDPR"))
    assert refused.value.citation in str(refused.value)


@pytest.mark.parametrize("name", ["Gender", "customer_gender", "Date of Birth", "applicant-marital-status", "AGE_BAND"])
def test_another_spelling_does_not_get_round_the_refusal(name: str) -> None:
    with pytest.raises(ProtectedAttribute):
        attribute(name)


def test_unknown_name_comes_with_near_matches() -> None:
    with pytest.raises(UnknownAttribute) as unknown:
        attribute("credit_scor")
    assert unknown.value.near[0] == "credit_score"
    assert "did you mean credit_score" in str(unknown.value)


def test_an_innocent_unknown_name_is_not_called_protected() -> None:
    with pytest.raises(UnknownAttribute):
        attribute("account_age_months")


def test_close_proxies_and_age_never_reach_arms_or_boosts() -> None:
    for declared in ATTRIBUTES.values():
        if declared.basis_class != "ok":
            assert not declared.uses & {"arm", "boost"}, declared.name
    assert attribute("is_21_or_over").uses == {"rule"}


def test_data_from_a_consumer_report_serves_firm_offers_only() -> None:
    reported = [declared for declared in ATTRIBUTES.values() if declared.source == "consumer_report"]
    assert reported
    assert all(declared.purpose == "prescreen_firm_offer" for declared in reported)


def test_nothing_is_assumed_of_a_group_that_goes_missing() -> None:
    for declared in ATTRIBUTES.values():
        if GROUPS[declared.group].when_stale == "missing":
            assert declared.default is None, declared.name


def test_attributes_are_filtered_by_use() -> None:
    assert attribute("state") in attributes(use="rule")
    assert attribute("state") not in attributes(use="model")
    assert attributes() == tuple(ATTRIBUTES.values())
