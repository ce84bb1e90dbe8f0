"""Single sign-on against a real OpenID Connect provider on this machine: who comes in, with which roles."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from joserfc.jwk import RSAKey

from console.models import Account
from offers import roles
from offers.models import AuditEvent
from tests import bank, openid
from tests.openid import Provider

pytestmark = pytest.mark.django_db

ROSA = {"sub": "u-17", "preferred_username": "rosa", "given_name": "Rosa", "roles": ["risk_approver", "canteen"]}


@pytest.fixture
def provider(settings: Any) -> Iterator[Provider]:
    with openid.running() as running:
        settings.OIDC_ISSUER = running.address
        settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = openid.CLIENT_ID, openid.CLIENT_SECRET
        settings.OIDC_NAME = "the bank's sign-on"
        running.claims = dict(ROSA)
        yield running


def through_the_provider(client: Client, wanted: str = "") -> str:
    """Press the button, sign in there, and the address that the browser is sent back to."""
    leaves = client.get(reverse("single_sign_on"), {"next": wanted} if wanted else {})
    there = urlsplit(leaves.headers["Location"])
    connection = http.client.HTTPConnection(str(there.hostname), int(there.port or 0))
    connection.request("GET", f"{there.path}?{there.query}")
    back = connection.getresponse().headers["Location"]
    connection.close()
    return str(back)


def sign_in(client: Client, wanted: str = "") -> Any:
    back = urlsplit(through_the_provider(client, wanted))
    return client.get(f"{back.path}?{back.query}")


def roles_held(name: str = "rosa") -> frozenset[str]:
    return roles.roles_of(User.objects.get(username=name))


def test_without_an_issuer_there_is_no_button_and_no_page(client: Client) -> None:
    assert "/sign-in/single/" not in client.get(reverse("sign_in")).content.decode()
    assert client.get(reverse("single_sign_on")).status_code == 404
    assert client.get(reverse("single_sign_on_back")).status_code == 404


def test_whoever_the_provider_vouches_for_is_signed_in_with_the_roles_of_the_claim(
    provider: Provider, client: Client
) -> None:
    assert "Use the bank&#x27;s sign-on" in client.get(reverse("sign_in")).content.decode()
    answer = sign_in(client, "/rules/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/rules/")
    assert client.get(reverse("decisions")).status_code == 200
    assert roles_held() == {roles.RISK_APPROVER}  # the canteen is no role of ours
    assert not User.objects.get(username="rosa").has_usable_password()
    actions = list(AuditEvent.objects.order_by("sequence").values_list("action", flat=True))
    assert actions == ["user.made", "user.role_granted", "user.signed_in"]


def test_roles_follow_the_claim_at_each_sign_in(provider: Provider) -> None:
    sign_in(Client())
    provider.claims["roles"] = ["auditor"]
    sign_in(Client())
    assert roles_held() == {roles.AUDITOR}
    del provider.claims["roles"]
    sign_in(Client())
    assert roles_held() == frozenset()
    assert User.objects.count() == 1


def test_a_claim_of_roles_that_are_kept_apart_takes_roles_away_and_lets_nobody_in(
    provider: Provider, client: Client
) -> None:
    sign_in(Client())
    provider.claims["roles"] = ["auditor", "operator"]
    answer = sign_in(client)
    assert answer.status_code == 403
    assert "auditor and operator at once" in answer.content.decode()
    assert roles_held() <= {roles.AUDITOR}  # risk approver no more


def test_the_claim_may_be_nested_and_name_roles_otherwise(provider: Provider, settings: Any) -> None:
    settings.OIDC_ROLES_CLAIM = "realm_access.roles"
    settings.OIDC_ROLES = {"CARDS-RISK": roles.RISK_AUTHOR}
    provider.claims["realm_access"] = {"roles": ["CARDS-RISK", "risk_approver"]}
    sign_in(Client())
    assert roles_held() == {roles.RISK_AUTHOR}  # only what the mapping names


def test_somebody_is_their_subject_and_not_their_name(provider: Provider, client: Client) -> None:
    sign_in(Client())
    provider.claims |= {"sub": "u-18"}  # another person, who was given the name
    answer = sign_in(client)
    assert answer.status_code == 403
    assert "name of somebody" in answer.content.decode()
    provider.claims |= {"sub": "u-17", "preferred_username": "rosa.delgado"}  # the same person, renamed
    assert sign_in(Client()).status_code == 302
    assert User.objects.get().username == "rosa"


def test_nobody_becomes_a_person_with_a_password_by_having_their_name(provider: Provider, client: Client) -> None:
    bank.person("rosa", roles.COMPLIANCE)
    assert sign_in(client).status_code == 403
    assert roles_held() == {roles.COMPLIANCE}
    assert not Account.objects.exists()


def test_a_closed_account_stays_closed_whatever_the_provider_says(provider: Provider, client: Client) -> None:
    sign_in(Client())
    User.objects.update(is_active=False)
    answer = sign_in(client)
    assert (answer.status_code, "is closed" in answer.content.decode()) == (403, True)
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another application"},
        {"iss": "https://elsewhere.example"},
        {"exp": int(time.time()) - 1000},
        {"nonce": "of another sign-in"},
        {"sub": ""},
        {"preferred_username": None},
        {"preferred_username": "not a name"},
    ],
    ids=["audience", "issuer", "expired", "nonce", "subject", "nobody", "name"],
)
def test_a_token_that_is_not_for_this_sign_in_is_refused(
    provider: Provider, client: Client, claims: dict[str, Any]
) -> None:
    provider.claims |= claims
    answer = sign_in(client)
    assert answer.status_code == 403
    assert "You are not signed in" in answer.content.decode()
    assert not User.objects.exists()


def test_a_token_that_another_key_signed_is_refused(provider: Provider, client: Client) -> None:
    provider.signing = RSAKey.generate_key(2048, {"kid": "k1"})
    assert sign_in(client).status_code == 403
    assert not User.objects.exists()


def test_keys_that_the_provider_has_changed_since_are_fetched_again(provider: Provider) -> None:
    sign_in(Client())
    provider.published = [RSAKey.generate_key(2048, {"kid": "k2"})]
    provider.signing = provider.published[0]
    provider.kid = "k2"
    assert sign_in(Client()).status_code == 302


def test_an_answer_belongs_to_the_browser_that_asked_and_counts_once(provider: Provider, client: Client) -> None:
    back = urlsplit(through_the_provider(client))
    address = f"{back.path}?{back.query}"
    assert Client().get(address).status_code == 403  # somebody else's browser was given the link
    assert client.get(address).status_code == 302
    client.post(reverse("sign_out"))
    assert client.get(address).status_code == 403


def test_a_refusal_of_the_provider_is_said(provider: Provider, client: Client) -> None:
    answer = client.get(reverse("single_sign_on_back"), {"error": "access_denied", "state": "x"})
    assert (answer.status_code, "access_denied" in answer.content.decode()) == (403, True)


def test_a_provider_that_is_down_is_said_and_the_password_still_works(provider: Provider, client: Client) -> None:
    provider.down = True
    answer = client.get(reverse("single_sign_on"))
    assert (answer.status_code, "does not answer" in answer.content.decode()) == (502, True)
    bank.person("ravi", roles.RISK_APPROVER)
    signed_in = client.post(reverse("sign_in"), {"username": "ravi", "password": "correct horse battery"})
    assert signed_in.status_code == 302


def test_the_providers_factors_count_where_a_second_one_is_required(
    provider: Provider, client: Client, settings: Any
) -> None:
    settings.REQUIRE_SECOND_FACTOR = True
    sign_in(client)
    assert client.get(reverse("rules")).status_code == 200
