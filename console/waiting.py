"""What waits for one person: proposals that they may settle or justify; for the home page, the reviews and the menu."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from fairness.thresholds import Verdict
from offers import roles
from offers.models import KINDS, WHOLE_KINDS, ChangeRequest, Evidence


def kinds_to_approve(person: User) -> list[str]:
    return [kind for kind in (*KINDS, *WHOLE_KINDS) if roles.may(person, f"approve:{kind}")]


def changes_waiting_for(person: User) -> QuerySet[ChangeRequest]:
    """Submitted proposals of others that this person may approve, or whose failing evidence this person may justify."""
    submitted = ChangeRequest.objects.filter(status=ChangeRequest.Status.SUBMITTED)
    mine = Q(kind__in=kinds_to_approve(person))
    if roles.may(person, "justify"):
        computed = Evidence.objects.filter(change=OuterRef("pk"), content_hash=OuterRef("content_hash")).order_by("-id")
        failing = submitted.annotate(
            said=Subquery(computed.values("verdict")[:1]), last=Subquery(computed.values("pk")[:1])
        ).filter(said=Verdict.FAIL).exclude(justified_evidence=F("last"))  # fmt: skip
        mine |= Q(pk__in=failing.values("pk"))
    return submitted.filter(mine).exclude(author=person)
