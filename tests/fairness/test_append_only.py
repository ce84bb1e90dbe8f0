"""What is written once stays, for the owner of the database too: committed rows, every login, three ways to change."""

import psycopg
import pytest
from django.conf import settings
from psycopg.sql import SQL, Identifier

from console.databases import parameters
from fairness.governance import inventory
from tests.factories import NOW, approve_content, make_model

TABLES = {
    "offers_release": "number", "offers_evidence": "id", "offers_auditevent": "sequence", "fairness_modelrecord": "id",
}  # fmt: skip
EMPTY = ("decisioning_decision", "decisioning_outcome", "decisioning_presentation", "decisioning_rewardlog")


@pytest.mark.usefixtures("live_db")
def test_append_only_tables_refuse_their_owner() -> None:
    approve_content()
    inventory.keep(make_model("challenger", "spend_share_travel").name, NOW)
    with psycopg.connect(**parameters(settings.DATABASES["owner"]), autocommit=True) as owner:
        for table, key in TABLES.items():
            for statement in ("UPDATE {table} SET {key} = {key}", "DELETE FROM {table}", "TRUNCATE {table} CASCADE"):
                with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
                    owner.execute(SQL(statement).format(table=Identifier(table), key=Identifier(key)))
        for table in EMPTY:
            with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
                owner.execute(SQL("TRUNCATE {} CASCADE").format(Identifier(table)))
