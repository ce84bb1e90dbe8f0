"""Scores and outcomes of a month by group, what a scan came upon, what is estimated; nothing of a few people, and changed
by nobody."""

from typing import ClassVar

from django.db import migrations, models

KINDS = [
    ("scores", "scores and outcomes"),
    ("subgroup", "a group that nobody named"),
    ("estimate", "a group that is estimated"),
]


class Migration(migrations.Migration):
    dependencies: ClassVar = [("fairness", "0013_comparisons_stand")]

    operations: ClassVar = [
        migrations.CreateModel(
            name="MonthFigure",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("month", models.DateField()),
                ("kind", models.CharField(choices=KINDS, max_length=10)),
                ("offer", models.CharField(blank=True, max_length=130)),
                ("attribute", models.CharField(blank=True, max_length=30)),
                ("group", models.CharField(max_length=300)),
                ("reference", models.CharField(blank=True, max_length=60)),
                ("people", models.PositiveIntegerField()),
                ("content", models.JSONField()),
                ("version", models.CharField(max_length=60)),
                ("query_hash", models.CharField(max_length=64)),
                ("computed_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["pk"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("month", "kind", "offer", "attribute", "group"), name="one_figure_per_group"
                    ),
                    models.CheckConstraint(condition=models.Q(("people__gte", 20)), name="no_figure_of_a_few"),
                ],
            },
        ),
        migrations.RunSQL("REVOKE UPDATE ON fairness_monthfigure FROM candor_serving", migrations.RunSQL.noop),
    ]
