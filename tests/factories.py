"""Small made-up banks, people and catalogues for tests, through the product's own doors wherever it has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.contrib.auth.models import Group, User
from django.db import connections, transaction

from decisioning import identity
from decisioning.models import Consent, Customer, FeatureRow, ModelVersion
from decisioning.propensity.encoding import OfferRow
from decisioning.propensity.scoring import PropensityModel
from decisioning.propensity.training import Example, train
from fairness import evidence, gate, vault
from fairness.models import DecisionMemo, Search, SearchRun, SearchSignature
from offers import approvals, catalog, roles
from offers.catalog import Item
from offers.models import ChangeRequest, Release

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
STATES = ("CA", "NY", "TX", "NJ", "PR")
REGIONS = ("Metro", "Islands")
SMALL_BANK = "A bank of a test has no more customers."


def make_user(role: str, name: str = "", *, active: bool = True) -> User:
    """A person with one role of offers.roles; the same name gives the same person."""
    username = name or f"{role}-{User.objects.count() + 1}"
    user, created = User.objects.get_or_create(username=username, defaults={"is_active": active})
    if created:
        user.groups.add(Group.objects.get_or_create(name=role)[0])
    return user


def make_bank(n: int, *, seed: int = 0, now: datetime = NOW, missing: float = 0.02) -> list[int]:
    """`n` customers with credit risk, accounts and spending, all consents, and protected groups; returns their ids.

    People of the Islands have lower credit scores, so that a rule on the score has an impact on a region. `missing` is
    the share of credit scores and of protected values that nobody knows.
    """
    random = np.random.default_rng(seed)
    first = Customer.objects.count()
    if not first:
        _count_from_one()
    names = [f"C{first + index:07d}" for index in range(n)]
    customers = Customer.objects.bulk_create(
        [Customer(external_id=name, token=identity.token(name), known_at=now) for name in names]
    )
    ids = [customer.pk for customer in customers]
    regions = random.choice(REGIONS, n, p=[0.8, 0.2]).tolist()
    FeatureRow.objects.bulk_create(
        [
            FeatureRow(customer_id=pk, group=group, version=1, occurred_at=now, known_at=now, values=values)
            for pk, region in zip(ids, regions, strict=True)
            for group, values in _features(random, region, missing).items()
        ],
        batch_size=5000,
    )
    _consent(ids, now)
    vault.write(_protected(random, ids, regions, missing), source="test", now=now)
    return ids


def _count_from_one() -> None:
    """The draws of evidence hang on the customers' ids: the same bank has the same ids, whichever test came before."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), 1, false)", [Customer._meta.db_table])


def _features(random: np.random.Generator, region: str, missing: float) -> dict[str, dict[str, Any]]:
    score = float(round(np.clip(random.normal(700 if region == "Metro" else 650, 60), 300, 850)))
    held = sorted(random.choice(["everyday-cash", "travel-plus", "student"], random.integers(0, 3), replace=False))
    return {
        "credit_risk": {
            **({"credit_score": score} if random.random() >= missing else {}),
            "debt_to_income": round(float(random.beta(2, 5)), 3),
        },
        "account_state": {
            "state": str(random.choice(STATES)),
            "is_21_or_over": bool(random.random() < 0.93),
            "cards_held": [str(card) for card in held],
            "balance": round(float(random.gamma(2, 1500)), 2),
        },
        "spend_behaviour": {
            "spend_share_travel": round(float(random.random()), 3),
            "revolving": bool(random.random() < 0.4),
        },
    }


def _consent(ids: Sequence[int], now: datetime) -> None:
    purposes = [("marketing", "mobile_app"), ("marketing", "web"), ("personalisation", "advanced")]
    Consent.objects.bulk_create(
        [
            Consent(
                customer_id=pk, purpose=purpose, channel=channel, granted=True, text_version="1", occurred_at=now,
                known_at=now,
            )
            for pk in ids
            for purpose, channel in purposes
        ],
        batch_size=5000,
    )  # fmt: skip


def _protected(
    random: np.random.Generator, ids: Sequence[int], regions: Sequence[str], missing: float
) -> list[vault.Entry]:
    entries = []
    for pk, region in zip(ids, regions, strict=True):
        born = NOW - timedelta(days=float(random.uniform(18, 80)) * 365.25)
        values = {
            "gender": str(random.choice(["female", "male"])),
            "region": region,
            "birth_date": born.date().isoformat(),
        }
        entries += [vault.Entry(pk, name, value) for name, value in values.items() if random.random() >= missing]
    return entries


def make_model(name: str, leans_on: str, *, seed: int = 0) -> PropensityModel:
    """A stored challenger whose propensity rises with one attribute between 0 and 1, and with nothing else."""
    random = np.random.default_rng(seed)
    row = OfferRow("any", "any", "cashback", {})
    examples = []
    for number, value in enumerate(random.random(1500).tolist()):
        accepted = bool(random.random() < 0.1 + 0.7 * value)
        examples.append(Example(number, {leans_on: value}, row, accepted, 1.0))
    model = train(name, examples, per_arm=False, seed=seed)
    ModelVersion.objects.create(
        name=name, sha256=model.sha256, content=model.to_bytes(), report={}, trained_at=NOW
    )  # fmt: skip
    return model


def clause(attribute: str, op: str, value: Any = None) -> dict[str, Any]:
    """A condition of one clause, as JSON."""
    return {"attribute": attribute, "op": op, **({} if value is None else {"value": value})}


def rule(key: str, when: Mapping[str, Any], target: str = "") -> Item:
    """An eligibility rule on one offer, or on all."""
    content = {
        "title": key, "scope": "offer" if target else "all", "target": target, "when": dict(when),
        "reason_code": key.upper().replace("-", "_"), "basis": "Credit policy 1.1",
    }  # fmt: skip
    return Item("rule", key, content)


def offer(key: str, **changes: Any) -> list[Item]:
    """An offer with two creatives and their arms."""
    text = {"format": "card", "headline": key, "body": "A card.", "call_to_action": "See", "disclosure": "Terms apply."}
    channels = ["mobile_app", "web"]
    content = {
        "title": key.replace("-", " ").capitalize(), "product": "card", "family": "cashback",
        "facts": {"rate": 0.2, "fee": 0}, "value": 80, "benefit_rank": 1, "base_rate": 0.05, "channels": channels,
        "placements": ["home"], "legal_basis": "firm_offer", **changes,
    }  # fmt: skip
    items = [Item("offer", key, content)]
    for name in ("plain", "bold"):
        creative = f"{key}/{name}"
        texts = dict.fromkeys(channels, text)
        items.append(Item("creative", creative, {"title": name, "offer": key, "texts": texts}))
        arm = {"title": name, "offer": key, "creative": creative, "prior_mean": 0.05, "prior_strength": 20}
        items.append(Item("arm", creative, arm))
    return items


def small_catalogue() -> list[Item]:
    """One product, four offers with rules that can all be met without a session, caps and a ranking."""
    return [
        Item("product", "card", {"title": "Card"}),
        Item("placement", "home", {"title": "Home", "fallback": None}),
        *(item for key in ("everyday-cash", "travel-plus", "student", "first-card") for item in offer(key)),
        rule("age-21", clause("is_21_or_over", "is", True)),
        rule("score-670", clause("credit_score", ">=", 640), "travel-plus"),
        rule("not-held", clause("cards_held", "contains_none_of", ["everyday-cash"]), "everyday-cash"),
        rule("low-debt", clause("debt_to_income", "<=", 0.5), "student"),
        Item(
            "contact_policy",
            "standard",
            {"title": "Caps", "decisions_per_day": 5, "decisions_per_week": 20, "same_offer_per_week": 10},
        ),
        Item("ranking", "standard", {"title": "Ranking", "propensity_weight": 0.6, "bandit_weight": 0.4,
                                     "reward_weights": {"click": 0.2, "application": 0.8}}),
    ]  # fmt: skip


def propose(
    items: Sequence[Item], *, author: User, now: datetime = NOW, kind: str = "", key: str = ""
) -> ChangeRequest:
    """A submitted change with these items."""
    first = items[0]
    with transaction.atomic():
        change = catalog.draft(
            kind=kind or first.kind, key=key or first.key, title=f"{first.kind} {first.key}", items=items,
            author=author, now=now, rationale="A test needs it.",
        )  # fmt: skip
        return approvals.submit(change.pk, author=author, now=now)


def author_of_anything(name: str = "author") -> User:
    """Somebody who may propose every kind, so that a test needs one change only."""
    author = make_user(roles.MARKETING_AUTHOR, name)
    author.groups.add(Group.objects.get_or_create(name=roles.RISK_APPROVER)[0])
    return author


def approve_content(items: Sequence[Item] | None = None, *, now: datetime = NOW) -> Release:
    """Publish these items (by default the small catalogue) as the next release, through evidence and the gate."""
    author, checker = author_of_anything(), make_user(roles.RISK_APPROVER, "checker")
    chosen = items or small_catalogue()
    if any(item.kind == "pack" for item in chosen):
        compliance = Group.objects.get_or_create(name=roles.COMPLIANCE)[0]
        author.groups.add(compliance)
        checker.groups.add(compliance)
    change = propose(chosen, author=author, now=now)
    if evidence.compute(change, now).verdict == "fail":
        justify(change, make_user(roles.COMPLIANCE, "officer"), "A test needs this release.", now=now)
    checker.groups.add(Group.objects.get_or_create(name=roles.COMPLIANCE)[0])
    return approve(change, checker, now=now)


def approve(change: ChangeRequest, checker: User, *, now: datetime = NOW, **given: Any) -> Release:
    """Through the gate, by somebody who signs that a test has no more data; `given` goes before."""
    signed = {"content_hash": change.content_hash, "little_data_because": SMALL_BANK} | given
    return gate.approve(change.pk, checker=checker, now=now, **signed)


def justify(change: ChangeRequest, officer: User, why: str, *, now: datetime = NOW) -> None:
    with transaction.atomic():
        approvals.justify(
            change.pk, officer=officer, justification=why, alternatives="None that serves the need.", now=now
        )


def searched(model: str, *, now: datetime = NOW) -> None:
    """A search for alternatives to this model that found none worth taking, signed by somebody else: rows alone."""
    author, signer = make_user(roles.MODEL_RISK, "searcher"), make_user(roles.COMPLIANCE, "signer")
    asked = Search.objects.create(
        kind=Search.Kind.MODEL, subject=model, protocol={}, sha256="0" * 64, reweighing=False, author=author,
        frozen_at=now,
    )  # fmt: skip
    run = SearchRun.objects.create(search=asked, started_at=now, ended_at=now, facts={})
    DecisionMemo.objects.create(
        run=run, verdict=DecisionMemo.Verdict.KEEP, rationale="None is better.", figures={}, author=author,
        written_at=now,
    )  # fmt: skip
    SearchSignature.objects.create(search=asked, purpose=SearchSignature.Purpose.MEMO, person=signer, signed_at=now)
