"""The emergency brake: one officer stops, another resumes; both are audited, and the database raises the epoch that
every decision's commit compares."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from offers import audit, roles, snapshot
from offers.approvals import NoReason, SelfApproval
from offers.models import Stop


class UnknownTarget(ValueError):
    """The live release has no such thing to stop."""


class AlreadyStopped(ValueError):
    """It is stopped already."""


class NotStopped(ValueError):
    """It is not stopped, or was resumed already."""


def stop(*, scope: str, target: str, reason: str, officer: User, now: datetime) -> Stop:
    """Stop everything (`all`), or one product, offer, arm or model. Call inside a transaction, then rebuild.announce().

    Raises NotAllowed, NoReason, UnknownTarget or AlreadyStopped.
    """
    roles.require(officer, "stop")
    if not reason.strip():
        raise NoReason("say why: whoever resumes has to judge it")
    return _stop(scope, target, reason, officer, now)


def stop_by_policy(*, scope: str, target: str, reason: str, now: datetime) -> Stop:
    """What an approved policy stops without a person: it can only restrict, and a person resumes it.

    Call inside a transaction, then rebuild.announce(). Raises UnknownTarget or AlreadyStopped.
    """
    return _stop(scope, target, reason, None, now)


def _stop(scope: str, target: str, reason: str, officer: User | None, now: datetime) -> Stop:
    _require_target(scope, target)
    try:
        with transaction.atomic():
            made = Stop.objects.create(
                scope=scope, target=target, reason=reason, stopped_by=officer, stopped_at=now
            )  # fmt: skip
    except IntegrityError:
        raise AlreadyStopped(f"{scope} {target}".strip() + " is stopped already") from None
    audit.record(
        actor=officer.get_username() if officer else "candor", action="stop.made", subject=f"{scope} {target}".strip(),
        detail={"stop": made.pk, "reason": reason}, now=now,
    )  # fmt: skip
    return made


def resume(*, scope: str, target: str, officer: User, now: datetime) -> Stop:
    """Let what was stopped run again. Raises NotAllowed, NotStopped, or SelfApproval for the officer who stopped it."""
    roles.require(officer, "resume")
    found = Stop.objects.select_for_update().filter(scope=scope, target=target, resumed_at__isnull=True).first()
    if found is None:
        raise NotStopped(f"{scope} {target}".strip() + " is not stopped")
    if found.stopped_by_id == officer.pk:
        raise SelfApproval(f"{officer.get_username()} stopped this, so somebody else must resume it")
    found.resumed_by, found.resumed_at = officer, now
    found.save(update_fields=["resumed_by", "resumed_at"])
    audit.record(
        actor=officer.get_username(), action="stop.resumed", subject=f"{scope} {target}".strip(),
        detail={"stop": found.pk}, now=now,
    )  # fmt: skip
    return found


def _require_target(scope: str, target: str) -> None:
    if scope not in Stop.Scope.values:
        raise UnknownTarget(f"{scope} is not one of {', '.join(Stop.Scope.values)}")
    if scope == Stop.Scope.ALL:
        if target:
            raise UnknownTarget("everything has no name")
        return
    live = snapshot.live_row()
    if live is None or target not in live.content.get(scope, {}):
        raise UnknownTarget(f"no {scope} {target} is live")
