"""Every error as RFC 9457 problem details, with each wrong field named; and JSON by orjson."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import IO, Any

import orjson
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from rest_framework import exceptions
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.response import Response
from rest_framework.views import exception_handler

from decisioning.decision_log import UnknownDecision
from decisioning.features.online import UnknownCustomer
from decisioning.runtime import NoRelease
from decisioning.serve import Contended, UnknownPlacement

logger = logging.getLogger(__name__)

PROBLEM = "application/problem+json"
RETRY_SECONDS = 1
LARGEST_BODY = 2 * 1024 * 1024  # bytes: a thousand events of two kilobytes


class Parser(BaseParser):
    """JSON in UTF-8, whatever charset the header names.

    orjson refuses what could not be stored or answered: half a surrogate pair, NaN, infinite numbers, deep nesting.
    """

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        body = stream.read(LARGEST_BODY + 1)
        if len(body) > LARGEST_BODY:
            raise RequestDataTooBig
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise exceptions.ParseError(f"The body is not JSON: {error}") from error


class Renderer(BaseRenderer):
    """JSON, and problem+json for what is an error."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        return b"" if data is None else orjson.dumps(data)


def problem(
    status: int, detail: str, errors: list[dict[str, str]] | None = None, headers: dict[str, str] | None = None
) -> Response:
    return Response(body(status, detail, errors), status=status, headers=headers, content_type=PROBLEM)


def body(status: int, detail: str, errors: list[dict[str, str]] | None = None) -> dict[str, Any]:
    """The members of RFC 9457, and the faulty fields."""
    title = HTTPStatus(status).phrase
    return {"type": "about:blank", "title": title, "status": status, "detail": detail, "errors": errors or []}


def handle(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's exception handler: what the domain raises, and what DRF raises, in one form."""
    if isinstance(error, UnknownCustomer):
        return problem(404, f"There is no customer {error}.", [_fault("customer_id", "unknown", "not a customer")])
    if isinstance(error, UnknownPlacement):
        return problem(400, "The request does not validate.", [_fault("placement", "unknown", "not a placement")])
    if isinstance(error, UnknownDecision):
        return problem(404, f"There is no decision {error}.")
    if isinstance(error, NoRelease):
        return problem(503, str(error), headers={"Retry-After": "30"})
    if isinstance(error, Contended | OperationalError | InterfaceError):
        # No decision leaves without its record, and no event is acknowledged that was not committed.
        logger.warning("not served: %s", error)
        return problem(
            503, "The decision could not be committed; ask again.", headers={"Retry-After": str(RETRY_SECONDS)}
        )
    if isinstance(error, RequestDataTooBig):
        return problem(413, "The body is larger than this server takes; send smaller batches.")
    if isinstance(error, exceptions.ValidationError):
        return problem(400, "The request does not validate.", list(faults("", error.get_full_details())))
    response = exception_handler(error, dict(context))
    if response is None:
        return None
    detail = error.detail if isinstance(error, exceptions.APIException) else HTTPStatus(response.status_code).phrase
    headers = {name: response[name] for name in ("WWW-Authenticate", "Allow", "Retry-After") if name in response}
    return problem(response.status_code, str(detail), headers=headers)


def _fault(field: str, code: str, message: str) -> dict[str, str]:
    return {"field": field, "code": code, "message": message}


def faults(path: str, detail: Any) -> Iterator[dict[str, str]]:
    """Flatten DRF's nested details to one entry a field, with its path ("context.transaction.amount")."""
    if isinstance(detail, Mapping) and set(detail) == {"message", "code"}:
        yield _fault(path or "body", str(detail["code"]), str(detail["message"]))
    elif isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from faults(path if name == "non_field_errors" else f"{path}.{name}".strip("."), inner)
    else:
        for index, inner in enumerate(detail):
            leaf = isinstance(inner, Mapping) and set(inner) == {"message", "code"}
            yield from faults(path if leaf else f"{path}.{index}".strip("."), inner)
