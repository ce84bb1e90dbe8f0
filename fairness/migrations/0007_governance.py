"""Model inventory, validation, overrides and anchors."""

from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("fairness", "0006_alternatives"),
    ]

    operations: ClassVar = []
