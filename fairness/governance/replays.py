"""Whether what was decided can still be proved: each night decisions drawn at random are decided again; one that comes
out otherwise is a finding, and until that is settled no model goes live. Replaying itself is decisioning.replay's."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from decisioning import activity
from decisioning.models import Decision as DecisionRow
from decisioning.models import Job
from decisioning.replay import Replay, replay_all
from fairness import findings
from fairness.models import Finding

KIND: Final = "replay"  # of finding
JOB: Final = "replay"
SAMPLE: Final = 1000  # decisions of a night
_NAMED: Final = 20  # decisions that a finding names
_RANDOM_BITS: Final = 76  # of a UUIDv7, below its version: those of one millisecond are drawn among too
_VERSION: Final = 7 << _RANDOM_BITS


def nightly(now: datetime) -> int:
    """Replay the night's sample and tell of what differs; how many were replayed (R-RPL-2)."""
    rows = _drawn(now)
    differing = [one for one in replay_all(rows) if not one.identical]
    if differing:
        _tell(differing, len(rows), now)
    return len(rows)


def open_finding() -> Finding | None:
    """The finding that keeps every model from going live, if there is one."""
    return Finding.objects.filter(kind=KIND).exclude(status=Finding.Status.CLOSED).first()


def failed() -> str:
    """Why the last night's replay did not come to its end, "" where it did or none ran: what nobody looked at is not
    proved."""
    last = Job.objects.filter(kind=JOB).exclude(status=Job.Status.RUNNING).first()
    return last.message if last is not None and last.status == Job.Status.FAILED else ""


def _drawn(now: datetime) -> list[DecisionRow]:
    """The decisions next to moments that are drawn evenly from all that is kept: by the index alone, since a log of
    millions is not sorted by chance each night."""
    oldest = DecisionRow.objects.order_by("id").first()
    if oldest is None:
        return []
    draw, kept = random.Random(now.isoformat()), now - oldest.made_at
    found = {}
    for _ in range(SAMPLE):
        at = activity.first_id(oldest.made_at + draw.random() * kept).int | _VERSION | draw.getrandbits(_RANDOM_BITS)
        row = DecisionRow.objects.filter(id__gte=UUID(int=at)).order_by("id").first() or oldest
        found[row.id] = row
    return list(found.values())


def _tell(differing: Sequence[Replay], replayed: int, now: datetime) -> None:
    altered = sum(not one.intact for one in differing)
    findings.breach(
        kind=KIND, subject="decisions", severity="high", now=now,
        title=f"{len(differing)} of {replayed} decisions do not replay",
        cause=f"{altered} of their records were altered; the others come out otherwise from the recorded inputs.",
        evidence={
            "replayed": replayed, "differing": len(differing), "altered": altered,
            "decisions": [str(one.decision_id) for one in differing[:_NAMED]],
            "first_difference": differing[0].differences[0][0] if differing[0].differences else "",
        },
    )  # fmt: skip
