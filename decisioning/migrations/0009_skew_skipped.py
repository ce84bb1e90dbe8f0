"""A check of skew says which of its sample could not be computed again."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("decisioning", "0008_packed_scores")]

    operations: ClassVar = [
        migrations.AddField(model_name="skewcheck", name="skipped", field=models.JSONField(default=dict)),
    ]
