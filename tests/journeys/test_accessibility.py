"""axe-core finds nothing on any page, for any role that may open it, in light and dark, on a desk and on a phone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from itertools import product
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from offers import roles
from tests.journeys import pages
from tests.journeys.conftest import Site

WIDTHS, SCHEMES = {"desk": 1400, "phone": 390}, ("light", "dark")
LOOKS = list(product(WIDTHS, SCHEMES))
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()
Open = Callable[[str, str, str], Page]  # for a role, with a width and a scheme


@pytest.fixture(scope="module")
def window(browser: Browser, site: Site) -> Iterator[Open]:
    """A window of somebody with a role, without the policy that would refuse axe its own script."""
    held: dict[tuple[str, str, str], BrowserContext] = {}

    def opened(role: str, width: str, scheme: Any) -> Page:
        key = role, width, scheme
        if key not in held:
            held[key] = browser.new_context(
                base_url=site.url,
                viewport={"width": WIDTHS[width], "height": 900},
                color_scheme=scheme,
                bypass_csp=True,
            )
            if role:
                pages.sign_in_as(held[key], site.url, pages.client_of(site.bank, role))
        return held[key].new_page()

    yield opened
    for context in held.values():
        context.close()


def violations(window: Page, address: str) -> list[str]:
    """What axe says of a page once it stands: rule, place and help."""
    window.goto(address)
    window.wait_for_function("!document.querySelector('.htmx-request')")
    window.evaluate(AXE)
    found = window.evaluate("axe.run(document, {resultTypes: ['violations']}).then(result => result.violations)")
    window.close()
    return [
        f"{rule['id']}: {node['target']} {node['html'][:160]} ({node['failureSummary'][:200]})"
        for rule in found
        for node in rule["nodes"]
    ]


def differing(site: Site, address: str) -> list[str]:
    """The roles that may open a page, one for each form that it takes: two who see the same need one look."""
    seen: dict[str, str] = {}
    for role in roles.ROLES:
        answer = pages.client_of(site.bank, role).get(address, follow=True)
        if answer.status_code == 200:
            html = answer.content.decode().partition("<main")[2]
            html = re.sub(r'name="csrfmiddlewaretoken" value="\w+"|value="[0-9a-f-]{32,36}"', "", html)
            seen.setdefault(hashlib.sha256(html.encode()).hexdigest(), role)
    return list(seen.values())


def test_every_address_is_looked_at_or_said_to_be_no_page() -> None:
    assert set(pages.ARGUMENTS) | set(pages.QUERIES) <= set(pages.PAGES) | pages.NO_PAGE


@pytest.mark.parametrize("name", pages.PAGES)
def test_axe_finds_nothing(site: Site, window: Open, name: str) -> None:
    address = pages.address(name, site.bank)
    who = differing(site, address)
    assert who, "nobody may open it"
    found = [f"{who[0]}: {row}" for row in violations(window(who[0], "desk", "light"), address)]
    for width, scheme in LOOKS[1:]:
        found += [f"{width}, {scheme}: {row}" for row in violations(window(who[0], width, scheme), address)]
    for role in who[1:]:
        found += [f"{role}: {row}" for row in violations(window(role, "desk", "light"), address)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("role", roles.ROLES)
def test_axe_finds_nothing_in_the_menu_of_any_role(site: Site, window: Open, role: str) -> None:
    assert not violations(window(role, "desk", "light"), "/")


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
@pytest.mark.parametrize(("role", "address"), [("", "/sign-in/"), (roles.OPERATOR, "/no-such-page/")])
def test_axe_finds_nothing_where_nobody_is_signed_in_or_nothing_is(
    window: Open, role: str, address: str, width: str, scheme: str
) -> None:
    assert not violations(window(role, width, scheme), address)


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_axe_finds_nothing_on_a_page_that_a_role_may_not_open(window: Open, width: str, scheme: str) -> None:
    assert not violations(window(roles.MARKETING_AUTHOR, width, scheme), "/decisions/")
