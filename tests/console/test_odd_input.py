"""What no page sends and anybody can: each is refused in words or ignored, and never an error of the server."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from console.whole_number import whole_number
from offers import roles
from offers.models import ChangeRequest
from tests import living_bank
from tests.console.test_rule_editor import FLOOR, POLICY
from tests.living_bank import LivingBank

pytestmark = pytest.mark.usefixtures("db")
DIGITS = "9" * 5_000


@pytest.fixture
def bank() -> LivingBank:
    return living_bank.make(customers=20, decisions=1)


def signed_in(bank: LivingBank, who: str) -> Client:
    client = Client()
    client.force_login(bank.people[who])
    return client


def plainly(client: Client, address: str, fields: dict[str, str]) -> Any:
    """As a form without files is sent, which bounds no name of a field."""
    return client.post(address, urlencode(fields), content_type="application/x-www-form-urlencoded")


def test_only_a_number_that_a_column_holds_is_one() -> None:
    assert [whole_number(text) for text in ("7", "0", "", "-7", "7.0", "x", DIGITS)] == [7, 0, *[None] * 5]


def test_nul_is_refused_wherever_it_is_posted(bank: LivingBank) -> None:
    posted: list[tuple[str, str, dict[str, Any]]] = [
        (roles.RISK_AUTHOR, "/rules/score-670/edit/", {"retire": "1", "rationale": "a\0b"}),
        (roles.RISK_AUTHOR, "/rules/score-670/edit/", {**POLICY, **FLOOR, "t.0.name": "a\0b", "submit": "1"}),
        (roles.RISK_AUTHOR, "/rules/score-670/edit/", {**POLICY, **FLOOR, "edit": "try", "customer": "a\0b"}),
        (roles.RISK_APPROVER, "/what-if/save/", {"value_exponent": "1", "title": "a\0b", "release": "1"}),
        (roles.RISK_APPROVER, "/stops/stop/", {"typed": "offer:a\0b", "comment": "x"}),
        (roles.RISK_APPROVER, "/releases/1/roll-back/", {"rationale": "a\0b"}),
        (roles.MARKETING_AUTHOR, "/offers/new/abc/product/", {"a\0b": "x", "go": "next"}),
    ]
    before = ChangeRequest.objects.count()
    assert {signed_in(bank, who).post(address, data).status_code for who, address, data in posted} == {400}
    assert ChangeRequest.objects.count() == before
    named = SimpleUploadedFile("c.zip", b"x")
    answer = signed_in(bank, roles.RISK_AUTHOR).post("/releases/import/", {"title": "x", "a\0b": named})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("who", "address"),
    [
        (roles.RISK_AUTHOR, f"/rules/score-670/edit/?change={DIGITS}"),
        (roles.AUDITOR, f"/decisions/?release={DIGITS}"),
        (roles.AUDITOR, f"/releases/difference/?old={DIGITS}&new=1"),
        (roles.MARKETING_AUTHOR, f"/offers/new/abc/words/?message={DIGITS}"),
        (roles.MARKETING_AUTHOR, "/offers/new/abc/words/?message=0"),
    ],
)
def test_a_number_of_thousands_of_digits_in_an_address_is_none(bank: LivingBank, who: str, address: str) -> None:
    assert signed_in(bank, who).get(address).status_code == 200


DAYS = ("9999-12-31", "0001-01-01", "2026-02-30")


@pytest.mark.parametrize("day", DAYS)
def test_a_day_at_the_end_of_the_calendar_is_refused_by_the_name_of_its_field(bank: LivingBank, day: str) -> None:
    compliance, auditor = signed_in(bank, roles.COMPLIANCE), signed_in(bank, roles.AUDITOR)
    page = auditor.get(f"/decisions/?day={day}")
    assert (page.status_code, "Until day: no such day" in page.content.decode()) == (200, True)
    asked = {"first": "2026-01-01", "last": day}
    refused = compliance.post("/examiner/make/", asked)
    assert refused.status_code == 422
    assert f"To: {day}" in refused.content.decode() or "Enter a valid date" in refused.content.decode()
    received = {"kind": "human_review", "customer": "1", "received_on": day, "question": "Why?"}
    assert compliance.post(reverse("request_new"), received).status_code in (200, 400, 422)


@pytest.mark.parametrize("day", DAYS)
def test_pages_that_take_a_day_or_a_month_answer_whatever_it_is(bank: LivingBank, day: str) -> None:
    compliance = signed_in(bank, roles.COMPLIANCE)
    for address in (
        f"/fairness/packs/?country=US&on={day}",
        f"/fairness/?month={day[:7]}",
        f"/offers/calendar/?from={day[:7]}",
    ):
        assert compliance.get(address).status_code == 200, address


def test_a_number_of_thousands_of_digits_in_a_form_is_none(bank: LivingBank) -> None:
    wizard = signed_in(bank, roles.MARKETING_AUTHOR)
    assert plainly(wizard, "/offers/new/abc/words/", {f"m{DIGITS}-title": "x", "add": "1"}).status_code == 302
    for drop in (DIGITS, "1"):
        assert wizard.post("/offers/new/abc/words/", {"drop": drop}).status_code == 302
    studio = signed_in(bank, roles.RISK_AUTHOR)
    for odd in ({f"t.{DIGITS}.name": "x"}, {f"c.0-{DIGITS}.attribute": "x"}, {"edit": f"drop-test:{DIGITS}"},
                {"edit": f"clause:0-{DIGITS}"}, {"factor": "nan"}):  # fmt: skip
        fields = {**POLICY, **FLOOR, "edit": "check", **odd}
        answer = plainly(studio, reverse("rule_edit", args=["score-670"]), fields)
        assert answer.status_code == 200


def test_groups_nested_without_end_are_too_deep_and_nothing_worse(bank: LivingBank) -> None:
    posted = {f"c.{'-'.join('0' * depth)}.joiner": "all" for depth in range(1, 600)}
    answer = plainly(signed_in(bank, roles.RISK_AUTHOR), reverse("rule_edit", args=["score-670"]), posted)
    assert "Not a condition yet" in answer.content.decode()


@pytest.mark.parametrize(
    "when",
    [
        "[" * 20_000, '{"all": 3}', DIGITS, "NaN",
        json.dumps({"attribute": "country", "op": "=", "value": "\ud800"}),
        json.dumps({"attribute": "balance", "op": ">=", "value": 10**400}),
    ],
    ids=["deep", "no-list", "digits", "nan", "surrogate", "huge"],
)  # fmt: skip
def test_a_group_that_cannot_be_read_starts_no_draft(bank: LivingBank, when: str) -> None:
    answer = signed_in(bank, roles.MARKETING_AUTHOR).get("/offers/new/", {"when": when}, follow=True)
    assert "could not be read" in answer.content.decode()


@pytest.mark.parametrize(
    ("customer", "said"),
    [
        ("nonsense = 3", "nonsense"), ("gender = female", "gender"), ("credit_score = abc", "credit score is a"),
        ("credit_score = inf", "credit score is finite"), ("credit_score = nan", "credit score is finite"),
        ("credit_score = 1e999", "credit score is finite"),
    ],
)  # fmt: skip
def test_a_golden_test_of_nobody_shows_its_fault_while_it_is_typed(bank: LivingBank, customer: str, said: str) -> None:
    fields = {**POLICY, **FLOOR, "t.0.name": "odd", "t.0.customer": customer, "t.0.expect": "eligible"}
    address, studio = reverse("rule_edit", args=["score-670"]), signed_in(bank, roles.RISK_AUTHOR)
    html = studio.post(address, {**fields, "edit": "check"}).content.decode()
    shown = html.partition('data-label="Is"')[2].partition("</tr>")[0]
    assert said in shown
    before = ChangeRequest.objects.count()
    assert said in studio.post(address, {**fields, "submit": "1"}).content.decode()
    assert ChangeRequest.objects.count() == before


@pytest.mark.parametrize("number", ["1e300", "-1e300", "9" * 30, "1e999", "nan"])
def test_a_limit_beyond_every_number_is_no_error(bank: LivingBank, number: str) -> None:
    fields = {**POLICY, "c.0.joiner": "all", "c.0-0.attribute": "balance", "c.0-0.op": ">=", "c.0-0.value": number}
    studio = signed_in(bank, roles.RISK_AUTHOR)
    before = ChangeRequest.objects.count()
    for pressed in ("check", "suggest-tests"):
        assert studio.post(reverse("rule_edit", args=["score-670"]), {**fields, "edit": pressed}).status_code == 200
    assert studio.post(reverse("rule_edit", args=["score-670"]), {**fields, "submit": "1"}).status_code == 200
    assert ChangeRequest.objects.count() == before
