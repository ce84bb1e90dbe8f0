"""Requests for explanation, correction and review."""

from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("fairness", "0007_governance"),
    ]

    operations: ClassVar = []
