"""The head of the audit trail outside of the database: what it catches that the chain cannot (T-GOV-18, R-GOV-1)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings as project
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import override_settings

from console.databases import parameters
from fairness.governance import anchoring
from fairness.models import Anchor, Finding
from offers import audit
from offers.models import AuditEvent
from tests.factories import NOW


@pytest.fixture
def anchors(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "kept" / "anchors.jsonl"
    with override_settings(ANCHOR_FILE=path):
        yield path


def events(count: int) -> None:
    for number in range(count):
        with transaction.atomic():
            audit.record(
                actor="anna", action="rule.changed", subject=f"rule {number}", detail={"limit": number},
                now=NOW + timedelta(minutes=number),
            )  # fmt: skip


def rewrite_the_whole_chain() -> None:
    """As the owner of the database may: every trigger off, one event altered, every hash after it computed anew."""
    with psycopg.connect(**parameters(project.DATABASES["owner"]), autocommit=True) as owner:
        owner.execute("ALTER TABLE offers_auditevent DISABLE TRIGGER USER")
        previous = audit.GENESIS
        for event in AuditEvent.objects.order_by("sequence"):
            actor = "bernd" if event.sequence == 2 else event.actor
            found = audit._hash(
                previous, event.sequence, event.at, actor, event.action, event.subject, event.detail
            )  # fmt: skip
            owner.execute(
                "UPDATE offers_auditevent SET actor = %s, previous_hash = %s, hash = %s WHERE sequence = %s",
                [actor, previous, found, event.sequence],
            )
            previous = found
        owner.execute("ALTER TABLE offers_auditevent ENABLE TRIGGER USER")


@pytest.mark.usefixtures("live_db")
def test_an_anchor_catches_a_chain_that_was_rewritten_as_a_whole(anchors: Path) -> None:
    events(5)
    anchoring.publish(NOW)
    events(3)
    call_command("verify_audit", f"--anchor={anchors}", stdout=StringIO())
    rewrite_the_whole_chain()
    assert audit.verify().broken_at is None  # in itself it is whole
    call_command("verify_audit", stdout=StringIO())
    with pytest.raises(CommandError, match="event 5 is not what was anchored"):
        call_command("verify_audit", f"--anchor={anchors}", stdout=StringIO())
    assert anchoring.check(NOW).broken_at == 5
    assert Finding.objects.get(kind="anchor").severity == "high"


@pytest.mark.usefixtures("live_db")
def test_events_that_were_cut_off_after_an_anchor_are_missed(anchors: Path) -> None:
    events(5)
    anchoring.publish(NOW)
    with psycopg.connect(**parameters(project.DATABASES["owner"]), autocommit=True) as owner:
        owner.execute("ALTER TABLE offers_auditevent DISABLE TRIGGER USER")
        owner.execute("DELETE FROM offers_auditevent WHERE sequence > 3")
        owner.execute("ALTER TABLE offers_auditevent ENABLE TRIGGER USER")
    assert audit.verify().broken_at is None
    with pytest.raises(CommandError, match="event 5 is not what was anchored"):
        call_command("verify_audit", f"--anchor={anchors}", stdout=StringIO())


@pytest.mark.django_db
def test_each_day_is_a_line_of_a_file_that_is_only_appended_to(anchors: Path) -> None:
    for day in range(3):
        events(2)
        anchoring.publish(NOW + timedelta(days=day))
    lines = [json.loads(line) for line in anchors.read_text().splitlines()]
    assert [(line["sequence"], line["hash"]) for line in lines] == list(
        Anchor.objects.order_by("pk").values_list("sequence", "hash")
    )
    assert [line["sequence"] for line in lines] == [2, 5, 8]  # each anchor is an event too
    assert anchoring.check(NOW).broken_at is None
    assert not Finding.objects.exists()


@pytest.mark.django_db
def test_an_empty_trail_has_no_head(anchors: Path) -> None:
    assert anchoring.publish(NOW) is None
    assert not anchors.exists()


class Hook(BaseHTTPRequestHandler):
    """Answers 503 once, then takes what it is sent."""

    taken: list[dict[str, Any]]
    refusals: int

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        hook = type(self)
        if hook.refusals:
            hook.refusals -= 1
            self.send_response(503)
        else:
            hook.taken.append(json.loads(body))
            self.send_response(204)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[str]:
    Hook.taken, Hook.refusals = [], 1
    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/secret"
        server.shutdown()
        thread.join()


@pytest.mark.django_db
@pytest.mark.usefixtures("anchors")
def test_a_webhook_and_a_mail_get_the_head_too(hook: str) -> None:
    events(2)
    with override_settings(ANCHOR_WEBHOOK=hook, ANCHOR_EMAIL="examiner@bank.example"):
        anchor = anchoring.publish(NOW)
    assert anchor is not None
    assert [(place["where"], place["ok"]) for place in anchor.published] == [
        ("file", True), ("e-mail", True), ("webhook", True)
    ]  # fmt: skip
    assert Hook.taken[0]["hash"] == anchor.hash
    assert json.loads(str(mail.outbox[0].body))["hash"] == anchor.hash
    assert "secret" not in json.dumps(anchor.published)


@pytest.mark.django_db
def test_a_place_that_fails_is_told_and_stops_no_other(tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    events(1)
    with override_settings(ANCHOR_FILE=tmp_path / "a-file" / "x", ANCHOR_EMAIL="examiner@bank.example"):
        anchor = anchoring.publish(NOW)
    assert anchor is not None
    assert [place["ok"] for place in anchor.published] == [False, True]
    assert len(mail.outbox) == 1


@pytest.mark.django_db
def test_a_file_without_anchors_is_said(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello\n")
    with pytest.raises(CommandError, match="holds no anchors"):
        call_command("verify_audit", f"--anchor={path}")
