"""How much each attribute tells of each protected group, as measured last night."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("fairness", "0002_vault"),
    ]

    operations: ClassVar = [
        migrations.CreateModel(
            name="ProxyStrength",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("attribute", models.CharField(max_length=60)),
                ("protected", models.CharField(max_length=30)),
                ("group", models.CharField(max_length=60)),
                ("auc", models.FloatField()),
                ("people", models.PositiveIntegerField()),
                ("computed_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["attribute", "-auc"],
                "constraints": [
                    models.UniqueConstraint(fields=("attribute", "protected", "group"), name="one_strength_per_group")
                ],
            },
        ),
    ]
