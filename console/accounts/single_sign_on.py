"""Signing in with the bank's own OpenID Connect service: who the person is there, and which of our roles they hold.

Discovery, PKCE, state, nonce and the checks of the signed token are Authlib's. Off unless OIDC_ISSUER is set.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from authlib.integrations.base_client import OAuthError
from authlib.integrations.django_client import OAuth
from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from joserfc.errors import JoseError
from requests import RequestException

from console.accounts import accounts
from console.models import Account
from offers import audit

PATIENCE = 10  # seconds for an answer of the provider


class NotVouchedFor(PermissionError):
    """The provider did not say, or not credibly, who this is."""


class ProviderDown(ConnectionError):
    """The provider does not answer, or not in the way of OpenID Connect."""


class NameTaken(PermissionError):
    """Somebody who signs in otherwise has this name; whoever chose it there must not become them here."""


def is_configured() -> bool:
    return bool(settings.OIDC_ISSUER)


def start(request: HttpRequest, back: str) -> HttpResponse:
    """To the provider; it sends the browser to `back`. Raises ProviderDown."""
    try:
        answer: HttpResponse = _client().authorize_redirect(request, back)
    except (RequestException, OAuthError, RuntimeError, ValueError, KeyError) as fault:
        raise ProviderDown(str(fault)) from fault
    return answer


def finish(request: HttpRequest) -> Mapping[str, Any]:
    """The claims of whoever comes back. Raises NotVouchedFor or ProviderDown."""
    try:
        token = _client().authorize_access_token(request)
    except (OAuthError, JoseError) as fault:
        raise NotVouchedFor(str(fault)) from fault
    except (RequestException, RuntimeError, ValueError, KeyError) as fault:
        raise ProviderDown(str(fault)) from fault
    claims = token.get("userinfo")
    if not claims or not claims.get("sub"):
        raise NotVouchedFor("the answer holds no identity token")
    return dict(claims)


def person_of(claims: Mapping[str, Any], now: datetime) -> User:
    """The person with these claims, made when they first come, holding exactly the roles that the claims say.

    Raises NameTaken, RolesApart, or NotVouchedFor where the account is closed or the claims name nobody.
    """
    with transaction.atomic():
        known = Account.objects.select_related("user").filter(issuer=settings.OIDC_ISSUER, subject=claims["sub"])
        account = known.select_for_update(of=("self",)).first()
        person = account.user if account else _make(claims, now)
        if not person.is_active:
            raise NotVouchedFor(f"the account of {person.get_username()} is closed")
    accounts.hold_exactly(person, _roles(claims), by="single sign-on", now=now)
    return person


def _make(claims: Mapping[str, Any], now: datetime) -> User:
    name = claims.get(settings.OIDC_USERNAME_CLAIM)
    if not isinstance(name, str) or not name:
        raise NotVouchedFor(f"the claim {settings.OIDC_USERNAME_CLAIM} names nobody")
    if User.objects.filter(username=name).exists():
        raise NameTaken(f"{name} is the name of somebody who does not sign in with {settings.OIDC_NAME}")
    person = User(
        username=name,
        first_name=str(claims.get("given_name", ""))[:150],
        last_name=str(claims.get("family_name", ""))[:150],
    )
    person.set_unusable_password()
    try:
        person.full_clean(exclude=["password"])
    except ValidationError as fault:
        raise NotVouchedFor(f"{name} cannot be a name here: {'; '.join(fault.messages)}") from None
    person.save()
    Account.objects.create(user=person, issuer=settings.OIDC_ISSUER, subject=claims["sub"])
    audit.record(actor="single sign-on", action="user.made", subject=f"user {name}", detail={}, now=now)
    return person


def _roles(claims: Mapping[str, Any]) -> set[str]:
    """Our names of the roles in the claim, which may be nested, as in `realm_access.roles`."""
    said: Any = claims
    for part in settings.OIDC_ROLES_CLAIM.split("."):
        said = said.get(part) if isinstance(said, Mapping) else None
    names = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    return {
        settings.OIDC_ROLES.get(name, "" if settings.OIDC_ROLES else name) for name in names if isinstance(name, str)
    }


def _client() -> Any:
    return _registered(settings.OIDC_ISSUER, settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET, settings.OIDC_SCOPE)


@cache
def _registered(issuer: str, client_id: str, client_secret: str, scope: str) -> Any:
    """One a process: it keeps the provider's metadata and keys, and fetches keys again when an unknown one signs."""
    return OAuth().register(
        "bank",
        client_id=client_id,
        client_secret=client_secret,
        server_metadata_url=f"{issuer}/.well-known/openid-configuration",
        client_kwargs={"scope": scope, "code_challenge_method": "S256", "default_timeout": PATIENCE},
    )
