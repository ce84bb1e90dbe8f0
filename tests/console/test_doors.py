"""Every address of the console is closed to whoever is not signed in, a forgotten guard included."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.test import Client
from django.urls import URLPattern, reverse

from console.urls import pages

pytestmark = pytest.mark.django_db

OPEN = frozenset({"sign_in", "sign_in_code", "sign_out", "single_sign_on", "single_sign_on_back"})
PLACES = {"int": 1, "slug": "x", "str": "x", "uuid": UUID(int=1), "path": "x", "key": "x"}
CLOSED = {str(page.name): page for page in pages if isinstance(page, URLPattern) and page.name not in OPEN}


def address(page: URLPattern) -> str:
    converters = page.pattern.converters
    kinds = {name: type(kind).__name__.removesuffix("Converter").lower() for name, kind in converters.items()}
    kinds = {name: "str" if kind == "string" else kind for name, kind in kinds.items()}
    return reverse(str(page.name), kwargs={name: PLACES[kind] for name, kind in kinds.items()})


@pytest.mark.parametrize("name", CLOSED)
def test_a_stranger_is_sent_to_the_sign_in_and_changes_nothing(client: Client, name: str) -> None:
    path = address(CLOSED[name])
    for answer in (client.get(path), client.post(path, {})):
        sent = answer.status_code == 302 and answer.headers["Location"].startswith(reverse("sign_in"))
        assert sent or answer.status_code == 405, answer.status_code  # 405: an address that only takes the other


def test_there_are_as_many_guarded_addresses_as_pages() -> None:
    assert len(CLOSED) + len(OPEN) == len(pages)
