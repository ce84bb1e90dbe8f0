"""A small catalogue as release content, for tests of the engine; nothing in it is a bank's."""

from __future__ import annotations

from typing import Any

from offers import snapshot
from offers.models import KINDS
from offers.types import CHANNELS, Release

Content = dict[str, dict[str, Any]]


def text(headline: str) -> dict[str, str]:
    return {
        "format": "banner",
        "headline": headline,
        "body": "Body.",
        "call_to_action": "See it",
        "disclosure": "Rate.",
    }


def offer(key: str, *, product: str = "card", **changes: Any) -> dict[str, Any]:
    return {
        "title": key.replace("-", " ").capitalize(), "product": product, "family": "travel",
        "facts": {"rate": 0.199, "fee": 95.0, "limit": 5000.0, "bonus": 100.0}, "value": 100.0, "benefit_rank": 1,
        "base_rate": 0.03, "channels": list(CHANNELS), "placements": ["home_banner", "offer_slot"],
        "legal_basis": "invitation", **changes,
    }  # fmt: skip


def rule(
    when: dict[str, Any], *, scope: str = "all", target: str = "", reason: str = "SCORE_TOO_LOW"
) -> dict[str, Any]:
    return {"title": "A rule", "scope": scope, "target": target, "when": when, "reason_code": reason, "basis": "CP-1"}


def content(offers: int = 3, creatives: int = 2, rules: dict[str, Any] | None = None) -> Content:
    """`offers` offers with `creatives` arms each, a fallback on home_banner, and room under every cap."""
    result: Content = {kind: {} for kind in KINDS}
    result["product"]["card"] = {"title": "Card"}
    for number in range(offers):
        add_offer(result, f"offer-{number}", creatives)
    add_offer(result, "all-cards", 1)
    result["placement"] = {
        "home_banner": {"title": "Home banner", "fallback": "all-cards/c0"},
        "offer_slot": {"title": "Offer slot", "fallback": None},
    }
    result["rule"] = dict(rules or {})
    result["contact_policy"]["default"] = {
        "title": "Contact policy", "decisions_per_day": 100, "decisions_per_week": 500, "same_offer_per_week": 500,
    }  # fmt: skip
    result["ranking"]["default"] = {
        "title": "Ranking", "propensity_weight": 0.6, "bandit_weight": 0.4,
        "reward_weights": {"click": 0.5, "application": 0.3, "activation": 0.2},
        "context": [{"attribute": "device_type", "equals": "app"},
                    {"attribute": "utilisation", "centre": 0.3, "scale": 0.3}],
    }  # fmt: skip
    return result


def add_offer(result: Content, key: str, creatives: int, **changes: Any) -> None:
    result["offer"][key] = offer(key, **changes)
    for number in range(creatives):
        arm = f"{key}/c{number}"
        texts = {channel: text(f"{key} {number} on {channel}") for channel in result["offer"][key]["channels"]}
        result["creative"][arm] = {"title": f"Creative {number}", "offer": key, "texts": texts}
        result["arm"][arm] = {
            "title": arm, "offer": key, "creative": arm, "prior_mean": 0.03, "prior_strength": 20.0,
        }  # fmt: skip


def release(value: Content | None = None, number: int = 1) -> Release:
    return snapshot.read(number, value or content())
