"""The servers and databases of the tests: one database and one Redis number a test process; no product object here.

A test that asks for `db`, or is marked `django_db`, runs in a transaction on each of the three logins and is rolled
back. One that needs commits which other logins, threads or processes see asks for `live_db`. Both find Redis empty.
"""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import hypothesis
import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from psycopg import sql
from pytest_django.plugin import DjangoDbBlocker
from redis import Redis

from console import databases, embedded, embedded_redis
from console.celery import app as celery
from decisioning import runtime, sample

ALIASES = ["default", "owner", "vault"]
TEST_VAR = settings.BASE_DIR / "var" / "test"
TEMPLATE = "test_candor_template"

hypothesis.settings.register_profile("candor", deadline=None)  # a busy machine is no fault of what is tested
hypothesis.settings.load_profile("candor")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All three logins where a test names none."""
    for item in items:
        marker = item.get_closest_marker("django_db")
        if "live_db" in getattr(item, "fixturenames", ()):
            if marker:
                raise pytest.UsageError(f"{item.nodeid}: live_db commits, django_db rolls back; ask for one of them")
        elif (marker and "databases" not in marker.kwargs) or (
            not marker and "db" in getattr(item, "fixturenames", ())
        ):
            keywords = marker.kwargs if marker else {}
            item.add_marker(pytest.mark.django_db(**keywords, databases=ALIASES), append=False)


class TestDatabase:
    """The database of this test process: a copy of one that is migrated once for all."""

    def __init__(self, owner_url: str, number: int) -> None:
        self.name = f"test_candor_{number}"
        self.anchors = TEST_VAR / f"anchors-{number}"
        self._maintenance = owner_url
        self.url = _with_database(owner_url, self.name)

    def recreate(self) -> None:
        """A fresh copy of the template, whatever happened to the last one, and no connection to the old one."""
        connections.close_all()
        self.drop()
        self.anchors.unlink(missing_ok=True)  # of another chain
        self._execute("CREATE DATABASE {} TEMPLATE {}", self.name, TEMPLATE)

    def drop(self) -> None:
        """Remove it with whoever is still connected."""
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name)

    def migrate_template(self) -> None:
        """Make the template if the one there was made from other migrations. One process at a time."""
        state = _migrations_digest()
        with psycopg.connect(self._maintenance, autocommit=True) as connection:
            found = connection.execute(
                "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [TEMPLATE]
            ).fetchone()
        if found == (state,):
            databases.ensure_roles(databases.logins(self._maintenance, settings.SECRET_KEY))
            return
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", TEMPLATE)
        self._execute("CREATE DATABASE {}", TEMPLATE)
        _point_django_at(_with_database(self._maintenance, TEMPLATE))
        call_command("migrate", verbosity=0)
        connections.close_all()
        self._execute("COMMENT ON DATABASE {} IS " + f"'{state}'", TEMPLATE)

    def _execute(self, statement: str, *names: str) -> None:
        with psycopg.connect(self._maintenance, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@pytest.fixture(scope="session")
def servers() -> Iterator[tuple[str, str]]:
    """The owner's URL and Redis's: the given ones, else embedded servers under var/test, shared by all workers."""
    if settings.DATABASE_URL:
        yield settings.DATABASE_URL, settings.REDIS_URL
        return
    with embedded.ensure(TEST_VAR, durable=False) as running:
        yield running.database_url, running.redis_url


@pytest.fixture(scope="session")
def slot() -> Iterator[int]:
    """A number that no other test process on this machine uses meanwhile, also not one of another test run."""
    TEST_VAR.mkdir(parents=True, exist_ok=True)
    for number in range(1, embedded_redis.DATABASES):
        with (TEST_VAR / f"slot-{number}").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield number
            return
    raise RuntimeError("more test processes than Redis has databases")


@pytest.fixture(scope="session")
def test_database(servers: tuple[str, str], slot: int, django_db_blocker: DjangoDbBlocker) -> Iterator[TestDatabase]:
    """This process's database, with Django, Celery and the environment of child processes pointed at it."""
    owner_url, redis_url = servers
    database = TestDatabase(owner_url, slot)
    with django_db_blocker.unblock():
        with (TEST_VAR / "template.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            database.migrate_template()
            database.recreate()
        _point_django_at(database.url)
        settings.ANCHOR_FILE = database.anchors
        settings.REQUIRE_SECOND_FACTOR = False  # also on given servers; tests of it set it
        settings.REDIS_URL = urlunsplit(urlsplit(redis_url)._replace(path=f"/{slot}"))
        celery.conf.update(broker_url=settings.REDIS_URL)
        os.environ |= {
            "DATABASE_URL": database.url, "REDIS_URL": settings.REDIS_URL, "SECRET_KEY": settings.SECRET_KEY,
            "HTTPS": "0", "REQUIRE_SECOND_FACTOR": "0",
        }  # fmt: skip
    yield database
    with django_db_blocker.unblock():
        connections.close_all()
        database.drop()


@pytest.fixture(scope="session")
def django_db_setup(test_database: TestDatabase) -> None:
    """In place of pytest-django's own: the database is ready."""


@pytest.fixture
def live_db(test_database: TestDatabase, empty_redis: Redis, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Real commits on all logins, for threads and other processes too; afterwards the database is made anew.

    Not by deleting rows: several tables refuse that to everybody.
    """
    with django_db_blocker.unblock():
        try:
            yield
        finally:
            test_database.recreate()


@pytest.fixture
def empty_redis(test_database: TestDatabase) -> Iterator[Redis]:
    """This process's Redis database, empty; and nothing of another test's bank in this process's memory."""
    runtime.forget()
    sample.forget()
    with Redis.from_url(settings.REDIS_URL) as client:
        client.flushdb()
        yield client


@pytest.fixture(autouse=True)
def _redis_is_empty(request: pytest.FixtureRequest) -> None:
    """Tests of pure functions start no server; every other one finds Redis empty."""
    if request.node.get_closest_marker("django_db"):
        request.getfixturevalue("empty_redis")


def _point_django_at(owner_url: str) -> None:
    """Give the three aliases other settings, and forget the connections made with the old ones."""
    connections.close_all()
    settings.DATABASES = databases.logins(owner_url, settings.SECRET_KEY)
    connections.databases.update(connections.configure_settings(settings.DATABASES))
    for alias in ALIASES:
        with contextlib.suppress(AttributeError):  # none was made yet
            del connections[alias]


def _with_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def _migrations_digest() -> str:
    """Of what the template is made from: the migrations' text and the list of applications."""
    files = sorted(p for p in Path(settings.BASE_DIR).glob("*/migrations/*") if p.suffix in {".py", ".sql"})
    content: list[Any] = [settings.INSTALLED_APPS, settings.SECRET_KEY, *(file.read_text() for file in files)]
    return hashlib.sha256(repr(content).encode()).hexdigest()
