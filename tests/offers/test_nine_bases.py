"""T-LEG-01: none of the nine bases of ECOA comes in by any door, whatever a bank's export calls it: rules (a segment is
one), boosts, the bandit's context, mandates, caps, creatives, channels, the API, files and SQL. What a model reads is
in tests/fairness/test_model_inputs.py, and the rule page in tests/console/test_proposals.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from decisioning import runtime
from decisioning.api.serializers import DecisionQuestion
from offers import catalog, files, snapshot
from offers.catalog import InvalidContent, Item, faults_of
from offers.conditions.grammar import InvalidCondition
from tests import bank, catalogue
from tests.offers.test_lawfulness import BASES, boost, clause, rule

Door = Callable[[str], list[str]]
LAW = ("15 USC 1691", "12 CFR 1002")


def item(kind: str, key: str, **changes: Any) -> list[str]:
    """What speaks against a live item of the small catalogue with these changes."""
    found = faults_of(Item(kind, key, {**catalogue.content()[kind][key], **changes}))
    return [fault.message for fault in found]


def released(change: Callable[[snapshot.Content], Any]) -> list[str]:
    content = catalogue.content()
    change(content)
    try:
        snapshot.read(0, content)
    except InvalidContent as refused:
        return [fault.message for fault in refused.faults]
    return []


def from_files(basis: str) -> list[str]:
    """A whole catalogue read from files, with one rule more."""
    live = catalogue.content()
    written = {f"{kind}/{key}.json": value for kind, items in live.items() for key, value in items.items()}
    packed = {path: json.dumps(value).encode() for path, value in written.items()}
    packed["rule/floor.json"] = json.dumps(catalogue.rule(clause(basis))).encode()
    return [fault.message for one in files.imported(packed, live) for fault in faults_of(one)]


def asked(**context: Any) -> list[str]:
    question = DecisionQuestion(
        data={"customer_id": "C-1", "session_id": "s", "channel": "web", "placement": "p", "context": context}
    )
    return [] if question.is_valid() else [str(question.errors)]


CITED: dict[str, Door] = {
    "a rule": lambda basis: [fault.message for fault in faults_of(rule(clause(basis)))],
    "a rule, deep down": lambda basis: [
        fault.message for fault in faults_of(rule({"any": [clause("revolving"), {"none": [clause(basis)]}]}))
    ],
    "a boost": lambda basis: [fault.message for fault in faults_of(boost(clause(basis)))],
    "the bandit's context": lambda basis: released(
        lambda content: content["ranking"]["default"].update(context=[{"attribute": basis, "scale": 1.0}])
    ),
    "a mandate": lambda basis: released(
        lambda content: content["arm"]["offer-0/c0"].update(mandate={"max_share": 0.5, "never_explore": [basis]})
    ),
    "files": from_files,
}
CLOSED: dict[str, Door] = {
    "a cap": lambda basis: item("contact_policy", "default", when=clause(basis)),
    "a cap by name": lambda basis: item("contact_policy", "default", **{basis: 1}),
    "a creative": lambda basis: item("creative", "offer-0/c0", when=clause(basis)),
    "a fact of a creative": lambda basis: item("creative", "offer-0/c0", facts={basis: "x"}),
    "a fact of an offer": lambda basis: item("offer", "offer-0", facts={basis: "x"}),
    "a channel": lambda basis: item("offer", "offer-0", channels=[basis]),
    "a channel's segment": lambda basis: item("offer", "offer-0", segment=clause(basis)),
    "a placement": lambda basis: item("placement", "home_banner", when=clause(basis)),
    "a rule's test": lambda basis: [
        fault.message
        for fault in faults_of(
            rule(clause("revolving"), tests=[{"name": "t", "customer": {basis: True}, "expect": "eligible"}])
        )
    ],
    "a decision's context": lambda basis: asked(**{basis: "x"}),
}


@pytest.mark.parametrize("basis", BASES.values(), ids=list(BASES))
@pytest.mark.parametrize("door", CITED)
def test_a_protected_basis_is_refused_with_its_law(door: str, basis: str) -> None:
    messages = CITED[door](basis)
    assert messages
    assert any(law in message for message in messages for law in LAW), messages


@pytest.mark.parametrize("basis", BASES.values(), ids=list(BASES))
@pytest.mark.parametrize("door", CLOSED)
def test_where_no_condition_is_read_there_is_no_place_for_one(door: str, basis: str) -> None:
    assert CLOSED[door](basis)


@pytest.mark.parametrize("door", CITED | CLOSED)
def test_the_doors_are_open_to_what_is_no_basis(door: str) -> None:
    """So that each of them is refused for the basis, and not for its form."""
    plain: dict[str, Door] = {
        "a cap": lambda _: item("contact_policy", "default"),
        "a cap by name": lambda _: item("contact_policy", "default"),
        "a creative": lambda _: item("creative", "offer-0/c0"),
        "a fact of a creative": lambda _: item("creative", "offer-0/c0", facts={"mailer": "x"}),
        "a fact of an offer": lambda _: item("offer", "offer-0", facts={"reward": "x"}),
        "a channel": lambda _: item("offer", "offer-0", channels=["web"]),
        "a channel's segment": lambda _: item("offer", "offer-0"),
        "a placement": lambda _: item("placement", "home_banner"),
        "a decision's context": lambda _: asked(entry_point="push"),
        "a mandate": lambda _: released(
            lambda content: content["arm"]["offer-0/c0"].update(mandate={"max_share": 0.5, "never_explore": []})
        ),
        "the bandit's context": lambda _: CITED[door]("utilisation"),
    }  # fmt: skip
    assert plain.get(door, (CITED | CLOSED)[door])("revolving") == []


@pytest.mark.django_db
@pytest.mark.parametrize("basis", BASES.values(), ids=list(BASES))
def test_a_release_that_sql_brought_in_decides_nothing(basis: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes past every check has a release that no process reads, and so no decision."""
    monkeypatch.setattr(catalog, "faults_of", lambda _: [])
    release = bank.publish(catalogue.content(rules={"floor": catalogue.rule(clause(basis))}))
    with pytest.raises(InvalidCondition, match=r"15 USC 1691|12 CFR 1002"):
        runtime.plan(release.number)
