"""Findings and sign-offs."""

from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("fairness", "0003_proxies"),
    ]

    operations: ClassVar = []
