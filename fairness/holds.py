"""Legal holds on records: place one, and end one that somebody else placed; that a purge spares what is held is in the
database's own function, see migration 0015. A hold is on months of transactions, signals, decisions and outcomes; it
does not keep what goes by the customer's own act: her posts, which go when she ends her consent to their use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from django.contrib.auth.models import User

from fairness.models import HoldEnd, LegalHold
from offers import audit, roles

HOLD: Final = "hold:records"  # the action
Scope = LegalHold.Scope


class NotASecondPerson(PermissionError):
    """Whoever placed a hold does not end it."""


class NoReason(ValueError):
    """Placing and ending a hold take a reason in words."""


class NothingHeld(ValueError):
    """The hold does not say what it is on, or ends before it begins."""


class AlreadyEnded(ValueError):
    """The hold was ended before."""


@dataclass(frozen=True, slots=True)
class Held:
    """What is kept: of one `customer` (surrogate key), of one `offer`, or everything of a period, which has a first
    day. Days are included; None is open."""

    scope: str
    customer: int | None = None
    offer: str = ""
    first_day: date | None = None
    last_day: date | None = None

    def require_whole(self) -> None:
        """Raises NothingHeld."""
        named = {Scope.CUSTOMER: self.customer is not None, Scope.OFFER: bool(self.offer),
                 Scope.PERIOD: self.first_day is not None}  # fmt: skip
        if not named.get(Scope(self.scope)):
            raise NothingHeld("say which customer or offer, or from which day on")
        if self.first_day and self.last_day and self.last_day < self.first_day:
            raise NothingHeld("the last day is before the first")


def place(held: Held, reason: str, *, by: User, now: datetime) -> LegalHold:
    """Keep what is held from every purge. Raises NotAllowed, NoReason or NothingHeld; call inside a transaction."""
    roles.require(by, HOLD)
    if not reason.strip():
        raise NoReason("say what the records are kept for")
    held.require_whole()
    hold = LegalHold.objects.create(
        scope=held.scope, customer_id=held.customer if held.scope == Scope.CUSTOMER else None,
        offer=held.offer if held.scope == Scope.OFFER else "", first_day=held.first_day, last_day=held.last_day,
        reason=reason.strip(), placed_by=by, placed_at=now,
    )  # fmt: skip
    detail = {"scope": hold.scope, "customer": hold.customer_id, "offer": hold.offer, "reason": hold.reason,
              "first_day": str(hold.first_day or ""), "last_day": str(hold.last_day or "")}  # fmt: skip
    audit.record(actor=by.get_username(), action="hold.placed", subject=f"hold {hold.pk}", detail=detail, now=now)
    return hold


def end(hold_id: int, reason: str, *, by: User, now: datetime) -> HoldEnd:
    """Give what was held back to retention. Raises NotAllowed, NotASecondPerson, NoReason, AlreadyEnded or
    LegalHold.DoesNotExist; call inside a transaction."""
    roles.require(by, HOLD)
    hold = LegalHold.objects.get(pk=hold_id)
    if hold.placed_by_id == by.pk:
        raise NotASecondPerson("you placed this hold, so another compliance officer must end it")
    if not reason.strip():
        raise NoReason("say why the records are no longer needed")
    if HoldEnd.objects.filter(hold=hold).exists():
        raise AlreadyEnded("this hold was ended before")
    ended = HoldEnd.objects.create(hold=hold, reason=reason.strip(), ended_by=by, ended_at=now)
    audit.record(
        actor=by.get_username(),
        action="hold.ended",
        subject=f"hold {hold.pk}",
        detail={"reason": ended.reason},
        now=now,
    )
    return ended
