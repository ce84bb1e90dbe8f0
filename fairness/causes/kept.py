"""What a night found, kept until the next one: written kind by kind as a whole, read by the pages; nothing is computed
here, and nothing of a few people is kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from fairness.models import Cause
from fairness.thresholds import DEFAULT

Kind = Cause.Kind


@dataclass(frozen=True, slots=True)
class Found:
    """One answer about one group; `people` are those of the smaller of the two groups."""

    subject: str
    attribute: str
    group: str
    reference: str
    people: int
    content: Mapping[str, Any]


def keep(kind: Kind, found: Sequence[Found], now: datetime, *, subjects: Collection[str] | None = None) -> int:
    """In place of what there was of this kind, of all subjects or of these, in the order in which pages list them; how
    many were kept."""
    rows = [
        Cause(
            kind=kind, subject=one.subject, attribute=one.attribute, group=one.group, reference=one.reference,
            people=one.people, content=dict(one.content), computed_at=now,
        )
        for one in found
        if one.people >= DEFAULT.smallest_shown
    ]  # fmt: skip
    with transaction.atomic():
        before = Cause.objects.filter(kind=kind)
        (before if subjects is None else before.filter(subject__in=subjects)).delete()
        Cause.objects.bulk_create(rows, batch_size=1_000)
    return len(rows)
