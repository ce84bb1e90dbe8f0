"""The validation of a model by somebody who did not develop it: written, signed, countersigned, and then as it is for
good. The database holds the same against whoever writes SQL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction

from fairness.governance import fields, inventory, measurement
from fairness.models import ModelValidation, ReviewTrigger
from offers import audit, roles
from offers.approvals import NoReason, SelfApproval, WrongStatus

Conclusion = ModelValidation.Conclusion


class Developed(SelfApproval):
    """Who developed a model, as a person, by a role, by a proposal or under another account, does not validate it."""


class NotMeasured(ValueError):
    """A report without replication and benchmark is no validation."""


class AlreadyOpen(ValueError):
    """Somebody is at it."""


def developed(name: str, person: User) -> bool:
    """Whether the database takes the person for a developer of the model."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT candor_developed(%s, %s)", [name, person.pk])
        return bool(cursor.fetchone()[0])


def _require_independent(name: str, person: User) -> None:
    if developed(name, person):
        raise Developed(f"{person.get_username()} developed {name}, so somebody else must validate it")


def begin(name: str, *, validator: User, now: datetime) -> ModelValidation:
    """Raises NotAllowed, Developed or AlreadyOpen."""
    roles.require(validator, "validate:models")
    _require_independent(name, validator)
    row = inventory.keep(name, now)
    try:
        with transaction.atomic():
            made = ModelValidation.objects.create(
                model_id=name, record=row, validator=validator, developer=row.developer, started_at=now
            )
            _record(made, "begun", validator, now)
    except IntegrityError as refusal:
        if "one_open_validation" not in str(refusal):
            raise
        raise AlreadyOpen(f"a validation of {name} is open already") from None
    return made


def write(
    validation_id: int, *, sections: Mapping[str, str], findings: str, conclusion: str, by: User, now: datetime
) -> ModelValidation:
    """What its validator found so far. Raises NotAllowed, SelfApproval for anybody else, or WrongStatus."""
    with transaction.atomic():
        made = _locked(validation_id, by, signed=False)
        made.sections = {name: sections.get(name, "").strip() for name in fields.SECTIONS}
        made.findings, made.conclusion = findings.strip(), Conclusion(conclusion) if conclusion else ""
        made.save(update_fields=["sections", "findings", "conclusion"])
        _record(made, "written", by, now)
    return made


def sign(validation_id: int, *, by: User, now: datetime) -> ModelValidation:
    """Its validator signs; what called for it is answered. Raises what `write` raises, NoReason where a section or the
    conclusion is missing, and NotMeasured."""
    with transaction.atomic():
        made = _locked(validation_id, by, signed=False)
        _require_independent(made.model_id, by)
        missing = [label for name, label in fields.SECTIONS.items() if not made.sections.get(name)]
        if missing or not made.conclusion:
            raise NoReason(f"still to write: {', '.join(missing or ['the conclusion']).lower()}")
        if made.conclusion == Conclusion.CONDITIONS and not made.findings:
            raise NoReason("name the conditions")
        measured = measurement.newest(made.model_id)
        if measured is None or "replication" not in measured.content:
            raise NotMeasured("have it trained again and measured first")
        record = inventory.keep(made.model_id, now)
        made.record, made.developer, made.measured = record, record.developer, measured.content
        made.signed_at, made.valid_until = now, months_after(now.date(), fields.PERIODS[record.tier])
        made.save()
        if made.conclusion != Conclusion.REJECTED:
            ReviewTrigger.objects.filter(model__name=made.model_id, settled_by__isnull=True).update(settled_by=made)
        _record(made, "signed", by, now)
    return made


def countersign(validation_id: int, *, by: User, now: datetime) -> ModelValidation:
    """A second signature, which a model of tier 1 needs. Raises NotAllowed, SelfApproval, Developed or WrongStatus."""
    roles.require(by, "approve:model")
    with transaction.atomic():
        made = ModelValidation.objects.select_for_update(of=("self",)).get(pk=validation_id)
        if made.signed_at is None or made.countersigned_by_id is not None:
            raise WrongStatus("only a validation that is signed once takes a second signature")
        if by.pk == made.validator_id:
            raise SelfApproval(f"{by.get_username()} validated it, so somebody else must countersign")
        _require_independent(made.model_id, by)
        made.countersigned_by, made.countersigned_at = by, now
        made.save(update_fields=["countersigned_by", "countersigned_at"])
        _record(made, "countersigned", by, now)
    return made


def _locked(validation_id: int, by: User, *, signed: bool) -> ModelValidation:
    """Of its validator alone. Raises ModelValidation.DoesNotExist."""
    roles.require(by, "validate:models")
    made = ModelValidation.objects.select_for_update(of=("self",)).get(pk=validation_id)
    if (made.signed_at is not None) is not signed:
        raise WrongStatus("this validation is signed: it stays as it is")
    if made.validator_id != by.pk:
        raise SelfApproval(f"{made.validator.get_username()} writes this validation, so only they change or sign it")
    return made


def _record(made: ModelValidation, what: str, by: User, now: datetime) -> None:
    detail: dict[str, Any] = {"validation": made.pk, "conclusion": made.conclusion}
    audit.record(
        actor=by.get_username(), action=f"validation.{what}", subject=f"model {made.model_id}", detail=detail, now=now
    )


def months_after(day: date, months: int) -> date:
    """The same day so many months on, at most the 28th."""
    at = day.year * 12 + day.month - 1 + months
    return date(at // 12, at % 12 + 1, min(day.day, 28))
