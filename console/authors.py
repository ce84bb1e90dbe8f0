"""The person in whose name a command drafts a change; submitting and approving it are done on the pages."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.core.management.base import CommandError


def author(username: str | None) -> User | None:
    """The user of this name, None where no name is given. Raises CommandError."""
    if username is None:
        return None
    try:
        return User.objects.get(username=username)
    except User.DoesNotExist:
        raise CommandError(f"there is no user {username}") from None
