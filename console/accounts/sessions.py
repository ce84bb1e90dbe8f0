"""What a signed-in session must keep to: its length, a second factor where one is required, a password of one's own.

Idle time is SESSION_COOKIE_AGE, which slides; who may open a page is decided behind this, in console.access.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django_otp.middleware import is_verified

from console import outage

# Keys of the session.
SIGNED_IN_AT: Final = "signed_in_at"
SEEN_AT: Final = "seen_at"
SINGLE_SIGN_ON: Final = "single_sign_on"  # the provider asked for whatever factors it asks for
TEMPORARY: Final = "temporary_password"  # somebody else chose it

# Pages that open before the rules are met, because they lead there.
_OPEN: Final = frozenset({"sign_in", "sign_in_code", "sign_out", "your_password", "your_phone", "your_recovery_codes"})
_FRESH: Final = 60.0  # seconds for which the session is not written again


class SessionRules:
    """Middleware; costs nothing without a session, and a write a minute with one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        if settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return None
        try:
            return _led_elsewhere(request)
        except outage.FAULTS:  # Django asks nobody about a fault that is raised here
            return outage.page()


def _led_elsewhere(request: HttpRequest) -> HttpResponse | None:
    """Where this session has to go first, None where the page may open."""
    if not isinstance(request.user, User):
        return None
    now = timezone.now()
    if _over(request, now):
        logout(request)
        return _to(request, "sign_in")
    _touch(request, now)
    name = request.resolver_match.url_name if request.resolver_match else None
    if name in _OPEN:
        return None
    if request.session.get(TEMPORARY):
        return _to(request, "your_password")
    return None if has_factors(request) else _to(request, "your_phone")


def has_factors(request: HttpRequest) -> bool:
    """Whether this session was opened with all that is required."""
    if not settings.REQUIRE_SECOND_FACTOR or request.session.get(SINGLE_SIGN_ON):
        return True
    return bool(is_verified(request.user))


def _over(request: HttpRequest, now: datetime) -> bool:
    since = request.session.get(SIGNED_IN_AT)
    return since is not None and now - datetime.fromisoformat(since) > settings.SESSION_LENGTH


def begin(request: HttpRequest, now: datetime) -> None:
    """A session just signed in to. One that nobody began here is never extended, and so ends with its idle time."""
    request.session[SIGNED_IN_AT] = request.session[SEEN_AT] = now.isoformat()


def _touch(request: HttpRequest, now: datetime) -> None:
    """Whoever is there keeps the session: writing it moves its end."""
    seen = request.session.get(SEEN_AT)
    if seen is not None and (now - datetime.fromisoformat(seen)).total_seconds() > _FRESH:
        request.session[SEEN_AT] = now.isoformat()


def _to(request: HttpRequest, name: str) -> HttpResponse:
    """There, and back afterwards; a fragment would land in the middle of a page, so htmx is told to go itself."""
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Redirect": reverse(name)})
    if name == "sign_in" and request.method == "GET":
        return redirect_to_login(request.get_full_path())
    return redirect(name)
