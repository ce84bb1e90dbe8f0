"""Who may open a page: signed in, and with a role that offers.roles allows; a refusal is the 403 page, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import prefetch_related_objects
from django.http import HttpRequest, HttpResponseBase
from django_htmx.middleware import HtmxDetails

from offers import roles

P = ParamSpec("P")


class SignedInRequest(HttpRequest):
    """What a view gets behind `allowed`."""

    user: User
    htmx: HtmxDetails


View = Callable[Concatenate[SignedInRequest, P], HttpResponseBase]


def read_roles(person: User) -> None:
    """Read the person's roles once, for every question of offers.roles until the answer is written."""
    prefetch_related_objects([person], "groups")


def _given(request: HttpRequest) -> Iterator[str]:
    """Every text of a request that a view may read: the address, the fields and the names of files."""
    yield request.path
    for fields in (request.GET, request.POST):
        for name, values in fields.lists():
            yield from (name, *map(str, values))
    for field, given in request.FILES.lists():
        yield from (field, *(file.name or "" for file in given))


def allowed(action: str | None = None) -> Callable[[View[P]], Callable[..., HttpResponseBase]]:
    """Open a view to whoever may take `action` of offers.roles (None: to everybody who is signed in).

    What the domain refuses on the way, an approval of one's own change for instance, is the same 403.
    """

    def decorate(view: View[P]) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def guarded(request: SignedInRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            read_roles(request.user)
            if any("\0" in text for text in _given(request)):
                raise BadRequest("Postgres holds no NUL, so nothing is named with one.")
            try:
                if action is not None:
                    roles.require(request.user, action)
                return view(request, *args, **kwargs)
            except PermissionError as refusal:
                raise PermissionDenied(f"{refusal}.") from refusal

        return login_required(guarded)

    return decorate
