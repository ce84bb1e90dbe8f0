"""The night's answers about a month's scores and outcomes, kept in place of the last ones with all that each number can
be derived from again; groups of a few people are left out before anything is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final

import numpy as np
from django.db import transaction
from django.db.models import Max

from fairness import dataset, small_groups
from fairness.counts import comparisons
from fairness.cube import lines, rollup
from fairness.cube.record import SOURCE
from fairness.dataset import Groupings
from fairness.models import FairnessAudit, MonthFigure
from fairness.scores import comparison, estimated, month, subgroups
from fairness.scores.comparison import Figure, Scored, Seen
from fairness.scores.found import Found
from fairness.scores.month import Mask, Month
from fairness.thresholds import Bands, Verdict
from offers import audit as trail
from offers import canonical, packs
from offers.models import AuditEvent

Kind = MonthFigure.Kind
SCORED: Final = "fairness.scored"  # in the trail
VERSION: Final = "scores 1"
MONTHS: Final = 2
MOST_OFFERS: Final = 200
"""Offers that are looked at one by one: those that most people were given. Each takes some draws of its customers."""


def nightly(now: datetime) -> int:
    """The newest months whose audit is newer; how many answers were kept. Older ones stand."""
    return sum(audit(of, now) for of in due())


def audit(of: date, now: datetime) -> int:
    """Everything about one month; how many answers were kept. Raises AuditFailed where AIF360 gives no answer; nothing
    is kept then."""
    bands = lines.in_force(lines.last_day(of))
    smallest = small_groups.smallest(bands)
    held = month.read(of)
    groupings = dataset.groupings(held.customers, rollup.as_of(of, now), bands.age_bands)
    found = {
        Kind.SCORES: list(of_scores(held, groupings, bands)),
        Kind.SUBGROUP: subgroups.find(held, groupings, smallest),
        Kind.ESTIMATE: list(estimated.of_month(held, packs.live_content(), lines.last_day(of), bands, smallest)),
    }
    return keep(of, found, now)


def due() -> list[date]:
    """The newest MONTHS, as far as they were audited after their scores were looked at."""
    audits = FairnessAudit.objects.filter(source=SOURCE).values_list("period_from").annotate(at=Max("computed_at"))
    audited = {start.date(): at for start, at in audits.order_by("-period_from")[:MONTHS]}
    return sorted(of for of, at in audited.items() if (looked := looked_at(of)) is None or looked < at)


def looked_at(of: date) -> datetime | None:
    """When a night last looked at the scores of a month; the trail says it also where no answer was kept."""
    nights = AuditEvent.objects.filter(action=SCORED, subject=_subject(of))
    return nights.values_list("at", flat=True).first()


def _subject(of: date) -> str:
    return f"scores of {of:%B %Y}"


def keep(of: date, found: Mapping[Kind, Sequence[Found]], now: datetime) -> int:
    """In place of what was kept of the month and of these kinds."""
    rows = [_row(of, kind, one, now) for kind, answers in found.items() for one in answers]
    with transaction.atomic():
        MonthFigure.objects.filter(month=of, kind__in=list(found)).delete()
        MonthFigure.objects.bulk_create(rows, batch_size=500)
        digest = hashlib.sha256("".join(row.query_hash for row in rows).encode()).hexdigest()
        trail.record(
            actor="candor", action=SCORED, subject=_subject(of),
            detail={"answers": len(rows), "sha256": digest}, now=now,
        )  # fmt: skip
    return len(rows)


def _row(of: date, kind: Kind, one: Found, now: datetime) -> MonthFigure:
    row = MonthFigure(
        month=of, kind=kind, offer=one.offer, attribute=one.attribute, group=one.group, reference=one.reference,
        people=one.people, content=dict(one.content), version=VERSION, computed_at=now,
    )  # fmt: skip
    row.query_hash = query_hash(row)
    return row


def query_hash(row: MonthFigure) -> str:
    """Of all that was asked and found."""
    names = ("kind", "offer", "attribute", "group", "reference", "people", "content", "version")
    told = {"month": row.month.isoformat(), **{name: getattr(row, name) for name in names}}
    return hashlib.sha256(canonical.dumps(told)).hexdigest()


# --- Scores and outcomes of every group against its reference -------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Pair:
    """A comparison to be made: its rows are masks over `scored` and over `seen`."""

    offer: str
    attribute: str
    group: str
    reference: str
    people: int
    figures: tuple[Figure, ...]
    deciles: list[dict[str, Any]]


def of_scores(held: Month, groupings: Groupings, bands: Bands) -> Iterator[Found]:
    """Each offer that enough people were given, and any offer, under each attribute; all are judged together."""
    pairs = [pair for offer, places in _subjects(held) for pair in _of_offer(held, offer, places, groupings, bands)]
    judged = iter(comparison.judge([one for pair in pairs for one in pair.figures], bands))
    smallest = small_groups.smallest(bands)
    for pair in pairs:
        figures = [_shown(next(judged), smallest) for _ in pair.figures]
        content = {"figures": figures, "deciles": pair.deciles, "methods": dict(comparison.METHODS)}
        yield Found(pair.offer, pair.attribute, pair.group, pair.reference, pair.people, content)


def _subjects(held: Month) -> Iterator[tuple[str, list[int]]]:
    """Any offer, and the offers that most people were given, with their places."""
    given = held.chosen.sum(axis=0)
    order = [place for place in np.argsort(-given, kind="stable").tolist() if given[place]]
    yield rollup.ANY, list(range(len(held.offers)))
    yield from ((held.offers[place], [place]) for place in order[:MOST_OFFERS])


def _of_offer(held: Month, offer: str, places: list[int], groupings: Groupings, bands: Bands) -> Iterator[_Pair]:
    competed = np.asarray((~np.isnan(held.score[:, places])).any(axis=1))
    if not competed.any():
        return
    scored, seen = _scored(held, places, competed), _seen(held, places)
    for attribute, grouping in groupings.items():
        among = grouping.among(competed)
        for pair in comparisons(attribute, among.table(scored.chosen), None, bands.references):
            if small_groups.few(pair.group.total, pair.reference.total, bands):
                continue
            group, reference = pair.group.group, pair.reference.group
            sides = among.holds(group), among.holds(reference)
            rows = grouping.holds(group)[seen.person], grouping.holds(reference)[seen.person]
            yield _Pair(
                offer, attribute, group, reference, int(min(pair.group.total, pair.reference.total)),
                tuple(comparison.figures(scored, seen, sides, rows)), comparison.deciles(scored, sides),
            )  # fmt: skip


def _scored(held: Month, places: list[int], competed: Mask) -> Scored:
    """Of several offers, the best score, and whether any was given."""
    return Scored(
        np.nanmax(held.score[competed][:, places], axis=1),
        np.asarray(held.chosen[competed][:, places].any(axis=1)),
        held.bands[competed], held.visits[competed],
    )  # fmt: skip


def _seen(held: Month, places: list[int]) -> Seen:
    """A row for each offer that somebody saw. The cut of an offer is the score from which on as many people stand as
    were given it: who would have it, were the score alone to choose."""
    person, column = np.nonzero(~np.isnan(held.predicted[:, places]))
    cuts = np.array([_cut(held, place) for place in places])
    predicted = held.predicted[:, places][person, column]
    return Seen(person, predicted, predicted >= cuts[column], held.accepted[:, places][person, column])


def _cut(held: Month, place: int) -> float:
    scores = held.score[:, place][~np.isnan(held.score[:, place])]
    if not len(scores):
        return np.inf
    given = min(1.0, held.chosen[:, place].sum() / len(scores))
    return float(np.quantile(scores, 1 - given, method="higher"))


def _shown(one: Figure, smallest: int) -> dict[str, Any]:
    """As JSON, without the numbers of a few people; bands of a few are one."""
    if min(one.people, one.reference_people, *_denominators(one)) < smallest:
        return {"metric": one.metric, "verdict": Verdict.TOO_LITTLE_DATA.value}
    if "bands" in one.counts:
        one = replace(one, counts={**one.counts, "bands": _merged(one.counts["bands"], smallest)})
    return one.to_json()


def _denominators(one: Figure) -> Iterator[float]:
    """What the shares of the odds are of: takers and others of each side. Their counts would tell what the figure of
    the takers alone withholds."""
    if one.metric == comparison.ODDS:
        for side in (one.counts["group"], one.counts["reference"]):
            yield side["true_positives"] + side["false_negatives"]
            yield side["false_positives"] + side["true_negatives"]


def _merged(rows: list[list[Any]], smallest: int) -> list[list[Any]]:
    """Bands of a few with the smallest of the others, until they are not a few: the whole less the bands that are shown
    tells nothing of them then."""
    ordered = sorted(rows, key=_fewest)
    others = [row for row in ordered if _fewest(row) < smallest]
    for row in ordered[len(others) :]:
        if not others or _fewest(_summed(others)) >= smallest:
            break
        others.append(row)
    kept = [row for row in rows if row not in others]
    if not others:
        return kept
    together = _summed(others)
    return [*kept, together] if _fewest(together) >= smallest else []


def _fewest(row: list[Any]) -> int:
    return int(min(row[1], row[3]))


def _summed(rows: list[list[Any]]) -> list[Any]:
    return ["other bands", *(sum(row[at] for row in rows) for at in range(1, 5))]
