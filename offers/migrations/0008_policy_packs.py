"""Policy packs."""

from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("offers", "0007_bound_evidence"),
    ]

    operations: ClassVar = []
