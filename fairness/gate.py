"""THE door: a change goes live here and nowhere else, when somebody else approves it and the evidence allows it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Final

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from decisioning import rebuild
from decisioning.features import population
from decisioning.models import ModelVersion
from decisioning.propensity import promotion
from fairness import evidence
from fairness.alternatives import record
from fairness.evidence import candidate_content
from fairness.governance import readiness
from fairness.model_inputs import require_lawful
from fairness.thresholds import Verdict
from offers import approvals, audit, firm_offers, packs, publishing, purposes, roles, snapshot
from offers.catalog import InvalidContent
from offers.conditions.grammar import Fault
from offers.models import AuditEvent, ChangeRequest, Evidence, Release

HELD: Final = "release.held"
GOOD_FOR: Final = timedelta(days=30)  # evidence: people, their data and what the bandit knows move on
PATIENCE: Final = timedelta(days=1)  # after its time, a change that could not go live does not do so by itself


class NoEvidence(PermissionError):
    """Nothing that was computed covers the release that this approval would make."""


class NotBroken(PermissionError):
    """Nobody beside the author and the checker broke the glass."""


class Overtaken(ValueError):
    """What was approved for later is not what it was."""


class FairnessFailed(PermissionError):
    """The evidence fails, and nobody who may has justified the change."""


class NoAlternatives(PermissionError):
    """Nobody looked for a less discriminatory alternative to the model, and no pack in force lets that be waived."""


class TooLittleData(PermissionError):
    """The change moves people of whom too few are known to say whether it is fair, and its checker has not signed."""


def approve(
    change_id: int, *, checker: User, content_hash: str, now: datetime, comment: str = "", seen: int | None = None,
    little_data_because: str = "",
) -> Release:  # fmt: skip
    """Approve a change and publish the release that it makes, all or nothing. `seen` is the evidence that the checker
    looked at: another one is stale. `little_data_because` is the checker's word where the data are too few to say.

    Raises what offers.approvals.approve raises, NoEvidence, FairnessFailed, TooLittleData, UnknownModel or
    OtherGroupVersion; nothing has happened then.
    """
    with transaction.atomic():
        snapshot.lock()
        change = approvals.approve(
            change_id, checker=checker, content_hash=content_hash, now=now, comment=comment,
            little_data_because=little_data_because,
        )  # fmt: skip
        content = candidate_content(change)
        found = covering(change, content, now, seen)
        _require_fair(change, found)
        return _publish(change, found, content, now)


def schedule(
    change_id: int, *, checker: User, content_hash: str, go_live_at: datetime, now: datetime, comment: str = "",
    seen: int | None = None, little_data_because: str = "",
) -> ChangeRequest:  # fmt: skip
    """Approve a change now, to be put live by `publish_due`. Raises what `approve` raises, and NotLater."""
    with transaction.atomic():
        snapshot.lock()
        change = approvals.approve(
            change_id, checker=checker, content_hash=content_hash, now=now, comment=comment, go_live_at=go_live_at,
            little_data_because=little_data_because,
        )  # fmt: skip
        content = candidate_content(change)
        require_lawful(change, purposes.checked(0, content), now.date())
        firm_offers.require_kept(content, go_live_at)
        _require_ready(change, content, now)
        _require_fair(change, covering(change, content, now, seen))
    return change


def break_glass(change_id: int, *, checker: User, content_hash: str, now: datetime, comment: str = "") -> Release:
    """The second person puts a change live whose evidence nobody waited for. What was computed and fails still blocks.

    Raises what `approve` raises, and NotBroken where no first person broke the glass.
    """
    with transaction.atomic():
        snapshot.lock()
        roles.require(checker, "break_glass")
        change = approvals.approve(
            change_id, checker=checker, content_hash=content_hash, now=now, comment=comment, little_data_because=comment
        )
        if change.broken_by_id in (None, change.author_id, checker.pk):
            raise NotBroken("break-glass takes two people beside the author: another one goes first, with the reason")
        content = candidate_content(change)
        try:
            found = covering(change, content, now)
        except NoEvidence:
            found = _not_known_to_fail(change, content, now)
        _require_fair(change, found)
        audit.record(
            actor=checker.get_username(), action="change.GLASS_BROKEN_LIVE", subject=f"change {change.pk}",
            detail={"first": str(change.broken_by), "because": change.broken_because, "verdict": found.verdict},
            now=now,
        )  # fmt: skip
        return _publish(change, found, content, now)


def _not_known_to_fail(change: ChangeRequest, content: snapshot.Content, now: datetime) -> Evidence:
    """In place of evidence. What was computed of this content before, on whichever release, may not fail."""
    before = _computed(change).first()
    if before:
        _require_fair(change, before)
    return evidence.not_computed(change, content, now)


def publish_due(now: datetime) -> list[int]:
    """Publish what was approved for a moment that has come, each by itself, in the order of those moments.

    The catalogue may have moved since. Returns the changes whose evidence has to be computed again before they go live.
    What fails by now, no longer fits the catalogue, or has lost its approver, is held, and never goes live by itself.
    """
    due = ChangeRequest.objects.filter(status=ChangeRequest.Status.APPROVED, go_live_at__lte=now, release__isnull=True)
    uncovered = []
    for change in due.order_by("go_live_at", "pk").defer("items"):
        if held_because(change):
            continue
        try:
            _publish_due(change.pk, now)
        except NoEvidence:
            uncovered.append(change.pk)
        except (PermissionError, LookupError, ValueError, IntegrityError) as refusal:
            # Whatever speaks against it holds this one alone: what is due after it goes live all the same.
            hold(change.pk, str(refusal), now)
    return uncovered


def _publish_due(change_id: int, now: datetime) -> None:
    with transaction.atomic():
        snapshot.lock()
        change = approvals.locked(change_id)
        if not approvals.is_scheduled(change):
            return
        assert change.go_live_at is not None
        if now - change.go_live_at > PATIENCE:
            raise Overtaken("its time passed more than a day ago")
        approvals.require_still_signed(change)
        _require_untouched(change)
        content = candidate_content(change)
        purposes.checked(0, content)
        found = covering(change, content, now)
        _require_fair(change, found)
        _publish(change, found, content, now)


def _require_untouched(change: ChangeRequest) -> None:
    """What it replaces must stand as its approver saw it: nothing approved in between is overwritten unseen."""
    live = snapshot.live_row()
    then = Release.objects.filter(number=change.approved_on or 0).first()
    before, today = (row.content if row else snapshot.EMPTY for row in (then, live))
    for item in change.items:
        kind, key = item["kind"], item["key"]
        if before.get(kind, {}).get(key) != today.get(kind, {}).get(key):
            raise Overtaken(f"{kind} {key} was changed after this was approved: propose it anew")


def hold(change_id: int, reason: str, now: datetime) -> None:
    """A change that was due does not go live; whoever wants it proposes it anew."""
    with transaction.atomic():
        audit.record(actor="candor", action=HELD, subject=f"change {change_id}", detail={"reason": reason}, now=now)


def held_because(change: ChangeRequest) -> str:
    """Why a change that was due is not live, "" where that is not so."""
    if not approvals.is_scheduled(change):
        return ""
    last = AuditEvent.objects.filter(subject=f"change {change.pk}", action=HELD).first()
    return str(json.loads(last.detail)["reason"]) if last else ""


def _publish(change: ChangeRequest, found: Evidence, content: snapshot.Content, now: datetime) -> Release:
    require_lawful(change, purposes.checked(0, content), now.date())
    firm_offers.require_kept(content, now)
    _require_whole(change, content)
    _require_ready(change, content, now)
    release = publishing.publish(change, found, content, now=now)
    _promote(change)
    transaction.on_commit(rebuild.announce)
    return release


def covering(change: ChangeRequest, content: snapshot.Content, now: datetime, seen: int | None = None) -> Evidence:
    """The newest evidence on exactly this change making exactly this content from the release that is live now, judged
    at the lines in force now and not long ago.

    Raises NoEvidence, and StaleContent where it is not the evidence `seen`.
    """
    live = snapshot.live_row()
    computed = _computed(change)
    found = computed.filter(candidate_hash=snapshot.content_hash(content), base=live.number if live else None).first()
    if found is None and computed.exists():
        raise NoEvidence("the catalogue changed after the evidence was computed: compute it again")
    if found is None:
        raise NoEvidence("there is no evidence on this change yet: compute it first")
    if not found.population and population.size():
        raise NoEvidence("the evidence was computed before there were customers: compute it again")
    if now - found.computed_at > GOOD_FOR:
        raise NoEvidence(f"the evidence is more than {GOOD_FOR.days} days old: compute it again")
    if found.content.get("lines") != evidence.lines_of(live.content if live else snapshot.EMPTY, now):
        raise NoEvidence("other lines of policy packs are in force since the evidence was computed: compute it again")
    if seen not in (None, found.pk):
        raise approvals.StaleContent("its effect was computed anew after you looked at it; read it again")
    return found


def _computed(change: ChangeRequest) -> QuerySet[Evidence]:
    """On this content, the newest first."""
    rows = Evidence.objects.filter(change=change, content_hash=change.content_hash)
    return rows.exclude(verdict=Verdict.NOT_COMPUTED)


def unclear(found: Evidence) -> int:
    """How many comparisons the change moves without enough data to judge them: its checker has to sign for those."""
    return int(found.content.get("unclear", 0))


def _require_fair(change: ChangeRequest, found: Evidence) -> None:
    """A failing verdict takes a third person, who signed what fails here: the same candidate on the same release. Too
    little data takes the checker's own word."""
    if Verdict(found.verdict).blocks and not _justified(change, found):
        raise FairnessFailed(
            "the evidence fails: a compliance officer who neither wrote nor checks this change must justify it first"
        )
    if unclear(found) and not change.little_data_because.strip():
        raise TooLittleData(
            f"{unclear(found)} comparisons have too little data to say whether this is fair: say why you approve it"
        )


def _justified(change: ChangeRequest, found: Evidence) -> bool:
    signed = change.justified_evidence
    about = signed and (signed.candidate_hash, signed.base) == (found.candidate_hash, found.base)
    third = change.justified_by_id not in (None, change.author_id, change.checker_id)
    return bool(about and third and change.justification.strip() and change.alternatives_considered.strip())


def _require_whole(change: ChangeRequest, content: snapshot.Content) -> None:
    """A rollback, which takes a right of its own, brings back exactly what was approved for its release, and nothing
    less; what the law adds is today's."""
    if change.kind != "rollback":
        return
    wanted = Release.objects.filter(number=int(change.key)).values_list("content", flat=True).first()
    if wanted is None or snapshot.between(content, wanted):
        raise InvalidContent(
            [Fault("/items", "not_whole", f"this does not bring back release {change.key} as it was: propose it again")]
        )


def _require_ready(change: ChangeRequest, content: snapshot.Content, now: datetime) -> None:
    """A model that was not live is documented, validated where its tier asks for that and, if it takes another's place,
    searched for alternatives under the packs that are live. Raises NotReady, NoAlternatives or UnknownModel."""
    live = snapshot.live_row()
    before = live.content.get("model", {}) if live else {}
    for name, model in content["model"].items():
        if model == before.get(name):
            continue
        try:
            readiness.require(name, now)
        except ModelVersion.DoesNotExist:
            raise promotion.UnknownModel(f"there is no model {name}") from None
        # The first champion ever has nothing to be an alternative to, and going back is no new choice.
        if live and change.kind != "rollback" and Release.objects.exclude(content__model={}).exists():
            gap = record.missing(name, packs.in_force(live.content, now.date()), now)
            if gap:
                raise NoAlternatives(gap)


def _promote(change: ChangeRequest) -> None:
    for item in snapshot.items_of(change.items):
        if item.kind == "model" and item.content is None:
            promotion.retire()
        elif item.kind == "model" and item.content is not None:
            promotion.promote(item.key, item.content["sha256"])
