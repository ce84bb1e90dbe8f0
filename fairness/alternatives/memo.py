"""What is decided on a search, and by whom: adopt a candidate or keep what is in use, with the reason; somebody else
signs. A candidate becomes a challenger here, and is put live by the gate alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from decisioning.models import ModelVersion
from decisioning.propensity.scoring import PropensityModel
from fairness.alternatives import rule_thresholds
from fairness.alternatives.search import within
from fairness.models import Candidate, DecisionMemo, Search, SearchRun, SearchSignature, SearchWaiver
from offers import audit, catalog, golden, roles, snapshot
from offers.catalog import Item
from offers.models import ChangeRequest
from offers.types import Pack


class NotAdoptable(ValueError):
    """This candidate cannot be chosen."""


class AlreadyDecided(ValueError):
    """A run is decided on once."""


class OwnWork(PermissionError):
    """Nobody signs a search or a memo of his own."""


class NothingToSign(ValueError):
    """There is no memo yet, the signature stands already, or the protocol asks for none."""


class NoReason(ValueError):
    """A decision without its reason."""


def decide(run: SearchRun, candidate: Candidate | None, rationale: str, *, author: User, now: datetime) -> DecisionMemo:
    """Adopt a candidate as a challenger, or keep what is in use (None). Raises NotAllowed, NoReason,
    NotAdoptable or AlreadyDecided."""
    roles.require(author, "search:alternatives")
    if DecisionMemo.objects.filter(run=run).exists():
        raise AlreadyDecided("this search has been decided on already")
    if not rationale.strip():
        raise NoReason("say why, for whoever reads it in a year")
    if candidate is not None:
        _require_adoptable(run, candidate)
    model = candidate is not None and run.search.kind == Search.Kind.MODEL
    today = run.candidates.get(number=0)
    with transaction.atomic():
        memo = DecisionMemo.objects.create(
            run=run, verdict=DecisionMemo.Verdict.ADOPT if candidate else DecisionMemo.Verdict.KEEP,
            candidate=candidate, rationale=rationale, figures=_figures(today, candidate),
            model_name=_challenger(candidate, now) if candidate is not None and model else "", author=author,
            written_at=now,
        )  # fmt: skip
        audit.record(
            actor=author.get_username(), action="alternatives.decided", subject=f"search {run.search_id}",
            detail={"verdict": memo.verdict, "candidate": candidate.number if candidate else None,
                    "because": rationale, "model": memo.model_name}, now=now,
        )  # fmt: skip
    return memo


def _require_adoptable(run: SearchRun, candidate: Candidate) -> None:
    if candidate.run_id != run.pk or candidate.number == 0:
        raise NotAdoptable("what is adopted is a candidate of this search")
    if candidate.uses_group_at_decision:
        raise NotAdoptable(
            "it looks at groups when it decides: it is shown to say how far parity is, and never adopted"
        )
    if run.search.kind == Search.Kind.MODEL and candidate.content is None:
        raise NotAdoptable("another candidate is better in one figure and no worse in the other: adopt that one")


def _figures(today: Candidate, candidate: Candidate | None) -> dict[str, Any]:
    """What only the decision opens: the holdout, and who enters and leaves."""
    shown: dict[str, Any] = {"today": today.figures.get("holdout")}
    if candidate is not None:
        shown |= {"candidate": candidate.figures.get("holdout"), "swap": candidate.figures.get("swap")}
    return shown


def disappointments(memo: DecisionMemo) -> list[str]:
    """What the holdout, opened by the decision, says against an adopted candidate, for whoever signs; a sentence each.
    Empty for a rule, which has no holdout."""
    before, held, metric = memo.figures.get("today"), memo.figures.get("candidate"), memo.run.search.protocol["metric"]
    if not before or not held:
        return []
    said = []
    today, then = (one[metric][0] if one.get(metric) else None for one in (before, held))
    if today is None or then is None:
        said.append("The holdout is too small to tell how it performs.")
    elif not within(then, today, memo.run.search.protocol):
        said.append("On the holdout it performs worse than the protocol tolerates.")
    was, would = before["worst_ratio"], held["worst_ratio"]
    if was is None or would is None:
        said.append("The holdout does not tell its impact ratios: too few people, or nobody chosen.")
    elif would < was:
        said.append(f"On the holdout its worst ratio is lower than today's: {would:.3f}, and {was:.3f} today.")
    return said


def _challenger(candidate: Candidate, now: datetime) -> str:
    """The name of the stored model; the same one where another search had found it before."""
    assert candidate.content is not None
    model = PropensityModel.from_bytes(bytes(candidate.content))
    ModelVersion.objects.get_or_create(
        sha256=model.sha256,
        defaults={
            "name": model.name, "content": bytes(candidate.content), "trained_at": now,
            "report": {**model.report, "source": candidate.run.search.protocol["source"] or "decisions",
                       "search": candidate.run.search_id},
        },
    )  # fmt: skip
    return model.name


def propose_threshold(memo: DecisionMemo, *, author: User, now: datetime) -> ChangeRequest:
    """A draft of the rule with the adopted threshold, for review like any other. Raises NotAllowed, NotAdoptable or
    InvalidContent; call inside a transaction."""
    search, live = memo.run.search, snapshot.live_row()
    rule = live.content["rule"].get(search.subject) if live else None
    if memo.candidate is None or rule is None:
        raise NotAdoptable(f"there is no threshold of {search.subject} to propose")
    threshold = memo.candidate.parameters["threshold"]
    when = rule_thresholds.with_threshold(rule["when"], search.protocol["space"]["path"], threshold)
    content = {**rule, "when": when}
    gone = _without_what_fails(content)
    said = f" Without the tests that held under the old threshold alone: {'; '.join(gone)}." if gone else ""
    return catalog.draft(
        kind="rule", key=search.subject, title=f"{rule['title']}: {threshold:,}",
        items=[Item("rule", search.subject, content)], author=author, now=now,
        rationale=f"Search {search.pk} for less discriminatory alternatives. {memo.rationale}{said}",
    )  # fmt: skip


def _without_what_fails(content: dict[str, Any]) -> list[str]:
    """Takes the golden tests out of a rule's content that do not hold in it; their names. The review page tells of
    them."""
    tests = content.get("tests", [])
    answers = golden.run(catalog.requirement(content), tests)
    gone = [one.name for one in answers if not one.passed]
    if gone:
        content["tests"] = [test for test, one in zip(tests, answers, strict=True) if one.passed]
    return gone


def sign(search: Search, purpose: str, *, person: User, now: datetime, comment: str = "") -> SearchSignature:
    """Compliance signs the memo, or the use of groups in training before the search runs. Raises NotAllowed, OwnWork or
    NothingToSign; the database refuses the same."""
    roles.require(person, "sign:alternatives")
    memo = DecisionMemo.objects.filter(run__search=search).first()
    wanted = search.reweighing if purpose == SearchSignature.Purpose.REWEIGHING else memo is not None
    if not wanted or search.signatures.filter(purpose=purpose).exists():
        raise NothingToSign("there is nothing to sign here")
    if person.pk in (search.author_id, memo.author_id if memo else None):
        raise OwnWork("a search and its memo are signed by somebody who wrote neither")
    with transaction.atomic():
        signature = SearchSignature.objects.create(
            search=search, purpose=purpose, person=person, comment=comment, signed_at=now
        )
        audit.record(
            actor=person.get_username(), action="alternatives.signed", subject=f"search {search.pk}",
            detail={"purpose": purpose, "comment": comment}, now=now,
        )  # fmt: skip
    return signature


def waive(model_name: str, reason: str, packs: Sequence[Pack], *, person: User, now: datetime) -> SearchWaiver:
    """Let a model go live without a search, where the packs in force let that be waived. Raises NotAllowed, NoReason or
    NothingToSign."""
    roles.require(person, "sign:alternatives")
    if not reason.strip():
        raise NoReason("a waiver says why")
    required = [pack.title for pack in packs if pack.lda == "required"]
    if required:
        raise NothingToSign(f"{', '.join(required)}: a search is required and cannot be waived")
    with transaction.atomic():
        waiver = SearchWaiver.objects.create(
            model_name=model_name, packs=[pack.key for pack in packs], reason=reason, person=person, given_at=now
        )
        audit.record(
            actor=person.get_username(), action="alternatives.waived", subject=f"model {model_name}",
            detail={"because": reason, "packs": waiver.packs}, now=now,
        )  # fmt: skip
    return waiver
