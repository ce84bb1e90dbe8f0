"""A small bank in which every page has something on it: people of each role, decisions, learning, a proposal in review,
made through the product's own doors; and an audit whose counts are made up, so that one comparison fails."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

import numpy as np
import orjson
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from decisioning import credentials, dead_letters, decision_log, learn, outcomes, rebuild, runtime, sample, serve
from decisioning.events import Rejection
from decisioning.models import Customer, ModelVersion
from decisioning.streams.source import Message
from fairness import evidence, findings, holds, surname_proxy, thresholds
from fairness.alternatives import protocol, search
from fairness.audit import ANY
from fairness.audit_worker import AuditResult
from fairness.causes import of_decisions, of_offers
from fairness.causes.exposure import Burden
from fairness.causes.kept import Found, keep
from fairness.causes.mantel_haenszel import Stratum, common
from fairness.causes.steering import Steering
from fairness.counts import GroupCounts
from fairness.cube import lines, record
from fairness.dataset import Grouping
from fairness.explanations import requests
from fairness.governance import inventory, measurement, validation
from fairness.individual import neighbours
from fairness.models import Anchor, Cause, CubeCount, CubeOffer, FairnessAudit
from fairness.scores import estimated as estimates
from fairness.scores import record as scores
from fairness.scores.found import Found as Answer
from offers import firm_offers, packs, roles
from offers.catalog import Item
from offers.models import AuditEvent, ChangeRequest
from tests import factories
from tests.fairness.scores import months

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class LivingBank:
    people: dict[str, User]  # by role; the two of roles that approve are "<role>" and "<role>-2"
    customers: list[str]
    decisions: list[UUID]
    change: ChangeRequest  # in review: a rule on travel-plus, with evidence
    finding: int  # open
    request: int  # open, and overdue


def make(customers: int = 150, decisions: int = 40, *, passwords: bool = False) -> LivingBank:
    """Committed or rolled back as the caller's test decides. Only who signs in through the page needs passwords: their
    hashes are slow on purpose."""
    runtime.forget()
    sample.forget()
    credentials.forget()
    now = timezone.now()
    people = {name: _person(name, passwords) for role in roles.ROLES for name in (role, f"{role}-2")}
    factories.make_bank(customers, seed=7, now=now)
    factories.approve_content([*factories.small_catalogue(), *_packs()], now=now)
    rebuild.rebuild()
    names = list(Customer.objects.order_by("id").values_list("external_id", flat=True))
    made = _decide([name for name in names if name][:decisions])
    _learn(made)
    with transaction.atomic():
        credentials.make(channel="mobile_app", scopes=credentials.SCOPES, actor="test", now=now)
    change = factories.propose(
        [factories.rule("score-670", factories.clause("credit_score", ">=", 700), "travel-plus")],
        author=people[f"{roles.RISK_APPROVER}-2"], now=now,
    )  # fmt: skip
    evidence.compute(change, now)
    audit_made_up_months()
    look_at_made_up_scores()
    _stray(names[0] or "", now)
    found = findings.breach(
        kind="parity", subject="travel-plus by region", title="Travel plus: Islands fall behind Metro", severity="high",
        cause="eligible", evidence={"ratio": 0.7, "shortfall": 41}, now=now,
    )  # fmt: skip
    _causes(now)
    with transaction.atomic():
        firm_offers.pull("travel-plus", "Spring mailing", by=people[roles.COMPLIANCE], now=now - timedelta(days=61))
        holds.place(holds.Held("offer", offer="student"), "Subpoena 26-114", by=people[roles.COMPLIANCE], now=now)
    _search(people[roles.COMPLIANCE], now)
    neighbours.check(now)
    _model(people, now)
    request = _request(made[0], people[roles.COMPLIANCE], now)
    return LivingBank(people, [name for name in names if name], made, change, found.pk, request)


def _request(decision: UUID, officer: User, now: datetime) -> int:
    """A customer asks for a person, and should have been answered yesterday."""
    made = requests.open_request(
        kind="human_review", customer=decision_log.get(decision).customer_id, question="I think this is wrong.",
        by=officer, now=now, decision=decision, received_at=now - timedelta(days=31),
    )  # fmt: skip
    return made.pk


def _model(people: dict[str, User], now: datetime) -> None:
    """A model that was retired, documented, measured and is being validated; and the head of the trail, anchored."""
    name = factories.make_model("spare", "spend_share_travel").name
    ModelVersion.objects.filter(name=name).update(status=ModelVersion.Status.RETIRED)
    stated = inventory.Statement({"owner": "Head of cards"}, "The owner is named.")
    inventory.revise(name, stated, author=people[roles.RISK_AUTHOR], now=now)
    measurement.measure(name, now)
    validation.begin(name, validator=people[roles.MODEL_RISK], now=now)
    place = {"where": "file", "target": "anchors.jsonl", "ok": True, "message": ""}
    head = AuditEvent.objects.latest("sequence")
    Anchor.objects.create(sequence=head.sequence, hash=head.hash, made_at=now, published=[place])


def _causes(now: datetime) -> None:
    """What a night would find; what takes more people than this bank has is made up."""
    of_offers.one("travel-plus", now)
    of_decisions.nightly(now + timedelta(minutes=1))
    islands, metro, band = GroupCounts("Islands", 60, 20), GroupCounts("Metro", 200, 120), "670_739"
    stratum = Stratum(band, islands, metro)
    one = Steering("cashback", "region", islands, metro, (stratum,), common([stratum]), 0.001, ())
    content = {**asdict(one), "gap": one.gap, "missing": one.missing, "level": one.level().value}
    keep(Cause.Kind.STEERING, [Found("cashback", "region", "Islands", "Metro", 60, content)], now)
    burden = Burden("female", "male", 80, 20, 0.0004, 90, 18, 0.0003)
    content = {**asdict(burden), "ratio": burden.ratio, "q": 0.4, "level": "too_little_data"}
    spared = {"female": GroupCounts("female", 80, 71), "male": GroupCounts("male", 90, 82)}
    (row,) = thresholds.compare_all({"gender": spared})
    keep(Cause.Kind.CAPS, [Found("", "gender", "female", "male", 80, row.to_json())], now)
    keep(Cause.Kind.EXPLORATION, [Found("", "gender", "female", "male", 80, content)], now)


def _search(author: User, now: datetime) -> None:
    """Alternatives to a threshold, found and not decided on."""
    search.run(protocol.freeze_rule_search("score-670", protocol.Settings(), author=author, now=now), now)


def _packs() -> list[Item]:
    """Federal law, and New Jersey's as nobody has looked at it for long."""
    old = {**packs.shipped()["us-new-jersey"], "verified_on": "2026-01-05"}
    return [Item("pack", "us-federal", packs.shipped()["us-federal-from-2026-07"]), Item("pack", "us-new-jersey", old)]


def edited_offer() -> list[Item]:
    """A change of an offer that a marketer may propose."""
    return [item for item in factories.offer("student", value=120) if item.kind == "offer"]


def _person(name: str, password: bool) -> User:
    user = factories.make_user(name.removesuffix("-2"), name)
    if password:
        user.set_password(PASSWORD)
        user.save()
    return user


def _decide(customers: list[str]) -> list[UUID]:
    made = []
    for place, customer in enumerate(customers):
        context = {"device_type": "app", "seconds_on_cards_page": place}
        ask = serve.Ask(customer, f"s-{place}", "mobile_app" if place % 3 else "web", "home", 2, context)
        decision = serve.ask(ask, timezone.now()).decision_id
        assert decision is not None
        made.append(decision)
    return made


def _learn(made: list[UUID]) -> None:
    now = timezone.now()
    events = []
    for place, row in enumerate(decision_log.many(made).values()):
        if row.offer is None:
            continue
        kinds = ["impression", *(["click"] if place % 4 == 0 else [])]
        events += [
            outcomes.Event(f"e-{place}-{kind}", row.id, row.offer, kind, row.made_at + timedelta(seconds=1), None)
            for kind in kinds
        ]
    outcomes.take(list(enumerate(events)), now + timedelta(seconds=2))
    learn.run(now)


def _stray(customer: str, now: datetime) -> None:
    """An event that would be taken in now, as though its customer had come after it."""
    body = {
        "event_id": "stray-1", "customer_id": customer, "type": "login", "occurred_at": now.isoformat(), "payload": {},
    }  # fmt: skip
    fault = Rejection(0, "UNKNOWN_CUSTOMER", "customer_id is no customer's")
    dead_letters.keep("redis:candor:signals", [Message("1-0", orjson.dumps(body))], [fault], now)


def audit_made_up_months() -> None:
    """Two months of made-up counts: the Islands pass fewer rules, more so than the month before; everything else is
    fair. AIF360, whose import takes seconds, is not asked again what other tests ask it."""
    now = timezone.now()
    month = now.date().replace(day=1)
    for at, share in (((month - timedelta(days=1)).replace(day=1), 0.8), (month, 0.45)):
        _counted(at, now, share)
        bands = lines.in_force(lines.last_day(at))
        judged = record.judge(at, bands)
        told = (
            AuditResult(
                row.attribute, row.group, row.reference,
                {"disparate_impact": row.ratio, "statistical_parity_difference": row.difference}, {}, 2e-16, "0.6.1",
            )
            for rows in judged.values()
            for _, row in rows
        )  # fmt: skip
        record.keep(at, judged, told, bands, now)
    sent = {"income_level": {"high": GroupCounts("high", 900, 40), "medium": GroupCounts("medium", 1000, 60)}}
    FairnessAudit.objects.create(
        stage="accepted", source="card_offers", period_from=now, period_to=now, population=1900, verdict="pass",
        comparisons=[{"subject": ANY, **row.to_json()} for row in thresholds.compare_all(sent)],
        largest_difference=2e-16, computed_at=now,
    )  # fmt: skip


def look_at_made_up_scores() -> None:
    """The Islands are scored lower than they take cards; one group that a scan came upon, and one that is estimated."""
    now = timezone.now()
    month, bands = now.date().replace(day=1), thresholds.DEFAULT
    held, halves = months.month(600, underrated=0.8)
    groupings = {"region": Grouping(halves.codes, ("Islands", "Metro"))}
    named = {"values": {"gender": ["female"], "region": ["Islands"]}, "people": 64, "observed": 20, "expected": 31.4,
             "score": 7.25}  # fmt: skip
    seen = surname_proxy.compare(np.column_stack([held.score[:, 0], 1 - held.score[:, 0]]), held.chosen[:, 0], 0, 1)
    estimated = {**estimates.content(seen, 20), "methods": [{"name": "BISG", "version": "2", "vintage": "2020"}]}
    scores.keep(
        month,
        {
            scores.Kind.SCORES: list(scores.of_scores(held, groupings, bands)),
            scores.Kind.SUBGROUP: [Answer("", "", "gender: female, region: Islands", "", 64, named)],
            scores.Kind.ESTIMATE: [Answer("", "race", "hispanic", "other", 200, estimated)],
        },
        now,
    )


def _counted(month: date, now: datetime, share: float) -> None:
    """Rows of the cube, over all, on one channel and in one credit band; `share` of the Islands are eligible."""
    people = {
        "gender": {"female": 900, "male": 1000}, "region": {"Islands": 400, "Metro": 1500},
        "age_band": {"62 and over": 500, "25 to 61": 1400},
    }  # fmt: skip
    for offer in ("", "family:travel", "student", "travel-plus"):
        for channel, segment in (("", ""), ("mobile_app", ""), ("", "670_739")):
            for attribute, groups in people.items():
                passed = {"Islands": share}
                reached = [
                    round(count * left * (passed.get(group, 0.9) if place > 1 else 1))
                    for place, left in enumerate((1, 0.9, 0.8, 0.8, 0.8, 0.5, 0.5, 0.4, 0.1, 0.03, 0.02))
                    for group, count in groups.items()
                ]
                CubeCount.objects.create(
                    month=month, offer=offer, channel=channel, segment=segment, attribute=attribute,
                    groups=list(groups), reached=reached, exposure=[float(n) / 2 for n in groups.values()],
                    computed_at=now,
                )  # fmt: skip
    CubeOffer.objects.get_or_create(place=0, defaults={"key": "student", "family": "student"})
    CubeOffer.objects.get_or_create(place=1, defaults={"key": "travel-plus", "family": "travel"})
