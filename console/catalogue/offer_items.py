"""From filled forms to the items of a change: an offer of the wizard, a message with its arm, a copy of an offer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.contrib.auth.models import User

from console.catalogue import offer_defaults
from console.catalogue.offer_draft import Wizard
from console.catalogue.offer_forms import NEW_PRODUCT, key_of, offer_content
from offers import roles
from offers.catalog import Item
from offers.conditions.describe import sentence
from offers.conditions.grammar import InvalidCondition, parse
from offers.models import Arm, Creative, EligibilityRule, Offer

GROUP_CODE: Final = "OUTSIDE_OFFER_GROUP"
GROUP_BASIS: Final = "Marketing choice, proposed with the offer"


def message(
    offer: str, name: str, title: str, texts: Mapping[str, Any], prior: Mapping[str, float], offer_title: str
) -> list[Item]:
    """A creative and its arm, under one key."""
    key = f"{offer}/{name}"
    arm = {"title": f"{offer_title} · {title}"[:200], "offer": offer, "creative": key, **prior}
    return [Item("creative", key, {"title": title, "offer": offer, "texts": texts}), Item("arm", key, arm)]


def of_wizard(wizard: Wizard, when: Mapping[str, Any] | None, author: User) -> list[Item]:
    """Everything that the wizard's offer needs to be live. `when` becomes its rule if the author may propose rules."""
    given = {**wizard.product.cleaned_data, **wizard.bound_worth.cleaned_data}
    items = []
    if given["product"] == NEW_PRODUCT:
        given["product"] = key_of(given["new_product"])
        items.append(Item("product", given["product"], {"title": given["new_product"]}))
    key, title = key_of(given["title"]), given["title"]
    prices = {"rate", "limit", "intro_months", "fee", "bonus"}
    content = offer_content({name: value for name, value in given.items() if name not in prices}, {})
    items.append(Item("offer", key, {**content, "facts": wizard.facts}))
    for each in wizard.messages:
        texts = {text.channel: text.content() for text in each.texts}
        items += message(key, key_of(each.title), each.title, texts, each.arm.content(), title)
    if when is not None and roles.may(author, "propose:rule"):
        items.append(_group_rule(key, title, when))
    return items


def _group_rule(offer: str, title: str, when: Mapping[str, Any]) -> Item:
    content = {
        "title": f"{title}: the group it is made for"[:200], "scope": "offer", "target": offer, "when": when,
        "reason_code": GROUP_CODE, "basis": GROUP_BASIS,
    }  # fmt: skip
    return Item("rule", f"{offer[:53]}-group", content)


def condition_words(when: Mapping[str, Any]) -> str:
    """Raises InvalidCondition."""
    return sentence(parse(when))


def readable(when: object) -> Mapping[str, Any] | None:
    """The condition, if it is one that a rule may have."""
    if not isinstance(when, Mapping):
        return None
    try:
        parse(when, use="rule")
    except InvalidCondition:
        return None
    return when


def copy(source: Offer, content: Mapping[str, Any]) -> list[Item]:
    """A new offer with all live messages and arms of another under its own name, each with the prior that the other's
    began with: what was learned of one is not assumed of the other."""
    key, title = key_of(content["title"]), content["title"]
    items = [Item("offer", key, content)]
    other_facts = content["facts"] != source.content["facts"]
    arms = {arm.content["creative"]: arm for arm in Arm.objects.filter(offer=source.key, live=True)}
    for creative in Creative.objects.filter(offer=source.key, live=True):
        arm = arms.get(creative.key)
        if arm is None:
            continue
        texts = {
            channel: {
                **{name: part.replace(source.title, title) for name, part in text.items()},
                **({"disclosure": offer_defaults.disclosure(content["facts"], channel)} if other_facts else {}),
            }
            for channel, text in creative.content["texts"].items()
            if channel in content["channels"]
        }
        prior = {name: arm.content[name] for name in ("prior_mean", "prior_strength")}
        items += message(key, creative.key.partition("/")[2], creative.title, texts, prior, title)
    return items


def rules_left_behind(source: Offer) -> list[str]:
    """The rules on this offer alone, which do not cover a copy of it."""
    rows = EligibilityRule.objects.filter(scope="offer", target=source.key, live=True)
    return list(rows.values_list("title", flat=True))
