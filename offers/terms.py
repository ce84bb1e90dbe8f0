"""The terms of an offer that risk owns, its rate and limit for instance: who may set which; no other content of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from django.contrib.auth.models import User

from offers import roles
from offers.conditions.grammar import Fault
from offers.models import Creative, Offer
from offers.register import OFFER_FACTS

ACTION: Final = "propose:terms"
OWNED: Final = frozenset(name for name, fact in OFFER_FACTS.items() if fact.owner == "risk")

Content = Mapping[str, Any]


class Proposed(Protocol):
    """An item of a change, as offers.catalog.Item is one."""

    @property
    def kind(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def content(self) -> Content | None: ...


def owned(content: Content) -> dict[str, Any]:
    """The facts of an offer (or of a creative) that risk owns, as far as they are given."""
    facts = content.get("facts", {})
    return {name: facts[name] for name in sorted(OWNED) if facts.get(name) is not None}


def approved(product: str) -> dict[str, dict[str, Any]]:
    """The terms of each live offer of a product that has any, by offer: what a new one may take over."""
    rows = Offer.objects.filter(product=product, live=True).order_by("key").values_list("key", "content__facts")
    found = ((key, owned({"facts": facts})) for key, facts in rows)
    return {key: terms for key, terms in found if terms}


def only(items: Iterable[Proposed]) -> bool:
    """Whether the items of kind offer change nothing but terms of live offers: what risk may propose by itself."""
    offers = [item for item in items if item.kind == "offer"]
    live = _live(offers)
    return bool(offers) and all(
        item.content is not None and item.key in live and _rest(item.content) == _rest(live[item.key])
        for item in offers
    )


def faults(items: Sequence[Proposed], author: User) -> list[Fault]:
    """Every term that this author may not set. Whoever may not propose terms leaves those of a live offer as they are,
    and brings a new one with those of one live offer of its product, or with none. The items follow their schema."""
    if roles.may(author, ACTION):
        return []
    live = _live(items)
    return [
        fault
        for item in items
        if item.content is not None
        for fault in (_offer(item, live) if item.kind == "offer" else _creative(item))
    ]


def _offer(item: Proposed, live: Mapping[str, Content]) -> Iterator[Fault]:
    assert item.content is not None
    given = owned(item.content)
    if item.key in live:
        kept = owned(live[item.key])
        for name in sorted({*given, *kept}):
            if given.get(name) != kept.get(name):
                yield _fault(item, name, "risk sets it, and it stays as it is live")
        return
    possible = list(approved(item.content["product"]).values()) if given else []
    wrong = min(([name for name in given if given[name] != terms.get(name)] for terms in possible), key=len,
                default=list(given))  # fmt: skip
    for name in wrong:
        yield _fault(item, name, "risk sets it: take the terms of a live offer of this product, or leave them out")


def _creative(item: Proposed) -> Iterator[Fault]:
    """A model reads a creative's facts after the offer's, so terms there would stand in for those that risk set."""
    assert item.content is not None
    given = owned(item.content) if item.kind == "creative" else {}
    if given:
        found = Creative.objects.filter(key=item.key, live=True).first()
        kept = owned(found.content) if found else {}
        for name in given:
            if given[name] != kept.get(name):
                yield _fault(item, name, "risk sets it, and on the offer")


def _fault(item: Proposed, name: str, message: str) -> Fault:
    return Fault(f"/{item.kind}/{item.key}/facts/{name}", "risk_owned", f"{OFFER_FACTS[name].meaning}: {message}")


def _live(items: Iterable[Proposed]) -> dict[str, Content]:
    keys = [item.key for item in items if item.kind == "offer"]
    return dict(Offer.objects.filter(key__in=keys, live=True).values_list("key", "content"))


def _rest(content: Content) -> dict[str, Any]:
    facts = content.get("facts")
    if not isinstance(facts, Mapping):  # its schema says so later
        return dict(content)
    return {**content, "facts": {name: value for name, value in facts.items() if name not in OWNED}}
