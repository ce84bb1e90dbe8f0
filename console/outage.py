"""The 503 page when Postgres does not answer; no decision and no page is made up without it."""

from __future__ import annotations

from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

RETRY_AFTER = "5"  # seconds
FAULTS = (OperationalError, InterfaceError)


class DatabaseOutage:
    """Middleware; outermost of those that read the database, because the session does."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, fault: Exception) -> HttpResponse | None:
        if isinstance(fault, FAULTS) and not request.path.startswith("/api/"):
            return page()
        return None


def page() -> HttpResponse:
    # Without the request: the context processors would ask the database again.
    return HttpResponse(render_to_string("503.html"), status=503, headers={"Retry-After": RETRY_AFTER})
