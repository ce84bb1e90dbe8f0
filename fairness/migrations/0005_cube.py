"""The count cube."""

from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("fairness", "0004_findings"),
    ]

    operations: ClassVar = []
