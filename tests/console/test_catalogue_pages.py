"""The catalogue's pages beside the wizard: statuses and filters, several offers at once, copies, terms, messages,
placements, and the calendar's arithmetic."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from console.catalogue import offer_calendar, offer_status
from console.catalogue.offer_calendar import Scale
from console.catalogue.offer_status import STATUSES
from offers import roles
from offers.catalog import Item
from offers.models import Arm, ChangeRequest, Offer
from tests import factories, living_bank
from tests.living_bank import LivingBank

DAY = timedelta(days=1)
db = pytest.mark.django_db


@pytest.fixture
def bank() -> LivingBank:
    return living_bank.make(customers=20, decisions=3)


def signed_in(bank: LivingBank, who: str = roles.MARKETING_AUTHOR) -> Client:
    client = Client()
    client.force_login(bank.people[who])
    return client


def newest() -> ChangeRequest:
    return ChangeRequest.objects.order_by("-id")[0]


def dated(now: datetime, **moments: timedelta) -> dict[str, str]:
    return {name: (now + away).isoformat(timespec="seconds") for name, away in moments.items()}


@pytest.fixture
def mixed(bank: LivingBank) -> dict[str, str]:
    """An offer of each status but retired and stopped; what each should be."""
    now = timezone.now()
    items = [
        *factories.offer("later", **dated(now, starts_at=DAY)),
        *factories.offer("over", **dated(now, starts_at=-3 * DAY, ends_at=-DAY)),
        *factories.offer("soon-over", **dated(now, ends_at=9 * DAY)),
        *(Item(item.kind, item.key, {**(item.content or {}), **({"paused": True} if item.kind == "arm" else {})})
          for item in factories.offer("asleep")),
    ]  # fmt: skip
    factories.approve_content(items, now=now)
    return {"later": "scheduled", "over": "ended", "soon-over": "live", "asleep": "paused", "student": "live"}


@db
def test_every_offer_has_one_status_and_stands_in_the_list_of_that_status_alone(
    bank: LivingBank, mixed: dict[str, str]
) -> None:
    client = signed_in(bank)
    found = {status: _keys(client, status=status) for status in STATUSES}
    shown = {row["key"]: row["status"] for row in client.get(reverse("offers")).context["offers"]}
    assert {key: shown[key] for key in mixed} == mixed
    assert {key: status for status, keys in found.items() for key in keys} == shown
    assert sum(map(len, found.values())) == len(shown)


@db
@pytest.mark.parametrize("stop", [("all", ""), ("product", "card"), ("offer", "student")])
def test_a_stop_is_a_status_whatever_the_dates_say(bank: LivingBank, mixed: dict[str, str], stop: Any) -> None:
    now, stops = timezone.now(), frozenset({stop})
    offers = list(Offer.objects.all())
    by_row = {
        offer.key: offer_status.status_of(offer, stops, paused=offer.key == "asleep", now=now) for offer in offers
    }
    for status in STATUSES:
        keys = set(Offer.objects.filter(offer_status.where(status, stops, now)).values_list("key", flat=True))
        assert keys == {key for key, found in by_row.items() if found == status}
    assert by_row["student"] == "stopped"


@db
def test_the_list_is_filtered_by_what_one_asks(bank: LivingBank, mixed: dict[str, str]) -> None:
    client = signed_in(bank)
    assert _keys(client, ending="on") == {"soon-over"}
    assert _keys(client, q="STUD") == {"student"}
    assert _keys(client, product="card") >= set(mixed)
    assert _keys(client, product="loan") == set()
    assert _keys(client, placement="home", channel="web") >= set(mixed)
    assert _keys(client, channel="sms") == set()
    idle = _keys(client, idle="on")
    assert {"later", "over"} <= idle < _keys(client)


def _keys(client: Client, **query: str) -> set[str]:
    return {row["key"] for row in client.get(reverse("offers"), query).context["offers"]}


@db
def test_ticked_offers_are_paused_and_resumed_in_one_proposal(bank: LivingBank, mixed: dict[str, str]) -> None:
    client, address = signed_in(bank), reverse("offers_chosen")
    client.post(address, {"offer": ["student", "travel-plus", "asleep"], "pause": "1"})
    change = newest()
    assert (change.status, change.title) == ("submitted", "Pause 2 offers")  # the third is paused already
    assert {item["key"] for item in change.items} == {
        "student/plain", "student/bold", "travel-plus/plain", "travel-plus/bold",
    }  # fmt: skip
    assert all(item["content"]["paused"] is True for item in change.items)
    before = Arm.objects.get(key="student/plain").content
    assert [{**item["content"], "paused": False} for item in change.items if item["key"] == "student/plain"] == [
        {**before, "paused": False}
    ]
    client.post(address, {"offer": ["asleep"], "resume": "1"})
    assert newest().title == "Resume Asleep"
    count = ChangeRequest.objects.count()
    assert (
        "No arm of these is paused"
        in client.post(address, {"offer": ["student"], "resume": "1"}, follow=True).content.decode()
    )
    assert "Tick the offers first" in client.post(address, {"pause": "1"}, follow=True).content.decode()
    assert ChangeRequest.objects.count() == count


@db
@pytest.mark.parametrize("who", [roles.RISK_APPROVER, roles.COMPLIANCE, roles.AUDITOR])
def test_who_may_not_propose_arms_pauses_nothing(bank: LivingBank, who: str) -> None:
    answer = signed_in(bank, who).post(reverse("offers_chosen"), {"offer": ["student"], "pause": "1"})
    assert answer.status_code == 403


@db
def test_two_offers_are_compared_by_what_differs_and_on_demand_by_everything(bank: LivingBank) -> None:
    client = signed_in(bank, roles.AUDITOR)
    answer = client.post(reverse("offers_chosen"), {"offer": ["student", "travel-plus"], "compare": "1"}, follow=True)
    differing = {row.label for _, rows in answer.context["groups"] for row in rows}
    assert "title" in differing
    assert "annual fee" not in differing
    assert {rule["title"] for rule in answer.context["rules"]} == {"low-debt", "score-670"}
    whole = client.get(reverse("offer_compare"), {"offer": ["student", "travel-plus"], "all": "1"})
    assert "annual fee" in {row.label for _, rows in whole.context["groups"] for row in rows}
    assert "age-21" in {rule["title"] for rule in whole.context["rules"]}


@db
@pytest.mark.parametrize("offers", [["student"], ["student", "nobody"], []])
def test_less_than_two_offers_are_not_compared(bank: LivingBank, offers: list[str]) -> None:
    assert signed_in(bank).get(reverse("offer_compare"), {"offer": offers})["Location"] == reverse("offers")


@db
def test_a_copy_needs_a_name_alone_and_brings_messages_and_arms(bank: LivingBank) -> None:
    client, address = signed_in(bank), reverse("offer_duplicate", args=["travel-plus"])
    form = client.get(address).context["form"]
    posted = {name: value for name, value in form.initial.items() if value not in (None, {})}
    client.post(address, {**posted, "title": "Travel Max", "rate": "1"})
    change = newest()
    assert change.key == "travel-max"
    content = {(item["kind"], item["key"]): item["content"] for item in change.items}
    assert set(content) == {
        ("offer", "travel-max"), ("creative", "travel-max/plain"), ("arm", "travel-max/plain"),
        ("creative", "travel-max/bold"), ("arm", "travel-max/bold"),
    }  # fmt: skip
    assert content["offer", "travel-max"]["facts"] == {"rate": 0.2, "fee": 0}  # posting a rate changes nothing
    assert content["arm", "travel-max/bold"]["prior_strength"] == 20
    assert "score-670" in change.rationale
    assert "There is an offer of this name" in client.post(address, {**posted, "title": "Student"}).content.decode()


@db
def test_a_marketer_cannot_change_a_rate_by_posting_it(bank: LivingBank) -> None:
    client, address = signed_in(bank), reverse("offer_edit", args=["student"])
    page = client.get(address)
    data = {name: value for name, value in page.context["form"].initial.items() if value not in (None, {})}
    for wording in page.context["wordings"]:
        data |= {f"{wording['form'].channel}-{name}": text for name, text in wording["form"].as_typed().items()}
    client.post(address, {**data, "rate": "1.5", "fee": "15", "change_title": "Cheaper", "submit": "1"})
    assert newest().items[0]["content"]["facts"] == {"rate": 0.2, "fee": 15.0}


@db
def test_risk_sets_terms_on_a_page_of_its_own(bank: LivingBank) -> None:
    client, address = signed_in(bank, roles.RISK_AUTHOR), reverse("offer_terms", args=["student"])
    assert "live already" in client.post(address, {"rate": "20", "change_title": "Same"}).content.decode()
    client.post(address, {"rate": "18.5", "limit": "1200", "change_title": "Lower rate"})
    assert newest().items[0]["content"]["facts"] == {"rate": 0.185, "fee": 0, "limit": 1200.0}
    assert signed_in(bank).get(address).status_code == 403


@db
def test_a_message_comes_with_its_arm_and_is_refused_without_a_disclosure(bank: LivingBank) -> None:
    client, address = signed_in(bank), reverse("creative_new", args=["student"])
    page = client.get(address)
    data = {"title": "First card", "change_title": "A message", "arm-expected": "7", "arm-strength": "30"}
    for wording in page.context["wordings"]:
        data |= {f"{wording['form'].channel}-{name}": text for name, text in wording["form"].as_typed().items()}
    before = ChangeRequest.objects.count()
    client.post(address, {**data, "web-disclosure": " "})
    client.post(address, {**data, "title": "Plain"})  # there is one of that name
    assert ChangeRequest.objects.count() == before
    client.post(address, data)
    creative, arm = newest().items
    assert (creative["key"], arm["key"]) == ("student/first-card", "student/first-card")
    assert (arm["content"]["prior_mean"], arm["content"]["prior_strength"]) == (0.07, 30.0)
    assert set(creative["content"]["texts"]) == {"mobile_app", "web"}


@db
def test_other_words_for_a_message_are_a_change_of_it_alone(bank: LivingBank) -> None:
    client, address = signed_in(bank), reverse("creative_edit", args=["student", "plain"])
    page = client.get(address)
    data = {**page.context["form"].initial}
    for wording in page.context["wordings"]:
        data |= {f"{wording['form'].channel}-{name}": text for name, text in wording["form"].as_typed().items()}
    assert "live already" in client.post(address, data).content.decode()
    client.post(address, {**data, "web-headline": "A first card"})
    (item,) = newest().items
    assert item["key"] == "student/plain"
    assert item["content"]["texts"]["web"]["headline"] == "A first card"
    assert item["content"]["texts"]["mobile_app"]["headline"] == "student"


@db
def test_every_message_is_shown_on_every_channel_with_its_lengths(bank: LivingBank) -> None:
    html = signed_in(bank, roles.AUDITOR).get(reverse("creatives", args=["student"])).content.decode()
    assert html.count('class="surface phone"') == html.count('class="surface browser"') == 2
    assert "headline 7 of 60" in html


@db
def test_an_sms_is_previewed_with_what_an_operator_bills(bank: LivingBank) -> None:
    words = {
        "m1-sms-headline": "Ä" * 60,
        "m1-sms-body": "a" * 160,
        "m1-sms-call_to_action": "b",
        "m1-sms-disclosure": "c",
    }
    address = reverse("message_preview", args=["sms"]) + "?prefix=m1-sms"
    assert "2 of 3 messages as sent" in signed_in(bank).post(address, words).content.decode()


@db
def test_a_fallback_is_a_live_arm_or_nothing(bank: LivingBank) -> None:
    client, address = signed_in(bank), reverse("placement_edit", args=["home"])
    assert "no live arm nothing/here" in client.post(
        address, {"title": "Home", "fallback": "nothing/here", "change_title": "x"}
    ).content.decode()  # fmt: skip
    client.post(address, {"title": "Home", "fallback": "student/plain", "change_title": "A fallback"})
    assert newest().items == [
        {"kind": "placement", "key": "home", "content": {"title": "Home", "fallback": "student/plain"}}
    ]


@db
def test_placements_and_products_count_their_live_offers(bank: LivingBank, mixed: dict[str, str]) -> None:
    client, live = signed_in(bank, roles.AUDITOR), Offer.objects.filter(live=True).count()
    assert [row["offers"] for row in client.get(reverse("placements")).context["placements"]] == [live]
    assert [row.offers for row in client.get(reverse("products")).context["products"]] == [live]


@db
def test_the_calendar_shows_what_runs_and_first_what_ends(bank: LivingBank, mixed: dict[str, str]) -> None:
    context = signed_in(bank, roles.AUDITOR).get(reverse("offer_calendar")).context
    assert [offer.key for offer in context["ending"]] == ["soon-over"]
    assert context["products"][0]["bars"][0].offer.key in ("over", "soon-over")
    assert context["gaps"] == []
    assert {bar.offer.key for bar in context["products"][0]["bars"]} >= {"later", "student"}
    past = signed_in(bank).get(reverse("offer_calendar"), {"from": "1999-01"}).context
    assert "later" not in {bar.offer.key for bar in past["products"][0]["bars"]}


MOMENTS = st.integers(0, 400).map(lambda days: datetime(2026, 11, 1, tzinfo=UTC) + days * DAY)
SPANS = st.lists(st.tuples(st.none() | MOMENTS, st.none() | MOMENTS), max_size=8)


@given(SPANS, MOMENTS, MOMENTS)
def test_gaps_and_offers_share_out_the_days_between_them(
    spans: list[offer_calendar.Span], one: datetime, other: datetime
) -> None:
    begin, end = sorted((one, other))
    found = offer_calendar.uncovered(spans, begin, end)
    day = begin
    while day < end:
        covered = any((starts or begin) <= day < (ends or end) for starts, ends in spans)
        assert covered != any(starts <= day < ends for starts, ends in found)
        day += DAY


@pytest.mark.parametrize(("months", "first"), [(0, (2026, 11)), (2, (2027, 1)), (-11, (2025, 12)), (14, (2028, 1))])
def test_months_are_counted_over_the_year(months: int, first: tuple[int, int]) -> None:
    assert offer_calendar.shifted(date(2026, 11, 1), months) == date(*first, 1)


@given(MOMENTS)
def test_a_bar_stays_on_the_scale(moment: datetime) -> None:
    assert 0 <= Scale(date(2027, 2, 1)).place(moment) <= 100


@db
def test_a_copy_with_another_fee_does_not_state_the_old_one(bank: LivingBank) -> None:
    client, address = signed_in(bank), reverse("offer_duplicate", args=["travel-plus"])
    posted = {
        name: value for name, value in client.get(address).context["form"].initial.items() if value not in (None, {})
    }
    client.post(address, {**posted, "title": "Travel Max", "fee": "95"})
    texts = next(item["content"]["texts"] for item in newest().items if item["kind"] == "creative")
    assert texts["web"]["disclosure"] == "Annual percentage rate 20.0 %, annual fee 95. Subject to approval."
