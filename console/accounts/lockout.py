"""The wait after repeated failures to sign in: whose address counts, what the audit trail keeps, and the page in words.

The counting is django-axes'; a wrong code of a phone counts like a wrong password.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from axes.helpers import get_credentials
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from offers import audit

TOO_MANY = 429


def address(request: HttpRequest) -> str:
    """The client's, as the outermost of our own proxies saw it; what stands before it is anybody's word."""
    seen = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
    proxies = settings.TRUSTED_PROXIES
    return seen[-proxies] if 0 < proxies <= len(seen) else request.META.get("REMOTE_ADDR", "")


def locked_out(request: HttpRequest, response: HttpResponse | None, credentials: Mapping[str, Any]) -> HttpResponse:
    """The answer to whoever failed too often. The first one is audited; what comes while the wait lasts is not, so that
    nobody fills the trail."""
    if getattr(request, "axes_failures_since_start", None) is not None:
        name = str(credentials.get("username") or "")[:150].replace("\0", "")
        with transaction.atomic():
            audit.record(
                actor="candor", action="user.locked_out", subject=f"user {name}", detail={"address": address(request)},
                now=timezone.now(),
            )  # fmt: skip
    minutes = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)
    context = {"minutes": minutes, "failures": settings.AXES_FAILURE_LIMIT}
    return render(request, "registration/locked.html", context, status=TOO_MANY)


def is_locked(request: HttpRequest, username: str) -> bool:
    return bool(AxesProxyHandler.is_locked(request, get_credentials(username)))


def count_failure(request: HttpRequest, username: str) -> None:
    """A wrong code after a right password."""
    AxesProxyHandler.user_login_failed(__name__, get_credentials(username), request)
