"""Causes of gaps, steering and exposure."""

from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("fairness", "0008_explanations"),
    ]

    operations: ClassVar = []
