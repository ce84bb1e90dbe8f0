"""Signing in as people do it: password, code, lock-out, sessions that end, roles that are gone with the next page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice

from console.accounts import second_factor, sessions
from console.models import Account
from offers import roles
from offers.models import AuditEvent
from tests import bank

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"
ANOTHER = "a stable full of horses"


@pytest.fixture
def rosa() -> User:
    return bank.person("rosa", roles.RISK_APPROVER)


def sign_in(client: Client, name: str = "rosa", password: str = PASSWORD, **more: Any) -> Any:
    return client.post(reverse("sign_in"), {"username": name, "password": password, **more.pop("data", {})}, **more)


def signed_in(client: Client) -> bool:
    return client.get(reverse("your_sign_in")).status_code == 200


def leads_to(answer: Any) -> str:
    return str(answer.headers.get("Location", ""))


def code_of(person: User, *, confirmed: bool = True) -> str:
    """What the app on the phone shows, as though the last code and the last mistake were long ago."""
    phones = TOTPDevice.objects.filter(user=person, confirmed=confirmed)
    phones.update(last_t=-1, drift=0, throttling_failure_count=0, throttling_failure_timestamp=None)
    return f"{totp(phones.get().bin_key):06d}"


def set_up(client: Client, person: User) -> list[str]:
    """A phone for whoever is signed in; the recovery codes."""
    client.get(reverse("your_phone"))
    answer = client.post(reverse("your_phone"), {"code": code_of(person, confirmed=False)})
    codes: list[str] = answer.context["codes"]
    return codes


def events(action: str) -> int:
    return AuditEvent.objects.filter(action=action).count()


# --- Name and password -----------------------------------------------------------------------------------------------
def test_name_and_password_open_the_first_page_and_are_audited(rosa: User, client: Client) -> None:
    assert leads_to(sign_in(client)) == "/"
    assert signed_in(client)
    assert events("user.signed_in") == 1


@pytest.mark.parametrize(("name", "password"), [("rosa", "guess"), ("nobody", PASSWORD), ("rosa", ""), ("", "")])
def test_what_does_not_match_is_said_without_saying_which(rosa: User, client: Client, name: str, password: str) -> None:
    assert "do not match" in sign_in(client, name, password).content.decode()
    assert not signed_in(client)


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [("/rules/", "/rules/"), ("https://elsewhere.example/", "/"), ("//elsewhere.example", "/"), ("javascript:x", "/")],
)
def test_signing_in_leads_back_to_the_page_and_nowhere_else(
    rosa: User, client: Client, wanted: str, reached: str
) -> None:
    assert leads_to(sign_in(client, data={"next": wanted})) == reached


def test_signing_in_makes_a_new_session_key(rosa: User, client: Client) -> None:
    client.session["x"] = 1
    client.session.save()
    before = client.cookies["sessionid"].value
    sign_in(client)
    assert client.cookies["sessionid"].value != before


# --- Lock-out --------------------------------------------------------------------------------------------------------
def test_five_failures_make_the_name_wait_at_this_address_whatever_the_password(rosa: User, client: Client) -> None:
    answers = [sign_in(client, password="guess") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 4 + [429]
    assert "Wait 15 minutes" in answers[4].content.decode()
    assert [sign_in(client).status_code for _ in range(3)] == [429] * 3
    assert events("user.locked_out") == 1  # what comes during the wait does not fill the trail
    elsewhere = Client(REMOTE_ADDR="10.0.0.7")
    assert leads_to(sign_in(elsewhere)) == "/"


def test_another_name_is_not_locked_out_with_the_first(rosa: User, client: Client) -> None:
    bank.person("ravi", roles.RISK_APPROVER)
    for _ in range(5):
        sign_in(client, password="guess")
    assert leads_to(sign_in(client, "ravi")) == "/"


def test_the_wait_ends_after_a_quarter_of_an_hour(rosa: User, client: Client) -> None:
    for _ in range(6):
        sign_in(client, password="guess")
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=15, seconds=1))
    assert leads_to(sign_in(client)) == "/"


def test_a_success_forgives_the_failures_before_it(rosa: User, client: Client) -> None:
    for _ in range(3):
        for _ in range(4):
            assert sign_in(client, password="guess").status_code == 200
        assert leads_to(sign_in(client)) == "/"
        client.post(reverse("sign_out"))


def test_no_password_is_kept_of_a_failure(rosa: User, client: Client) -> None:
    sign_in(client, password="almost-my-password")
    kept = AccessAttempt.objects.values().get()
    assert "almost-my-password" not in str(kept)


def test_behind_our_proxy_its_header_names_the_client(rosa: User, settings: Any) -> None:
    settings.TRUSTED_PROXIES = 1
    attacker = Client(HTTP_X_FORWARDED_FOR="10.0.0.9, 10.0.0.66")  # the first is what the attacker wrote
    for _ in range(5):
        sign_in(attacker, password="guess")
    assert AccessAttempt.objects.get().ip_address == "10.0.0.66"
    assert leads_to(sign_in(Client(HTTP_X_FORWARDED_FOR="10.0.0.1"))) == "/"


# --- The second factor -----------------------------------------------------------------------------------------------
def test_the_secret_is_shown_as_text_and_as_a_picture_without_style(rosa: User, client: Client) -> None:
    client.force_login(rosa)
    first, second = (client.get(reverse("your_phone")).content.decode() for _ in range(2))
    secret = second_factor.proposed(rosa)
    assert secret.text in first
    assert secret.path in first
    assert secret.text in second  # looking again changes nothing
    assert "style=" not in first
    assert secret.uri.startswith("otpauth://totp/Candor%3Arosa?secret=")


def test_with_a_phone_the_password_alone_opens_nothing(rosa: User, client: Client) -> None:
    client.force_login(rosa)
    set_up(client, rosa)
    fresh = Client()
    assert leads_to(sign_in(fresh, data={"next": "/rules/"})) == reverse("sign_in_code")
    assert not signed_in(fresh)
    answer = fresh.post(reverse("sign_in_code"), {"code": code_of(rosa)})
    assert leads_to(answer) == "/rules/"
    assert signed_in(fresh)


def test_a_code_signs_in_once(rosa: User, client: Client) -> None:
    client.force_login(rosa)
    set_up(client, rosa)
    first, second = Client(), Client()
    sign_in(first)
    sign_in(second)
    code = code_of(rosa)
    assert leads_to(first.post(reverse("sign_in_code"), {"code": code})) == "/"
    assert "does not match" in second.post(reverse("sign_in_code"), {"code": code}).content.decode()


def test_a_recovery_code_signs_in_once_and_is_audited(rosa: User, client: Client) -> None:
    client.force_login(rosa)
    codes = set_up(client, rosa)
    assert len(set(codes)) == second_factor.RECOVERY_CODES
    answers = []
    for _ in range(2):
        fresh = Client()
        sign_in(fresh)
        answers.append(leads_to(fresh.post(reverse("sign_in_code"), {"code": codes[0].upper()})))
    assert answers == ["/", ""]
    assert events("user.recovery_code_used") == 1
    assert second_factor.recovery_codes_left(rosa) == second_factor.RECOVERY_CODES - 1


def test_wrong_codes_lock_out_like_wrong_passwords(rosa: User, client: Client) -> None:
    client.force_login(rosa)
    set_up(client, rosa)
    fresh = Client()
    sign_in(fresh)
    answers = [fresh.post(reverse("sign_in_code"), {"code": "000000"}).status_code for _ in range(5)]
    assert answers == [200] * 4 + [429]
    assert fresh.post(reverse("sign_in_code"), {"code": code_of(rosa)}).status_code == 429
    assert sign_in(Client()).status_code == 429


def test_the_code_must_come_soon_after_the_password(rosa: User, client: Client) -> None:
    client.force_login(rosa)
    set_up(client, rosa)
    fresh = Client()
    sign_in(fresh)
    session = fresh.session
    session["halfway"] |= {"at": (timezone.now() - timedelta(minutes=6)).isoformat()}
    session.save()
    assert leads_to(fresh.post(reverse("sign_in_code"), {"code": code_of(rosa)})) == reverse("sign_in")
    assert leads_to(Client().get(reverse("sign_in_code"))) == reverse("sign_in")


def test_where_it_is_required_no_page_opens_before_the_phone_is_set_up(
    rosa: User, client: Client, settings: Any
) -> None:
    settings.REQUIRE_SECOND_FACTOR = True
    assert leads_to(sign_in(client)) == "/"
    for name in ("home", "rules", "roles", "your_sign_in", "audit"):
        assert leads_to(client.get(reverse(name))) == reverse("your_phone"), name
    fragment = client.get(reverse("rules"), headers={"HX-Request": "true"})
    assert fragment.headers["HX-Redirect"] == reverse("your_phone")
    assert "before you go on" in client.get(reverse("your_phone")).content.decode()
    set_up(client, rosa)
    assert client.get(reverse("rules")).status_code == 200
    assert client.post(reverse("your_phone_remove"), {"code": code_of(rosa)}).status_code == 403


def test_a_phone_is_removed_only_with_its_code(rosa: User, client: Client) -> None:
    client.force_login(rosa)
    set_up(client, rosa)
    client.post(reverse("your_phone_remove"), {"code": "000000"})
    assert second_factor.has_phone(rosa)
    client.post(reverse("your_phone_remove"), {"code": code_of(rosa)})
    assert not second_factor.has_phone(rosa)
    assert leads_to(sign_in(Client())) == "/"


def test_a_phone_is_replaced_only_by_whoever_signed_in_with_it(rosa: User, client: Client) -> None:
    client.force_login(rosa)
    set_up(client, rosa)
    password_only = Client()
    password_only.force_login(rosa)
    assert password_only.get(reverse("your_phone")).status_code == 403
    assert password_only.post(reverse("your_recovery_codes")).status_code == 403
    before = TOTPDevice.objects.get(user=rosa, confirmed=True).pk
    set_up(client, rosa)
    assert TOTPDevice.objects.get(user=rosa, confirmed=True).pk != before


# --- Sessions --------------------------------------------------------------------------------------------------------
def test_a_session_ends_twelve_hours_after_it_began_however_busy(rosa: User, client: Client) -> None:
    sign_in(client)
    session = client.session
    session[sessions.SIGNED_IN_AT] = (timezone.now() - timedelta(hours=12, seconds=1)).isoformat()
    session.save()
    assert leads_to(client.get("/rules/?scope=all")) == "/sign-in/?next=/rules/%3Fscope%3Dall"
    assert not signed_in(client)


def test_a_session_ends_after_half_an_hour_without_a_page(rosa: User, client: Client) -> None:
    sign_in(client)
    left = Session.objects.get().expire_date - timezone.now()
    assert timedelta(minutes=29) < left <= timedelta(minutes=30)
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert not signed_in(client)


def test_opening_pages_keeps_a_session(rosa: User, client: Client) -> None:
    sign_in(client)
    session = client.session
    session[sessions.SEEN_AT] = (timezone.now() - timedelta(minutes=20)).isoformat()
    session.save()
    Session.objects.update(expire_date=timezone.now() + timedelta(minutes=10))
    assert signed_in(client)
    assert Session.objects.get().expire_date > timezone.now() + timedelta(minutes=29)


def test_a_role_that_is_taken_away_is_gone_with_the_next_page(rosa: User, client: Client) -> None:
    sign_in(client)
    assert client.get(reverse("decisions")).status_code == 200
    rosa.groups.clear()
    assert client.get(reverse("decisions")).status_code == 403


def test_a_closed_account_is_out_with_the_next_page(rosa: User, client: Client) -> None:
    sign_in(client)
    User.objects.filter(pk=rosa.pk).update(is_active=False)
    assert not signed_in(client)
    assert "do not match" in sign_in(client).content.decode()


# --- One's own password ----------------------------------------------------------------------------------------------
def change(client: Client, old: str, new: str) -> str:
    data = {"old_password": old, "new_password1": new, "new_password2": new}
    return client.post(reverse("your_password"), data, follow=True).content.decode()


def test_changing_ones_password_ends_ones_other_sessions(rosa: User, client: Client) -> None:
    elsewhere = Client()
    sign_in(client)
    sign_in(elsewhere)
    assert "Your password is changed" in change(client, PASSWORD, ANOTHER)
    assert signed_in(client)
    assert not signed_in(elsewhere)
    assert "do not match" in sign_in(Client()).content.decode()
    assert leads_to(sign_in(Client(), password=ANOTHER)) == "/"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("guess", ANOTHER, "entered incorrectly"),
        (PASSWORD, "short", "at least 12 characters"),
        (PASSWORD, "password1234", "too common"),
        (PASSWORD, "rosarosarosa", "similar to the username"),
    ],
)
def test_a_password_that_is_weak_or_not_ones_own_is_refused_in_words(
    rosa: User, client: Client, old: str, new: str, says: str
) -> None:
    rosa.username = "rosarosa"
    rosa.save()
    client.force_login(rosa)
    assert says in change(client, old, new)
    rosa.refresh_from_db()
    assert rosa.check_password(PASSWORD)


def test_a_password_that_somebody_else_chose_is_replaced_first(rosa: User, client: Client) -> None:
    Account.objects.create(user=rosa, temporary_password=True)
    sign_in(client)
    assert leads_to(client.get(reverse("rules"))) == reverse("your_password")
    assert "Choose your password" in client.get(reverse("your_password")).content.decode()
    change(client, PASSWORD, ANOTHER)
    assert client.get(reverse("rules")).status_code == 200
    again = Client()
    sign_in(again, password=ANOTHER)
    assert again.get(reverse("rules")).status_code == 200
