"""Searches for less discriminatory alternatives, and checks of individuals."""

from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("fairness", "0005_cube"),
    ]

    operations: ClassVar = []
