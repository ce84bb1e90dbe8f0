"""What waits for one person: proposals that they may settle; used by the home page, the reviews and the menu."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db.models import QuerySet

from offers import roles
from offers.models import KINDS, ChangeRequest


def kinds_to_approve(person: User) -> list[str]:
    return [kind for kind in KINDS if roles.may(person, f"approve:{kind}")]


def changes_waiting_for(person: User) -> QuerySet[ChangeRequest]:
    """Submitted proposals of others, of the kinds that this person may approve."""
    kinds = kinds_to_approve(person)
    waiting = ChangeRequest.objects.filter(status=ChangeRequest.Status.SUBMITTED, kind__in=kinds)
    return waiting.exclude(author=person) if kinds else waiting.none()
