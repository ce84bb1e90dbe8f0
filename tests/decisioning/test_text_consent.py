"""Without consent to advanced personalisation nothing that posts tell is read, by no decision and over no population,
even where a source sends it unasked; and no vector is made of posts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from decisioning import decision_log, serve
from decisioning.features import history, population
from decisioning.features.engines.postgres import Postgres
from decisioning.features.levels import NEEDED
from decisioning.known import held
from decisioning.models import Consent, Customer, Decision, FeatureRow
from decisioning.text import posts
from decisioning.text.posts import NewPost
from offers.register import LEVELS, attributes
from tests import bank, catalogue

TOLD_BY_POSTS = tuple(each.name for each in attributes(group="text_interest"))
GRANTED, DENIED = "C-1", "C-2"


@pytest.fixture
def writers(live_db: None) -> dict[str, int]:
    """Two customers whose posts arrive, of whom the second does not consent; and a source that tells of both."""
    now = timezone.now()
    bank.customers(2, now=now)
    ids = {name: Customer.objects.get(external_id=name).pk for name in (GRANTED, DENIED)}
    Consent.objects.filter(customer_id=ids[DENIED], purpose="personalisation").delete()
    sent = [NewPost(ids[name], "forum", "p1", now, "Lovely trip, great flights!") for name in (GRANTED, DENIED)]
    assert posts.keep(sent, now) == 1
    bank.publish(catalogue.content())
    return ids


def _also_told(customers: dict[str, int]) -> None:
    """A source sends the group itself, whatever the customer agreed to."""
    now = timezone.now()
    FeatureRow.objects.bulk_create(
        FeatureRow(
            customer_id=pk, group="text_interest", source="crm", version=1, occurred_at=now, known_at=now,
            values={"text_posts_90d": 9, "text_interest_travel": 0.9},
        )
        for pk in customers.values()
    )  # fmt: skip


def _decided(customer: str) -> Decision:
    now = timezone.now()
    answer = serve.ask(serve.Ask(customer, f"session of {customer}", "mobile_app", "home_banner", 1, {}), now)
    assert answer.decision_id
    return Decision.objects.get(id=answer.decision_id)


@pytest.mark.parametrize("told", [False, True])
def test_no_decision_reads_what_posts_tell_without_consent(writers: dict[str, int], told: bool) -> None:
    if told:
        _also_told(writers)
    bank.warm()
    known = {name: decision_log.inputs(_decided(name))[1] for name in (GRANTED, DENIED)}
    assert known[GRANTED].attributes["text_posts_90d"] == 1
    assert not set(TOLD_BY_POSTS) & known[DENIED].attributes.keys()
    assert "text_interest" not in known[DENIED].ages


def test_no_reading_of_the_population_does(writers: dict[str, int]) -> None:
    _also_told(writers)
    bank.warm()
    found: dict[int, dict[str, Any]] = {}
    for chunk in population.chunks(TOLD_BY_POSTS, timezone.now()):
        found |= dict(zip(chunk.customers.tolist(), chunk.attributes, strict=True))
    assert found[writers[GRANTED]]["text_posts_90d"] == 1
    assert found[writers[DENIED]] == {}


def test_no_vector_holds_what_a_customer_wrote_without_consent(writers: dict[str, int]) -> None:
    customers = np.array([writers[GRANTED], writers[DENIED]])
    spine = history.spine(customers, np.datetime64(timezone.now().replace(tzinfo=None)))
    table = history.as_of(Postgres(), spine)
    assert table["text_posts_90d"].to_pylist() == [1, None]
    assert table["text_sentiment"].to_pylist()[1] is None
    Consent.objects.filter(customer_id=writers[GRANTED], purpose="personalisation").update(granted=False)
    assert history.as_of(Postgres(), spine)["text_posts_90d"].to_pylist() == [None, None]


def test_what_is_computed_from_a_withheld_group_is_withheld_with_it() -> None:
    """Churn and risk points rest on spending, which needs the moderate level, though their groups are basic."""
    values: dict[str, Any] = {"churn_risk": 0.4, "tenure_months": 30, "lifecycle_stage": "mature"}
    groups: dict[str, Any] = {"lifecycle": (0.0, values), "spend_behaviour": (0.0, {"spend_90d": 10.0})}
    basic = held(groups, {"personalisation:basic"}, 60.0).attributes
    assert basic["tenure_months"] == 30
    assert not {"churn_risk", "lifecycle_stage", "spend_90d"} & basic.keys()
    moderate = held(groups, {"personalisation:moderate"}, 60.0).attributes
    assert values.items() <= moderate.items()
    assert NEEDED["unusual_activity"] == NEEDED["risk_points"] == LEVELS.index("moderate")
