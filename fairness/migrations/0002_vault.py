"""The vault's schema: the serving role has no grant on it, the vault's role reads nothing else that it could change."""

from typing import ClassVar

from django.db import migrations

VAULT = """
CREATE SCHEMA vault;
REVOKE ALL ON SCHEMA vault FROM PUBLIC;
CREATE TABLE vault.protected_attribute (
  customer_id bigint NOT NULL,
  attribute varchar(30) NOT NULL,
  value varchar(60) NOT NULL,
  source varchar(30) NOT NULL,
  known_at timestamptz NOT NULL,
  PRIMARY KEY (customer_id, attribute)
);
GRANT USAGE ON SCHEMA vault TO candor_vault;
GRANT SELECT, INSERT, UPDATE, DELETE ON vault.protected_attribute TO candor_vault;
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("fairness", "0001_initial"), ("decisioning", "0002_partitions")]

    operations: ClassVar = [migrations.RunSQL(VAULT, migrations.RunSQL.noop)]
