"""The one page on why a customer was shown an offer: eleven blocks of one record, for three audiences; computed when it
is asked for, never in the hot path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from decisioning.models import Decision as DecisionRow
from fairness.explanations import approvals, handling, outcome, ranking, score, standing
from fairness.explanations.block import SHOWN, Audience, Block
from fairness.explanations.record import Record

BLOCKS: Final[Mapping[int, Callable[[Record, Audience], Block]]] = {
    1: outcome.header,
    2: outcome.outcome,
    3: outcome.alternatives,
    4: outcome.rules,
    5: score.score,
    6: ranking.ranking,
    7: handling.delivery,
    8: handling.data,
    9: standing.fairness,
    10: approvals.approvals,
    11: standing.chain,
}


def build(row: DecisionRow, audience: Audience, now: datetime) -> dict[str, Any]:
    """The blocks of one decision as JSON values: {audience, decision_id, made_at, explained_at, title, blocks}.

    Writes nothing. Raises NoRelease.
    """
    record = Record(row, now)
    blocks = [BLOCKS[number](record, audience) for number in SHOWN[audience]]
    return {
        "audience": audience,
        "decision_id": str(row.id),
        "made_at": row.made_at.isoformat(),
        "explained_at": now.isoformat(),
        "title": _title(record, audience),
        "blocks": [block.to_json() for block in blocks],
    }


def _title(record: Record, audience: Audience) -> str:
    who, shown = ("you were", "this customer was")[audience != "customer"], record.offer
    return f"Why {who} shown {shown.name if shown else 'no offer'}"
