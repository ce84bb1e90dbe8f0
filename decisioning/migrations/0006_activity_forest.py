"""A table for the forests that tell unusual activity; posts keep no embedding, which gives much of the text back."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("decisioning", "0005_feature_store")]

    operations: ClassVar = [
        migrations.CreateModel(
            name="ActivityForest",
            fields=[
                ("fitted_at", models.DateTimeField(primary_key=True, serialize=False)),
                ("content", models.BinaryField()),
            ],
        ),
        migrations.RemoveField(model_name="post", name="embedding"),
    ]
