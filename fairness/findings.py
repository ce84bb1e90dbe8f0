"""What was found wrong, until somebody else signs that it is right again: opened by the machine, settled by people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet

from decisioning import rebuild
from fairness.models import Finding, FindingEvent
from offers import audit, packs, roles, stopping
from offers.approvals import NoReason, SelfApproval, WrongStatus

Status = Finding.Status
MACHINE: Final = "candor"
KINDS: Final[Mapping[str, str]] = {
    "parity": "a group falls behind", "drift": "a gap grows over months", "steering": "steered to a lesser product",
    "starvation": "locked out of an arm", "exposure": "unequal exposure", "exploration": "unequal exploration",
    "leak": "a protected attribute leaks", "close_proxy": "a close proxy decides", "replay": "a replay differs",
    "model": "a model needs review", "validation": "a validation is overdue", "review": "a human review overruled",
    "policy": "a policy pack is not kept",
    "anchor": "the audit trail differs from its anchor",
}  # fmt: skip
"""What a finding may be about, in words that follow "finding:"."""


@dataclass(frozen=True, slots=True)
class Pause:
    """What a policy may stop on a breach: `scope` is "arm" or "model"."""

    scope: str
    target: str


def breach(
    *, kind: str, subject: str, title: str, now: datetime, cause: str = "", evidence: Mapping[str, Any] | None = None,
    severity: str = "medium", owner_role: str = "", pause: Pause | None = None,
) -> Finding:  # fmt: skip
    """Open a finding, or add to the one that is open on this kind and subject: the newest evidence counts, and what was
    remedied is open again. Who answers for it and until when is what the packs in force say; `pause`, what caused it,
    is stopped at once if they say so, and a person resumes it.

    Raises KeyError on an unknown kind.
    """
    KINDS[kind]
    told = dict(evidence or {})
    monitors = packs.strictest(packs.live(now.date())).monitors
    with transaction.atomic():
        found = Finding.objects.select_for_update().exclude(status=Status.CLOSED).filter(kind=kind, subject=subject)
        finding = found.first()
        if finding is None:
            due = (now + timedelta(days=monitors.days_to_settle)).date()
            finding = Finding.objects.create(
                kind=kind, subject=subject, title=title, cause=cause, severity=severity, evidence=told,
                owner_role=owner_role or monitors.owner, due_on=due, opened_at=now, last_seen_at=now,
            )  # fmt: skip
            _note(finding, MACHINE, "opened", {"cause": cause, "evidence": told}, now)
        else:
            _seen_again(finding, title, cause, severity, told, now)
        if pause and pause.scope in monitors.pauses and finding.stop_id is None:
            _pause(finding, pause, now)
    return finding


def _seen_again(
    finding: Finding, title: str, cause: str, severity: str, evidence: dict[str, Any], now: datetime
) -> None:
    """Every sighting counts; only one that says something else is a line of the history."""
    again = finding.status == Status.REMEDIED
    changed = (finding.title, finding.cause, finding.evidence) != (title, cause, evidence)
    finding.title, finding.cause, finding.evidence, finding.severity = title, cause, evidence, severity
    finding.last_seen_at, finding.times_seen, finding.status = now, finding.times_seen + 1, Status.OPEN
    if again:
        finding.remedied_by = None
    finding.save()
    if changed or again:
        _note(finding, MACHINE, "reopened" if again else "seen_again", {"cause": cause, "evidence": evidence}, now)


def _pause(finding: Finding, pause: Pause, now: datetime) -> None:
    """A stop that nobody has to be there for; it only restricts. What is stopped, or gone, already is left."""
    try:
        finding.stop = stopping.stop_by_policy(
            scope=pause.scope, target=pause.target, reason=f"Finding {finding.pk}: {finding.title}", now=now
        )
    except (stopping.AlreadyStopped, stopping.UnknownTarget):
        return
    finding.save(update_fields=["stop"])
    _note(finding, MACHINE, "paused", {"scope": pause.scope, "target": pause.target}, now)
    transaction.on_commit(rebuild.announce)


def assign(finding_id: int, *, owner: User, due_on: date, by: User, now: datetime) -> Finding:
    """Who answers for it until when, somebody who may work on it. Raises NotAllowed or WrongStatus."""
    with transaction.atomic():
        finding = _locked(finding_id, Status.OPEN, Status.REMEDIED)
        roles.require(by, "work:findings")
        roles.require(owner, "work:findings")
        finding.owner, finding.due_on = owner, due_on
        finding.save(update_fields=["owner", "due_on"])
        _note(finding, by.get_username(), "assigned", {"owner": owner.get_username(), "due": due_on.isoformat()}, now)
    return finding


def remedy(finding_id: int, *, root_cause: str, remediation: str, by: User, now: datetime) -> Finding:
    """The root cause and what was done about it; it then waits for sign-off. Raises NotAllowed, NoReason or
    WrongStatus."""
    with transaction.atomic():
        finding = _locked(finding_id, Status.OPEN)
        roles.require(by, "work:findings")
        if not (root_cause.strip() and remediation.strip()):
            raise NoReason("name the root cause and what was done about it: whoever signs has to judge both")
        finding.root_cause, finding.remediation = root_cause.strip(), remediation.strip()
        finding.status, finding.remedied_by = Status.REMEDIED, by
        finding.save(update_fields=["root_cause", "remediation", "status", "remedied_by"])
        detail = {"root_cause": finding.root_cause, "remediation": finding.remediation}
        _note(finding, by.get_username(), "remedied", detail, now)
    return finding


def close(finding_id: int, *, note: str, by: User, now: datetime) -> Finding:
    """Sign that it is settled. Raises NotAllowed, SelfApproval for whoever remedied it, NoReason or WrongStatus."""
    with transaction.atomic():
        finding = _locked(finding_id, Status.REMEDIED)
        roles.require(by, "close:findings")
        if by.pk == finding.remedied_by_id:
            raise SelfApproval(f"{by.get_username()} remedied this, so somebody else must sign it off")
        if not note.strip():
            raise NoReason("say what convinced you that it is settled")
        finding.status, finding.closed_by, finding.closed_at = Status.CLOSED, by, now
        finding.closing_note = note.strip()
        finding.save(update_fields=["status", "closed_by", "closed_at", "closing_note"])
        _note(finding, by.get_username(), "closed", {"note": finding.closing_note}, now)
    return finding


def send_back(finding_id: int, *, reason: str, by: User, now: datetime) -> Finding:
    """Not settled yet: open again. Raises NotAllowed, NoReason or WrongStatus."""
    with transaction.atomic():
        finding = _locked(finding_id, Status.REMEDIED)
        roles.require(by, "close:findings")
        if not reason.strip():
            raise NoReason("say what is missing")
        finding.status, finding.remedied_by = Status.OPEN, None
        finding.save(update_fields=["status", "remedied_by"])
        _note(finding, by.get_username(), "sent_back", {"reason": reason.strip()}, now)
    return finding


def waiting_for(person: User) -> QuerySet[Finding]:
    """What this person answers for, by name or by role, and what waits for a signature that she may give."""
    held = roles.roles_of(person)
    own = Q(owner=person) | Q(owner__isnull=True, owner_role__in=held)
    mine = Q(status=Status.OPEN) & own
    if roles.may(person, "close:findings"):
        mine |= Q(status=Status.REMEDIED) & ~Q(remedied_by=person)
    return Finding.objects.filter(mine).order_by("due_on", "pk")


def _locked(finding_id: int, *expected: Status) -> Finding:
    """Raises Finding.DoesNotExist, and WrongStatus."""
    finding = Finding.objects.select_for_update(of=("self",)).get(pk=finding_id)
    if finding.status not in expected:
        raise WrongStatus(f"this finding is {Status(finding.status).label}")
    return finding


def _note(finding: Finding, actor: str, what: str, detail: Mapping[str, Any], now: datetime) -> None:
    FindingEvent.objects.create(finding=finding, at=now, actor=actor, what=what, detail=dict(detail))
    audit.record(
        actor=actor, action=f"finding.{what}", subject=f"finding {finding.pk}",
        detail={"kind": finding.kind, "subject": finding.subject, **detail}, now=now,
    )  # fmt: skip
