"""What keeps a model from going live, in words; the trigger on releases refuses the same to whoever writes SQL."""

from __future__ import annotations

from datetime import datetime

from fairness.governance import fields, inventory, replays
from fairness.models import ModelRecord, ModelValidation

_GOOD = (ModelValidation.Conclusion.APPROVED, ModelValidation.Conclusion.CONDITIONS)


class NotReady(PermissionError):
    """The model's documentation or validation is not what going live takes."""


def missing(name: str, now: datetime) -> list[str]:
    """What is missing, empty where the model may go live. A model without a row in the inventory gets one, of declared
    defaults: enough for tiers 2 and 3, and blank for tier 1 until somebody has written each.

    Raises ModelVersion.DoesNotExist.
    """
    row = inventory.keep(name, now)
    blank = [f"the inventory leaves blank: {label.lower()}" for label in fields.blank(row.content)]
    return blank + _unconfirmed(row) + _unvalidated(row, now) + _unproved()


def require(name: str, now: datetime) -> None:
    """Raises NotReady where anything is missing."""
    found = missing(name, now)
    if found:
        raise NotReady(f"model {name} cannot go live: {'; '.join(found)}")


def _unconfirmed(row: ModelRecord) -> list[str]:
    if row.tier != 1:
        return []
    return [f"nobody has confirmed the declared default: {label.lower()}" for label in fields.unconfirmed(row.content)]


def _unproved() -> list[str]:
    """While a decision does not replay, no model takes the place of the one whose decisions those are."""
    found, failed = replays.open_finding(), replays.failed()
    if found:
        return [f"finding {found.pk} is open: {found.title}"]
    return [f"the last replay of past decisions did not come to its end: {failed}"] if failed else []


def _unvalidated(row: ModelRecord, now: datetime) -> list[str]:
    if row.tier != 1:
        return []
    last = ModelValidation.objects.filter(model__name=row.model_id, signed_at__isnull=False).first()
    if last is None or last.conclusion not in _GOOD:
        return ["it is of tier 1 and no validation approves it"]
    if last.countersigned_by_id is None:
        return ["it is of tier 1 and its validation waits for a second signature"]
    assert last.valid_until is not None
    return [] if last.valid_until > now.date() else [f"its validation ended on {last.valid_until:%d %B %Y}"]
