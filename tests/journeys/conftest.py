"""A real browser on a real server: the living bank, gunicorn, a Celery worker, and Debian's Chromium."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright
from pytest_django.plugin import DjangoDbBlocker
from redis import Redis

from tests import living_bank
from tests.living_bank import LivingBank

if TYPE_CHECKING:
    from tests.conftest import TestDatabase

# Playwright's own download is not reachable everywhere; Debian's and Ubuntu's packages are.
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PATIENCE = 30  # seconds
expect.set_options(timeout=20_000)  # milliseconds; the machine may be busy with other tests


@dataclass(frozen=True)
class Site:
    """The running product with the living bank in it."""

    url: str
    bank: LivingBank


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no browser: install chromium, or name one in CHROMIUM")
    # Playwright keeps an event loop in this thread, in which Django would refuse its connections.
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def site(test_database: TestDatabase, django_db_blocker: DjangoDbBlocker) -> Iterator[Site]:
    """Committed for the servers to see; the database is made anew afterwards."""
    with django_db_blocker.unblock():
        with Redis.from_url(os.environ["REDIS_URL"]) as client:
            client.flushdb()
        bank = living_bank.make(passwords=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        # The tests' settings were changed in this process; theirs come from the environment, which holds the same.
        web = _start("gunicorn", "console.wsgi", "--bind", f"127.0.0.1:{port}", "--threads", "4")
        worker = _start("celery", "-A", "console", "worker", "-Q", "fairness", "--pool", "solo", "-l", "warning")
        try:
            _await(port, web)
            yield Site(f"http://127.0.0.1:{port}", bank)
        finally:
            for process in (web, worker):
                process.terminate()
                process.wait(PATIENCE)
            test_database.recreate()


def _start(*command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", *command], env={**os.environ, "ALLOWED_HOSTS": "127.0.0.1"})


def _await(port: int, web: subprocess.Popen[bytes]) -> None:
    """Until it answers a page: the first one waits for everything that a busy machine still has to import."""
    deadline = time.monotonic() + 4 * PATIENCE
    while time.monotonic() < deadline and web.poll() is None:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{port}/sign-in/", timeout=PATIENCE),
        ):
            return
        time.sleep(0.1)
    raise RuntimeError(f"nothing answers on port {port}")


def windows(browser: Browser, site: Site, **options: Any) -> BrowserContext:
    """A browser's own windows on the site, patient with a machine that has other tests to run."""
    context = browser.new_context(base_url=site.url, **options)
    context.set_default_timeout(3 * PATIENCE * 1000)
    return context


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    """A fresh window; any message of the console, a policy violation above all, fails the test."""
    context = windows(browser, site, viewport={"width": 1400, "height": 900})
    window = context.new_page()
    said: list[str] = []
    window.on("console", lambda message: said.append(message.text) if _is_bad(message) else None)
    window.on("pageerror", lambda fault: said.append(str(fault)))
    yield window
    context.close()
    assert not said, said


def _is_bad(message: ConsoleMessage) -> bool:
    """htmx also complains of a check that it gave up on purpose, because its form was submitted meanwhile."""
    given_up = message.text.startswith(("htmx:sendAbort", "htmx:afterRequest"))
    return message.type in ("error", "warning") and not given_up


def sign_in(page: Page, bank: LivingBank, who: str) -> None:
    page.goto("/sign-in/")
    page.get_by_label("Name").fill(bank.people[who].get_username())
    page.get_by_label("Password").fill(living_bank.PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")
