"""The three logins of the one Postgres database (owner, serving, vault); no table or grant is named here."""

from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
from psycopg import sql

from console import secret_key

SERVING_ROLE = "candor_serving"
VAULT_ROLE = "candor_vault"
ROLES = {"default": SERVING_ROLE, "vault": VAULT_ROLE}


def login(url: str) -> dict[str, Any]:
    """Django's description of one login to Postgres; parameters in the URL's query go to libpq.

    Raises ValueError where the URL is not one of Postgres.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"} or not parts.path.strip("/"):
        raise ValueError("a database URL looks like postgresql://user:password@host:port/name")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        # Only the hot path's statement is sent with server-side parameters, and so prepared, at its first use.
        "OPTIONS": {
            "prepare_threshold": 0,
            **dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair),
        },
        # One connection a thread. No health check: it would be a read of Postgres in every decision. The first
        # request of a thread after a restart of Postgres gets 503 and is asked again.
        "CONN_MAX_AGE": 600,
    }


def logins(owner_url: str, secret: str, serving_url: str = "", vault_url: str = "") -> dict[str, dict[str, Any]]:
    """DATABASES: `default` serves, `vault` reads protected attributes, `owner` migrates and does nothing else.

    Without URLs of their own, serving and vault log in to the owner's database with passwords derived from the secret.
    """
    owner = login(owner_url)
    given = {"default": serving_url, "vault": vault_url}
    return {"owner": owner} | {
        alias: login(given[alias])
        if given[alias]
        else owner | {"USER": role, "PASSWORD": secret_key.derive(secret, role)}
        for alias, role in ROLES.items()
    }


def ensure_roles(databases: dict[str, dict[str, Any]]) -> None:
    """Create the serving and vault roles, or bring their passwords up to date, as the owner.

    Passwords are environment, so this is no migration. A login under a name of its own becomes a member of the role,
    which is what the grants in the migrations name.

    Raises psycopg.Error where the owner may not manage roles.
    """
    with psycopg.connect(**parameters(databases["owner"]), autocommit=True) as connection:
        # Roles belong to the whole cluster, and two test workers may come at once.
        connection.execute("SELECT pg_advisory_lock(hashtext('candor roles'))")
        for alias, role in ROLES.items():
            user = databases[alias]["USER"]
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
                connection.execute(sql.SQL("CREATE ROLE {} NOSUPERUSER").format(sql.Identifier(role)))
            if user != role:
                connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(user)))
                continue
            connection.execute(
                sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
                    sql.Identifier(role), sql.Literal(databases[alias]["PASSWORD"])
                )
            )


def parameters(database: dict[str, Any]) -> dict[str, Any]:
    """What psycopg.connect wants, from one entry of DATABASES."""
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    given: dict[str, Any] = {libpq: database[name] for name, libpq in names.items() if database[name]}
    given.update(database["OPTIONS"])
    return given
