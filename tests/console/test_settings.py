"""What the environment must say, and what the site answers by default."""

import os
import re
import subprocess
import sys

import pytest
from django.conf import settings
from django.test import Client

SERVERS = {"DATABASE_URL": "postgresql://u:p@127.0.0.1:1/x", "REDIS_URL": "redis://127.0.0.1:1/0"}
NAMES = {*SERVERS, "SECRET_KEY", "HTTPS", "DATABASE_SERVING_URL", "DATABASE_VAULT_URL"}


def _manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    base = {name: value for name, value in os.environ.items() if name not in NAMES}
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]
    return subprocess.run(command, env=base | environment, capture_output=True, text=True, check=False)


def _setting(name: str, **environment: str) -> str:
    code = f"from console import settings; print(settings.{name})"
    base = {key: value for key, value in os.environ.items() if key not in NAMES}
    done = subprocess.run(
        [sys.executable, "-c", code], env=base | environment, cwd=settings.BASE_DIR, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        (SERVERS, "SECRET_KEY is not set"),
        ({"DATABASE_URL": SERVERS["DATABASE_URL"]}, "Set DATABASE_URL and REDIS_URL, or neither"),
        ({"REDIS_URL": SERVERS["REDIS_URL"], "SECRET_KEY": "s"}, "Set DATABASE_URL and REDIS_URL, or neither"),
    ],
)
def test_outside_the_demo_nothing_starts_without_servers_and_secret(environment: dict[str, str], line: str) -> None:
    done = _manage("migrate", **environment)
    assert done.returncode == 1
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1


def test_cookies_are_secure_outside_the_demo() -> None:
    assert _setting("SESSION_COOKIE_SECURE", **SERVERS, SECRET_KEY="s") == "True"
    assert _setting("SESSION_COOKIE_SECURE") == "False"


def test_serving_and_vault_get_logins_of_their_own_from_one_url() -> None:
    users = _setting("DATABASES['default']['USER'], settings.DATABASES['vault']['USER']", **SERVERS, SECRET_KEY="s")
    assert users == "candor_serving candor_vault"


def test_pages_allow_no_inline_script_or_style(client: Client) -> None:
    policy = client.get("/not-there").headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


def test_the_try_it_page_serves_its_own_scripts(client: Client) -> None:
    page = client.get("/api/docs/")
    assert page.status_code == 200
    policy = page.headers["Content-Security-Policy"]
    assert "style-src 'self' 'unsafe-inline'" in policy
    assert "script-src" not in policy
    sources = re.findall(r"<script([^>]*)>", page.content.decode())
    assert sources
    assert all('src="/' in source for source in sources)
