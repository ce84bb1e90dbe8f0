"""What sources say keeps its source; the packed vector, posts, dead letters and the checks of features get tables."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("decisioning", "0004_presentations_by_customer"),
    ]

    operations: ClassVar = [
        migrations.CreateModel(
            name="FeatureStatistics",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("subject", models.CharField(max_length=80)),
                ("made_at", models.DateTimeField()),
                ("rows", models.BigIntegerField()),
                ("content", models.JSONField()),
            ],
            options={
                "ordering": ["-made_at"],
            },
        ),
        migrations.CreateModel(
            name="FeatureVector",
            fields=[
                ("customer_id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("as_of", models.DateTimeField()),
                ("made_at", models.DateTimeField()),
                ("content", models.BinaryField()),
            ],
        ),
        migrations.CreateModel(
            name="Post",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "customer_id",
                        "source",
                        "post_key",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("customer_id", models.BigIntegerField()),
                ("source", models.CharField(max_length=30)),
                ("post_key", models.CharField(max_length=64)),
                ("occurred_at", models.DateTimeField()),
                ("known_at", models.DateTimeField()),
                ("sentiment", models.FloatField()),
                ("interests", models.JSONField(default=dict)),
                ("encoder", models.CharField(default="", max_length=60)),
                ("embedding", models.BinaryField(default=b"")),
            ],
        ),
        migrations.CreateModel(
            name="SkewCheck",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("made_at", models.DateTimeField()),
                ("decisions", models.PositiveIntegerField()),
                ("values", models.PositiveIntegerField()),
                ("mismatches", models.JSONField(default=dict)),
                ("examples", models.JSONField(default=list)),
            ],
            options={
                "ordering": ["-made_at"],
            },
        ),
        # Django cannot change a primary key. What stands there came from one source, so its key stays unique.
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "ALTER TABLE decisioning_featurerow ADD COLUMN source varchar(30) NOT NULL DEFAULT '';"
                    "ALTER TABLE decisioning_featurerow ALTER COLUMN source DROP DEFAULT;"
                    "ALTER TABLE decisioning_featurerow DROP CONSTRAINT decisioning_featurerow_pkey;"
                    'ALTER TABLE decisioning_featurerow ADD PRIMARY KEY (customer_id, "group", source, known_at);',
                    migrations.RunSQL.noop,
                )
            ],
            state_operations=[
                migrations.AddField(
                    model_name="featurerow",
                    name="source",
                    field=models.CharField(default="", max_length=30),
                ),
                migrations.AlterField(
                    model_name="featurerow",
                    name="pk",
                    field=models.CompositePrimaryKey(
                        "customer_id",
                        "group",
                        "source",
                        "known_at",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="DeadLetter",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("origin", models.CharField(max_length=60)),
                ("position", models.CharField(max_length=60)),
                ("body", models.BinaryField()),
                ("code", models.CharField(max_length=30)),
                ("reason", models.TextField()),
                ("arrived_at", models.DateTimeField()),
                ("replayed_at", models.DateTimeField(null=True)),
                ("replayed_by", models.CharField(default="", max_length=150)),
                ("result", models.CharField(default="", max_length=200)),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(fields=("origin", "position"), name="one_dead_letter_per_position")
                ],
            },
        ),
        migrations.CreateModel(
            name="QualityCheck",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("source", models.CharField(max_length=30)),
                ("subject", models.CharField(max_length=60)),
                ("column", models.CharField(max_length=60)),
                ("expectation", models.CharField(max_length=120)),
                ("run_at", models.DateTimeField()),
                ("rows", models.BigIntegerField()),
                ("failed", models.BigIntegerField()),
                ("passed", models.BooleanField()),
                ("examples", models.JSONField(default=list)),
                ("failing_since", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["-run_at", "source", "subject", "column"],
                "indexes": [
                    models.Index(
                        fields=["source", "subject", "column", "expectation", "run_at"],
                        name="decisioning_source_753e16_idx",
                    )
                ],
            },
        ),
    ]
