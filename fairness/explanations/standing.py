"""Blocks 9 and 11: how the offer fares among groups, and where the proof of the decision stands. Of groups there are
ratios only; nothing of a person's own protected attributes is read."""

from __future__ import annotations

from typing import Final

from fairness import small_groups
from fairness.explanations import wording
from fairness.explanations.block import Audience, Block, Table
from fairness.explanations.record import Record
from fairness.models import CubeComparison
from offers.models import AuditEvent

SHOWN_STAGES: Final = ("eligible", "selected")  # who could have the offer, and who was given a rank with it


def fairness(record: Record, audience: Audience) -> Block:
    """Block 9: the lowest ratio of each attribute in the newest audited month of this offer, of groups large enough."""
    title, offer = "Fairness of this offer", record.row.offer
    newest = CubeComparison.objects.filter(offer=offer or "").order_by("-month").values_list("month", flat=True).first()
    if offer is None or newest is None:
        return Block(9, "fairness", title, sentences=("This offer was not audited yet.",), data={"month": None})
    smallest = small_groups.smallest(record.pack.bands)
    rows = CubeComparison.objects.filter(
        offer=offer, month=newest, stage__in=SHOWN_STAGES, ratio__isnull=False, total__gte=smallest,
        reference_total__gte=smallest,
    )  # fmt: skip
    lowest: dict[tuple[str, str], CubeComparison] = {}
    for row in rows.exclude(attribute__contains=" and ").order_by("ratio"):
        lowest.setdefault((row.attribute, row.stage), row)
    shown = [lowest[key] for key in sorted(lowest)]
    return Block(
        9, "fairness", title,
        sentences=(
            f"Adverse impact ratios of {newest:%B %Y}, the lowest of each attribute: of groups, not of this customer.",
        ) if shown else ("The newest audit of this offer had too few people to give a ratio.",),
        table=Table(
            ("Attribute", "Stage", "Group against", "Ratio", "Interval", "Verdict"),
            tuple(
                (wording.code(row.attribute), row.stage, f"{row.group} / {row.reference}", f"{row.ratio:.2f}",
                 _interval(row), wording.code(row.verdict))
                for row in shown
            ),
        ) if shown else None,
        data={"month": newest.isoformat(), "ratios": [
            {"attribute": row.attribute, "stage": row.stage, "group": row.group, "reference": row.reference,
             "ratio": row.ratio, "verdict": row.verdict, "query_hash": row.query_hash} for row in shown]},
    )  # fmt: skip


def _interval(row: CubeComparison) -> str:
    return "–" if row.ratio_low is None or row.ratio_high is None else f"{row.ratio_low:.2f} to {row.ratio_high:.2f}"


def chain(record: Record, audience: Audience) -> Block:
    """Block 11: what proves that the record is the one that was written, and how to check that oneself."""
    row, replayed = record.row, record.replayed
    partition = f"decisioning_decision_{row.made_at:%Y%m}"
    sealed = AuditEvent.objects.filter(action="partition.sealed", subject=partition).first()
    live = AuditEvent.objects.filter(action="release.published", subject=f"release {row.release}").first()
    where = f"in audit event {sealed.sequence}" if sealed else "when the month has closed"
    release = f"; release in audit event {live.sequence}" if live else ""
    return Block(
        11, "chain", "Proof",
        sentences=(_verdict(record),),
        facts=(
            ("Digest", f"sha256 {bytes(row.digest).hex()}"),
            ("Hash chain", f"sealed with its month {where}{release}"),
            ("Verify", f"manage.py verify_audit; manage.py replay --decision {row.id}"),
        ),
        data={
            "sha256": bytes(row.digest).hex(), "partition": partition, "sealed_in": sealed.sequence if sealed else None,
            "sealed_hash": sealed.hash if sealed else None, "identical": replayed.identical, "intact": replayed.intact,
            "machine": replayed.machine, "differences": len(replayed.differences),
        },
    )  # fmt: skip


def _verdict(record: Record) -> str:
    replayed = record.replayed
    at = wording.moment(record.now)
    if replayed.identical:
        return f"Decided again {at} on {replayed.machine} from the recorded inputs: the same bytes."
    if not replayed.intact:
        return f"Decided again {at}: the record no longer fits its own digest, so somebody has changed it."
    return (
        f"Decided again {at} on {replayed.machine}: {len(replayed.differences)} values differ. On another kind of "
        f"processor than the one that decided, the last bits of a score may differ."
    )
