"""What each drill of the emergency brake has shown, which nobody changes."""

from typing import ClassVar

from django.db import migrations, models

KEPT = """
CALL candor_make_append_only('decisioning_stopdrill');
REVOKE UPDATE, DELETE ON decisioning_stopdrill FROM candor_serving;
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("decisioning", "0012_suppression")]

    operations: ClassVar = [
        migrations.CreateModel(
            name="StopDrill",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("scope", models.CharField(max_length=10)),
                ("target", models.CharField(blank=True, max_length=120)),
                ("decision_id", models.UUIDField()),
                ("seconds", models.FloatField()),
                ("ok", models.BooleanField()),
                ("detail", models.CharField(blank=True, max_length=200)),
            ],
            options={"ordering": ["-id"]},
        ),
        migrations.RunSQL(KEPT, migrations.RunSQL.noop),
    ]
