"""The synthetic bank: its customers, its truth, its catalogue, and that a killed seeding goes on without doubling."""

import json
import stat
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.db import connections
from django.utils import timezone

from console import demo_access
from console.bank import catalogue, feed, past, people, profiles, reconcile, response, seeding, sessions, staff, world
from console.bank.people import FAMILIES, REGIONS
from console.bank.response import ANGLE, ANGLES, FAMILY, Truth
from decisioning import credentials, identity, replay
from decisioning.api.serializers import Context
from decisioning.features import skew
from decisioning.models import (
    Account,
    Consent,
    Customer,
    FeatureRow,
    FeatureVector,
    Job,
    ModelVersion,
    Outcome,
    SessionLease,
    SkewCheck,
    Transaction,
)
from decisioning.models import Decision as DecisionRow
from fairness.models import FairnessAudit
from offers import audit
from offers.catalog import Item, faults_of
from offers.conditions.grammar import parse
from offers.conditions.vectorise import columns_from_rows, evaluate_many
from offers.models import KINDS, WHOLE_KINDS, ChangeRequest, Release
from offers.register import ATTRIBUTES
from offers.roles import ROLES, may


def everything() -> list[Item]:
    return [
        *catalogue.opening(), *catalogue.underwriting(), *catalogue.ranking(), *catalogue.cards(),
        *catalogue.price_list(), *catalogue.tiers(), *catalogue.licensed_states(), *catalogue.boosts(),
    ]  # fmt: skip


# --- Customers -------------------------------------------------------------------------------------------------------
def test_a_chunk_is_the_same_for_the_same_seed_and_no_other() -> None:
    first = people.chunk(7, 3)
    people.chunk.cache_clear()
    again, other = people.chunk(7, 3), people.chunk(8, 3)
    assert (first.balance == again.balance).all()
    assert first.cards == again.cards
    assert not (first.balance == other.balance).all()


def test_every_value_is_of_the_register_and_within_its_bounds() -> None:
    for row in profiles.attributes(people.chunk(7, 0)):
        for name, value in row.items():
            declared = ATTRIBUTES[name]
            if declared.bounds:
                assert declared.bounds[0] <= value <= declared.bounds[1], (name, value)
            if declared.choices:
                assert value in declared.choices, (name, value)


def test_traits_hang_together() -> None:
    chunk = people.chunk(7, 0)
    known = ~np.isnan(chunk.credit_score)
    score = chunk.credit_score[known]
    assert np.corrcoef(score, chunk.utilisation[known])[0, 1] < -0.5
    assert np.corrcoef(score, chunk.debt_to_income[known])[0, 1] < -0.3
    assert np.corrcoef(score, chunk.income[known])[0, 1] > 0.3
    assert 0.01 < 1 - known.mean() < 0.05
    assert chunk.age_years.min() >= 18


# --- The truth -------------------------------------------------------------------------------------------------------
def test_the_best_arm_of_a_segment_is_of_its_best_family() -> None:
    for segment, arm in response.best_arms(catalogue.traits()).items():
        assert catalogue.CARD[arm.split("/")[0]].family == FAMILIES[int(np.argmax(FAMILY[segment]))]


def test_the_best_angle_wins_between_the_creatives_of_one_card() -> None:
    arms = catalogue.traits()
    for segment in FAMILY:
        reward = response.respond(Truth(segment, "Metro", 0.5, 740), {}, arms).click
        gold = {angle: reward[arms.chosen(catalogue.CARD["travel-gold"].arm(angle))] for angle in ANGLES}
        assert max(gold, key=lambda angle: gold[angle]) == ANGLES[int(np.argmax(ANGLE[segment]))]


def test_the_session_moves_the_response_as_declared() -> None:
    arms = catalogue.traits()
    customer = Truth("family", "Metro", 0.5, 740)
    at = arms.chosen("travel-gold/miles")
    quiet = response.respond(customer, {}, arms).click[at]
    looked = response.respond(customer, {"cards_viewed": ["travel-gold"]}, arms).click[at]
    odds = (looked / (1 - looked)) / (quiet / (1 - quiet))
    assert np.log(odds) == pytest.approx(response.VIEWED_THIS_CARD)


def test_the_region_moves_nothing_but_what_is_planted() -> None:
    arms = catalogue.traits()
    clicks = {region: response.respond(Truth("traveller", region, 0.5, 740), {}, arms).click for region in REGIONS}
    for region in set(REGIONS) - {"Heartland"}:
        assert (clicks[region] == clicks["Metro"]).all()
    gap = np.log(clicks["Heartland"] / (1 - clicks["Heartland"])) - np.log(clicks["Metro"] / (1 - clicks["Metro"]))
    assert gap == pytest.approx(response.PLANTED["Heartland"])


def test_the_planted_rule_leaves_the_south_east_one_state_of_eight() -> None:
    content = catalogue.licensed_states()[0].content
    assert content is not None
    chunk = people.chunk(7, 0)
    rows = [{"state": state} for state in chunk.state]
    passed = evaluate_many(parse(content["when"]), columns_from_rows(rows)) == 1
    rates = {name: passed[chunk.region == at].mean() for at, name in enumerate(REGIONS)}
    assert rates["Metro"] == rates["Heartland"] == 1
    assert 0.08 < rates["South-East"] < 0.18


# --- The catalogue ---------------------------------------------------------------------------------------------------
def test_every_item_is_valid_and_the_release_is_whole() -> None:
    assert [fault for item in everything() for fault in faults_of(item)] == []
    release = world.release()
    competing = [offer for offer in release.offers if offer != catalogue.FALLBACK_OFFER]
    assert len(competing) == 24
    creatives = Counter(creative.offer for creative in release.creatives.values())
    assert all(2 <= creatives[offer] <= 4 for offer in competing)
    assert release.placements["home_banner"].fallback == catalogue.FALLBACK_ARM
    assert release.placements["offer_slot"].fallback is None


def test_every_text_discloses_the_rate_and_fee_of_its_card() -> None:
    release = world.release()
    for creative in release.creatives.values():
        card = catalogue.CARD.get(creative.offer)
        for channel, text in creative.texts.items():
            assert "{" not in text.headline + text.body
            if card:
                assert f"{100 * card.rate:.1f} %" in text.disclosure
                assert (f"{card.fee:,} dollars a year" if card.fee else "Annual fee none") in text.disclosure
                assert ("STOP" in text.disclosure) == (channel == "sms")


def test_messages_that_speak_of_a_bonus_or_an_introductory_rate_belong_to_cards_that_have_one() -> None:
    for creative in world.release().creatives.values():
        for text in creative.texts.values():
            words = text.headline + " " + text.body
            assert " 0 dollars" not in words
            assert " 0 months" not in f" {words}"


# --- Sessions --------------------------------------------------------------------------------------------------------
def test_what_a_session_shows_is_what_the_api_takes() -> None:
    visits = [sessions.visit(7, number, 4_000) for number in range(300)]
    for visit in visits:
        checked = Context(data=visit.context)
        assert checked.is_valid(), checked.errors
    assert visits[5] == sessions.visit(7, 5, 4_000)
    assert len({visit.channel for visit in visits}) >= 6


# --- Seeding ---------------------------------------------------------------------------------------------------------
class Killed(BaseException):
    """What a kill is to the seeder: it may clean up nothing."""


@pytest.fixture
def var(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    settings.VAR = tmp_path
    monkeypatch.setattr(staff, "is_demo", lambda: True)
    return tmp_path


def _seed(stop_at: tuple[str, int] | None = None) -> None:
    def progress(step: str, done: int, total: int) -> None:
        if stop_at and step == stop_at[0] and done >= stop_at[1]:
            raise Killed

    seeding.seed(seeding.Plan(300, 7), progress=progress)


def _counts() -> dict[str, int]:
    tables = (
        Customer, FeatureRow, Consent, Account, Transaction, SessionLease, DecisionRow, Outcome, ModelVersion,
        ChangeRequest, Release, FairnessAudit,
    )  # fmt: skip
    return {table.__name__: table._default_manager.count() for table in tables}


@pytest.mark.usefixtures("live_db")
def test_a_killed_seeding_goes_on_and_a_complete_one_adds_nothing(var: Path) -> None:
    for stop_at in (("first releases", 2), ("past months", 260), ("sessions", 260), ("model", 1)):
        with pytest.raises(Killed):
            _seed(stop_at)
    assert not demo_access.seeded()
    _seed()
    complete = _counts()
    plan = seeding.Plan(300, 7)
    assert complete["Customer"] == 300
    earlier = _the_months_before_are_real_decisions(plan)
    assert complete["SessionLease"] == complete["Decision"] == plan.sessions + plan.later + earlier
    assert complete["Release"] == 10
    statuses = Counter(ChangeRequest.objects.values_list("status", flat=True))
    assert statuses == {"approved": 10, "submitted": 2, "rejected": 1, "draft": 1}
    assert all(change.checker_id != change.author_id for change in ChangeRequest.objects.filter(status="approved"))
    assert audit.verify().broken_at is None
    _seed()
    assert _counts() == complete
    _access_tells_what_works(var)
    _protected_attributes_lie_in_the_vault_alone()
    _nothing_was_learned_twice()
    _the_export_of_the_day_keeps_what_is_told_fresh()
    with pytest.raises(seeding.AnotherSeed):
        seeding.seed(seeding.Plan(300, 8), progress=lambda *_: None)


def _the_months_before_are_real_decisions(plan: seeding.Plan) -> int:
    """T-AUD-13: each month before has decisions that replay and that history computes again, outcomes and an audit."""
    opened = Job.objects.filter(kind=demo_access.JOB).earliest("id").started_at
    months = past.months(opened, plan.months)
    found = 0
    for month, after in pairwise([*months, opened.date().replace(day=1)]):
        rows = DecisionRow.objects.filter(made_at__date__gte=month, made_at__date__lt=after)
        days = Counter(rows.values_list("made_at__date", flat=True))
        assert sorted(day.day for day in days) == list(past.DAYS)
        assert all(result.identical for result in replay.replay_all(rows[:15]))
        assert {row.release for row in rows[:50]} <= _live_by(after)
        assert Outcome.objects.filter(decision_id__in=rows.values("id"), type="click").exists()
        assert FairnessAudit.objects.filter(source="decisions", period_from__date=month).exists()
        found += sum(days.values())
    assert plan.past * (plan.months - 1) < found <= plan.past * plan.months
    SkewCheck.objects.all().delete()  # each check looks at what came since the last
    checked = skew.check(datetime.combine(months[-1].replace(day=past.DAYS[-1] + 1), time(), UTC))
    assert checked.decisions == days[months[-1].replace(day=past.DAYS[-1])]
    assert checked.mismatches == {}
    return found


def _live_by(day: date) -> set[int]:
    return set(Release.objects.filter(published_at__date__lt=day).values_list("number", flat=True))


def _access_tells_what_works(var: Path) -> None:
    access = demo_access.access()
    assert access is not None
    assert stat.S_IMODE((var / "demo-users.json").stat().st_mode) == 0o600
    assert {user["role"] for user in access["users"]} == set(ROLES.values())
    _every_kind_of_change_has_an_author_and_somebody_else_to_approve_it()
    for user in access["users"]:
        assert staff.user(user["username"]).check_password(user["password"])
    for channel, key in access["keys"].items():
        credential = credentials.check(key)
        assert credential is not None
        assert credential.channel == channel
    assert Customer.objects.filter(external_id__in=access["customers"]).count() == 10


def _every_kind_of_change_has_an_author_and_somebody_else_to_approve_it() -> None:
    people = [staff.user(name) for name in staff.PEOPLE]
    for kind in (*KINDS, *WHOLE_KINDS):
        for author in (person for person in people if may(person, f"propose:{kind}")):
            assert any(may(person, f"approve:{kind}") for person in people if person != author), (kind, author)


def _protected_attributes_lie_in_the_vault_alone() -> None:
    with connections["vault"].cursor() as cursor:
        cursor.execute("SELECT attribute, count(*) FROM vault.protected_attribute GROUP BY 1")
        counts = dict(cursor.fetchall())
    assert counts["region"] == counts["birth_date"] == 300
    assert 270 <= counts["gender"] < 300  # some are not recorded
    for values in FeatureRow.objects.values_list("values", flat=True):
        assert not {"gender", "region", "birth_date", "age", "age_band"} & set(values)


def _the_export_of_the_day_keeps_what_is_told_fresh() -> None:
    """Only what is due is told again, and only once; the next vectors are made for that day."""
    tomorrow = timezone.now() + timedelta(hours=20)
    before = FeatureRow.objects.count()
    told = feed.send(tomorrow)
    assert told == FeatureRow.objects.count() - before
    assert set(FeatureRow.objects.filter(known_at=tomorrow).values_list("group", flat=True)) == {
        "account_state", "recent_activity", "spend_behaviour",
    }  # fmt: skip
    assert FeatureVector.objects.filter(as_of=tomorrow).count() == 300
    assert feed.send(tomorrow) == 0


def _nothing_was_learned_twice() -> None:
    rows = DecisionRow.objects.filter(arm__isnull=False)
    opened, plan = Job.objects.filter(kind=demo_access.JOB).earliest("id").started_at, seeding.Plan(300, 7)
    earlier = [past.numbers(month, plan.past) for month in past.months(opened, plan.months)]
    names = [f"demo-7-{number}" for number in chain(range(2_000), *earlier)]
    sessions_by_hash = {identity.session_hash(name): name for name in names}
    decisions = [{"decision_id": str(row.id), "session_id": sessions_by_hash[row.session]} for row in rows]
    outcomes = [
        {"decision_id": str(decision), "event_id": event}
        for decision, event in Outcome.objects.values_list("decision_id", "event_id")
    ]
    findings = reconcile.check(decisions, outcomes, patience=0)
    assert findings.faults == []
    assert findings.learned == len(decisions)
    gone = [{"decision_id": decisions[0]["decision_id"], "event_id": "never"}]
    assert len(reconcile.check(decisions[:5], gone, patience=0).faults) == 1


def test_a_log_whose_last_line_was_cut_off_can_be_read(tmp_path: Path) -> None:
    from console.bank import client

    log = tmp_path / "log"
    log.write_text(json.dumps({"kind": "decision", "decision_id": "1"}) + '\n{"kind": "outc')
    decisions, outcomes = client.read_log(log)
    assert [entry["decision_id"] for entry in decisions] == ["1"]
    assert outcomes == []
