"""Twelve months of a bank of a million: the home of fairness and its drill-down, and the examiner pack, over real
decision rows, events of the trail and a cube of thirteen months; the pages beside an empty one behind the same
middleware. SIZES, such as "decisions=1000000 events=100000", says how large it is."""

from __future__ import annotations

import os
import resource
import tempfile
from datetime import UTC, datetime, timedelta
from typing import Final

from psycopg import sql

from tests.benchmarks import bench_cube
from tests.benchmarks.bench_cube import MONTH, NOW
from tests.benchmarks.page_times import FLOOR, everybody, measured
from tests.benchmarks.servers import VAR, django_over, sizes, timed

SIZES: Final = sizes(customers=1_000_000, offers=20, months=13, decisions=10_000_000, events=100_000)
FOLDER: Final = VAR / "bench-year"
START: Final = NOW - timedelta(days=365)
BATCH: Final = 500_000
ASKING: Final = 100  # customers whose decisions are the pattern of all others
MOST_MS: Final = {"fairness": 2_000.0, "fairness_drill": 1_000.0}
PACK_SECONDS: Final = 120.0

# The moment of each is in its key too.
_DECISIONS: Final = """
INSERT INTO decisioning_decision (id, customer_id, session, channel, placement, made_at, expires_at, reason, offer, arm,
  action_probability, release, model, posterior, degraded, inputs, result, digest, took_us)
SELECT uuidv7(m.at - clock_timestamp()), m.n %% %(customers)s + 1, md5(m.n::text), d.channel, d.placement, m.at,
  m.at + interval '30 minutes', d.reason, d.offer, d.arm, d.action_probability, d.release, d.model, d.posterior,
  d.degraded, d.inputs, d.result, d.digest, d.took_us
FROM (SELECT n, %(start)s::timestamptz + interval '365 days' * (n::float / %(decisions)s) AS at
  FROM generate_series(%(first)s, %(last)s) n) m
JOIN pattern d ON d.number = m.n %% %(patterns)s
"""
_PATTERN: Final = """
CREATE TEMPORARY TABLE pattern AS SELECT row_number() OVER (ORDER BY id) - 1 AS number, * FROM decisioning_decision
WHERE session = ANY(%s)
"""


def fill() -> None:
    """A counted and audited month, the same once more for each before it, decisions and events; an earlier run's
    stay."""
    from decisioning.models import Decision
    from fairness.cube import record, rollup
    from fairness.models import FairnessAudit
    from offers.models import AuditEvent

    bench_cube.fill()
    if not FairnessAudit.objects.exists():
        rollup.rebuild(MONTH, NOW)
        record.audit([MONTH], NOW)
        _months_before()
    if AuditEvent.objects.count() < SIZES["events"]:
        _events()
    if Decision.objects.count() < SIZES["decisions"]:
        _decisions()


def _months_before() -> None:
    """Counts, comparisons and heads of the audit."""
    from django.db import connection

    from fairness.models import CubeComparison, CubeCount, FairnessAudit

    for back in range(1, SIZES["months"]):
        month = datetime(2026 - (back > 10), (11 - back - 1) % 12 + 1, 1, tzinfo=UTC)
        for model in (CubeCount, CubeComparison):
            kept = [sql.Identifier(str(field.column)) for field in model._meta.fields]
            names = sql.Composed([name for name in kept if name.as_string() not in ('"id"', '"month"')]).join(", ")
            query = sql.SQL("INSERT INTO {table} (month, {names}) SELECT %s, {names} FROM {table} WHERE month = %s")
            with connection.cursor() as cursor:
                cursor.execute(
                    query.format(table=sql.Identifier(model._meta.db_table), names=names), [month.date(), MONTH]
                )
        for head in FairnessAudit.objects.filter(period_from__date=MONTH):
            head.pk, head.period_from = None, month
            head.save()


def _events() -> None:
    """Chained as the product chains them, many in one statement."""
    from offers import audit
    from offers.models import AuditEvent

    last = AuditEvent.objects.first()
    previous, sequence = (last.hash, last.sequence) if last else (audit.GENESIS, 0)
    rows = []
    for number in range(SIZES["events"]):
        at, subject = START + timedelta(days=365 * number / SIZES["events"]), f"change {number}"
        detail = f'{{"change":{number},"comment":"looked at it"}}'
        sequence += 1
        found = audit._hash(previous, sequence, at, "anna", "change.approved", subject, detail)
        rows.append(
            AuditEvent(sequence=sequence, at=at, actor="anna", action="change.approved", subject=subject,
                       detail=detail, previous_hash=previous, hash=found)
        )  # fmt: skip
        previous = found
    AuditEvent.objects.bulk_create(rows, batch_size=10_000)


def _decisions() -> None:
    """Rows as the engine wrote them for some customers, over and over, each at its own moment of the year."""
    from django.db import connection

    from decisioning import partitions

    partitions.ensure(START.date(), NOW.date())
    sessions = _asked()
    with connection.cursor() as cursor:
        cursor.execute(_PATTERN, [sessions])
        for first in range(0, SIZES["decisions"], BATCH):
            last = min(first + BATCH, SIZES["decisions"]) - 1
            cursor.execute(
                _DECISIONS,
                {"customers": SIZES["customers"], "start": START, "decisions": SIZES["decisions"], "first": first,
                 "last": last, "patterns": len(sessions)},
            )  # fmt: skip
            print(f"\r{last + 1:,} decisions", end="", flush=True)
    print()


def _asked() -> list[str]:
    """Decisions over a few offers with their rules, on two channels; the sessions under which they are stored."""
    from django.utils import timezone

    from decisioning import learn, partitions, serve
    from decisioning.models import Decision
    from offers import snapshot
    from tests import bank, catalogue

    now = timezone.now()
    partitions.ensure(now.date(), now.date())
    if snapshot.live_row() is None:
        bank.customers(ASKING)
        rules = {"floor": catalogue.rule({"attribute": "credit_score", "op": ">=", "value": 600})}
        content = catalogue.content(offers=5, creatives=1, rules=rules)
        for offer in content["offer"].values():
            offer["legal_basis"] = "firm_offer"  # a rule reads a consumer report
        bank.publish(content)
    bank.warm()
    learn.run(now)
    for number in range(1, ASKING + 1):
        channel = ("mobile_app", "web")[number % 2]
        serve.ask(serve.Ask(f"C-{number}", f"y-{now.timestamp()}", channel, "home_banner", 2, {}), now)
    return list(Decision.objects.order_by("-id").values_list("session", flat=True)[:ASKING])


def pages() -> None:
    from django.urls import reverse

    client = everybody()
    print(f"\n{'page':34}{'queries':>9}{'p50 ms':>9}{'p95 ms':>9}")
    addresses = {
        "fairness": reverse("fairness"),
        "fairness_drill": reverse("fairness_drill", args=["offer-0003", "region"]),
    }
    for name, address in {"floor": FLOOR, **addresses}.items():
        status, queries, median, p95 = measured(client, address)
        assert status == 200, (name, status)
        most = MOST_MS.get(name)
        limit = "" if most is None else f"   {'within' if p95 <= most else 'BEYOND'} {most:.0f}"
        print(f"{name:34}{queries:>9}{median:>9.1f}{p95:>9.1f}{limit}", flush=True)


def pack() -> None:
    from fairness.governance.examiner import pack, verify
    from fairness.governance.examiner import scope as scopes

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.NamedTemporaryFile(suffix=".zip") as target:
        with timed("\nexaminer pack of twelve months", PACK_SECONDS):
            totals = pack.write(scopes.of(START.date(), NOW.date()), target, by="the benchmark", now=NOW)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        target.flush()
        print(f"{sum(totals.values()):,} rows, {os.path.getsize(target.name) / 1e6:.1f} MB, {grown:.0f} MB more memory")
        with timed("verified"):
            assert verify.main(target.name) == 0


def run() -> None:
    from django.core.management import call_command
    from django.db import connections

    call_command("migrate", verbosity=0)
    with timed("made, unless it was there"):
        fill()
    with connections["owner"].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    print(", ".join(f"{size:,} {name}" for name, size in SIZES.items()))
    pages()
    pack()


if __name__ == "__main__":
    with django_over(FOLDER, durable=False):  # ten million rows are to be read, not kept
        run()
