"""Every list page of the console over a bank of real size: queries and time of each, beside an empty page behind the
same middleware. SIZES, such as "customers=100000 decisions=100000 offers=5000", says how large it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

import numpy as np

from tests.benchmarks.page_times import CALLS, FLOOR, everybody, measured
from tests.benchmarks.servers import VAR, django_over, sizes

FOLDER: Final = VAR / "bench-pages"
SIZES: Final = sizes(customers=100_000, decisions=100_000, offers=5_000)
CHUNK = 20_000
PRODUCTS, WAITING, MOST_QUERIES, MOST_MS = 50, 2_000, 12, 300.0

# Address by name, with its query; a page that this site has not is left out.
PAGES: Final = (
    ("home", ""),
    ("offers", ""),
    ("offers", "?after=offer-02500"),
    ("offers", "?q=offer-0499"),
    ("offers", "?status=paused"),
    ("offers", "?status=scheduled"),
    ("offers", "?status=ended"),
    ("offers", "?ending=on"),
    ("offers", "?idle=on&channel=web&placement=home_banner"),
    ("offers", "?product=product-07"),
    ("offer_calendar", ""),
    ("products", ""),
    ("placements", ""),
    ("arms", ""),
    ("rules", ""),
    ("boosts", ""),
    ("policies", ""),
    ("reviews", ""),
    ("releases", ""),
    ("stops", ""),
    ("decisions", ""),
    ("audit", ""),
    ("features", ""),
    ("customers", ""),
    ("quality", ""),
    ("dead_letters", ""),
    ("fairness", ""),
    ("value", ""),
    ("value_finder", ""),
    ("people", ""),
    ("roles", ""),
    ("health", ""),
)


def fill(now: datetime) -> None:
    """The bank, unless an earlier run with the same sizes left it."""
    from decisioning.models import Customer
    from decisioning.models import Decision as DecisionRow
    from offers.models import Offer

    if not Offer.objects.exists():
        _catalogue(now)
        _changes(now)
    if Customer.objects.count() < SIZES["customers"]:
        _customers(now)
    if DecisionRow.objects.count() < SIZES["decisions"]:
        _decisions(now)


def _catalogue(now: datetime) -> None:
    """One release of all offers through bulk inserts: what proposals and their evidence cost is not measured here."""
    from django.db import transaction

    from offers import canonical, publishing, snapshot
    from offers.models import Evidence, Release
    from tests import factories

    content = _content(now)
    author, checker = factories.author_of_anything(), factories.make_user("risk_approver", "checker")
    with transaction.atomic():
        change = _approved(author, checker, now)
        reach = [{"offer": key, "before": None, "after": 1} for key in content["offer"]]
        candidate = canonical.digest(content)
        evidence = Evidence.objects.create(
            change=change, content_hash=change.content_hash, candidate_hash=candidate, verdict="pass", population=1,
            content={"reach": reach}, computed_at=now,
        )  # fmt: skip
        release = Release.objects.create(
            number=1, content=content, content_hash=snapshot.content_hash(content), change=change, evidence=evidence,
            published_at=now,
        )  # fmt: skip
        for kind, (table, columns) in publishing.TABLES.items():
            table._default_manager.bulk_create(
                [
                    table(key=key, title=item["title"], content=item, release=release, updated_at=now,
                          **{column: item.get(column) for column in columns})
                    for key, item in content[kind].items()
                ],
                batch_size=1000,
            )  # fmt: skip


def _approved(author: Any, checker: Any, now: datetime) -> Any:
    """A change as approved; the release's content is not in it."""
    from offers import canonical
    from offers.models import ChangeRequest

    items = [{"kind": "product", "key": "product-00", "content": {"title": "Product 0"}}]
    content_hash = canonical.digest(items)
    change = ChangeRequest.objects.create(
        kind="product", key="product-00", title="All offers", items=items, content_hash=content_hash, author=author,
        created_at=now,
    )  # fmt: skip
    change.status, change.submitted_at = ChangeRequest.Status.SUBMITTED, now
    change.save()
    change.status, change.checker, change.checked_at = ChangeRequest.Status.APPROVED, checker, now
    change.approved_hash = content_hash
    change.save()
    return change


def _content(now: datetime) -> dict[str, dict[str, Any]]:
    """Offers over many products with two arms each; some are over, some to come, some paused, some end soon."""
    from offers.models import KINDS
    from tests import catalogue

    content: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
    content |= {kind: dict(items) for kind, items in catalogue.content(offers=0).items()}
    for number in range(PRODUCTS):
        content["product"][f"product-{number:02}"] = {"title": f"Product {number}"}
    for number in range(SIZES["offers"]):
        key = f"offer-{number:05}"
        catalogue.add_offer(
            content, key, 2, product=f"product-{number % PRODUCTS:02}", legal_basis="firm_offer", **_dates(number, now)
        )
        if number % 23 == 0:
            for arm in (f"{key}/c0", f"{key}/c1"):
                content["arm"][arm]["paused"] = True
        if number % 40 == 0:
            content["rule"][f"floor-{number:05}"] = catalogue.rule(
                {"attribute": "credit_score", "op": ">=", "value": 500 + number % 200}, scope="offer", target=key
            )
    return content


def _dates(number: int, now: datetime) -> dict[str, str]:
    days = {1: ("ends_at", -5), 2: ("starts_at", 20), 3: ("ends_at", 15), 4: ("ends_at", 90)}
    if number % 10 not in days:
        return {}
    name, away = days[number % 10]
    return {name: (now + timedelta(days=away)).isoformat(timespec="seconds")}


def _customers(now: datetime) -> None:
    from console.bank.customers import copy
    from decisioning import identity
    from decisioning.models import Customer

    begun = Customer.objects.count()
    for first in range(begun, SIZES["customers"], CHUNK):
        names = [f"B-{number}" for number in range(first, min(first + CHUNK, SIZES["customers"]))]
        copy("decisioning_customer", {
            "external_id": names, "token": [identity.token(name) for name in names], "source": ["bench"] * len(names),
            "suppressed": [False] * len(names), "known_at": [now] * len(names),
        })  # fmt: skip


def _decisions(now: datetime) -> None:
    """Decisions of the last week: one in five without an offer; the others over half of the offers."""
    from decisioning import partitions
    from decisioning.models import Decision as DecisionRow

    partitions.ensure((now - timedelta(days=8)).date(), now.date())
    random = np.random.default_rng(3)
    for first in range(DecisionRow.objects.count(), SIZES["decisions"], CHUNK):
        size = min(CHUNK, SIZES["decisions"] - first)
        _copy_decisions(random, first, size, now)


def _copy_decisions(random: np.random.Generator, first: int, size: int, now: datetime) -> None:
    from console.bank.customers import copy
    from decisioning.models import Customer

    least = Customer.objects.order_by("id").values_list("id", flat=True)[0]
    moments = [now - timedelta(seconds=(SIZES["decisions"] - first - place) * 0.5) for place in range(size)]
    chosen = random.integers(0, max(2, SIZES["offers"]), size)
    offers = [f"offer-{number - number % 2:05}" if number % 5 else None for number in chosen.tolist()]
    inputs, result = _record(now)
    copy("decisioning_decision", {
        "id": [str(_uuid7(random, moment)) for moment in moments],
        "customer_id": (least + random.integers(0, SIZES["customers"], size)).tolist(),
        "session": [f"{first + place:032x}" for place in range(size)], "channel": ["web"] * size,
        "placement": ["home_banner"] * size, "made_at": moments,
        "expires_at": [moment + timedelta(minutes=30) for moment in moments],
        "reason": [None if offer else "NO_ELIGIBLE_OFFER" for offer in offers], "offer": offers,
        "arm": [f"{offer}/c0" if offer else None for offer in offers],
        "action_probability": [0.5 if offer else None for offer in offers], "release": [1] * size,
        "model": ["bench"] * size, "posterior": [0] * size, "degraded": ["{}"] * size, "inputs": [inputs] * size,
        "result": [result] * size, "digest": ["\\x" + "00" * 32] * size,
        "took_us": random.integers(500, 5000, size).tolist(),
    })  # fmt: skip


def _record(now: datetime) -> tuple[str, str]:
    """Inputs and result of one decision in the form of COPY; every decision has the same, which no list shows."""
    from decisioning import records
    from decisioning.types import Decision, DecisionRequest, Known

    request = DecisionRequest(1, "0" * 32, "web", "home_banner", 1, now)
    known = Known({"credit_score": 700.0}, {"credit_risk": 60.0}, frozenset(), False, {}, frozenset())
    decision = Decision((), "NO_ELIGIBLE_OFFER", (), (), ())
    return "\\x" + records.inputs_to_bytes(request, known).hex(), "\\x" + records.result_to_bytes(decision).hex()


def _uuid7(random: np.random.Generator, moment: datetime) -> UUID:
    low = int.from_bytes(random.bytes(8)) & ((1 << 62) - 1)
    return UUID(int=(int(moment.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62) | low)


def _changes(now: datetime) -> None:
    """Proposals in review, as an inbox that nobody has looked at for long."""
    from offers.models import ChangeRequest
    from tests import factories

    author = factories.author_of_anything()
    rows = [
        ChangeRequest(
            kind="offer", key=f"offer-{number:05}", title=f"Change {number}", items=[], content_hash="0" * 64,
            author=author, created_at=now,
        )
        for number in range(WAITING)
    ]  # fmt: skip
    made = ChangeRequest.objects.bulk_create(rows, batch_size=1000)
    found = ChangeRequest.objects.filter(pk__in=[row.pk for row in made])
    found.update(status=ChangeRequest.Status.SUBMITTED, submitted_at=now)


def addresses() -> Sequence[tuple[str, str]]:
    from django.urls import NoReverseMatch, reverse

    found = []
    for name, query in PAGES:
        try:
            found.append((f"{name} {query}".strip(), reverse(name) + query))
        except NoReverseMatch:
            continue
    return found


def run() -> int:
    """How many pages take more queries or milliseconds than a page may."""
    from django.core.management import call_command
    from django.db import connection

    from decisioning import learn

    call_command("migrate", verbosity=0)
    now = datetime.now(UTC)
    fill(now)
    learn.run(now)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    print(", ".join(f"{size:,} {name}" for name, size in SIZES.items()) + f", {CALLS} calls of each page\n")
    print(f"{'page':58}{'status':>8}{'queries':>9}{'p50 ms':>9}{'p95 ms':>9}")
    client, over = everybody(), 0
    for name, address in [("floor: an empty page", FLOOR), *addresses()]:
        status, queries, median, p95 = measured(client, address)
        slow = status != HTTPStatus.OK or p95 > MOST_MS or queries > MOST_QUERIES
        over += slow
        print(f"{name:58}{status:>8}{queries:>9}{median:>9.1f}{p95:>9.1f}{'  over' if slow else ''}", flush=True)
    print(f"\n{over} over {MOST_QUERIES} queries or {MOST_MS:.0f} ms at p95")
    return over


if __name__ == "__main__":
    with django_over(FOLDER):
        run()
