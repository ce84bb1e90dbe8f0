"""What the health page says in figures."""

from datetime import UTC, datetime
from typing import Any

from django.template.loader import render_to_string

from decisioning.features.footprint import Footprint
from decisioning.streams.source import Backlog

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_bytes_a_customer_are_as_many_megabytes_a_million() -> None:
    features = {"groups": 8, "within": 8, "wrong": 0, "letters": 0, "footprint": Footprint(500, 629.1, 0)}
    context: dict[str, Any] = {
        "features": features,
        "model": None,
        "last_hour": {"decisions": 0, "sample": 0, "degraded": 0, "steps": [], "p50_us": None, "p99_us": None},
        "learning": {"position": 0, "waiting": 0, "checkpoint_position": 0, "checkpoint_at": NOW},
    }
    html = render_to_string("operations/health.html", context)
    assert "<b>629</b><span>bytes a customer in Redis: 629 MB a million, measured on 500<" in html


def test_a_stream_that_does_not_answer_says_so_beside_one_that_does() -> None:
    asked = [Backlog("redis:candor:signals", 7, 2, 1, 75.0), Backlog("kafka:signals", fault="no broker answers")]
    html = render_to_string("operations/streams.html", {"streams": asked})
    assert '<code>redis:candor:signals</code></th><td class="n" data-label="Waiting">7<' in html
    assert "1 min" in html.replace("\u202f", " ")
    assert "Does not answer:</span> no broker answers" in html
