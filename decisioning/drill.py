"""The drill of the emergency brake: each scope is stopped in a transaction that is undone, and the engine must obey on
the newest decision. Nobody else sees the stop; how fast one reaches every process is measured by `bench live`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from decisioning import decision_log, identity, reward_log, runtime
from decisioning.decide import decide
from decisioning.models import Decision as DecisionRow
from decisioning.models import StopDrill
from decisioning.plan import Plan, complete
from decisioning.stops import STAGE
from decisioning.types import Decision
from offers import audit, snapshot, stopping
from offers.models import Stop, StopEpoch

LATE: Final = timedelta(days=35)
ACTOR: Final = "candor"
NOT_OBEYED: Final = "the engine did not obey"
REASON: Final = "The monthly drill; undone at once."


class NothingToDrill(LookupError):
    """No decision with an offer was made under the live release."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is proven of one scope. `why` says what is wrong, empty if nothing is."""

    scope: str
    drill: StopDrill | None
    why: str


def run(now: datetime) -> list[StopDrill]:
    """Drill every scope, and keep what was seen. Raises NothingToDrill."""
    live = snapshot.live_row()
    rows = DecisionRow.objects.filter(release=live.number if live else 0, reason__isnull=True, offer__isnull=False)
    row = rows.order_by("-id").first()
    if row is None:
        raise NothingToDrill("no decision with an offer was made under the live release")
    drills = [_drill(scope, target, row, now) for scope, target in _targets(row)]
    with transaction.atomic():
        StopDrill.objects.bulk_create(drills)
        audit.record(
            actor=ACTOR, action="stop.drilled", subject="the stop board",
            detail={str(one.scope): {"ok": one.ok, "seconds": one.seconds} for one in drills}, now=now,
        )  # fmt: skip
    return drills


def standing(now: datetime, *, modelled: bool) -> list[Standing]:
    """Each scope that can be stopped with its newest drill; where no model is live there is none to stop."""
    newest = {one.scope: one for one in StopDrill.objects.order_by("scope", "-id").distinct("scope")}
    scopes = [scope for scope in Stop.Scope.values if modelled or scope != Stop.Scope.MODEL]
    return [Standing(scope, newest.get(scope), _wrong(newest.get(scope), now)) for scope in scopes]


def _wrong(drill: StopDrill | None, now: datetime) -> str:
    if drill is None:
        return "never drilled"
    if not drill.ok:
        return "did not take effect"
    return f"last drilled more than {LATE.days} days ago" if now - drill.at > LATE else ""


def _targets(row: DecisionRow) -> Iterator[tuple[str, str]]:
    """What this decision chose first, in every scope."""
    plan, first = runtime.plan(row.release), decision_log.result(row).choices[0]
    yield Stop.Scope.ALL, ""
    yield Stop.Scope.PRODUCT, plan.release.offers[first.offer].product
    yield Stop.Scope.OFFER, first.offer
    yield Stop.Scope.ARM, first.arm
    if plan.release.model:
        yield Stop.Scope.MODEL, plan.release.model[0]


def _drill(scope: str, target: str, row: DecisionRow, now: datetime) -> StopDrill:
    """Decide from the record without this stop, stop, decide again with the stops in force, undo."""
    request, known = decision_log.inputs(row)
    plan = runtime.plan(row.release)
    beliefs = complete(reward_log.rebuilt(row.posterior), plan)
    free = decide(
        request, replace(known, stops=known.stops - {(scope, target)}), plan, beliefs, identity.draw_key(row.id)
    )
    started = time.perf_counter()
    with transaction.atomic():
        told = _stopped(scope, target, now)
        # Of all that is stopped now only this, as the engine reads it: another stop would prove nothing of it.
        stopped = replace(known, stops=known.stops | (runtime.stops_for(plan) & {(scope, target)}))
        decision = decide(request, stopped, plan, beliefs, identity.draw_key(row.id))
        seconds = time.perf_counter() - started
        transaction.set_rollback(True)
    obeyed = not _obeyed(scope, target, free, plan) and _obeyed(scope, target, decision, plan)
    detail = "" if obeyed and told else NOT_OBEYED if told else "the stop epoch did not rise"
    return StopDrill(
        at=now, scope=scope, target=target, decision_id=row.id, seconds=seconds, ok=obeyed and told, detail=detail
    )


def _stopped(scope: str, target: str, now: datetime) -> bool:
    """Stop it, and whether the epoch rose. What is stopped in earnest cannot be stopped again: of it the drill shows
    what the engine does, which is to differ, and says nothing of the epoch."""
    epoch = StopEpoch.objects.get(pk=1).epoch
    try:
        stopping.stop_by_policy(scope=scope, target=target, reason=REASON, now=now)
    except stopping.AlreadyStopped:
        return True
    return StopEpoch.objects.get(pk=1).epoch > epoch


def _obeyed(scope: str, target: str, decision: Decision, plan: Plan) -> bool:
    """Whether nothing of what is stopped was used."""
    if scope == Stop.Scope.ALL:
        return decision.reason == "STOPPED"
    if scope == Stop.Scope.MODEL:
        return any(step.startswith("propensity_") for step in decision.degraded)
    if scope == Stop.Scope.ARM:
        used = {choice.arm for choice in decision.choices} | {row.arm for row in decision.scored}
        return target not in used
    offers = plan.release.offers
    meant = {key for key in plan.offers if target == (key if scope == Stop.Scope.OFFER else offers[key].product)}
    refused = {refusal.offer for refusal in decision.refusals if refusal.stage == STAGE}
    return meant <= refused and not meant & {choice.offer for choice in decision.choices}
