"""Two offers side by side: what they say, who may get them, in which words, and what each has earned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render

from console.access import SignedInRequest, allowed
from console.engine import engine
from console.reach import reached
from console.templatetags.console import NONE, amount, percent, words
from console.views.offers import Results, results, rule_row, rules_on
from console.wording import Row, channels, facts, side_by_side
from decisioning import activity
from offers.channels import FIELDS
from offers.models import Arm, Creative, Offer
from offers.types import CHANNELS

_APART = ("facts", "channels")  # shown in words of their own


@dataclass(frozen=True, slots=True)
class Side:
    offer: Offer
    creative: Creative | None
    earned: Results


@allowed("see:offers")
def compare(request: SignedInRequest) -> HttpResponse:
    """`?offer=` twice; without two offers that exist, the list says how to choose them."""
    keys = list(dict.fromkeys(request.GET.getlist("offer")))[:2]
    found = Offer.objects.in_bulk(keys, field_name="key")
    if len(found) != 2:
        return redirect("offers")
    left, right = (_side(found[key]) for key in keys)
    everything = "all" in request.GET
    groups = [
        ("Terms and settings", _content(left.offer, right.offer)),
        ("Results", _results(left, right)),
        ("Words", _texts(left, right)),
    ]
    return render(
        request,
        "offers/compare.html",
        {
            "left": left.offer,
            "right": right.offer,
            "groups": [(name, [row for row in rows if everything or row.changed]) for name, rows in groups],
            "rules": _rules(left.offer, right.offer, everything),
            "everything": everything,
        },
    )


def _side(offer: Offer) -> Side:
    live = engine()
    arms = Arm.objects.filter(offer=offer.key, live=True).values_list("key", flat=True)
    known = [arm for arm in arms if live and arm in live.plan.release.arms]
    beliefs = activity.beliefs(live.plan, live.posterior, known) if live else []
    creative = Creative.objects.filter(offer=offer.key, live=True).order_by("key").first()
    return Side(offer, creative, results(beliefs))


def _content(left: Offer, right: Offer) -> list[Row]:
    one, other = dict(facts(left.content)), dict(facts(right.content))
    rows = [Row(name, one.get(name, NONE), other.get(name, NONE)) for name in {**one, **other}]
    rows.append(Row("channels", channels(left.content["channels"]), channels(right.content["channels"])))
    rest = ({name: value for name, value in offer.content.items() if name not in _APART} for offer in (left, right))
    return rows + side_by_side(*rest)


def _results(left: Side, right: Side) -> list[Row]:
    reach, recent = reached(), activity.newest()
    keys = left.offer.key, right.offer.key
    shown = [recent.offers.get(key, 0) for key in keys]
    return [
        Row("can reach", *(amount(reach.of(key)) for key in keys)),
        Row(f"ranked first in the last {amount(recent.decisions)} decisions", *map(amount, shown)),
        Row("trials", *(amount(side.earned.trials) for side in (left, right))),
        Row("reward a trial, 95 % interval", *(_rate(side.earned) for side in (left, right))),
    ]


def _rate(earned: Results) -> str:
    if earned.rate is None:
        return NONE
    low, mean, high = earned.rate
    return f"{percent(mean, 2)} ({percent(low, 2)} to {percent(high, 2)})"


def _texts(left: Side, right: Side) -> list[Row]:
    """The first message of each, channel by channel."""
    texts = [side.creative.content["texts"] if side.creative else {} for side in (left, right)]
    return [
        Row(f"{words(channel)}, {words(field)}", *(text.get(channel, {}).get(field, NONE) for text in texts))
        for channel in CHANNELS
        if any(channel in text for text in texts)
        for field in FIELDS
    ]


def _rules(left: Offer, right: Offer, everything: bool) -> list[dict[str, Any]]:
    """The rules on either, and on which of them."""
    one, other = ({rule.key: rule for rule in rules_on(offer)} for offer in (left, right))
    return [
        {**rule_row(rule), "left": key in one, "right": key in other}
        for key, rule in sorted({**one, **other}.items())
        if everything or (key in one) != (key in other)
    ]
