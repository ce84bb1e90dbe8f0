"""Policy packs are a kind of content, which compliance proposes and another officer approves."""

from typing import ClassVar

from django.db import migrations, models

KINDS = (
    "product", "offer", "creative", "arm", "rule", "boost", "contact_policy", "ranking", "placement", "model", "pack",
    "rollback", "catalogue",
)  # fmt: skip
RIGHTS = "INSERT INTO offers_signingright (action, role) VALUES ('approve:pack', 'compliance')"


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("offers", "0007_bound_evidence"),
    ]

    operations: ClassVar = [
        migrations.AlterField(
            model_name="changerequest",
            name="kind",
            field=models.CharField(max_length=20, choices=[(kind, kind) for kind in KINDS]),
        ),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
