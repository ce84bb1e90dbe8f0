"""What the console must know of a person beside Django's own user: how they sign in; never a password or a role."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q


class Account(models.Model):
    """Kept for whom the bank's sign-on service vouches, and for whom somebody else chose the password."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="account")
    # Who the person is to the sign-on service: names may be given to others there, a subject never is.
    issuer = models.CharField(max_length=300, blank=True)
    subject = models.CharField(max_length=255, blank=True)
    temporary_password = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="one_person_a_subject", fields=["issuer", "subject"], condition=~Q(subject="")
            ),
        ]

    def __str__(self) -> str:
        return f"account of user {self.user_id}"
