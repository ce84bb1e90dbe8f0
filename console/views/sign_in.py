"""Signing in: name and password, then a code where a phone is set up; or the bank's own sign-on service."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import django_otp
from django.conf import settings
from django.contrib import auth
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_safe

from console.accounts import lockout, second_factor, sessions, single_sign_on
from console.bank import staff
from console.models import Account
from offers import audit

BACKEND: Final = "django.contrib.auth.backends.ModelBackend"
# Between the password and the code, in the session of somebody who is not signed in yet: who, since when, and whereto.
_HALFWAY: Final = "halfway"
_PATIENCE = timedelta(minutes=5)
_NEXT: Final = "next"


@sensitive_post_parameters()
@never_cache
def sign_in(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect(_next(request))
    form = AuthenticationForm(request, request.POST or None)
    if request.method == "POST" and form.is_valid():
        return _after_password(request, form.get_user())
    return render(request, "registration/login.html", _context(request) | {"form": form})


def _context(request: HttpRequest) -> dict[str, object]:
    return {
        "next": _next(request),
        "is_demo": staff.is_demo(),
        "single_sign_on": settings.OIDC_NAME if single_sign_on.is_configured() else "",
        "idle_minutes": settings.SESSION_COOKIE_AGE // 60,
        "hours": settings.SESSION_LENGTH.total_seconds() / 3600,
    }


def _next(request: HttpRequest) -> str:
    """Whereto afterwards: an address of this site, else the first page."""
    wanted = request.POST.get(_NEXT, request.GET.get(_NEXT, ""))
    fine = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if fine else settings.LOGIN_REDIRECT_URL


def _after_password(request: HttpRequest, person: User) -> HttpResponse:
    now = timezone.now()
    if not second_factor.has_phone(person):
        return _open(request, person, "password", now)
    request.session.cycle_key()
    request.session[_HALFWAY] = {"user": person.pk, "at": now.isoformat(), "next": _next(request)}
    return redirect("sign_in_code")


@sensitive_post_parameters()
@never_cache
def code(request: HttpRequest) -> HttpResponse:
    """The code of the phone, or a recovery code; wrong ones count like wrong passwords."""
    now = timezone.now()
    person, whereto = _halfway(request, now)
    if person is None:
        return redirect("sign_in")
    name, wrong = person.get_username(), False
    if request.method == "POST":
        device = None if lockout.is_locked(request, name) else second_factor.verify(person, _typed(request), now)
        if device is not None:
            del request.session[_HALFWAY]
            return _open(request, person, "password and code", now, whereto, device)
        lockout.count_failure(request, name)
        wrong = True
    return render(request, "registration/code.html", {"wrong": wrong})


def _typed(request: HttpRequest) -> str:
    return request.POST.get("code", "").replace("\0", "")


def _halfway(request: HttpRequest, now: datetime) -> tuple[User | None, str]:
    """Whose password was right a moment ago."""
    held = request.session.get(_HALFWAY)
    if held is None or now - datetime.fromisoformat(held["at"]) > _PATIENCE:
        request.session.pop(_HALFWAY, None)
        return None, ""
    return User.objects.filter(pk=held["user"], is_active=True).first(), str(held["next"])


def _open(
    request: HttpRequest, person: User, how: str, now: datetime, whereto: str = "", device: Any = None
) -> HttpResponse:
    """Begin the session, under a new key."""
    whereto = whereto or _next(request)
    auth.login(request, person, BACKEND)
    if device is not None:
        django_otp.login(request, device)
    sessions.begin(request, now)
    if Account.objects.filter(user=person, temporary_password=True).exists():
        request.session[sessions.TEMPORARY] = True
    with transaction.atomic():
        audit.record(
            actor=person.get_username(), action="user.signed_in", subject=f"user {person}",
            detail={"with": how, "address": lockout.address(request)}, now=now,
        )  # fmt: skip
    return redirect(whereto)


@require_safe
@never_cache
def single(request: HttpRequest) -> HttpResponse:
    """Off to the bank's own sign-on service."""
    if not single_sign_on.is_configured():
        raise Http404("No sign-on service is configured.")
    request.session[_NEXT] = _next(request)
    try:
        return single_sign_on.start(request, request.build_absolute_uri(reverse("single_sign_on_back")))
    except single_sign_on.ProviderDown:
        return _refused(
            request, f"The service behind {settings.OIDC_NAME} does not answer. Try again in a moment.", 502
        )


@require_safe
@never_cache
def single_back(request: HttpRequest) -> HttpResponse:
    """Back from it, with its word on who this is."""
    if not single_sign_on.is_configured():
        raise Http404("No sign-on service is configured.")
    now = timezone.now()
    try:
        person = single_sign_on.person_of(single_sign_on.finish(request), now)
    except single_sign_on.ProviderDown:
        return _refused(
            request, f"The service behind {settings.OIDC_NAME} does not answer. Try again in a moment.", 502
        )
    except PermissionError as refusal:
        return _refused(request, f"You are not signed in: {refusal}.", 403)
    whereto = request.session.pop(_NEXT, settings.LOGIN_REDIRECT_URL)
    answer = _open(request, person, settings.OIDC_NAME, now, whereto)
    request.session[sessions.SINGLE_SIGN_ON] = True
    return answer


def _refused(request: HttpRequest, why: str, status: int) -> HttpResponse:
    context = _context(request) | {"form": AuthenticationForm(request), "refusal": why}
    return render(request, "registration/login.html", context, status=status)
