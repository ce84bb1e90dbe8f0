"""What the shared fixtures promise to every other test."""

import subprocess
import sys

import pytest
from django.contrib.auth.models import Group
from django.db import DatabaseError, connections
from redis import Redis


@pytest.mark.django_db
@pytest.mark.parametrize("run", [1, 2])
def test_a_row_of_one_test_is_gone_in_the_next(run: int) -> None:
    assert not Group.objects.using("owner").exists()
    Group.objects.using("owner").create(name="risk")


@pytest.mark.django_db
def test_each_alias_is_its_own_login() -> None:
    logins = {}
    for alias in ("default", "owner", "vault"):
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user")
            logins[alias] = cursor.fetchone()
    assert logins["default"] == ("candor_serving", False)
    assert logins["vault"] == ("candor_vault", False)
    assert logins["owner"][0] not in {"candor_serving", "candor_vault"}


@pytest.mark.django_db
@pytest.mark.parametrize("alias", ["default", "vault"])
def test_serving_and_vault_may_not_change_the_schema(alias: str) -> None:
    with connections[alias].cursor() as cursor, pytest.raises(DatabaseError, match="permission denied"):
        cursor.execute("CREATE TABLE smuggled (x integer)")


@pytest.mark.parametrize("run", [1, 2])
def test_live_rows_are_seen_by_another_process_and_gone_afterwards(live_db: None, run: int) -> None:
    assert not Group.objects.using("owner").exists()
    Group.objects.using("owner").create(name="risk")
    count = "from django.contrib.auth.models import Group; print(Group.objects.using('owner').count())"
    script = f"import django; django.setup(); {count}"
    environment_is_inherited = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert environment_is_inherited.stdout == "1\n"


@pytest.mark.parametrize("run", [1, 2])
def test_redis_is_found_empty(empty_redis: Redis, run: int) -> None:
    assert empty_redis.dbsize() == 0
    empty_redis.set("left behind", 1)
