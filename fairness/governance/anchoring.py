"""The head of the audit trail's chain, published outside of the database: who may rewrite every row of it cannot
rewrite a mail that was sent."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from fairness import findings
from fairness.models import Anchor
from offers import audit, canonical
from offers.audit import Verification
from offers.models import AuditEvent

PUBLISHED: Final = "audit.anchored"
VERIFIED: Final = "audit.verified"
SYSTEM: Final = "candor"
TIMEOUT: Final = 10.0  # seconds
_RETRY: Final = Retry(total=3, backoff_factor=0.5, status_forcelist=(429, 502, 503, 504), allowed_methods=None)


class UnreadableAnchors(ValueError):
    """A file does not hold anchors, one JSON object a line."""


def publish(now: datetime) -> Anchor | None:
    """Send the head to every place that the settings name, and keep what came of it; None of an empty trail."""
    head = AuditEvent.objects.first()
    if head is None:
        return None
    line = canonical.dumps({"sequence": head.sequence, "hash": head.hash, "at": now}).decode()
    published = [_tried(where, target, send, line) for where, target, send in _places()]
    with transaction.atomic():
        anchor = Anchor.objects.create(sequence=head.sequence, hash=head.hash, made_at=now, published=published)
        audit.record(
            actor=SYSTEM, action=PUBLISHED, subject=f"event {head.sequence}",
            detail={"hash": head.hash, "published": published}, now=now,
        )  # fmt: skip
    return anchor


def check(now: datetime, by: str = SYSTEM) -> Verification:
    """Recompute the chain and hold it against the anchors, those of the file before those of the table, and record that
    it was done; what does not fit opens a finding."""
    stored = {row.sequence: row.hash for row in Anchor.objects.order_by("pk")}
    outside = read(settings.ANCHOR_FILE) if settings.ANCHOR_FILE.exists() else {}
    result = audit.verify(stored | outside)
    with transaction.atomic():
        audit.record(
            actor=by, action=VERIFIED, subject="audit trail",
            detail={"events": result.events, "head": result.head, "broken_at": result.broken_at}, now=now,
        )  # fmt: skip
        if result.broken_at is not None:
            findings.breach(
                kind="anchor", subject="audit trail", severity="high", now=now,
                title=f"The audit trail does not fit from event {result.broken_at} on",
                cause="Somebody with the rights of the database's owner changed, rewrote or removed events.",
                evidence={"broken_at": result.broken_at, "good_before": result.events},
            )  # fmt: skip
    return result


def read(path: Path) -> dict[int, str]:
    """Hashes by sequence, from what `publish` appended to a file or sent. Raises UnreadableAnchors."""
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        return {int(line["sequence"]): str(line["hash"]) for line in lines}
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise UnreadableAnchors(f"{path} holds no anchors: {fault}") from fault


def _places() -> list[tuple[str, str, Callable[[str], None]]]:
    """Where to: its kind, its name, and how."""
    places: list[tuple[str, str, Callable[[str], None]]] = [("file", str(settings.ANCHOR_FILE), _append)]
    if settings.ANCHOR_EMAIL:
        places.append(("e-mail", settings.ANCHOR_EMAIL, _mail))
    if settings.ANCHOR_WEBHOOK:
        # A URL may hold a secret; its host says enough.
        places.append(("webhook", urlsplit(settings.ANCHOR_WEBHOOK).hostname or "", _post))
    return places


def _tried(where: str, target: str, send: Callable[[str], None], line: str) -> dict[str, Any]:
    """What came of one place; the others are tried in any case."""
    try:
        send(line)
    except (OSError, requests.RequestException) as fault:  # smtplib's errors are OSErrors
        return {
            "where": where,
            "target": target,
            "ok": False,
            "message": getattr(fault, "strerror", None) or type(fault).__name__,
        }
    return {"where": where, "target": target, "ok": True, "message": ""}


def _append(line: str) -> None:
    """At the end of a file, on disk before this returns."""
    settings.ANCHOR_FILE.parent.mkdir(parents=True, exist_ok=True)
    with settings.ANCHOR_FILE.open("a", encoding="utf-8") as stream:
        stream.write(f"{line}\n")
        stream.flush()
        os.fsync(stream.fileno())


def _mail(line: str) -> None:
    send_mail("Head of Candor's audit trail", f"{line}\n", None, [settings.ANCHOR_EMAIL])


def _post(line: str) -> None:
    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=_RETRY))
        session.post(settings.ANCHOR_WEBHOOK, json=json.loads(line), timeout=TIMEOUT).raise_for_status()
