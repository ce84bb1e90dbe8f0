"""An override for one customer: a person keeps an offer, or every offer, from her for a reason from one list, until a
second person ends it or its last day is over. It only restricts: nobody pushes an offer to a customer by hand."""

from __future__ import annotations

from datetime import date, datetime

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from decisioning.models import Customer, Suppression
from offers import audit, roles
from offers.approvals import NoReason, SelfApproval
from offers.models import Offer
from offers.stopping import UnknownTarget

MACHINE = "candor"
Reason = Suppression.Reason


class AlreadySuppressed(ValueError):
    """This is kept from the customer already."""


class NotSuppressed(ValueError):
    """It is not kept from the customer, or was ended already."""


class NoLaterDay(ValueError):
    """The last day is over before it has begun."""


def suppress(
    *, customer: int, offer: str, reason_code: str, note: str, until: date | None, by: User, now: datetime
) -> Suppression:
    """Keep an offer ("": every offer) from a customer. Call inside a transaction, then stored.refresh_ledgers().

    Raises NotAllowed, NoReason, UnknownTarget, NoLaterDay or AlreadySuppressed.
    """
    roles.require(by, "suppress:customer")
    if reason_code not in Reason.values or not note.strip():
        raise NoReason("choose a reason and say more in your own words: whoever ends it has to judge it")
    if not Customer.objects.filter(pk=customer, erased_at__isnull=True).exists():
        raise UnknownTarget(f"there is no customer {customer}")
    if offer and not Offer.objects.filter(key=offer, live=True).exists():
        raise UnknownTarget(f"no offer {offer} is live")
    if until is not None and until <= now.date():
        raise NoLaterDay("the day on which it ends lies after today")
    try:
        with transaction.atomic():
            made = Suppression.objects.create(
                customer_id=customer, offer=offer, reason_code=reason_code, note=note.strip(), until=until,
                made_by=by, made_at=now,
            )  # fmt: skip
    except IntegrityError:
        raise AlreadySuppressed(f"{offer or 'every offer'} is kept from this customer already") from None
    audit.record(
        actor=by.get_username(), action="suppression.made", subject=f"customer {customer}",
        detail={"suppression": made.pk, "offer": offer, "reason": reason_code,
                "until": until.isoformat() if until else None}, now=now,
    )  # fmt: skip
    return made


def lift(suppression: int, *, by: User, now: datetime) -> Suppression:
    """End it. Raises NotAllowed, NotSuppressed, or SelfApproval for whoever made it."""
    roles.require(by, "lift:suppression")
    found = in_force().select_for_update().filter(pk=suppression).first()
    if found is None:
        raise NotSuppressed("it has ended already")
    if found.made_by_id == by.pk:
        raise SelfApproval(f"{by.get_username()} made this, so somebody else must end it")
    return _end(found, by, now)


def end_due(now: datetime) -> list[int]:
    """End what has come to its day; the customers of whom it was. The caller brings their ledgers to Redis."""
    with transaction.atomic():
        due = list(in_force().select_for_update().filter(until__lte=now.date()).order_by("customer_id", "id"))
        return [_end(one, None, now).customer_id for one in due]


def in_force(customer: int | None = None) -> QuerySet[Suppression]:
    """Of everybody, or of one customer."""
    rows = Suppression.objects.filter(ended_at__isnull=True)
    return rows if customer is None else rows.filter(customer_id=customer)


def _end(found: Suppression, by: User | None, now: datetime) -> Suppression:
    found.ended_by, found.ended_at = by, now
    found.save(update_fields=["ended_by", "ended_at"])
    audit.record(
        actor=by.get_username() if by else MACHINE, action="suppression.ended", subject=f"customer {found.customer_id}",
        detail={"suppression": found.pk, "offer": found.offer}, now=now,
    )  # fmt: skip
    return found
