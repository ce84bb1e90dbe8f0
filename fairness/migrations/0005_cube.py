"""The count cube: units, counts by group, and the comparisons of the audits; and how outcomes and presentations are
found by when they came."""

from typing import ClassVar

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

# Outcomes are appended as they come, so a block range index finds the newest at hardly any cost to their insert. Only
# a decision's further presentations are looked for: its first is told by the decision itself.
NEWEST = """
CREATE INDEX decisioning_outcome_known ON decisioning_outcome USING brin (known_at);
CREATE INDEX decisioning_presentation_further ON decisioning_presentation (id) WHERE inputs <> '';
"""
NO_INDEX = """
DROP INDEX decisioning_outcome_known;
DROP INDEX decisioning_presentation_further;
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("fairness", "0004_findings"),
        ("decisioning", "0010_unserved_report"),
    ]

    operations: ClassVar = [
        migrations.RunSQL(NEWEST, NO_INDEX),
        migrations.CreateModel(
            name="CubeOffer",
            fields=[
                ("place", models.PositiveIntegerField(primary_key=True, serialize=False)),
                ("key", models.CharField(max_length=120, unique=True)),
                ("family", models.CharField(max_length=60)),
            ],
        ),
        migrations.CreateModel(
            name="CubePosition",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("decision", models.UUIDField()),
                ("presentation", models.UUIDField()),
                ("outcome_known_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="CubeUnit",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "month", "customer_id", "channel", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("month", models.DateField()),
                ("customer_id", models.BigIntegerField()),
                ("channel", models.CharField(max_length=20)),
                ("segment", models.CharField(max_length=20)),
                ("furthest", models.BinaryField()),
                ("exposure", models.BinaryField()),
            ],
        ),
        migrations.CreateModel(
            name="CubeCount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("month", models.DateField()),
                ("offer", models.CharField(max_length=130)),
                ("channel", models.CharField(max_length=20)),
                ("segment", models.CharField(max_length=20)),
                ("attribute", models.CharField(max_length=70)),
                (
                    "groups",
                    django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=130), size=None),
                ),
                (
                    "reached",
                    django.contrib.postgres.fields.ArrayField(base_field=models.PositiveIntegerField(), size=None),
                ),
                ("exposure", django.contrib.postgres.fields.ArrayField(base_field=models.FloatField(), size=None)),
                ("computed_at", models.DateTimeField()),
            ],
            options={
                "indexes": [
                    models.Index(
                        fields=["offer", "attribute", "channel", "segment", "-month"],
                        name="fairness_cu_offer_671917_idx",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("month", "channel", "segment", "attribute", "offer"), name="one_count_per_cut"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="CubeComparison",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("month", models.DateField()),
                ("stage", models.CharField(max_length=20)),
                ("offer", models.CharField(max_length=130)),
                ("attribute", models.CharField(max_length=70)),
                ("group", models.CharField(max_length=130)),
                ("reference", models.CharField(max_length=130)),
                ("reference_chosen_by", models.CharField(max_length=20)),
                ("total", models.PositiveIntegerField()),
                ("favourable", models.PositiveIntegerField()),
                ("reference_total", models.PositiveIntegerField()),
                ("reference_favourable", models.PositiveIntegerField()),
                ("ratio", models.FloatField(null=True)),
                ("ratio_low", models.FloatField(null=True)),
                ("ratio_high", models.FloatField(null=True)),
                ("p", models.FloatField(null=True)),
                ("q", models.FloatField(null=True)),
                ("family", models.PositiveIntegerField()),
                ("shortfall", models.FloatField(null=True)),
                ("needed_n", models.BigIntegerField(null=True)),
                ("verdict", models.CharField(max_length=20)),
                ("aif360", models.JSONField()),
                ("difference", models.FloatField()),
                ("definition", models.CharField(max_length=200)),
                ("methods", models.JSONField()),
                ("version", models.CharField(max_length=60)),
                ("query_hash", models.CharField(max_length=64)),
                (
                    "audit",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="rows", to="fairness.fairnessaudit"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        fields=["month", "stage", "attribute", "verdict"], name="fairness_cu_month_a26ce0_idx"
                    ),
                    models.Index(fields=["offer", "attribute", "stage", "month"], name="fairness_cu_offer_88c8f9_idx"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("month", "stage", "offer", "attribute", "group"), name="one_comparison_per_cell"
                    )
                ],
            },
        ),
    ]
