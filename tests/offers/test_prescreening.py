"""T-LEG-07c (FAIRNESS L8): a firm offer that rests on a consumer report is made to nobody under 21, nor to anybody
whose age is not known, where the packs in force say so."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from decisioning.decide import decide
from decisioning.plan import Plan, compile_release, complete
from decisioning.types import DecisionRequest, Known
from offers import packs, prescreening, snapshot
from offers.catalog import Item, faults_of
from tests import catalogue

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SCORE = {"attribute": "credit_score", "op": ">=", "value": 700}
US, STRICT = "us-federal-from-2026-07", "_under-21-strict-default"


def content(*applied: Item, target: str = "offer-0", **changes: Any) -> snapshot.Content:
    """offer-0 and offer-1 are firm offers, and a rule on the credit score covers one of them."""
    made = catalogue.content(rules={"floor": {**catalogue.rule(SCORE, scope="offer", target=target), **changes}})
    for key in ("offer-0", "offer-1"):
        made["offer"][key]["legal_basis"] = "firm_offer"
    return snapshot.apply(made, applied)


def pack(key: str = US, **prescreened: Any) -> Item:
    shipped = packs.shipped()[key]
    return Item("pack", key, {**shipped, "prescreening": {**shipped["prescreening"], **prescreened}})


def plan(made: snapshot.Content) -> Plan:
    return compile_release(catalogue.release(made), None)


def refused(on: Plan, at: datetime = NOW, **attributes: Any) -> dict[str, tuple[str, str]]:
    """(reason, rule) by offer that eligibility refused a customer with this credit score."""
    known = Known(
        attributes={"credit_score": 720, **attributes}, ages={}, consents=frozenset({"marketing:web"}),
        suppressed=False, contacts={}, stops=frozenset(),
    )  # fmt: skip
    found = decide(DecisionRequest(1, "s", "web", "offer_slot", 3, at), known, on, complete(None, on), 1)
    return {row.offer: (row.reason, row.by) for row in found.refusals if row.stage == "eligibility"}


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"is_21_or_over": True, "country": "US"}, None),
        ({"is_21_or_over": False, "country": "US"}, "UNDER_21_PRESCREEN"),
        ({"is_21_or_over": False}, "DATA_MISSING"),
        ({"country": "US"}, "DATA_MISSING"),
        ({}, "DATA_MISSING"),
        ({"is_21_or_over": False, "country": "DE"}, None),  # the law of another place
    ],
)
def test_nobody_under_21_or_of_unknown_age_is_chosen_from_a_consumer_report(
    attributes: dict[str, Any], reason: str | None
) -> None:
    """T-LEG-07c. The other firm offer reads no report, and nobody is asked for her age."""
    expected = {"offer-0": (reason, STRICT)} if reason else {}
    assert refused(plan(content()), **attributes) == expected


@pytest.mark.parametrize(
    ("target", "scope", "found"),
    [
        ("offer-0", "offer", {"offer-0"}),
        ("card", "product", {"offer-0", "offer-1"}),
        ("", "all", {"offer-0", "offer-1"}),
        ("offer-2", "offer", set()),
    ],
)
def test_what_a_rule_on_a_report_covers_is_prescreened_and_an_invitation_never_is(
    target: str, scope: str, found: set[str]
) -> None:
    release = catalogue.release(content(target=target, scope=scope))
    assert release.prescreened == found
    assert (STRICT in release.rules) == bool(found)


def test_a_boost_rests_on_a_report_too_and_what_ranks_alone_does_not() -> None:
    made = content(target="offer-2")
    made["boost"]["push"] = {"title": "P", "scope": "offer", "target": "offer-1", "when": SCORE, "factor": 1.1}
    made["ranking"]["default"]["context"] = [{"attribute": "credit_score", "scale": 100.0}]
    assert catalogue.release(snapshot.under_law(made)).prescreened == {"offer-1"}


def test_a_release_from_before_the_law_was_published_with_it_replays_as_it_was_decided() -> None:
    """T-LEG-07c, F4: `law` is in the content and its hash, and reading a release adds nothing to it."""
    young: dict[str, Any] = {"is_21_or_over": False, "country": "US"}
    new = content()
    old = {kind: items for kind, items in new.items() if kind != snapshot.LAW}
    assert (refused(plan(old), **young), refused(plan(new), **young)) == ({}, {"offer-0": _by(STRICT)})
    assert catalogue.release(old).content_hash == snapshot.content_hash(old) != snapshot.content_hash(new)
    assert snapshot.apply(old, []) == new  # the next release has it


def test_another_strict_default_moves_no_release_that_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    made = content()
    before, strict = catalogue.release(made), packs.strict_default()
    milder = replace(strict, prescreening=replace(strict.prescreening, under_21="allowed"))
    monkeypatch.setattr(packs, "strict_default", lambda: milder)
    assert catalogue.release(made) == before
    assert STRICT not in catalogue.release(snapshot.under_law(made)).rules


def test_what_the_law_adds_is_no_item_that_anybody_proposes_or_takes_back() -> None:
    new = content()
    old = {kind: items for kind, items in new.items() if kind != snapshot.LAW}
    assert snapshot.between(old, new) == snapshot.between(new, old) == []


def test_the_pack_says_whether_and_its_dates_say_when() -> None:
    young: dict[str, Any] = {"is_21_or_over": False, "country": "US"}
    allowed, excluded = plan(content(pack(under_21="allowed"))), plan(content(pack()))
    in_may = datetime(2026, 5, 1, tzinfo=UTC)  # before the pack: the strict default
    assert (refused(allowed, **young), refused(allowed, in_may, **young)) == ({}, {"offer-0": _by(STRICT)})
    assert refused(excluded, **young) == {"offer-0": _by(f"_under-21-{US}")}


def test_a_states_pack_asks_for_the_age_of_its_residents_alone() -> None:
    on = plan(content(pack(under_21="allowed"), pack("us-new-jersey")))
    young: dict[str, Any] = {"is_21_or_over": False, "country": "US"}
    assert refused(on, state="NJ", **young) == {"offer-0": _by("_under-21-us-new-jersey")}
    assert refused(on, state="NY", **young) == {}


def _by(rule: str) -> tuple[str, str]:
    return "UNDER_21_PRESCREEN", rule


def test_the_rule_of_the_law_is_no_name_that_somebody_could_give() -> None:
    release = catalogue.release(content())
    assert [fault.code for fault in faults_of(Item("rule", STRICT, catalogue.rule(SCORE)))] == ["invalid_key"]
    assert prescreening.pack_of(STRICT) == "strict-default"
    assert prescreening.pack_of("floor") is None
    assert release.rules[STRICT].basis == "15 USC 1681b(c)(1)(B)(iv), 1681a(l)"


def test_the_strictest_of_packs_excludes_and_honours_longest() -> None:
    mild = packs.read("mild", pack(under_21="allowed", honour_days=90).content or {})
    together = packs.strictest([mild, packs.strict_default()]).prescreening
    assert (together.under_21, together.honour_days) == ("excluded", 90)


def test_a_pack_that_leaves_the_line_out_says_what_the_strict_default_does_and_odd_lines_are_refused() -> None:
    bare = Item("pack", US, {name: value for name, value in packs.shipped()[US].items() if name != "prescreening"})
    assert refused(plan(content(bare)), is_21_or_over=False, country="US") == {"offer-0": _by(f"_under-21-{US}")}
    assert [fault.path for fault in faults_of(pack(honour_days=0))] == [f"/pack/{US}/prescreening/honour_days"]
    assert [fault.path for fault in faults_of(pack(under_21="maybe"))] == [f"/pack/{US}/prescreening/under_21"]
