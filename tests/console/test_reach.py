"""Value finder, funnel and what-if: what each says of a small bank, and that what is saved is what was moved."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from django.test import Client
from django.utils import timezone

from console.studio.what_if_form import WhatIfForm
from decisioning import impact, rebuild, runtime, sample
from decisioning.impact.kept import forget as forget_people
from decisioning.models import Job, UnservedReport
from decisioning.tasks import UNSERVED, find_unserved
from fairness.preview import preview
from offers import packs, roles, snapshot
from offers.catalog import Item
from offers.conditions.grammar import parse, to_json
from offers.models import ChangeRequest
from offers.snapshot import Content
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    for forget in (runtime.forget, sample.forget, forget_people):
        forget()
    yield
    for forget in (runtime.forget, sample.forget, forget_people):
        forget()


def _client(role: str = roles.MARKETING_LEAD) -> Client:
    client = Client()
    client.force_login(factories.make_user(role, f"{role}-reach"))
    return client


def _bank(customers: int = 400) -> None:
    now = timezone.now()
    factories.make_bank(customers, now=now)
    everybody = [
        *factories.small_catalogue(),
        factories.rule("solvent", factories.clause("debt_to_income", "<=", 0.35)),
    ]  # fmt: skip
    factories.approve_content(everybody, now=now)
    rebuild.rebuild()


def _text(response: Any) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", response.content.decode())))


# --- Value finder --------------------------------------------------------------------------------------------------


def test_before_it_was_computed_the_page_says_so_and_offers_to() -> None:
    page = _client().get("/reach/")
    assert page.status_code == 200
    assert "Not computed yet" in _text(page)
    find_unserved()  # there is no release
    assert not UnservedReport.objects.exists()


def test_a_group_without_an_offer_is_told_in_words_and_leads_to_a_proposal() -> None:
    _bank()
    find_unserved()
    report = UnservedReport.objects.get()
    groups = report.content["groups"]
    assert any("debt to income is above 35" in group["sentence"] for group in groups)
    assert all(group["count"] >= 20 for group in groups)
    page = _client().get("/reach/")
    links = [unescape(link) for link in re.findall(r'href="(/offers/new/\?when=[^"]+)"', page.content.decode())]
    assert len(links) == len(groups)
    for link in links:
        told = orjson.loads(parse_qs(urlsplit(link).query)["when"][0])
        assert to_json(parse(told)) == told
    assert "Create an offer" not in _text(_client(roles.AUDITOR).get("/reach/"))


def test_a_computation_that_runs_or_failed_is_said() -> None:
    now = timezone.now()
    Job.objects.create(kind=UNSERVED, status=Job.Status.FAILED, message="ValueError: no luck", started_at=now)
    assert "no luck" in _text(_client().get("/reach/"))
    Job.objects.create(kind=UNSERVED, started_at=now)
    page = _client().get("/reach/")
    assert 'hx-trigger="every 2s"' in page.content.decode()


# --- Funnel --------------------------------------------------------------------------------------------------------


def test_who_asks_for_a_computation_sees_it_come_by_itself() -> None:
    _bank()
    answer = _client().post("/reach/compute/", follow=True)
    assert "begins as soon as a worker is free" in _text(answer)
    address = answer.request["PATH_INFO"] + "?" + answer.request["QUERY_STRING"]
    assert f'hx-get="{address}"' in answer.content.decode()
    find_unserved()
    done = _client().get(address)
    assert "customers are shown no offer" in _text(done)
    assert "hx-get" not in done.content.decode().partition("<main")[2]


def test_the_funnel_names_what_takes_most_and_what_would_change_it() -> None:
    _bank()
    page = _client().get("/offers/travel-plus/funnel/")
    told = _text(page)
    assert "takes most" in told or "lost in the ranking" in told
    assert "score-670" in told
    assert "Moving" in told
    assert _client().get("/offers/no-such/funnel/").status_code == 404


# --- What-if -------------------------------------------------------------------------------------------------------


def _form(**moved: str) -> WhatIfForm:
    live = snapshot.live_row()
    assert live is not None
    form = WhatIfForm(live.content, moved)
    assert form.is_valid(), form.errors
    return form


def test_nothing_moved_is_no_change() -> None:
    _bank(60)
    assert _form().items() == []


def test_each_lever_makes_the_item_that_says_so() -> None:
    _bank(60)
    limit = next(key for key in _form().limits if key.startswith("score-670"))
    items = _form(
        propensity_weight="0.3", boost_cap="2", decisions_per_day="1", offer="student", offer_value="500",
        arm="travel-plus/bold", min_share="0.2", rule=limit, threshold="600",
    ).items()  # fmt: skip
    told = {item.kind: item.content for item in items}
    assert {item.kind: item.key for item in items} == {
        "ranking": "standard", "contact_policy": "standard", "offer": "student", "arm": "travel-plus/bold",
        "rule": "score-670",
    }  # fmt: skip
    assert all(told.values())
    assert (told["ranking"] or {})["bandit_weight"] == 0.7
    assert (told["ranking"] or {})["boost_cap"] == 2
    assert (told["arm"] or {})["mandate"] == {"min_share": 0.2}
    assert (told["rule"] or {})["when"]["value"] == 600
    assert (told["offer"] or {})["value"] == 500
    preview(items, timezone.now())  # the catalogue takes them


def test_a_number_typed_for_another_offer_does_not_move_this_one() -> None:
    _bank(60)
    assert _form(offer="student", offer_value="500", of_offer="first-card").items() == []


def test_a_looser_limit_reaches_more_and_the_preview_is_what_the_whole_population_gives() -> None:
    _bank()
    limit = next(key for key in _form().limits if key.startswith("score-670"))
    items = _form(rule=limit, threshold="400").items()
    now = timezone.now()
    found = preview(items, now)
    live = snapshot.live_row()
    assert live is not None
    whole = impact.reach(snapshot.apply(live.content, items), now)
    assert found.any_offer["after"] == int(whole.any_offer.sum())
    by_offer = {row["offer"]: row for row in found.decisions["offers"]}
    assert by_offer["travel-plus"]["after"] > by_offer["travel-plus"]["before"]
    assert found.sample == found.population == 400


def test_what_is_saved_is_what_was_moved_and_a_role_that_may_not_is_refused() -> None:
    _bank(60)
    moved = {
        "offer": "student", "offer_value": "500", "of_offer": "student", "title": "Students are worth more",
        "release": "1",
    }  # fmt: skip
    page = _client().get("/what-if/", moved)
    assert "Offer student" in _text(page)
    _client().post("/what-if/save/", moved)
    change = ChangeRequest.objects.latest("id")
    assert (change.title, change.status) == ("Students are worth more", "submitted")
    assert [(item["kind"], item["key"], item["content"]["value"]) for item in change.items] == [
        ("offer", "student", 500)
    ]
    assert _client(roles.AUDITOR).post("/what-if/save/", moved).status_code == 403
    assert "does not propose" in _text(_client(roles.AUDITOR).get("/what-if/", moved))
    before = ChangeRequest.objects.count()
    _client().post("/what-if/save/", {"release": "1"})
    assert ChangeRequest.objects.count() == before


def test_what_if_draws_its_line_where_the_pack_in_force_has_it() -> None:
    _bank()
    stricter = {**packs.shipped()["us-federal-from-2026-07"], "bands": {"fail_ratio": 0.85}}
    factories.approve_content([Item("pack", "us-federal", stricter)])
    answer = _client().get("/what-if/")
    assert "line at 0.85" in _text(answer)


def test_what_was_typed_for_a_proposal_outlives_a_lever_and_a_refusal() -> None:
    _bank(60)
    typed = {"title": "Students are worth more", "rationale": "They stay for years."}
    moved = {**typed, "offer": "student", "of_offer": "student", "offer_value": "500"}
    page = _client().get("/what-if/", moved).content.decode()
    assert 'value="Students are worth more"' in page
    assert ">They stay for years.</textarea>" in page
    # Only the levers ask anew: else a letter typed beside them would swap away what it was typed into.
    assert not re.search(r'<form[^>]*id="what-if"[^>]* hx-', page)
    stale = _client().post("/what-if/save/", {**moved, "release": "7"}, follow=True).content.decode()
    assert 'name="title" value="Students are worth more"' in stale
    assert 'name="rationale" value="They stay for years."' in stale


def test_a_share_reads_as_per_cent_beside_its_slider() -> None:
    _bank(60)
    assert "40 %" in _text(_client().get("/what-if/", {"propensity_weight": "0.4"})).replace("\u202f", " ")


def test_a_limit_that_nobody_can_have_is_refused_in_words() -> None:
    _bank(60)
    limit = next(key for key in _form().limits if key.startswith("low-debt"))
    moved = {"rule": limit, "of_rule": limit, "threshold": "500", "release": "1"}
    told = _text(_client().get("/what-if/", moved))
    assert "This could not run" in told
    assert "debt to income lies between" in told
    before = ChangeRequest.objects.count()
    assert _client(roles.RISK_APPROVER).post("/what-if/save/", moved).status_code == 302
    assert ChangeRequest.objects.count() == before


def _standing(**changed: dict[str, Any]) -> Content:
    """The live content with these fields in every item of a kind."""
    live = snapshot.live_row()
    assert live is not None
    return {
        kind: {key: {**value, **changed.get(kind, {})} for key, value in items.items()}
        for kind, items in live.content.items()
        if kind != snapshot.LAW
    }


@pytest.mark.parametrize(
    "odd",
    [
        {"offer": {"value": 12345.67}},
        {"offer": {"value": 0.1 + 0.2}},
        {"contact_policy": {"decisions_per_week": 100, "decisions_per_day": 1000}},
        {"arm": {"mandate": {"min_share": 0.125, "max_share": 1 / 3}}},
        {"rule": {"when": factories.clause("balance", "<=", 1234567)}},
        {"rule": {"when": factories.clause("balance", "<=", 1234567.89)}},
        {"ranking": {"value_exponent": 0.25}},
        {"ranking": {"propensity_weight": 0.62, "bandit_weight": 0.38}},
        {"ranking": {"propensity_weight": 1 / 3, "bandit_weight": 1 - 1 / 3}},
        {"ranking": {"boost_cap": 1.25}},
    ],
)
def test_wherever_the_live_release_stands_nothing_is_moved_that_nobody_moved(odd: dict[str, Any]) -> None:
    factories.approve_content()
    content = _standing(**odd)
    fresh = WhatIfForm(content, {})
    assert fresh.is_valid(), fresh.errors
    posted = {name: str(fresh[name].value() or "") for name in fresh.fields}
    again = WhatIfForm(content, posted)
    assert again.is_valid(), again.errors
    assert (fresh.items(), again.items()) == ([], [])
    moved = WhatIfForm(content, {**posted, "offer_value": "99.5"})
    assert moved.is_valid(), moved.errors
    assert [(item.kind, (item.content or {})["value"]) for item in moved.items()] == [("offer", 99.5)]


def test_a_slider_can_stand_exactly_where_the_live_release_does() -> None:
    factories.approve_content()
    content = _standing(
        ranking={"propensity_weight": 0.62, "value_exponent": 1 / 3}, contact_policy={"decisions_per_week": 100}
    )
    fields = WhatIfForm(content, {"boost_cap": "1.25"}).fields
    attrs = {
        name: (str(field.widget.attrs.get("step")), str(field.widget.attrs.get("max")))
        for name, field in fields.items()
    }
    assert attrs["propensity_weight"] == ("0.01", "1")
    assert attrs["value_exponent"] == ("any", "2")
    assert attrs["boost_cap"] == ("0.01", "10")
    assert attrs["min_share"] == ("0.01", "1")
    assert (attrs["decisions_per_week"][1], attrs["decisions_per_day"][1]) == ("100", "20")


def test_levers_of_another_release_are_refused_in_words_and_undo_nothing() -> None:
    _bank(60)
    live = snapshot.live_row()
    assert live is not None
    filled = {
        **{name: str(_form()[name].value() or "") for name in _form().fields},
        "release": "1",
        "offer_value": "99",
    }
    weights = {"propensity_weight": 0.9, "bandit_weight": 0.1}
    factories.approve_content([Item("ranking", "standard", {**live.content["ranking"]["standard"], **weights})])
    before = ChangeRequest.objects.count()
    for posted in (filled, {name: value for name, value in filled.items() if name != "release"}):
        answer = _client().post("/what-if/save/", posted, follow=True)
        assert "another release is live" in _text(answer)
    assert ChangeRequest.objects.count() == before
    page = _text(_client().get("/what-if/", filled))
    assert "Release 2 is live now" in page
    assert "Move a lever first" in page
    assert 'name="release" value="2"' in _client().get("/what-if/").content.decode()


@pytest.mark.parametrize("odd", ["nan", "inf", "1e400", "1e300", "-1e300", "9" * 5000])
def test_a_number_that_no_lever_has_is_refused_in_words(odd: str) -> None:
    _bank(60)
    factories.approve_content([factories.rule("rich", factories.clause("balance", "<=", 5000), "student")])
    for lever in ("threshold", "offer_value", "decisions_per_day", "min_share"):
        page = _client().get("/what-if/", {"rule": "rich", lever: odd})
        assert page.status_code == 200
        posted = {"rule": "rich", "of_rule": "rich ", lever: odd, "release": "2"}
        assert "Nothing was proposed" in _text(_client(roles.RISK_APPROVER).post("/what-if/save/", posted, follow=True))


def test_what_cannot_run_is_said_and_without_a_release_there_is_nothing_to_try() -> None:
    assert "no live release" in _text(_client().get("/what-if/"))
    _bank(60)
    page = _client().get("/what-if/", {"value_exponent": "7"})
    assert page.status_code == 200
    assert "less than or equal to 2" in _text(page)
