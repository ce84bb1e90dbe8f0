"""The table of the vault: its own schema and database role; read and written by fairness/vault.py alone."""

from __future__ import annotations

from django.db import models


class ProtectedAttribute(models.Model):
    """One protected attribute of one customer. Only fairness/vault.py reads or writes it, as the vault's login."""

    pk = models.CompositePrimaryKey("customer_id", "attribute")
    customer_id = models.BigIntegerField()
    attribute = models.CharField(max_length=30)
    value = models.CharField(max_length=60)
    source = models.CharField(max_length=30)
    known_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = 'vault"."protected_attribute'

    def __str__(self) -> str:
        return f"{self.attribute} of {self.customer_id}"
