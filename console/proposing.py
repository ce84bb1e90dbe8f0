"""From a form to a submitted proposal, in one transaction; what it would do is computed once that is committed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.db import transaction
from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from kombu.exceptions import OperationalError

from console.access import SignedInRequest
from console.forms import ProposalForm
from decisioning.propensity.scoring import UnreadableModel
from fairness import tasks
from fairness.evidence import candidate_content
from fairness.model_inputs import require_lawful
from offers import approvals, catalog, firm_offers, purposes
from offers.catalog import InvalidContent, Item
from offers.conditions.grammar import Fault
from offers.models import ChangeRequest

Worded = Callable[[Fault], Fault]
"""A fault of the catalogue, to the same in the names of a form."""


def propose(
    *, kind: str, key: str, title: str, rationale: str, items: Sequence[Item], author: User, now: datetime
) -> ChangeRequest:
    """Draft and submit. Raises NotAllowed, or InvalidContent with every fault, the ones that only the whole catalogue
    shows included, so that an author learns of them before the approver does."""
    with transaction.atomic():
        change = catalog.draft(
            kind=kind, key=key, title=title, rationale=rationale, items=items, author=author, now=now
        )
        content = candidate_content(change)
        try:
            require_lawful(change, purposes.checked(0, content), now.date())
        except UnreadableModel as fault:
            raise InvalidContent([Fault("/model", "unreadable", str(fault))]) from fault
        firm_offers.require_kept(content, now)
        approvals.submit(change.pk, author=author, now=now)
        transaction.on_commit(lambda: ask_for_evidence(change.pk))
    return change


def propose_from(
    request: SignedInRequest, form: ProposalForm, *, kind: str, key: str, items: Sequence[Item],
    why: str | None = None, worded: Worded | None = None,
) -> ChangeRequest | None:  # fmt: skip
    """The submitted proposal; None where the catalogue refuses it, and the form then says why."""
    given = form.cleaned_data
    try:
        return propose(
            kind=kind, key=key, title=given["change_title"], items=items, author=request.user, now=timezone.now(),
            rationale=given["rationale"] if why is None else why.strip(),
        )  # fmt: skip
    except InvalidContent as refused:
        show_faults(form, refused, worded)
        return None


def show_faults(form: Form, refused: InvalidContent, worded: Worded | None = None) -> None:
    """Each fault beside the field that its path names, or above the form."""
    for fault in map(worded, refused.faults) if worded else refused.faults:
        field = next((part for part in reversed(fault.path.split("/")) if part in form.fields), None)
        sentence = f"{fault.message[:1].upper()}{fault.message[1:]}."
        form.add_error(field, sentence if field else f"{fault.path}: {fault.message}")


def submitted(request: SignedInRequest, change: ChangeRequest, checker: str = "Somebody else") -> HttpResponse:
    """On to the page of the change, which says what comes next."""
    messages.success(request, f"Submitted. {checker} must approve it before it is live.")
    return redirect("review", change_id=change.pk)


def newest_changes(key: str, *kinds: str) -> list[dict[str, Any]]:
    """The last five changes of that key, for the page of what they change."""
    rows = ChangeRequest.objects.filter(key=key, kind__in=kinds).select_related("author").order_by("-id")[:5]
    return [
        {
            "title": row.title,
            "href": reverse("review", args=[row.pk]),
            "status": row.status,
            "at": row.submitted_at or row.created_at,
            "author": row.author.get_username(),
        }
        for row in rows
    ]


def ask_for_evidence(change_id: int) -> bool:
    """Queue the computation of what a change would do. False: the queue does not answer, and the proposal's page offers
    to ask again."""
    try:
        tasks.compute_evidence.delay(change_id)
    except OperationalError:
        return False
    return True
