"""Whether what is proposed, a model's inputs included, or live reads what the register and the packs in force allow; no
customer comes in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from decisioning import runtime
from decisioning.propensity.encoding import Encoder
from offers import lawfulness, prescreening, purposes, snapshot
from offers.catalog import InvalidContent, Item
from offers.conditions.grammar import Fault
from offers.lawfulness import Reading
from offers.models import ChangeRequest
from offers.register import ATTRIBUTES
from offers.snapshot import Content, items_of
from offers.types import Release


def _about_customer(encoder: Encoder) -> list[str]:
    return [column.name for column in encoder.columns if column.source == "customer"]


def _reported(name: str) -> bool:
    return name in ATTRIBUTES and ATTRIBUTES[name].purpose == prescreening.REPORT


def require_lawful(change: ChangeRequest, release: Release, on: date) -> None:
    """Raises InvalidContent with everything that speaks against a change in the release that it makes: what
    offers.lawfulness finds, and each input of a model that it brings; UnreadableModel where that cannot be read."""
    found = list(lawfulness.against(change, release, on))
    for item in items_of(change.items):
        if item.kind == "model" and item.content is not None:
            found += _faults(item, release, on)
    if found:
        raise InvalidContent(found)


def standing(content: Content, release: Release, on: date) -> Iterator[Fault]:
    """What speaks on a day against everything that is live: a pack may come into force, or be approved, after what it
    rules out went live, and what the packs add to firm offers may have changed."""
    if content.get(snapshot.LAW) != snapshot.under_law(content).get(snapshot.LAW):
        yield Fault(
            "/law/firm_offers", "outdated",
            "the live release was published with other rules for firm offers from a consumer report than the packs ask"
            " for now; the next release has them",
        )  # fmt: skip
    for kind in ("rule", "boost", "ranking", "model"):
        for key, value in sorted(content.get(kind, {}).items()):
            item = Item(kind, key, value)
            yield from lawfulness.faults(lawfulness.readings(item, release), release, on)
            if kind == "model":
                yield from _faults(item, release, on)


def _faults(item: Item, release: Release, on: date) -> Iterator[Fault]:
    assert item.content is not None
    model = runtime.model(item.content["sha256"])
    if model is not None:
        yield from faults(model.encoder, f"/model/{item.key}/inputs", release, on)


def faults(encoder: Encoder, path: str, release: Release, on: date) -> Iterator[Fault]:
    """What speaks against the inputs of a model about the customer, each with its name in the path."""
    ranked = purposes.competing(release)
    names = _about_customer(encoder)
    yield from lawfulness.faults(
        (Reading(name, "model", f"{path}/{name}", offers=ranked) for name in names), release, on
    )
    invited = [key for key in sorted(ranked) if release.offers[key].legal_basis not in purposes.LAWFUL]
    for name in names if invited else ():
        if _reported(name):
            yield purposes.Misuse("model", "", invited[0], name, f"inputs/{name}").fault
