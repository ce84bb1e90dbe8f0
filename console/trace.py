"""The explanation of one decision as its page shows it: the words around decisioning.explanation's values, no more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.urls import reverse
from django.utils.dateparse import parse_datetime

from console.templatetags.console import words
from console.wording import attribute_name, attribute_value, offer_values
from decisioning.explanation import RANKING
from offers.register import GROUPS, attributes
from offers.types import Offer

STAGE_WORDS: Final[Mapping[str, str]] = {
    "catalogue": "in the catalogue",
    "stops": "not stopped",
    "consent": "allowed by consent",
    "eligibility": "eligible",
    "caps": "under their caps",
    "propensity": "with a propensity",
    "boosts": "after boosts",
    "bandit": "ranked by score",
    "creative": "with words for the channel",
    "chosen": "ranked to be shown",
}
# Stages that only score end no offer as a rule; they stand in the funnel only when they did.
_SCORING: Final = ("propensity", "boosts", "bandit", "creative")
_NAMES: Final = {group: {declared.name for declared in attributes(group=group)} for group in GROUPS}


def trace(explained: Mapping[str, Any], customer: str, offer: Offer | None) -> dict[str, Any]:
    """The context of decisions/detail.html, from `explain` of one decision; `offer` is the one that was ranked first,
    as its release had it."""
    return {
        "headline": _headline(explained, customer),
        "funnel": _funnel(explained["funnel"]),
        "ranked": _ranked(explained["offers"]),
        "refused": [
            _refused(offer) for offer in explained["offers"] if offer["ended"] and offer["ended"]["stage"] != RANKING
        ],
        "contributions": _contributions(explained["offers"], offer),
        "known": _known(explained),
        "withheld": [GROUPS[name].meaning for name in explained["withheld"]],
        "presentations": _presentations(explained),
        "boosts": [boost for boost in explained["boosts"] if boost["applied"]],
        "stages": [(name, time) for name, time in explained["timings_us"].items() if name != "decision"],
    }


def _headline(explained: Mapping[str, Any], customer: str) -> str:
    first = next((offer for offer in explained["offers"] if offer["rank"] == 1), None)
    return f"Why {customer} was shown {first['name']}" if first else f"Why {customer} was shown no offer"


def _funnel(steps: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    shown, before, whole = [], steps[0]["left"], steps[0]["left"]
    for step in steps:
        lost = before - step["left"]
        before = step["left"]
        if step["stage"] in _SCORING and not lost:
            continue
        chosen = step["stage"] == "chosen"
        shown.append(
            {
                "left": step["left"],
                "lost": 0 if chosen else lost,
                "label": STAGE_WORDS[step["stage"]],
                "share": step["left"] / whole if whole else 0,
            }
        )
    return shown


def _ranked(offers: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every arm that was scored: the best of each chosen offer by rank, then the others by score."""
    rows: list[dict[str, Any]] = []
    for offer in offers:
        for place, arm in enumerate(offer["arms"]):
            leads = place == 0
            rows.append(
                {
                    **arm,
                    "offer": offer["name"],
                    "href": reverse("offer", args=[offer["offer"]]),
                    "name": arm["arm"].partition("/")[2],
                    "rank": offer["rank"] if leads else None,
                    "action_probability": offer["action_probability"] if leads else None,
                    "outcome": _outcome(offer, leads),
                    "colour": "" if leads and offer["rank"] else "quiet",
                }
            )
    best = max((row["score"] for row in rows), default=0.0)
    for row in rows:
        row["share"] = row["score"] / best if best > 0 else 0.0
    return sorted(rows, key=lambda row: (row["rank"] or len(offers) + 1, -row["score"]))


def _outcome(offer: Mapping[str, Any], leads: bool) -> str:
    if not leads:
        return f"another message of this offer {'was chosen' if offer['rank'] else 'scored higher'}"
    return f"rank {offer['rank']}" if offer["rank"] else "below the limit"


def _refused(offer: Mapping[str, Any]) -> dict[str, Any]:
    ended = offer["ended"]
    decided = [rule for rule in offer["rules"] if rule["rule"] == ended["by"]]
    # A rule may refuse for several clauses; each that does not hold is said.
    detail = [
        f"{attribute_name(clause['attribute'])} {clause['would_pass_if']}"
        for rule in decided
        for clause in rule["clauses"]
        if clause["would_pass_if"]
    ]
    return {
        "offer": offer["name"],
        "href": reverse("offer", args=[offer["offer"]]),
        "stage": ended["stage"],
        "reason": ended["reason"],
        "by": decided[0]["title"] if decided else words(ended["by"]) if ended["by"] else "",
        "detail": detail,
        "basis": decided[0]["basis"] if decided else "",
    }


def _contributions(offers: list[Mapping[str, Any]], chosen: Offer | None) -> dict[str, Any] | None:
    """Of the offer that was shown first: what its model's features added and took away."""
    first = next((offer for offer in offers if offer["rank"] == 1), None)
    given = first["contributions"] if first else None
    if first is None or given is None:
        return None
    facts = offer_values(chosen) if chosen else {}
    return {
        "offer": first["name"],
        "base": given["base"],
        "rest": given["rest"],
        "raw_score": given["raw_score"],
        "propensity": first["arms"][0]["propensity"],
        "scale": max((abs(row["log_odds"]) for row in given["columns"]), default=1.0),
        "rows": [
            {
                "feature": attribute_name(row["column"]),
                "value": attribute_value(row["column"], facts.get(row["column"], row["value"])),
                "contribution": row["log_odds"],
            }
            for row in given["columns"]
        ],
    }


def _known(explained: Mapping[str, Any]) -> list[dict[str, Any]]:
    stale = {step.removeprefix("stale_") for step in explained["degraded"] if step.startswith("stale_")}
    served = {"last": "the last values were used", "default": "defaults were used", "missing": "not used"}
    return [
        {
            "group": GROUPS[name].meaning,
            "age": known["age_seconds"],
            "limit": GROUPS[name].freshness_seconds,
            "note": f"stale, {served[GROUPS[name].when_stale]}" if name in stale else "",
            "values": [
                (attribute_name(key), attribute_value(key, value))
                for key, value in explained["known"].items()
                if key in _NAMES[name]
            ],
        }
        for name, known in explained["groups"].items()
    ]


def _presentations(explained: Mapping[str, Any]) -> list[dict[str, Any]]:
    names = {offer["offer"]: offer["name"] for offer in explained["offers"]}
    return [
        {**row, "at": parse_datetime(row["at"]), "offers": [names.get(key, key) for key in row["offers"]]}
        for row in explained["presentations"]
    ]
