"""Why a bank declined what a customer accepted: the reason code of a rule."""

from typing import ClassVar

from django.db import migrations

REASON = "ALTER TABLE decisioning_outcome ADD COLUMN reason varchar(40) NOT NULL DEFAULT ''"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("decisioning", "0010_unserved_report")]

    operations: ClassVar = [migrations.RunSQL(REASON, migrations.RunSQL.noop)]
