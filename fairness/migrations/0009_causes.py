"""Causes of gaps, steering and exposure: one answer about one group each, and none about a few people."""

from typing import ClassVar

from django.db import migrations, models

KINDS = [
    ("rules", "rules and clauses of an offer"),
    ("drivers", "inputs of the model for an offer"),
    ("leak", "what a model's inputs tell of a group"),
    ("steering", "the best or a lesser card of a family"),
    ("arm", "exposure to an arm"),
    ("audience", "exposure to an offer"),
    ("exploration", "the burden of learning"),
    ("caps", "what contact caps take away"),
]


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("fairness", "0008_explanations"),
    ]

    operations: ClassVar = [
        migrations.CreateModel(
            name="Cause",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(choices=KINDS, max_length=20)),
                ("subject", models.CharField(blank=True, max_length=120)),
                ("attribute", models.CharField(max_length=30)),
                ("group", models.CharField(max_length=60)),
                ("reference", models.CharField(blank=True, max_length=60)),
                ("people", models.PositiveIntegerField()),
                ("content", models.JSONField()),
                ("computed_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["kind", "subject", "attribute", "group"],
                "indexes": [
                    models.Index(fields=["kind", "attribute", "subject"], name="fairness_ca_kind_c225ed_idx"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("kind", "subject", "attribute", "group"), name="one_cause_per_group"
                    ),
                    models.CheckConstraint(condition=models.Q(("people__gte", 20)), name="no_cause_of_a_few"),
                ],
            },
        ),
    ]
