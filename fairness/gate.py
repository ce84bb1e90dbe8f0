"""THE door: a change goes live here and nowhere else, when somebody else approves it and the evidence allows it."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from decisioning import rebuild
from decisioning.features import population
from decisioning.propensity import promotion
from fairness.evidence import candidate_content
from fairness.thresholds import Verdict
from offers import approvals, publishing, snapshot
from offers.models import ChangeRequest, Evidence, Release


class NoEvidence(PermissionError):
    """Nothing that was computed covers the release that this approval would make."""


class FairnessFailed(PermissionError):
    """The evidence fails, and nobody who may has justified the change."""


def approve(change_id: int, *, checker: User, content_hash: str, now: datetime, comment: str = "") -> Release:
    """Approve a change and publish the release that it makes, all or nothing.

    Raises what offers.approvals.approve raises, NoEvidence, FairnessFailed, UnknownModel or OtherGroupVersion; nothing
    has happened then.
    """
    with transaction.atomic():
        publishing.lock()
        change = approvals.approve(change_id, checker=checker, content_hash=content_hash, now=now, comment=comment)
        content = candidate_content(change)
        evidence = covering(change, content)
        _require_fair(change, evidence, checker)
        release = publishing.publish(change, evidence, content, now=now)
        _promote(change)
        transaction.on_commit(rebuild.announce)
    return release


def covering(change: ChangeRequest, content: snapshot.Content) -> Evidence:
    """The newest evidence on exactly this change making exactly this content. Raises NoEvidence."""
    computed = Evidence.objects.filter(change=change, content_hash=change.content_hash)
    evidence = computed.filter(candidate_hash=snapshot.content_hash(content)).first()
    if evidence is None and computed.exists():
        raise NoEvidence("the catalogue changed after the evidence was computed: compute it again")
    if evidence is None:
        raise NoEvidence("there is no evidence on this change yet: compute it first")
    if not evidence.population and population.size():
        raise NoEvidence("the evidence was computed before there were customers: compute it again")
    return evidence


def _require_fair(change: ChangeRequest, evidence: Evidence, checker: User) -> None:
    """A failing verdict takes a third person: neither the author nor the checker can justify it."""
    if not Verdict(evidence.verdict).blocks:
        return
    if change.justified_by_id in (None, change.author_id, checker.pk) or not change.justification.strip():
        raise FairnessFailed(
            "the evidence fails: a compliance officer who neither wrote nor checks this change must justify it first"
        )


def _promote(change: ChangeRequest) -> None:
    for item in snapshot.items_of(change.items):
        if item.kind == "model" and item.content is None:
            promotion.retire()
        elif item.kind == "model" and item.content is not None:
            promotion.promote(item.key, item.content["sha256"])
