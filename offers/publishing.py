"""Make an approved change live as the next release. Only fairness.gate imports this, and the database refuses a release
without evidence."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models

from offers import audit, snapshot
from offers.models import (
    Arm,
    BoostRule,
    ChangeRequest,
    ContactPolicy,
    Creative,
    EligibilityRule,
    Evidence,
    Offer,
    Placement,
    Product,
    RankingPolicy,
    Release,
)

# Kind: its table, and the columns that are copied out of the content for lists and filters.
TABLES: dict[str, tuple[type[models.Model], tuple[str, ...]]] = {
    "product": (Product, ()),
    "offer": (Offer, ("product", "starts_at", "ends_at")),
    "creative": (Creative, ("offer",)),
    "arm": (Arm, ("offer",)),
    "rule": (EligibilityRule, ("scope", "target")),
    "boost": (BoostRule, ("scope", "target")),
    "contact_policy": (ContactPolicy, ()),
    "ranking": (RankingPolicy, ()),
    "placement": (Placement, ()),
}


def publish(change: ChangeRequest, evidence: Evidence, content: snapshot.Content, *, now: datetime) -> Release:
    """The next release with this content, which the caller built on the live release under `snapshot.lock()`."""
    last = snapshot.live_row()
    release = Release.objects.create(
        number=last.number + 1 if last else 1,
        content=content,
        content_hash=snapshot.content_hash(content),
        change=change,
        evidence=evidence,
        published_at=now,
    )
    for item in change.items:
        if item["kind"] in TABLES:
            _update_table(item, release, now)
    audit.record(
        actor=change.checker.get_username() if change.checker else "",
        action="release.published",
        subject=f"release {release.number}",
        detail={"change": change.pk, "evidence": evidence.pk, "hash": release.content_hash},
        now=now,
    )
    return release


def _update_table(item: dict[str, Any], release: Release, now: datetime) -> None:
    table, columns = TABLES[item["kind"]]
    rows = table._default_manager.filter(key=item["key"])
    content = item["content"]
    if content is None:
        rows.update(live=False, release=release, updated_at=now)
        return
    values = {
        "title": content["title"], "content": content, "live": True, "release": release, "updated_at": now,
        **{column: content.get(column) for column in columns},
    }  # fmt: skip
    if not rows.update(version=models.F("version") + 1, **values):
        table._default_manager.create(key=item["key"], version=1, **values)
