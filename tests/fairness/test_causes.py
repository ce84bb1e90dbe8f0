"""What a night finds to be behind the gaps of a small bank, what it keeps, and what it raises the alarm about."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from decisioning import impact, rebuild, runtime, sample, serve
from decisioning.models import CapLedger, Customer
from decisioning.propensity.encoding import Column
from fairness import tasks
from fairness.causes import leak, logged, of_decisions, of_offers
from fairness.causes.kept import Found, Kind, keep
from fairness.dataset import Grouping
from fairness.models import Cause, Finding
from fairness.thresholds import DEFAULT
from offers import snapshot
from offers.catalog import Item
from tests.factories import approve_content, clause, make_bank, make_model, rule, small_catalogue
from tests.fairness import synthetic

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_process() -> None:
    runtime.forget()
    sample.forget()


def _bank(customers: int = 500, *, model: bool = False) -> datetime:
    """The Islands have lower scores, so that the floor of one offer works against them; the others have none."""
    now = timezone.now()
    make_bank(customers, seed=3, now=now, missing=0.05)
    both = {"all": [clause("credit_score", ">=", 660), clause("debt_to_income", "<=", 0.8)]}
    items = [*small_catalogue(), rule("floor", both, "student")]
    if model:
        made = make_model("leaning", "credit_score")
        items.append(Item("model", made.name, {"title": "Leaning", "sha256": made.sha256}))
    approve_content(items, now=now)
    return now


def test_the_rule_that_works_against_a_group_is_kept_first_with_its_clauses() -> None:
    # T-AUD-02, from the vault and the vectors of everybody
    now = _bank()
    of_offers.nightly(now)
    found = Cause.objects.get(kind=Kind.RULES, subject="student", group="Islands").content
    assert found["rules"][0]["name"] == "floor"
    assert sum(row["shapley"] for row in found["rules"]) == pytest.approx(found["ln_ratio"], abs=1e-9)
    assert "score" in found["clauses"]["floor"][0]["name"].lower()
    rates = [found[side]["favourable"] / found[side]["total"] for side in ("group", "reference")]
    assert found["ratio"] == pytest.approx(rates[0] / rates[1])
    live = snapshot.live_row()
    assert live is not None
    eligible = int(impact.reach(live.content, now).of("student").sum())
    groups = Cause.objects.filter(kind=Kind.RULES, subject="student", attribute="region")
    assert eligible == found["reference"]["favourable"] + sum(row.content["group"]["favourable"] for row in groups)


def test_an_offer_that_somebody_asks_for_is_computed_alone() -> None:
    now = _bank(200)
    of_offers.one("student", now)
    assert set(Cause.objects.values_list("subject", flat=True)) == {"student"}
    assert of_offers.one("no-such-offer", now) == 0


def test_the_inputs_of_the_model_are_kept_with_what_they_do_and_tell() -> None:
    # T-AUD-04 and 10: the only thing that the model reads is the score, and the score tells of the region.
    _bank(model=True)
    tasks.find_causes()
    gap = Cause.objects.get(kind=Kind.DRIVERS, subject="student", group="Islands").content
    assert gap["model"] == "leaning"
    assert sum(row["mean"] - row["reference_mean"] for row in gap["inputs"]) == pytest.approx(gap["gap"], abs=1e-9)
    told = Cause.objects.get(kind=Kind.LEAK, subject="leaning", group="Islands").content
    assert told["inputs"][0][0] == "credit_score"
    assert told["inputs"][0][1] > 0.65
    tasks.find_causes()  # the same once more, in place of the first
    assert Cause.objects.filter(kind=Kind.LEAK, group="Islands").count() == 1


def test_who_is_explained_is_drawn_by_lot_and_is_the_same_every_night() -> None:
    eligible = np.arange(50_000)
    drawn = of_offers.drawn(eligible, 3)
    assert len(set(drawn.tolist())) == of_offers.SCORED
    assert 20_000 < drawn.mean() < 30_000
    assert np.array_equal(drawn, of_offers.drawn(eligible, 3))
    assert not np.array_equal(drawn, of_offers.drawn(eligible, 4))
    assert np.array_equal(of_offers.drawn(eligible[:7], 3), eligible[:7])


def test_of_a_few_people_nothing_is_kept_by_the_code_or_by_the_database() -> None:
    # T-AUD-12
    now = timezone.now()
    few = Found("", "gender", "female", "male", 19, {})
    assert keep(Kind.CAPS, [few, replace(few, group="other", people=20)], now) == 1
    with pytest.raises(IntegrityError), transaction.atomic():
        Cause.objects.create(kind=Kind.CAPS, attribute="gender", group="female", people=19, content={}, computed_at=now)


def _ask(customers: list[str], now: datetime) -> None:
    rebuild.rebuild()
    for place, customer in enumerate(customers):
        context = {"device_type": "app", "seconds_on_cards_page": place % 50}
        serve.ask(serve.Ask(customer, f"s-{place}", "mobile_app", "home", 1, context), now)


def test_the_newest_decision_of_each_customer_is_read_with_what_a_cap_took_away() -> None:
    # T-AUD-09, from the log
    now = _bank(60)
    names = list(Customer.objects.order_by("id").values_list("external_id", flat=True))
    tired = names[:20]
    ids = dict(Customer.objects.values_list("external_id", "id"))
    day = now.date().isoformat()
    CapLedger.objects.bulk_create(
        CapLedger(customer_id=ids[name], sequence=1, contacts={day: {"*": 5}}) for name in tired
    )
    _ask([name for name in names if name], now)
    seen = logged.newest(timezone.now() + timedelta(minutes=1))
    assert sorted(seen.customers.tolist()) == sorted(ids.values())
    capped = {customer for customer, gone in zip(seen.customers.tolist(), seen.suppressed, strict=True) if gone}
    assert capped == {ids[name] for name in tired} & set(seen.customers[seen.wanted].tolist())
    assert capped
    shown = seen.first >= 0
    assert not (shown & seen.suppressed).any()
    assert (shown | seen.suppressed == seen.wanted).all()


def test_what_decisions_say_is_kept_by_kind() -> None:
    _bank(120)
    names = [name for name in Customer.objects.values_list("external_id", flat=True) if name]
    _ask(names, timezone.now())
    of_decisions.nightly(timezone.now() + timedelta(minutes=1))
    kinds = set(Cause.objects.values_list("kind", flat=True))
    assert {Kind.ARM, Kind.AUDIENCE, Kind.EXPLORATION, Kind.CAPS} <= kinds
    rows = Cause.objects.filter(kind=Kind.AUDIENCE, attribute="gender")
    assert {row.content["level"] for row in rows} == {"too_little_data"}  # a hundred people are no bank
    assert not Finding.objects.exists()


def test_an_arm_that_a_group_never_meets_opens_one_finding() -> None:
    # T-AUD-07, as the alarm that a person gets
    seen = logged.gather(synthetic.visits(400))
    islands = Grouping((seen.customers % 2).astype(np.int16), ("Islands", "Metro"))
    arm = int(np.bincount(seen.arm).argmax())
    chance = np.where((seen.arm == arm) & (islands.codes[seen.decision] == 0), 0.0, seen.chance)
    locked = replace(seen, chance=chance)
    lines = replace(DEFAULT, lockout_people=100)
    for _ in range(2):
        list(of_decisions.of_arms(locked, {"region": islands}, lines, timezone.now()))
    finding = Finding.objects.get(kind="starvation")
    assert finding.subject == f"{seen.arms[arm]}/region/Islands"
    assert finding.times_seen == 2


def test_a_model_that_is_told_of_a_group_opens_a_finding_that_names_the_input() -> None:
    # T-AUD-10
    codes = (np.arange(600) % 2).astype(np.int16)
    noise = np.random.default_rng(1).random((600, 2))
    columns = [Column(name, "customer", "number", name) for name in ("x16", "x17")]
    groups = Grouping(codes, ("female", "male"))
    for matrix in (noise, np.column_stack([noise[:, 0], codes])):
        for said in leak.screen(columns, matrix, noise[:, 0], "gender", groups):
            of_offers.alarm("champion", said, DEFAULT, timezone.now())
    opened = Finding.objects.filter(kind="leak").values_list("subject", "title")
    assert sorted(opened) == [
        (f"champion/gender/{group}", f"champion can tell who is {group}, by x17") for group in ("female", "male")
    ]
