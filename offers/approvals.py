"""Maker and checker on a change request: submit, discuss, send back, approve, reject, withdraw, break the glass. It
only records; what an approval makes live is decided by fairness.gate."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.contrib.auth.models import User

from offers import audit, catalog, roles, snapshot
from offers.models import ChangeRequest, Comment, Evidence, Release

Status = ChangeRequest.Status
FAILS: Final = "fail"  # the verdict that a signature must answer; see fairness.thresholds.Verdict


class SelfApproval(PermissionError):
    """The author of a change cannot check it."""


class StaleContent(ValueError):
    """The content that was looked at is not the content that stands there now."""


class WrongStatus(ValueError):
    """The change is not in the state that this step starts from."""


class NoReason(ValueError):
    """Rejecting, sending back, justifying and breaking the glass take a reason in words."""


class NothingFails(ValueError):
    """There is nothing that a justification could be about."""


class NotLater(ValueError):
    """The moment to go live is not in the future."""


def locked(change_id: int) -> ChangeRequest:
    """The change under a row lock, so that two checkers cannot decide at once. Raises ChangeRequest.DoesNotExist."""
    return ChangeRequest.objects.select_for_update().get(pk=change_id)


def _expect(change: ChangeRequest, *allowed: str) -> None:
    if change.status not in allowed:
        wanted = " or ".join(Status(status).label for status in allowed)
        raise WrongStatus(f"this change is {Status(change.status).label}, not {wanted}")


def _checker(change: ChangeRequest, checker: User, action: str) -> None:
    """The checker holds a role that may approve every kind in the change, and is not its author."""
    for kind in sorted(kinds_to_check(change)):
        roles.require(checker, f"{action}:{kind}")
    if checker.pk == change.author_id:
        raise SelfApproval(f"{checker.get_username()} wrote this change, so somebody else must check it")


def kinds_to_check(change: ChangeRequest) -> frozenset[str]:
    """The kinds that its checker must be allowed to approve. What is rolled back to was approved before, each item."""
    items = [] if change.kind == "rollback" else [item["kind"] for item in change.items]
    return frozenset((change.kind, *items))


def may_check(change: ChangeRequest, person: User) -> bool:
    """Whether a role of the person may approve every kind in the change, whoever wrote it."""
    return all(roles.may(person, f"approve:{kind}") for kind in kinds_to_check(change))


def _record(change: ChangeRequest, action: str, by: User, now: datetime, comment: str = "") -> None:
    audit.record(
        actor=by.get_username(), action=f"change.{action}", subject=f"change {change.pk}",
        detail={"kind": change.kind, "key": change.key, "hash": change.content_hash, "comment": comment}, now=now,
    )  # fmt: skip


def _own(change: ChangeRequest, author: User) -> None:
    if author.pk != change.author_id:
        raise roles.NotAllowed(author.get_username(), f"propose:{change.kind}")


_APPROVAL = (
    "checker", "checked_at", "approved_hash", "approved_on", "comment", "go_live_at", "little_data_because",
)  # fmt: skip
_SIGNATURES = (
    "justification", "alternatives_considered", "justified_by", "justified_evidence", "broken_by", "broken_because",
)  # fmt: skip


def _to_draft(change: ChangeRequest) -> None:
    change.status = Status.DRAFT
    change.justification, change.alternatives_considered = "", ""
    change.justified_by, change.justified_evidence = None, None
    change.broken_by, change.broken_because = None, ""


def submit(change_id: int, *, author: User, now: datetime) -> ChangeRequest:
    """Draft to in review; from here on the content is frozen. Only its author submits it, who may still propose it."""
    change = locked(change_id)
    _expect(change, Status.DRAFT)
    _own(change, author)
    catalog.require_author(author, change.kind, snapshot.items_of(change.items))
    change.status, change.submitted_at = Status.SUBMITTED, now
    change.save(update_fields=["status", "submitted_at"])
    _record(change, "submitted", author, now)
    return change


def withdraw(change_id: int, *, author: User, now: datetime) -> ChangeRequest:
    """Its author takes it back; also what is approved for later, until it is live."""
    change = locked(change_id)
    _expect(change, Status.DRAFT, Status.SUBMITTED, *([Status.APPROVED] if is_scheduled(change) else []))
    _own(change, author)
    change.status = Status.WITHDRAWN
    change.save(update_fields=["status"])
    _record(change, "withdrawn", author, now)
    return change


def cancel(change_id: int, *, checker: User, reason: str, now: datetime) -> ChangeRequest:
    """Whoever may approve it takes back what is approved for later and not live yet.

    Raises NotAllowed, SelfApproval, WrongStatus or NoReason.
    """
    change = locked(change_id)
    if not is_scheduled(change):
        raise WrongStatus("this change does not wait for its time")
    _checker(change, checker, "approve")
    if not reason.strip():
        raise NoReason("say why, so that the author can act on it")
    change.status = Status.WITHDRAWN
    change.save(update_fields=["status"])
    _record(change, "cancelled", checker, now, reason.strip())
    return change


def require_still_signed(change: ChangeRequest) -> None:
    """Raises NotAllowed where whoever approved it for later may not do so any more."""
    assert change.checker is not None
    for kind in sorted(kinds_to_check(change)):
        roles.require(change.checker, f"approve:{kind}")


def reopen(change_id: int, *, author: User, now: datetime) -> ChangeRequest:
    """Back to draft, so that its author may edit it; whatever was signed so far lapses."""
    change = locked(change_id)
    _expect(change, Status.SUBMITTED)
    _own(change, author)
    _to_draft(change)
    change.save(update_fields=[*_SIGNATURES, "status"])
    _record(change, "reopened", author, now)
    return change


def is_scheduled(change: ChangeRequest) -> bool:
    """Approved for later, and not live yet."""
    waits = change.status == Status.APPROVED and change.go_live_at is not None
    return waits and not Release.objects.filter(change=change).exists()


def discuss(change_id: int, *, author: User, text: str, now: datetime) -> Comment:
    """Say something on a change, whatever its state. Raises NotAllowed or NoReason."""
    roles.require(author, "discuss")
    if not text.strip():
        raise NoReason("a comment needs words")
    change = ChangeRequest.objects.get(pk=change_id)
    comment = Comment.objects.create(
        change=change, author=author, text=text.strip(), at=now, content_hash=change.content_hash
    )
    _record(change, "discussed", author, now, text.strip())
    return comment


def break_glass(change_id: int, *, officer: User, reason: str, now: datetime) -> ChangeRequest:
    """The first of two people who put a change live before its evidence is computed; it does nothing by itself.

    Raises NotAllowed, SelfApproval, WrongStatus or NoReason.
    """
    change = locked(change_id)
    _expect(change, Status.SUBMITTED)
    roles.require(officer, "break_glass")
    if officer.pk == change.author_id:
        raise SelfApproval(f"{officer.get_username()} wrote this change, so somebody else must break the glass")
    if not reason.strip():
        raise NoReason("say what cannot wait: it stands in the audit trail for good")
    change.broken_by, change.broken_because = officer, reason.strip()
    change.save(update_fields=["broken_by", "broken_because"])
    _record(change, "GLASS_BROKEN", officer, now, reason.strip())
    return change


def approve(
    change_id: int,
    *,
    checker: User,
    content_hash: str,
    now: datetime,
    comment: str = "",
    go_live_at: datetime | None = None,
    little_data_because: str = "",
) -> ChangeRequest:
    """Record approval of exactly the content with this hash, to be published now or at `go_live_at`, with the checker's
    word on why too little data is enough.

    Raises NotAllowed, SelfApproval, WrongStatus, StaleContent or NotLater.
    """
    if go_live_at is not None and go_live_at <= now:
        raise NotLater("the time to go live has passed: leave it empty to go live now")
    change = locked(change_id)
    _expect(change, Status.SUBMITTED)
    _checker(change, checker, "approve")
    if checker.pk == change.broken_by_id:
        raise SelfApproval(f"{checker.get_username()} broke the glass, so somebody else must approve it")
    if content_hash != change.content_hash:
        raise StaleContent("the content changed after you looked at it; read it again")
    live = snapshot.live_row()
    change.status, change.checker, change.checked_at = Status.APPROVED, checker, now
    change.approved_hash, change.comment, change.go_live_at = content_hash, comment, go_live_at
    change.approved_on = live.number if live else None
    change.little_data_because = little_data_because.strip()
    change.save(update_fields=[*_APPROVAL, "status"])
    _record(change, "approved", checker, now, comment)
    if change.little_data_because:
        _record(change, "little_data_signed", checker, now, change.little_data_because)
    return change


def reject(change_id: int, *, checker: User, reason: str, now: datetime) -> ChangeRequest:
    return _turn_down(change_id, Status.REJECTED, "rejected", checker, reason, now)


def request_changes(change_id: int, *, checker: User, reason: str, now: datetime) -> ChangeRequest:
    """Back to draft, for its author to revise and submit again; the earlier justification no longer counts."""
    return _turn_down(change_id, Status.DRAFT, "sent_back", checker, reason, now)


def _turn_down(change_id: int, status: Status, action: str, checker: User, reason: str, now: datetime) -> ChangeRequest:
    change = locked(change_id)
    _expect(change, Status.SUBMITTED)
    _checker(change, checker, "approve")
    if not reason.strip():
        raise NoReason("say why, so that the author can act on it")
    _to_draft(change)
    change.status, change.comment = status, reason
    if status == Status.REJECTED:
        change.checker, change.checked_at = checker, now
    change.save(update_fields=[*_SIGNATURES, "status", "comment", "checker", "checked_at"])
    _record(change, action, checker, now, reason)
    return change


def justify(change_id: int, *, officer: User, justification: str, alternatives: str, now: datetime) -> ChangeRequest:
    """A compliance officer's signed business justification of the newest evidence, which fails, with the alternatives
    that were considered.

    Raises NotAllowed, SelfApproval, WrongStatus, NoReason or NothingFails.
    """
    change = locked(change_id)
    _expect(change, Status.SUBMITTED)
    roles.require(officer, "justify")
    if officer.pk == change.author_id:
        raise SelfApproval(f"{officer.get_username()} wrote this change, so somebody else must justify it")
    if not (justification.strip() and alternatives.strip()):
        raise NoReason("a justification names the business need and the alternatives that were considered")
    found = Evidence.objects.filter(change=change, content_hash=change.content_hash).first()
    if found is None or found.verdict != FAILS:
        raise NothingFails("there is no failing evidence on this content: nothing is to be justified")
    change.justification, change.alternatives_considered = justification.strip(), alternatives.strip()
    change.justified_by, change.justified_evidence = officer, found
    change.save(update_fields=["justification", "alternatives_considered", "justified_by", "justified_evidence"])
    _record(change, "justified", officer, now, f"{justification.strip()} Alternatives: {alternatives.strip()}")
    return change
