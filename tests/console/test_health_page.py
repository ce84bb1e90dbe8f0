"""What the health page says in figures."""

from datetime import UTC, datetime
from typing import Any

from django.template.loader import render_to_string

from decisioning.features.footprint import Footprint

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
