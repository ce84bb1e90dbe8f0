"""A small bank in the test database: people, customers with everything granted, and a published release."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.utils import timezone

from decisioning import credentials, identity, rebuild, runtime
from decisioning.models import Consent, Customer, FeatureRow, ModelVersion
from decisioning.propensity.scoring import PropensityModel
from fairness.governance import inventory
from offers import approvals, catalog, publishing, roles, snapshot
from offers.models import ChangeRequest, Evidence, Release
from offers.types import CHANNELS
from tests import catalogue

ATTRIBUTES: dict[str, dict[str, Any]] = {
    "credit_risk": {"credit_score": 720, "debt_to_income": 0.25},
    "account_state": {"state": "CA", "is_21_or_over": True, "cards_held": [], "utilisation": 0.2},
    "spend_behaviour": {"spend_90d": 1200.0, "spend_share_travel": 0.3},
    "lifecycle": {"tenure_months": 40},
}


def person(name: str, *held: str) -> User:
    """A user with these roles; made once."""
    user, created = User.objects.get_or_create(username=name)
    if created:
        user.set_password("correct horse battery")
        user.save()
    for role in held:
        user.groups.add(Group.objects.get_or_create(name=role)[0])
    return user


def customers(count: int, *, now: datetime | None = None, first: int = 1) -> list[str]:
    """Customers C-1 … with the attributes above and consent to marketing everywhere."""
    at = now or timezone.now()
    ids = [f"C-{number}" for number in range(first, first + count)]
    rows = Customer.objects.bulk_create(
        Customer(external_id=external, token=identity.token(external), known_at=at) for external in ids
    )
    FeatureRow.objects.bulk_create(
        FeatureRow(customer_id=row.pk, group=group, version=1, occurred_at=at, known_at=at, values=values)
        for row in rows
        for group, values in ATTRIBUTES.items()
    )
    granted = [("marketing", channel) for channel in CHANNELS] + [("personalisation", "advanced")]
    Consent.objects.bulk_create(
        Consent(
            customer_id=row.pk, purpose=purpose, channel=channel, granted=True, text_version="1", occurred_at=at,
            known_at=at,
        )
        for row in rows
        for purpose, channel in granted
    )  # fmt: skip
    return ids


def submitted(content: catalogue.Content, *, author: User | None = None) -> ChangeRequest:
    """A change that turns the live catalogue into `content`, in review."""
    maker = author or person("maker", roles.MARKETING_AUTHOR, roles.RISK_APPROVER)
    live = snapshot.live_row()
    before = live.content if live else snapshot.EMPTY
    items = [
        catalog.Item(kind, key, content[kind].get(key))
        for kind in content
        if kind != snapshot.LAW
        for key in sorted(content[kind].keys() | before.get(kind, {}).keys())
        if content[kind].get(key) != before.get(kind, {}).get(key)
    ]
    now = timezone.now()
    with transaction.atomic():
        change = catalog.draft(
            kind=items[0].kind, key=items[0].key, title="A change", items=items, author=maker, now=now
        )
        return approvals.submit(change.pk, author=maker, now=now)


def publish(content: catalogue.Content) -> Release:
    """Put a catalogue live with the least evidence that the database accepts; fairness.gate has tests of its own."""
    change, now = submitted(content), timezone.now()
    live = snapshot.live_row()
    candidate = snapshot.apply(live.content if live else snapshot.EMPTY, snapshot.items_of(change.items))
    for model in ModelVersion.objects.filter(name__in=content["model"]):
        inventory.keep(model.name, now)  # the database puts no model live that is not in it
    with transaction.atomic():
        evidence = Evidence.objects.create(
            change=change, content_hash=change.content_hash, candidate_hash=snapshot.content_hash(candidate),
            verdict="pass", population=0, content={}, computed_at=now, base=live.number if live else None,
        )  # fmt: skip
        checker = person("checker", roles.RISK_APPROVER, roles.COMPLIANCE)
        approved = approvals.approve(change.pk, checker=checker, content_hash=change.content_hash, now=now)
        release = publishing.publish(approved, evidence, candidate, now=now)
    rebuild.announce()
    return release


def store_model(model: PropensityModel) -> None:
    ModelVersion.objects.create(
        name=model.name, sha256=model.sha256, content=model.to_bytes(), report={}, trained_at=timezone.now()
    )


def key(channel: str = "mobile_app", *scopes: str) -> str:
    with transaction.atomic():
        return credentials.make(channel=channel, scopes=scopes or credentials.SCOPES, actor="test", now=timezone.now())


def warm() -> None:
    """Fill Redis, and forget what this process held of an earlier test."""
    runtime.forget()
    credentials.forget()
    rebuild.rebuild()


def body(customer: str = "C-1", session: str = "s-1", channel: str = "mobile_app", **changes: Any) -> bytes:
    return orjson.dumps(
        {
            "customer_id": customer, "session_id": session, "channel": channel, "placement": "home_banner", "limit": 1,
            "context": {"entry_point": "push", "device_type": "app", "seconds_on_cards_page": 41}, **changes,
        }
    )  # fmt: skip
