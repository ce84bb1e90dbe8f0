"""The cube against a plain recount from the log: units of customer, offer and month, every stage, nobody left out, and
nothing twice however often it is filled."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from django.utils import timezone

from decisioning import decision_log, runtime, serve
from decisioning.models import Consent, Customer, Decision, Outcome
from fairness import vault
from fairness.counts import NOT_RECORDED
from fairness.cube import read, rollup, units
from fairness.cube.stages import LEVEL, STAGES
from fairness.models import CubeCount, CubeOffer, CubePosition, CubeUnit
from tests.factories import approve_content, clause, make_bank, rule, small_catalogue
from tests.fairness.cube.asking import LATER, ask, report

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_process() -> None:
    runtime.forget()


def _bank(now: datetime, people: int = 60) -> list[int]:
    """Some without consent, some over a rule, two sessions each, some clicks without an impression."""
    ids = make_bank(people, now=now, missing=0.1)
    Consent.objects.filter(customer_id__in=ids[:6], channel="mobile_app").delete()
    approve_content([*small_catalogue(), rule("score", clause("credit_score", ">=", 680))], now=now)
    for pk in ids:
        for session in ("1", "2"):
            decision = ask(pk, session, now, "mobile_app" if session == "1" or pk % 2 else "web")
            if pk % 3 == 0:
                report(decision, "click", now)
    return ids


def _recount(ids: list[int]) -> dict[int, int]:
    """The furthest level of each customer with any offer, from the log alone."""
    found: dict[int, int] = defaultdict(int)
    for row in Decision.objects.filter(customer_id__in=ids):
        result = decision_log.result(row)
        if row.reason == "NO_CONSENT":
            level = "considered"
        elif row.reason == "CAPPED":
            level = "eligible"
        elif result.choices:
            level = "delivered"
        else:
            level = "reachable"
        found[row.customer_id] = max(found[row.customer_id], LEVEL[level])
    for customer in Outcome.objects.filter(type="click").values_list("customer_id", flat=True):
        found[customer] = max(found[customer], LEVEL["clicked"])
    return found


def test_every_stage_of_any_offer_counts_each_customer_once_in_a_month() -> None:
    now = timezone.now()
    ids = _bank(now)
    month = now.date().replace(day=1)
    assert units.fill(now + LATER) == {month}
    rollup.rebuild(month, now)
    furthest = _recount(ids)
    gender = {entry.customer: entry.value for entry in vault.read(ids) if entry.attribute == "gender"}
    for cell in read.cells(month=month, attribute="gender"):
        of_group = [level for pk, level in furthest.items() if gender.get(pk, NOT_RECORDED) == cell.group]
        assert cell.favourable == sum(level >= LEVEL[cell.stage] for level in of_group)
        before = max(1, LEVEL[cell.stage] - 1)
        assert cell.total == sum(level >= before for level in of_group)


def test_missing_attributes_are_a_group_and_every_cut_adds_up_to_the_population() -> None:
    """T-MET-10."""
    now = timezone.now()
    ids = _bank(now)
    month = now.date().replace(day=1)
    units.fill(now + LATER)
    rollup.rebuild(month, now)
    considered = {
        attribute: sum(cell.favourable for cell in read.cells(month=month, stage="considered", attribute=attribute))
        for attribute in {row.attribute for row in CubeCount.objects.filter(offer="")}
    }
    assert considered == dict.fromkeys(
        ["age_band", "age_band and gender", "age_band and region", "gender", "gender and region", "region"], len(ids)
    )
    assert any(cell.group == NOT_RECORDED for cell in read.cells(month=month, attribute="gender"))
    segments = CubeCount.objects.filter(offer="", channel="", attribute="gender").exclude(segment="")
    assert sum(sum(row.reached[: len(row.groups)]) for row in segments) == len(ids)


def test_each_stage_is_the_denominator_of_the_next() -> None:
    now = timezone.now()
    _bank(now, 30)
    month = now.date().replace(day=1)
    units.fill(now + LATER)
    rollup.rebuild(month, now)
    for offer in ("", "travel-plus", "family:travel"):
        found = {(cell.stage, cell.group): cell for cell in read.cells(month=month, offer=offer, attribute="region")}
        for before, stage in pairwise(STAGES):
            for group in {group for _, group in found}:
                assert found[stage, group].total == found[before, group].favourable >= found[stage, group].favourable


def test_filling_again_in_other_portions_or_after_a_crash_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    _bank(now, 25)
    units.fill(now + LATER)
    whole = list(CubeUnit.objects.order_by("pk").values_list())
    assert units.fill(now + LATER) == set()
    assert list(CubeUnit.objects.order_by("pk").values_list()) == whole
    CubeUnit.objects.all().delete()
    CubePosition.objects.all().delete()
    monkeypatch.setattr(units, "BLOCK", 7)
    stored, written = units._write, []

    def dying(block: dict[units.Key, units.Unit]) -> None:
        stored(block)
        written.append(len(block))
        if len(written) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(units, "_write", dying)
    with pytest.raises(KeyboardInterrupt):
        units.fill(now + LATER)
    units.fill(now + LATER)
    again = list(CubeUnit.objects.order_by("pk").values_list())
    assert [row[:-1] for row in again] == [row[:-1] for row in whole]
    for ours, theirs in zip(again, whole, strict=True):  # a sum of float32 in another order
        assert np.allclose(np.frombuffer(bytes(ours[-1]), "<f4"), np.frombuffer(bytes(theirs[-1]), "<f4"), rtol=1e-5)


def test_an_outcome_that_comes_late_raises_the_unit_of_its_decision_s_month() -> None:
    now = timezone.now()
    (pk,) = make_bank(1, now=now, missing=0)
    approve_content(now=now)
    decision = ask(pk, "1", now)
    units.fill(now + LATER)
    before = bytes(CubeUnit.objects.get().furthest)
    later = now + timedelta(days=40)
    report(decision, "application", later)
    assert units.fill(later + LATER) == {now.date().replace(day=1)}
    after = bytes(CubeUnit.objects.get().furthest)
    assert max(after) == LEVEL["applied"] > max(before) == LEVEL["delivered"]
    assert sum(ours != theirs for ours, theirs in zip(after, before, strict=True)) == 1


def test_what_a_second_channel_was_given_counts_as_delivered_where_it_was_decided() -> None:
    now = timezone.now()
    (pk,) = make_bank(1, now=now, missing=0)
    approve_content(now=now)
    decision = ask(pk, "1", now)
    external = Customer.objects.get(pk=pk).external_id
    serve.ask(serve.Ask(external or "", "1", "web", "home", 3, {}), now + timedelta(seconds=1))
    units.fill(now + LATER)
    unit = CubeUnit.objects.get()
    shown = decision_log.shown_so_far(Decision.objects.get(id=decision))
    assert unit.channel == "mobile_app"
    assert len(shown) > 1
    assert sum(level == LEVEL["delivered"] for level in bytes(unit.furthest)) == len(shown)


def test_expected_exposure_is_what_was_realised_within_chance() -> None:
    """T-AUD-05: the sum of the probabilities that an offer stood first, against how often it did."""
    now = timezone.now()
    ids = make_bank(250, now=now, missing=0)
    approve_content(now=now)
    for pk in ids:
        ask(pk, "1", now)
    month = now.date().replace(day=1)
    units.fill(now + LATER)
    rollup.rebuild(month, now)
    first = dict.fromkeys(CubeOffer.objects.values_list("key", flat=True), 0)
    for offer in Decision.objects.exclude(offer=None).values_list("offer", flat=True):
        first[offer or ""] = first.get(offer or "", 0) + 1
    expected = dict.fromkeys(first, 0.0)
    for cell in read.cells(month=month, stage="considered", offer=None, attribute="gender"):
        if cell.offer in expected:
            expected[cell.offer] += cell.exposure
    competing = [row.key for row in CubeOffer.objects.all() if expected[row.key] > 0]
    assert len(competing) > 1
    for key in competing:
        share = expected[key] / len(ids)
        assert abs(first[key] - expected[key]) <= 4.5 * np.sqrt(len(ids) * share * (1 - share)) + 1e-6


def test_an_erased_customer_has_no_unit_left_and_the_others_keep_theirs() -> None:
    now = timezone.now()
    ids = _bank(now, people=8)
    units.fill(now + LATER)
    assert units.erase(ids[:2]) >= 2
    assert set(CubeUnit.objects.values_list("customer_id", flat=True)) == set(ids[2:])
