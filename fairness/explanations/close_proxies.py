"""What a night looks for in the day's decisions: a close proxy among the strongest reasons of a model. Whoever reads an
explanation writes nothing; the reason itself stands in each of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from decisioning import activity
from decisioning.models import Decision as DecisionRow
from decisioning.propensity.reasons import BY_NAME
from fairness import findings
from fairness.explanations import wording
from fairness.explanations.record import Record
from fairness.models import Finding

KIND: Final = "close_proxy"  # of finding
MOST: Final = 200
"""Decisions of a day that are looked at: the score of each is taken apart once more."""


def nightly(now: datetime) -> int:
    """Tell compliance of each model that leans on a close proxy; how many decisions were looked at."""
    rows = list(_sample(now - timedelta(days=1), now))
    for row in rows:
        _look(row, now)
    return len(rows)


def _sample(start: datetime, end: datetime) -> Iterator[DecisionRow]:
    """Decisions that a model scored, spread evenly over the time: the first of each part of it, by the index alone."""
    scored = DecisionRow.objects.exclude(offer=None).exclude(model="").order_by("id")
    part = (end - start) / MOST
    for number in range(MOST):
        at = start + number * part
        row = scored.filter(id__gte=activity.first_id(at), id__lt=activity.first_id(at + part)).first()
        if row is not None:
            yield row


def _look(row: DecisionRow, now: datetime) -> Finding | None:
    """Once, while nobody has settled it."""
    subject = f"model {row.model}"
    if Finding.objects.filter(kind=KIND, subject=subject).exclude(status="closed").exists():
        return None
    chosen = Record(row, now).chosen
    given = chosen["contributions"] if chosen else None
    told = [*given["reasons"]["raising"], *given["reasons"]["lowering"]] if given else []
    proxies = [reason for reason in told if BY_NAME[reason["family"]].is_proxy]
    if not proxies:
        return None
    names = wording.listed([one["column"] for reason in proxies for one in reason["inputs"]])
    return findings.breach(
        kind=KIND, subject=subject, now=now, title=f"{names} is among the strongest reasons of {row.model}",
        cause="It is among the four strongest reasons for or against an offer. It is told there, not left out.",
        evidence={
            "decision": str(row.id), "offer": row.offer,
            "reasons": [{"family": reason["family"], "log_odds": round(reason["log_odds"], 4)} for reason in proxies],
        },
    )  # fmt: skip
