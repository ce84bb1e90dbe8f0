"""From a form to a submitted proposal, in one transaction; what it would do is computed once that is committed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from kombu.exceptions import OperationalError

from fairness import tasks
from fairness.evidence import candidate_content
from fairness.model_inputs import require_lawful
from offers import approvals, catalog, purposes
from offers.catalog import Item
from offers.models import ChangeRequest


def propose(
    *, kind: str, key: str, title: str, rationale: str, items: Sequence[Item], author: User, now: datetime
) -> ChangeRequest:
    """Draft and submit. Raises NotAllowed, or InvalidContent with every fault, the ones that only the whole catalogue
    shows included, so that an author learns of them before the approver does."""
    with transaction.atomic():
        change = catalog.draft(
            kind=kind, key=key, title=title, rationale=rationale, items=items, author=author, now=now
        )
        require_lawful(change, purposes.checked(0, candidate_content(change)), now.date())
        approvals.submit(change.pk, author=author, now=now)
        transaction.on_commit(lambda: ask_for_evidence(change.pk))
    return change


def ask_for_evidence(change_id: int) -> bool:
    """Queue the computation of what a change would do. False: the queue does not answer, and the proposal's page offers
    to ask again."""
    try:
        tasks.compute_evidence.delay(change_id)
    except OperationalError:
        return False
    return True
