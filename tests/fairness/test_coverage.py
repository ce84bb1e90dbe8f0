"""What the packs ask to be reported is told apart from what was made."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.utils import timezone

from fairness import coverage
from fairness.causes.kept import Found, keep
from fairness.models import Cause, MonthFigure
from offers import packs
from offers.pack_schema import METRICS
from tests import living_bank

pytestmark = pytest.mark.django_db


TODAY = date(2026, 11, 2)


def approved(*asking: dict[str, Any]) -> dict[str, Any]:
    """Packs for the whole country, as content."""
    shipped = packs.shipped()["us-federal-from-2026-07"]
    return {"pack": {f"p{at}": {**shipped, **one} for at, one in enumerate(asking)}}


def test_before_any_audit_everything_that_is_asked_for_is_owed() -> None:
    month, _, found = coverage.asked({}, TODAY)
    assert month is None
    assert [one.metric for one in found] == list(METRICS)
    assert all(one.owed and one.packs == (packs.strict_default().title,) for one in found)


def test_what_no_pack_asks_for_is_not_owed() -> None:
    short = {"title": "Short", "metrics": ["M1", "M7"]}
    found = {one.metric: one for one in coverage.asked(approved(short), TODAY)[2]}
    assert {metric for metric, one in found.items() if one.owed} == {"M1", "M7"}
    assert found["M2"].packs == ()
    found = {
        one.metric: one for one in coverage.asked(approved(short, {"title": "Long", "metrics": ["M1", "M2"]}), TODAY)[2]
    }
    assert (found["M1"].packs, found["M2"].packs) == (("Short", "Long"), ("Long",))


def test_each_run_settles_its_own_figures_and_no_others() -> None:
    living_bank.make(customers=20, decisions=3)

    def owed() -> set[str]:
        month, _, found = coverage.asked({}, TODAY)
        assert month is not None
        return {one.metric for one in found if one.owed}

    assert owed() == {"M18"}  # nobody's group is large enough to tell its exposure
    keep(Cause.Kind.AUDIENCE, [Found("travel-plus", "region", "Islands", "", 60, {})], timezone.now())
    assert owed() == set()
    MonthFigure.objects.filter(kind=MonthFigure.Kind.SCORES).delete()
    assert owed() == {metric for metric, run in coverage.MADE_BY.items() if run == coverage.SCORES}
