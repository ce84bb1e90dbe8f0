"""What uses each attribute: as the release and the models say, and nothing else."""

from __future__ import annotations

import pytest

from decisioning import runtime
from decisioning.features import usage
from decisioning.models import ModelVersion
from decisioning.propensity.encoding import PAIR_COLUMNS, Column, Encoder
from offers.catalog import Item
from offers.register import ATTRIBUTES
from tests import factories


@pytest.fixture(autouse=True)
def _fresh(db: None) -> None:
    runtime.forget()


def _live() -> None:
    """The small catalogue with a nested rule, a boost and a context."""
    neither = [factories.clause("debt_to_income", ">", 0.4), factories.clause("credit_score", "<", 500)]
    nested = {"any": [factories.clause("credit_score", ">=", 700), {"none": neither}]}
    boost = {"title": "Travellers", "scope": "offer", "target": "travel-plus", "factor": 1.25,
             "when": factories.clause("spend_share_travel", ">=", 0.3)}  # fmt: skip
    context = [{"attribute": "utilisation", "centre": 0.3, "scale": 0.2},
               {"attribute": "lifecycle_stage", "equals": "new"}]  # fmt: skip
    items = [item for item in factories.small_catalogue() if item.kind != "ranking"]
    ranking = next(item for item in factories.small_catalogue() if item.kind == "ranking")
    factories.make_bank(60)
    factories.approve_content(
        [*items, factories.rule("nested", nested, "student"), Item("boost", "travellers", boost),
         Item("ranking", "standard", {**(ranking.content or {}), "context": context})]
    )  # fmt: skip


def _keys(name: str, kind: str) -> list[str]:
    return [user.key for user in usage.used_by()[name] if user.kind == kind]


def test_without_a_release_nothing_is_used_and_every_attribute_is_listed() -> None:
    found = usage.used_by()
    assert list(found) == list(ATTRIBUTES)
    assert not any(found.values())


def test_rules_boosts_and_context_are_listed_with_what_names_them() -> None:
    _live()
    assert _keys("credit_score", "rule") == ["nested", "score-670"]  # once, though it is named twice
    assert _keys("debt_to_income", "rule") == ["low-debt", "nested"]
    assert usage.used_by()["spend_share_travel"] == (
        usage.User("boost", "travellers", "Travellers", "×1.25 on travel-plus"),
    )
    assert usage.used_by()["utilisation"] == (
        usage.User("arm", "ranking", "every arm, as context", "against 0.3, in steps of 0.2"),
    )
    assert usage.used_by()["lifecycle_stage"][0].detail == "is new"
    assert usage.used_by()["household_size"] == ()


def test_champion_and_challengers_are_listed_and_retired_models_are_not() -> None:
    for name in ("champion", "challenger", "retired"):
        factories.make_model(name, "spend_share_travel", seed=len(name))
    for name in ("champion", "retired"):
        ModelVersion.objects.filter(name=name).update(status=name)
    models = [(user.key, user.detail) for user in usage.used_by()["spend_share_travel"]]
    assert models == [("champion", "champion"), ("challenger", "challenger")]
    assert usage.used_by()["spend_share_dining"] == ()


def test_columns_of_customer_and_offer_together_count_as_use_of_the_attributes_behind_them() -> None:
    pairs = [Column(name, "pair", "number", label) for name, label in PAIR_COLUMNS.items()]
    offer = Column("fee", "offer", "number", "fee")
    encoder = Encoder([Column("utilisation", "customer", "number", "utilisation"), offer, *pairs])
    names = usage.model_inputs(encoder, frozenset({"balance-transfer", "no-such-family"}))
    assert names == {"utilisation", "cards_viewed", "affinity_balance_transfer"}
