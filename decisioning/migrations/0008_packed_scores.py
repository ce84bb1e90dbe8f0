"""Nightly scores become bytes with a layout: three a score, and not a name with sixteen digits."""

from typing import ClassVar

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("decisioning", "0007_posts_end_with_consent")]

    operations: ClassVar = [
        # The next night makes them again; until then a decision without a session asks the model.
        migrations.DeleteModel("PrecomputedScore"),
        migrations.CreateModel(
            name="ScoreLayout",
            fields=[
                ("number", models.BigIntegerField(primary_key=True, serialize=False)),
                ("model", models.CharField(max_length=60)),
                (
                    "keys",
                    django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=120), size=None),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PrecomputedScore",
            fields=[
                ("customer_id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("content", models.BinaryField()),
                ("scored_at", models.DateTimeField()),
                (
                    "layout",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="decisioning.scorelayout"),
                ),
            ],
        ),
    ]
