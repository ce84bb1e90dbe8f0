"""Who is shown no offer is kept, so that a page shows it at once and says as of when."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("decisioning", "0009_skew_skipped")]

    operations: ClassVar = [
        migrations.CreateModel(
            name="UnservedReport",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("release", models.PositiveIntegerField()),
                ("computed_at", models.DateTimeField()),
                ("content", models.JSONField()),
            ],
            options={"ordering": ["-id"]},
        ),
    ]
