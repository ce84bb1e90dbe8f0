"""The inventory of models: a row for each, filled in by itself as far as the machine knows, the rest by people; every
version of a row is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from decisioning.features import population
from decisioning.models import ModelVersion
from fairness.governance import fields
from fairness.models import ModelRecord
from offers import audit, roles
from offers.approvals import NoReason
from offers.models import ChangeRequest

MACHINE: Final = "candor"
RATIONALE: Final = "tier_rationale"


class UnknownField(ValueError):
    """The inventory has no such field, or the field no such choice."""


class NoRationale(ValueError):
    """A tier other than the one that follows from purpose and exposure needs its reason."""


class Validated(PermissionError):
    """Who validated a model is not its developer."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What a person states of a model. `tier` None takes the one that follows from purpose and exposure."""

    content: Mapping[str, str]
    note: str
    developer: User | None = None
    developer_role: str = ""
    tier: int | None = None
    rationale: str = ""


def newest(name: str) -> ModelRecord | None:
    return ModelRecord.objects.filter(model__name=name).first()


def history(name: str) -> list[ModelRecord]:
    """Every version of the row, the newest first."""
    return list(ModelRecord.objects.filter(model__name=name).select_related("author", "developer"))


def keep(name: str, now: datetime) -> ModelRecord:
    """The newest version of the row; the first one is filled in by itself, from the champion's where there is one.

    Raises ModelVersion.DoesNotExist.
    """
    found = newest(name)
    if found is not None:
        return found
    with transaction.atomic():
        ModelVersion.objects.select_for_update().only("id").get(name=name)
        return newest(name) or _first(name, now)


def _first(name: str, now: datetime) -> ModelRecord:
    champion = ModelVersion.objects.filter(status=ModelVersion.Status.CHAMPION).exclude(name=name).only("name").first()
    before = newest(champion.name) if champion else None
    proposal = proposals(name).select_related("author").first()
    developer = proposal.author if proposal else None
    content = {**fields.DEFAULTS, **(before.content if before else {})}
    content["developed_by"] = (
        f"{developer.get_username()}, who proposed it; trained by Candor's retraining"
        if developer
        else "Candor's nightly retraining"
    )
    tier, content[RATIONALE] = _tier(content, None, before.content.get(RATIONALE, "") if before else "")
    if before and before.tier != tier:
        tier = before.tier  # what people said of the champion holds for what is to replace it
    note = f"Filled in from its training report{f' and the row of {before.model_id}' if before else ''}."
    return _store(
        ModelRecord(model_id=name, version=1, tier=tier, developer=developer, content=content, note=note), now
    )


def proposals(name: str) -> QuerySet[ChangeRequest]:
    """The changes that would make it champion, the first one first; going back to it is none."""
    item = [{"kind": "model", "key": name}]
    return ChangeRequest.objects.filter(kind__in=("model", "catalogue"), items__contains=item).order_by("pk")


def _tier(content: Mapping[str, str], wanted: int | None, rationale: str) -> tuple[int, str]:
    customers = population.size()
    found = fields.tier(content["purpose_class"], customers)
    if wanted in (None, found):
        return found, rationale or f"{fields.PURPOSES[content['purpose_class']]}; {customers:,} customers"
    return int(wanted or found), rationale


def revise(name: str, stated: Statement, *, author: User, now: datetime) -> ModelRecord:
    """The next version of the row, as a person states it. What is not named stays.

    Raises NotAllowed, NoReason, UnknownField, NoRationale, or Validated for a developer who validated the model.
    """
    roles.require(author, "document:models")
    if not stated.note.strip():
        raise NoReason("say what changes and why: it is the change log")
    content = {name: text.strip() for name, text in stated.content.items()}
    _require_known(content, stated.developer_role)
    before = keep(name, now)
    content = {**before.content, **content}
    content[RATIONALE] = stated.rationale.strip()
    derived, _ = _tier(content, None, "")
    if stated.tier not in (None, derived) and not content[RATIONALE]:
        raise NoRationale(f"by purpose and exposure it is of tier {derived}: say why it is of another")
    tier, content[RATIONALE] = _tier(content, stated.tier, content[RATIONALE])
    if tier > before.tier:
        roles.require(author, "validate:models")
    row = ModelRecord(
        model_id=name, version=before.version + 1, tier=tier, developer=stated.developer,
        developer_role=stated.developer_role, content=content, author=author, note=stated.note.strip(),
    )  # fmt: skip
    try:
        with transaction.atomic():
            return _store(row, now)
    except IntegrityError as refusal:
        if "is not its developer" not in str(refusal):
            raise
        raise Validated("whom you name as developer validated it, and so cannot be") from None


def _require_known(content: Mapping[str, str], role: str) -> None:
    """Raises UnknownField."""
    by_name = {field.name: field for field in fields.STATED}
    for name, text in content.items():
        if name not in by_name:
            raise UnknownField(f"the inventory has no field {name}")
        choices = by_name[name].choices
        if choices is not None and text not in choices:
            raise UnknownField(f"{text or 'nothing'} is not one of {', '.join(choices)}")
    if role and role not in roles.ROLES:
        raise UnknownField(f"there is no role {role}")


def _store(row: ModelRecord, now: datetime) -> ModelRecord:
    with transaction.atomic():
        row.at = now
        row.save(force_insert=True)
        audit.record(
            actor=row.author.get_username() if row.author else MACHINE, action="model.recorded",
            subject=f"model {row.model_id}", detail={"version": row.version, "tier": row.tier, "note": row.note},
            now=now,
        )  # fmt: skip
    return row


def differences(row: ModelRecord, before: ModelRecord | None) -> list[tuple[str, str, str]]:
    """(label, old, new) of what one version changed of the one before it."""
    old, new = (_shown(each) for each in (before, row))
    return [(label, old.get(label, ""), new[label]) for label in new if old.get(label, "") != new[label]]


def _shown(row: ModelRecord | None) -> dict[str, str]:
    if row is None:
        return {}
    return {
        **{field.label: row.content.get(field.name, "") for field in fields.STATED},
        "Tier": str(row.tier),
        "Rationale of the tier": row.content.get(RATIONALE, ""),
        "Developer account": row.developer.get_username() if row.developer else "",
        "Developer role": roles.ROLES.get(row.developer_role, ""),
    }
