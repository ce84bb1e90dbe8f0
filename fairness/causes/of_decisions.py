"""What logged decisions say of steering, exposure, exploration and caps, for every protected group: kept for the pages,
and a finding for each breach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime

from fairness import dataset, findings, intervals, thresholds
from fairness.causes import exposure, logged, steering
from fairness.causes.kept import Found, Kind, keep
from fairness.causes.logged import Logged
from fairness.counts import GroupCounts
from fairness.cube import lines
from fairness.dataset import Groupings
from fairness.findings import Pause
from fairness.thresholds import Bands, Verdict


def nightly(now: datetime) -> int:
    """Everything from the newest decisions, in place of the last night's; how many answers were kept."""
    seen = logged.newest(now)
    groupings, bands = dataset.groupings(seen.customers, now), lines.in_force(now.date())
    kept = 0
    for kind, found in (
        (Kind.STEERING, _steering(seen, groupings, bands, now)),
        (Kind.ARM, of_arms(seen, groupings, bands, now)),
        (Kind.AUDIENCE, _audience(seen.by_offer(), groupings, bands, now)),
        (Kind.EXPLORATION, _exploration(seen, groupings, bands, now)),
        (Kind.CAPS, _caps(seen, groupings, bands)),
    ):
        kept += keep(kind, sorted(found, key=_worst), now)
    return kept


def _worst(found: Found) -> tuple[int, float, str]:
    """What breaches first, then what is nearest to it: the order in which pages list them."""
    content = found.content
    level = content.get("level") or content["verdict"]
    order = 0 if level == Verdict.FAIL else 1 if level == Verdict.WATCH else 2
    return order, float(content.get("gap", content.get("share_variance", 0.0)) or 0.0), found.subject


def _steering(seen: Logged, groupings: Groupings, bands: Bands, now: datetime) -> Iterator[Found]:
    for one in steering.steering(seen.choices, seen.bands, groupings, lines=bands):
        level = one.level(bands)
        people = int(min(one.group.total, one.reference.total))
        content = {**asdict(one), "gap": one.gap, "missing": one.missing, "level": level.value}
        yield Found(one.family, one.attribute, one.group.group, one.reference.group, people, content)
        if level is Verdict.FAIL:
            findings.breach(
                kind="steering", subject=f"{one.family or 'every family'}/{one.attribute}/{one.group.group}",
                title=f"{one.group.group} see the best card of {one.family or 'a family'} less often",
                cause="Among people with the same cards open to them, in the same credit band.",
                evidence={"gap": one.gap, "people": one.group.total, "missing": one.missing, "q": one.q},
                severity="high", now=now,
            )  # fmt: skip


def of_arms(seen: Logged, groupings: Groupings, bands: Bands, now: datetime) -> Iterator[Found]:
    """The exposure of every group to every arm; a finding for each arm that is locked out of one."""
    for attribute, grouping in groupings.items():
        found = exposure.exposures(seen, grouping)
        locked = {(one.arm, one.group): one for one in exposure.locked_out(found, bands)}
        for one in found:
            alarm = locked.get((one.arm, one.group))
            enough = Verdict.PASS if one.eligible > bands.lockout_people else Verdict.TOO_LITTLE_DATA
            level = Verdict.FAIL if alarm else enough
            content = {
                **asdict(one), "rate": one.rate, "level": level.value, "locked_out": asdict(alarm) if alarm else None,
            }  # fmt: skip
            yield Found(one.arm, attribute, one.group, "", one.eligible, content)
        for alarm in locked.values():
            findings.breach(
                kind="starvation", subject=f"{alarm.arm}/{attribute}/{alarm.group}",
                title=f"{alarm.arm} hardly ever meets {alarm.group}",
                cause=f"Of {alarm.eligible:,} who could have seen it first, {alarm.rate:.1%} are expected to; of "
                f"{alarm.most}, {alarm.most_rate:.1%}.",
                evidence=asdict(alarm), severity="high", now=now, pause=Pause("arm", alarm.arm),
            )  # fmt: skip


def _audience(seen: Logged, groupings: Groupings, bands: Bands, now: datetime) -> Iterator[Found]:
    """M18 is judged only of offers that enough people of the group could have had, as a lock-out is."""
    for attribute, grouping in groupings.items():
        for one in exposure.exposures(seen, grouping):
            level = _of_share(one, bands)
            content = {**asdict(one), "rate": one.rate, "level": level.value}
            yield Found(one.arm, attribute, one.group, "", one.eligible, content)
            if level is Verdict.FAIL:
                findings.breach(
                    kind="exposure", subject=f"{one.arm}/{attribute}/{one.group}",
                    title=f"{one.group} are {abs(one.share_variance):.0%} of the audience of {one.arm} short",
                    cause="Their share of its expected audience, less their share of those who could have seen it.",
                    evidence=asdict(one), now=now,
                )  # fmt: skip


def _of_share(one: exposure.Exposure, bands: Bands) -> Verdict:
    if one.eligible <= bands.lockout_people:
        return Verdict.TOO_LITTLE_DATA
    short = -one.share_variance
    return (
        Verdict.FAIL if short > bands.exposure_fail else Verdict.WATCH if short > bands.exposure_watch else Verdict.PASS
    )


def _exploration(seen: Logged, groupings: Groupings, bands: Bands, now: datetime) -> Iterator[Found]:
    found = [
        (attribute, one)
        for attribute, grouping in groupings.items()
        for one in exposure.burdens(seen, attribute, grouping)
    ]
    q_values = intervals.q_values(intervals.p_values([_counts(one) for _, one in found]))
    for (attribute, one), q in zip(found, q_values, strict=True):
        level = _of_burden(one, q, bands)
        people = min(one.decisions, one.reference_decisions)
        content = {**asdict(one), "ratio": one.ratio, "q": q, "level": level.value}
        yield Found("", attribute, one.group, one.reference, people, content)
        if level is Verdict.FAIL:
            findings.breach(
                kind="exploration", subject=f"{attribute}/{one.group}",
                title=f"Learning falls on {one.group} {one.ratio:.2f} times as often as on {one.reference}",
                cause="Decisions that tried an arm instead of showing the one that was expected to do best.",
                evidence={**asdict(one), "q": q}, now=now,
            )  # fmt: skip


def _of_burden(one: exposure.Burden, q: float | None, bands: Bands) -> Verdict:
    """Even only where the whole interval lies inside the band: little data reassures nobody."""
    interval = intervals.ratio_interval(*_counts(one))
    if q is None or interval is None:
        return Verdict.UNDEFINED
    if one.uneven(bands) and q < bands.significance:
        return Verdict.FAIL
    inside = bands.fail_ratio <= interval.low and interval.high <= bands.reverse_ratio
    return Verdict.PASS if inside else Verdict.TOO_LITTLE_DATA


def _counts(one: exposure.Burden) -> tuple[GroupCounts, GroupCounts]:
    """People for whom a decision explored, of group and reference."""
    return (
        GroupCounts(one.group, one.decisions, one.explored),
        GroupCounts(one.reference, one.reference_decisions, one.reference_explored),
    )


def _caps(seen: Logged, groupings: Groupings, bands: Bands) -> Sequence[Found]:
    pairs = [pair for name, grouping in groupings.items() for pair in exposure.spared(seen, name, grouping)]
    return [
        Found("", row.attribute, row.group, row.reference, int(min(row.total, row.reference_total)), row.to_json())
        for row in thresholds.judge(pairs, bands)
    ]
