"""Your own sign-in: password, the phone with your codes, recovery codes; and what your session must keep to."""

from __future__ import annotations

import django_otp
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST
from django_otp.middleware import is_verified

from console.access import SignedInRequest, allowed
from console.accounts import lockout, second_factor, sessions
from console.models import Account
from offers import audit, roles


@allowed()
def detail(request: SignedInRequest) -> HttpResponse:
    person = request.user
    return render(
        request,
        "account/detail.html",
        {
            "roles": [roles.ROLES[role] for role in roles.ROLES if role in roles.roles_of(person)],
            "has_password": person.has_usable_password(),
            "single_sign_on": settings.OIDC_NAME if request.session.get(sessions.SINGLE_SIGN_ON) else "",
            "has_phone": second_factor.has_phone(person),
            "recovery_codes": second_factor.recovery_codes_left(person),
            "required": settings.REQUIRE_SECOND_FACTOR,
            "idle_minutes": settings.SESSION_COOKIE_AGE // 60,
            "hours": settings.SESSION_LENGTH.total_seconds() / 3600,
        },
    )


@sensitive_post_parameters()
@never_cache
@allowed()
def password(request: SignedInRequest) -> HttpResponse:
    """Other sessions of the person end with the old password."""
    person, temporary = request.user, bool(request.session.get(sessions.TEMPORARY))
    if not person.has_usable_password():
        messages.info(request, "You sign in with a service of your bank, and so have no password here.")
        return redirect("your_sign_in")
    form = PasswordChangeForm(person, request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "account/password.html", {"form": form, "temporary": temporary})
    with transaction.atomic():
        form.save()
        Account.objects.filter(user=person).update(temporary_password=False)
        _record(request, "user.password_changed")
    update_session_auth_hash(request, person)
    request.session.pop(sessions.TEMPORARY, None)
    messages.success(request, "Your password is changed. Wherever else you were signed in, you are not any more.")
    return redirect("your_sign_in")


@sensitive_post_parameters()
@never_cache
@allowed()
def phone(request: SignedInRequest) -> HttpResponse:
    """Set a phone up, or another one in its place: the secret, and a first code that shows that it has arrived."""
    person, wrong = request.user, False
    replaces = second_factor.has_phone(person)
    if replaces and not is_verified(person):
        raise PermissionError("a phone that is set up is replaced by whoever signed in with its code")
    if request.method == "POST":
        device = second_factor.confirm(person, request.POST.get("code", ""), timezone.now())
        if device is not None:
            django_otp.login(request, device)
            return _recovery_codes(request)
        wrong = True
    context = {"secret": second_factor.proposed(person), "wrong": wrong, "replaces": replaces}
    return render(request, "account/phone.html", context | {"required": not sessions.has_factors(request)})


@never_cache
@require_POST
@allowed()
def recovery_codes(request: SignedInRequest) -> HttpResponse:
    """New ones, in place of all before; for whoever signed in with their phone."""
    if not is_verified(request.user):
        raise PermissionError("recovery codes are made by whoever signed in with a code")
    return _recovery_codes(request)


def _recovery_codes(request: SignedInRequest) -> HttpResponse:
    """Shown in the answer itself: no address leads to them again."""
    codes = second_factor.new_recovery_codes(request.user, timezone.now())
    return render(request, "account/recovery_codes.html", {"codes": codes})


@require_POST
@allowed()
def remove_phone(request: SignedInRequest) -> HttpResponse:
    """Back to the password alone, where that is enough; takes a code, so that no open screen does it."""
    person, now = request.user, timezone.now()
    if settings.REQUIRE_SECOND_FACTOR:
        raise PermissionError("a second factor is required here: set another phone up in its place")
    name = person.get_username()
    if lockout.is_locked(request, name) or second_factor.verify(person, request.POST.get("code", ""), now) is None:
        lockout.count_failure(request, name)
        messages.error(request, "That code does not match, so nothing was changed.")
    else:
        second_factor.remove(person, now)
        messages.success(request, "Your phone is forgotten: from now on your password alone signs you in.")
    return redirect("your_sign_in")


def _record(request: SignedInRequest, action: str) -> None:
    name = request.user.get_username()
    audit.record(actor=name, action=action, subject=f"user {name}", detail={}, now=timezone.now())
