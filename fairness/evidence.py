"""What an approver must see of a change: reach and parity of the release that it would make, over everybody; it
approves nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from django.db import transaction

from decisioning import impact, runtime
from decisioning.impact import Agreement, Disagreement, Labels, Moment, Reach, Simulation
from decisioning.impact.expected import INTERVAL, METHOD
from decisioning.impact.propensities import AT_MOST
from decisioning.models import ModelVersion
from decisioning.plan import Plan
from decisioning.propensity.scoring import OtherGroupVersion, UnreadableModel
from fairness import dataset, forecast, moments, parity, stage_effects, thresholds
from fairness.counts import NOT_RECORDED
from fairness.dataset import Groupings
from fairness.moments import Later
from fairness.parity import Change
from fairness.thresholds import DEFAULT, Bands, Verdict
from offers import audit, canonical, snapshot
from offers.catalog import InvalidContent, Item
from offers.conditions.grammar import Fault
from offers.models import ChangeRequest, Evidence, Release
from offers.types import Boost, Rule
from offers.types import Release as CatalogueRelease

FORMAT: Final = 4
ANY_OFFER: Final = "any_offer"
SCORE: Final = "score_top_half"
SHOWN: Final = "shown_an_offer"
WORST: Final = (
    Verdict.FAIL, Verdict.WATCH, Verdict.TOO_LITTLE_DATA, Verdict.UNDEFINED, Verdict.NOT_COMPUTED, Verdict.PASS,
)  # fmt: skip
"""The verdicts in the order in which a reader wants to see them."""
METHODS: Final[Mapping[str, str]] = {
    **thresholds.METHODS,
    "reach": "every rule of the release for every customer, as a decision without a session would read them; an "
    "offer's channels, placements and dates are left out, and a rule on the session is not met",
    "parity": "adverse impact ratio of being eligible: for at least one competing offer, and for each offer whose "
    "eligible customers change",
    "verdict": "the worst comparison after the change, now and later; one that fails today and is not made worse "
    "counts as watch",
    "later": "the same at each moment at which something that the change contains starts or ends, under the release in "
    "force now and under the one that this makes, with the rules in force and the offers in season then, for the "
    "customers of now; what is shown first is worked out for now alone",
    "score": "selected: the half with the highest best propensity, over the offers that compete for each, of those for "
    "whom any does; ties at the median are in or out together",
    "decisions": "the first rank of a decision without a session on the channel and placement named, with consent, "
    "caps and stops as of now, the last night's scores, today's posterior and the same draws under both releases; an "
    "offer without a nightly score is scored now. Where a model would have to score more than "
    f"{AT_MOST:,} times, or shares of arms are asked for, of a fixed sample",
    "expected": METHOD,
    "expected_interval": INTERVAL,
    "agreement": "a random sample of those decisions made again, one by one, by the engine's own function with equal "
    "keys: the same offers eligible, the same choice, scores to 1e-12; a single difference and there is no evidence",
    "lines": "those of the policy packs in force under the live release at the moment that is judged, each at its "
    "strictest; a change is not judged by packs that it brings itself",
    "waterfall": "of those decided on, by stage: the impact ratio of passing it among those who passed the one before; "
    "the change is of its natural logarithm, and those of the stages add up to that of being shown a competing offer",
    "steering": "shown the card of the lowest benefit rank, among those who are eligible for two or more cards of a "
    "family and are shown one of it",
    "exposure": "of each offer that the change shows first to other people: being shown it, among those who are "
    "eligible for it; of those decided on",
    "shown": "information, without a verdict: adverse impact ratio of being shown an offer",
}


@dataclass(frozen=True, slots=True)
class _Candidate:
    """The release in force (None before the first) and the one that approval would make."""

    live_number: int | None
    live: Plan | None
    content_hash: str
    plan: Plan

    def bands(self, at: datetime) -> Bands:
        """The lines in force at a moment; those of the packs that are live, since none is judged by what it brings."""
        return thresholds.bands_in_force(self.live.release if self.live else snapshot.EMPTY, at.date())

    @property
    def changes_model(self) -> bool:
        return self.plan.release.model != (self.live.release.model if self.live else None)


def candidate_content(change: ChangeRequest) -> snapshot.Content:
    """The content of the release that approval of this change would make now, with what the packs add to it."""
    live = snapshot.live_row()
    return snapshot.apply(live.content if live else snapshot.EMPTY, snapshot.items_of(change.items))


def compute(change: ChangeRequest, now: datetime, progress: Callable[[int, int], None] | None = None) -> Evidence:
    """Compute and store the evidence of a change on the release in force.

    Raises InvalidContent where the candidate could not run, and Disagreement where the numbers are not the engine's;
    nothing is stored then.
    """
    started = time.perf_counter()
    candidate = _candidate(change)
    plans = [plan for plan in (candidate.live, candidate.plan) if plan]
    items, seed = snapshot.items_of(change.items), impact.seed_of(candidate.content_hash)
    ahead = moments.later(plans, items, change.go_live_at, now)
    simulation = impact.simulate(plans, now, about=_about(items, plans), seed=seed, progress=progress,
                                 later=sorted({one.like for one in ahead}))  # fmt: skip
    agreed = _agreed(simulation, now)
    before = simulation.reaches[0] if candidate.live else None
    after, population = simulation.reaches[-1], len(simulation.customers)
    bands = candidate.bands(now)
    groupings = dataset.groupings(simulation.customers, now, bands.age_bands)
    changes = eligibility(groupings, before, after, bands)
    score = _scores(candidate, simulation, groupings, bands) if candidate.changes_model and population else None
    if score:
        changes[SCORE] = score.changes
    if population:
        changes[stage_effects.STEERING] = stage_effects.steering(groupings, simulation, bands)
        changes |= stage_effects.exposures(groupings, simulation, bands)
    later = _later(ahead, simulation, groupings, candidate)
    content = {
        "format": FORMAT,
        "population": population,
        "live_release": candidate.live_number,
        "attributes": sorted(groupings),
        "any_offer": any_offer(before, after, population),
        "reach": _reach(candidate, before, after),
        "segments": _segments(simulation, before, after),
        "decisions": forecast.decisions(simulation),
        "agreement": agreed.to_json(),
        "later": later,
        "parity": [row.to_json() for rows in changes.values() for row in rows],
        "lines": _digest(bands),
        "waterfall": stage_effects.waterfall(groupings, simulation),
        "shown_parity": [row.to_json() for row in _shown(groupings, simulation, bands)],
        "score": score.to_json() if score else None,
        "session_rules": impact.session_rules(candidate.plan),
        "methods": dict(METHODS),
        "seconds": round(time.perf_counter() - started, 3),
    }
    verdicts = [parity.overall(changes, population), *(Verdict(row["verdict"]) for row in later)]
    verdict = thresholds.worst(verdicts)
    content["unclear"] = _unclear(changes, later, verdict)
    return _store(change, candidate.content_hash, verdict, content, now)


def _unclear(changes: Mapping[str, list[Change]], later: Sequence[Mapping[str, Any]], verdict: Verdict) -> int:
    """Comparisons that the change moves, now or later, without the data to judge them; one where there is no group to
    compare at all."""
    moved = sum(row.unclear for rows in changes.values() for row in rows) + sum(row["unclear"] for row in later)
    return moved or int(verdict is Verdict.TOO_LITTLE_DATA)


def lines_of(content: snapshot.Content, at: datetime) -> str:
    """The lines that the packs of a release put in force at a moment, as a hash: evidence holds for those it was judged
    at, and for no others."""
    return _digest(thresholds.bands_in_force(content, at.date()))


def _digest(bands: Bands) -> str:
    return canonical.digest(asdict(bands))


def not_computed(change: ChangeRequest, content: snapshot.Content, now: datetime) -> Evidence:
    """What stands in the place of evidence where two people would not wait for it; says nothing of anybody."""
    _require_model(content)
    live = snapshot.live_row()
    empty: dict[str, Any] = {
        "format": FORMAT, "population": 0, "reach": [], "live_release": live.number if live else None,
    }  # fmt: skip
    return _store(change, snapshot.content_hash(content), thresholds.Verdict.NOT_COMPUTED, empty, now)


def _candidate(change: ChangeRequest) -> _Candidate:
    """The release that approval would make beside the one in force; or, of a change that is live without evidence, the
    one that it made beside the one before."""
    made = Release.objects.filter(change=change).first()
    if made:
        live, content = Release.objects.filter(number=made.number - 1).first(), made.content
    else:
        live, content = snapshot.live_row(), candidate_content(change)
    _require_model(content)
    return _Candidate(
        live.number if live else None,
        impact.plan_of(live.content) if live else None,
        snapshot.content_hash(content),
        impact.plan_of(content),
    )


def _about(items: Sequence[Item], plans: Sequence[Plan]) -> frozenset[str]:
    """The offers that the items are about, under any of the plans; decisions are looked at where they are shown. What
    is about every offer says nothing of where."""
    whole = {item.key for item in items if item.kind == "offer"}
    part = {item.key.partition("/")[0] for item in items if item.kind in ("arm", "creative")}
    return frozenset(whole | part).union(*(_aimed(plan.release, item) for plan in plans for item in items))


def _aimed(release: CatalogueRelease, item: Item) -> set[str]:
    """The offers that a rule or boost covers by name or product."""
    one: Rule | Boost | None = release.rules.get(item.key) if item.kind == "rule" else None
    one = release.boosts.get(item.key) if item.kind == "boost" else one
    if one is None or one.scope == "all":
        return set()
    return {offer for offer in release.offers if release.covers(one, offer)}


def _later(
    ahead: Sequence[Later], simulation: Simulation, groupings: Groupings, candidate: _Candidate
) -> list[dict[str, Any]]:
    """What becomes of eligibility at each moment to come, beside the release in force at that moment."""
    at = {moments[-1].at: moments for moments in simulation.later}
    population = len(simulation.customers)
    return [
        {"at": one.at.isoformat(), "brings": list(one.brings),
         **_judged_at(at[one.like], population, groupings, candidate.bands(one.at))}
        for one in ahead
    ]  # fmt: skip


def _judged_at(plans: Sequence[Moment], population: int, groupings: Groupings, bands: Bands) -> dict[str, Any]:
    """`fails` are the comparisons that do. An offer that is nobody's because it is out of season divides nobody."""
    before, after = plans[0].reach if len(plans) > 1 else None, plans[-1].reach
    open_then = impact.in_season(plans[-1].plan, plans[-1].at)
    closed = {offer for offer, is_open in zip(after.offers, open_then.tolist(), strict=True) if not is_open}
    changes = {name: rows for name, rows in eligibility(groupings, before, after, bands).items() if name not in closed}
    return {
        "any_offer": any_offer(before, after, population),
        "verdict": parity.overall(changes, population).value,
        "unclear": sum(row.unclear for rows in changes.values() for row in rows),
        "fails": [row.to_json() for rows in changes.values() for row in rows if row.verdict is Verdict.FAIL],
    }


def _agreed(simulation: Simulation, now: datetime) -> Agreement:
    """Raises Disagreement."""
    agreed = impact.agreement(simulation, now)
    if agreed.mismatches:
        raise Disagreement(
            f"{agreed.mismatches} of {agreed.decisions} decisions are not the engine's, so these numbers cannot be "
            f"relied on: {'; '.join(agreed.examples)}"
        )
    return agreed


def _require_model(content: snapshot.Content) -> None:
    """A release that names a model which cannot be loaded, or is refused, would silently run without one."""
    for name, value in content["model"].items():
        path = f"/model/{name}/sha256"
        if not ModelVersion.objects.filter(name=name, sha256=value["sha256"]).exists():
            raise InvalidContent([Fault(path, "dangling", f"there is no model {name} with it")])
        try:
            model = runtime.model(value["sha256"])
            if model:
                model.require_current()
        except UnreadableModel as fault:
            raise InvalidContent([Fault(path, "unreadable", str(fault))]) from fault
        except OtherGroupVersion as fault:
            raise InvalidContent([Fault(path, "outdated", str(fault))]) from fault


def eligibility(
    groupings: Groupings, before: Reach | None, after: Reach, bands: Bands = DEFAULT
) -> dict[str, list[Change]]:
    """Parity of eligibility by subject: any competing offer, and each offer of the candidate that is new or moves."""
    today = before.any_offer if before else None
    changes = {ANY_OFFER: parity.compare(ANY_OFFER, groupings, today, after.any_offer, bands)}
    for offer in after.offers:
        known = before is not None and offer in before.offers
        today = before.of(offer) if before and known else None
        then = after.of(offer)
        if today is None or not np.array_equal(today, then):
            changes[offer] = parity.compare(offer, groupings, today, then, bands)
    return changes


def any_offer(before: Reach | None, after: Reach, population: int) -> dict[str, int]:
    """Customers who are eligible for any competing offer, today and after, and who changes."""
    then = after.any_offer
    today = before.any_offer if before else np.zeros_like(then)
    return {
        "before": int(today.sum()),
        "after": int(then.sum()),
        "gain": int((then & ~today).sum()),
        "lose": int((today & ~then).sum()),
        "without_before": population - int(today.sum()),
        "without_after": population - int(then.sum()),
    }


def _reach(candidate: _Candidate, before: Reach | None, after: Reach) -> list[dict[str, Any]]:
    """One row for each offer of either release; `before` or `after` is None where the release does not have it."""
    rows = []
    for offer in sorted({*after.offers, *(before.offers if before else ())}):
        today = before.of(offer) if before else np.zeros(len(after.eligible), dtype=bool)
        then = after.of(offer)
        release = candidate.plan.release if offer in after.offers else _live(candidate).release
        rows.append(
            {
                "offer": offer,
                "name": release.offers[offer].name,
                "before": int(today.sum()) if before and offer in before.offers else None,
                "after": int(then.sum()) if offer in after.offers else None,
                "gain": int((then & ~today).sum()),
                "lose": int((today & ~then).sum()),
            }
        )
    return rows


def _live(candidate: _Candidate) -> Plan:
    assert candidate.live is not None
    return candidate.live


def _segments(simulation: Simulation, before: Reach | None, after: Reach) -> dict[str, list[dict[str, Any]]]:
    """Customers eligible for any competing offer, by credit score band and by state; empty segments left out."""
    then = after.any_offer
    today = before.any_offer if before else np.zeros_like(then)
    return {name: _segment(labels, today, then) for name, labels in simulation.segments.items()}


def _segment(labels: Labels, before: impact.Mask, after: impact.Mask) -> list[dict[str, Any]]:
    width = len(labels.names) + 1
    places = np.where(labels.codes < 0, width - 1, labels.codes)
    columns = [np.bincount(places[mask], minlength=width).tolist() for mask in (np.ones_like(after), before, after)]
    rows = zip((*labels.names, NOT_RECORDED), *columns, strict=True)
    return [
        {"name": name, "customers": people, "before": today, "after": then}
        for name, people, today, then in rows
        if people
    ]


@dataclass(frozen=True, slots=True)
class _Scores:
    changes: list[Change]
    sample: int
    scored: int

    def to_json(self) -> dict[str, int]:
        """`sample` customers were drawn, the same ones every time; `scored` of them are eligible for an offer."""
        return {"sample": self.sample, "scored": self.scored}


def _scores(candidate: _Candidate, simulation: Simulation, groupings: Groupings, bands: Bands) -> _Scores:
    """Parity of being in the top half by best propensity, among those for whom any offer competes after the change."""
    before, after = simulation.decided[0].best, simulation.decided[-1].best
    scored = ~np.isnan(after)
    groups = {name: one.among(simulation.sample[scored]) for name, one in groupings.items()}
    same = bool(scored.any()) and np.array_equal(~np.isnan(before), scored)
    today = _top_half(before[scored]) if candidate.live and same else None
    changes = parity.compare(SCORE, groups, today, _top_half(after[scored]), bands) if scored.any() else []
    return _Scores(changes, len(scored), int(scored.sum()))


def _shown(groupings: Groupings, simulation: Simulation, bands: Bands) -> list[Change]:
    """Parity of being shown an offer at all; nobody's verdict."""
    groups = {name: one.among(simulation.sample) for name, one in groupings.items()}
    today = simulation.decided[0].shown if len(simulation.decided) > 1 else None
    shown = simulation.decided[-1].shown
    return parity.compare(SHOWN, groups, today, shown, bands) if len(simulation.sample) else []


def _top_half(best: impact.Floats) -> impact.Mask:
    """Above the median, or at it as well where ties make that nearer to a half; a model that tells nobody apart
    selects everybody."""
    above, median = best > np.median(best), best >= np.median(best)
    return above if abs(above.mean() - 0.5) < abs(median.mean() - 0.5) else median


def _store(
    change: ChangeRequest, candidate_hash: str, verdict: thresholds.Verdict, content: dict[str, Any], now: datetime
) -> Evidence:
    with transaction.atomic():
        evidence = Evidence.objects.create(
            change=change, content_hash=change.content_hash, candidate_hash=candidate_hash, verdict=verdict.value,
            population=content["population"], content=content, computed_at=now, base=content["live_release"],
        )  # fmt: skip
        audit.record(
            actor="candor", action="evidence.computed", subject=f"change {change.pk}",
            detail={"evidence": evidence.pk, "verdict": verdict.value, "candidate": candidate_hash}, now=now,
        )  # fmt: skip
    return evidence
