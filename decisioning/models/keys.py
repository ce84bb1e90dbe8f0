"""The key of customer-owned tables: the customer stands in every one of them."""

from django.db import models

CUSTOMER = models.BigIntegerField  # a surrogate; sharding later moves whole customers, so no foreign key is needed
