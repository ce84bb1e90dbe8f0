"""What the page of one proposal shows and which of its buttons a person finds; the domain decides again when one is
pressed, and nothing is changed here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from console import differences
from console.evidence_view import computing, shown
from console.studio import studio
from fairness import gate
from fairness.cube import lines
from fairness.evidence import candidate_content
from fairness.thresholds import Verdict
from offers import approvals, golden, roles, snapshot
from offers.catalog import requirement
from offers.models import ChangeRequest, Evidence, Release

SCALE = (0.4, 1.4)  # of impact ratios
Status = ChangeRequest.Status


def context(change: ChangeRequest, person: User, asked: int | None = None) -> dict[str, Any]:
    """Everything on the page. `asked`: the newest computation when another one was asked for, if one was."""
    release = Release.objects.filter(change=change).values_list("number", flat=True).first()
    return {
        **deciding(change, person, asked),
        "release": release,
        "items": [{"difference": item, "href": _href(item.kind, item.key)} for item in differences.of_change(change)],
        "approvers": _approvers(change),
        "golden": _golden(change),
        "discussion": change.discussion.select_related("author"),
        "scheduled": approvals.is_scheduled(change),
        "held_because": gate.held_because(change),
        "edit_href": _edit_href(change),
    }


def deciding(change: ChangeRequest, person: User, asked: int | None = None) -> dict[str, Any]:
    """What changes once the effect is computed: the evidence, and what this person may do with it."""
    evidence = effect(change, asked)
    live = Release.objects.order_by("-number").values_list("number", flat=True).first() or 0
    return {
        "change": change,
        "next_release": live + 1,
        **evidence,
        "may": _may(change, person, evidence["evidence"], stale=evidence["stale"]),
        "why_not": _why_not(change, person, evidence),
    }


def _approvers(change: ChangeRequest) -> list[tuple[str, list[str]]]:
    """For each kind in the change, the roles that may approve it."""
    return [
        (kind, [roles.ROLES[role] for role in roles.ROLES if role in roles.PERMISSIONS[f"approve:{kind}"]])
        for kind in sorted(approvals.kinds_to_check(change))
    ]


def _golden(change: ChangeRequest) -> list[dict[str, Any]]:
    """The golden tests of the rules in this change, run again; and what the change takes out of the live ones."""
    live = snapshot.live_row()
    before = live.content["rule"] if live else {}
    return [_tests_of(item, before.get(item["key"], {})) for item in change.items if item["kind"] == "rule"]


def _tests_of(item: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    content = item["content"] or {}
    tests, known = content.get("tests", []), before.get("tests", [])
    return {
        "rule": item["key"],
        "findings": studio.findings_of(item["key"], content) if content else [],
        "tests": [studio.tested_row(test) for test in golden.run(requirement(content), tests)] if tests else [],
        "dropped": [test["name"] for test in known if test not in tests] if item["content"] else [],
    }


def _edit_href(change: ChangeRequest) -> str:
    """Where its author edits the content again."""
    page = {"rule": "rule_edit", "boost": "boost_edit", "contact_policy": "contact_policy_edit"}.get(change.kind)
    if page is None or len(change.items) != 1 or change.items[0]["content"] is None:
        return ""
    return f"{reverse(page, args=[change.key])}?change={change.pk}"


def _href(kind: str, key: str) -> str:
    """The page of an item that has one."""
    if kind == "offer":
        return reverse("offer", args=[key])
    if kind == "rule":
        return reverse("rule", args=[key])
    return reverse("offer", args=[key.partition("/")[0]]) if kind in ("arm", "creative") else ""


def effect(change: ChangeRequest, asked: int | None = None) -> dict[str, Any]:
    """The newest evidence on this content; while it is in review, whether it still covers what approval would make."""
    rows = Evidence.objects.filter(change=change, content_hash=change.content_hash)
    row = rows.exclude(verdict=Verdict.NOT_COMPUTED).first()
    in_review = change.status == Status.SUBMITTED
    stale = bool(row and in_review and not _covers(row, change))
    job = computing(change)
    waiting = asked is not None and (job["number"] if job else 0) <= asked
    running = bool(job and job["running"])
    failed = bool(job and job["failed"]) and not waiting
    return {
        "evidence": shown(row) if row else None,
        "unclear": gate.unclear(row) if row else 0,
        "evidence_id": row.pk if row else None,
        "stale": stale,
        "computing": in_review and row is None,
        "job": job,
        "asked": asked,
        "waiting": waiting,
        "awaited": waiting or running or (in_review and row is None and not failed),
        "scale": SCALE,
        "threshold": lines.in_force(timezone.now().date()).fail_ratio,
    }


def _covers(row: Evidence, change: ChangeRequest) -> bool:
    """Whether the gate would take it now."""
    try:
        return gate.covering(change, candidate_content(change), timezone.now()).pk == row.pk
    except gate.NoEvidence:
        return False


def _may(change: ChangeRequest, person: User, evidence: dict[str, Any] | None, *, stale: bool) -> dict[str, bool]:
    """Which buttons stand on the page; the domain decides again when one is pressed."""
    own, status = change.author_id == person.pk, change.status
    submitted = status == Status.SUBMITTED
    checks = submitted and not own and approvals.may_check(change, person)
    failing = bool(evidence) and evidence is not None and Verdict(evidence["verdict"]).blocks
    broke = change.broken_by_id == person.pk
    breaks = submitted and not own and evidence is None and roles.may(person, "break_glass")
    return {
        "approve": checks and not broke and evidence is not None and (not failing or _signed(change, person)),
        "break_glass": breaks and change.broken_by_id is None,
        "break_through": breaks and checks and change.broken_by_id not in (None, person.pk),
        "reject": checks,
        "justify": submitted and failing and not stale and not own and roles.may(person, "justify"),
        "compute": status == Status.SUBMITTED and (checks or own),
        "submit": own and status == Status.DRAFT,
        "reopen": own and submitted,
        "withdraw": own and (status in (Status.DRAFT, Status.SUBMITTED) or approvals.is_scheduled(change)),
        "cancel": not own and approvals.is_scheduled(change) and approvals.may_check(change, person),
        "discuss": roles.may(person, "discuss"),
    }


def _signed(change: ChangeRequest, person: User) -> bool:
    """Whether a third person has justified what fails; the gate looks closer."""
    return change.justified_by_id not in (None, person.pk) and change.justified_evidence_id is not None


def _why_not(change: ChangeRequest, person: User, seen: dict[str, Any]) -> str:
    """Why this person cannot approve a change in review now, "" if they can."""
    if change.status != Status.SUBMITTED:
        return ""
    if change.author_id == person.pk:
        return "You wrote it, so somebody else must check it."
    if seen["stale"]:
        return "Its effect no longer holds: its author or whoever approves it has it computed again first."
    blocks = seen["evidence"] is not None and Verdict(seen["evidence"]["verdict"]).blocks
    if blocks and change.justified_by_id is None and roles.may(person, "justify"):
        return "Fair lending fails: it goes no further unless you justify it, or its author edits it."
    if not approvals.may_check(change, person):
        return "Your role does not approve changes of this kind."
    if seen["evidence"] is None:
        return "Its effect is not computed yet."
    if change.broken_by_id == person.pk:
        return "You broke the glass, so somebody else must approve it."
    if blocks and change.justified_by_id is None:
        return "Fair lending fails: the author edits it, or a compliance officer justifies it."
    return ""
