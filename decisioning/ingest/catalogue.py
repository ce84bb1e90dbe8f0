"""Drafts the catalogue that an export was made under as a change to approve; nothing becomes live by loading it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.contrib.auth.models import User

from decisioning.ingest.declared import BankMapping
from offers import canonical, catalog, roles, snapshot
from offers.catalog import Item
from offers.models import ChangeRequest

# A release has one of each, so that a bank's own stays when it has one.
_SINGLE: Final = ("contact_policy", "ranking")


def draft(mapping: BankMapping, author: User, now: datetime) -> ChangeRequest | None:
    """A draft of what the live release lacks of the mapping's catalogue and the author's role may propose; None if
    there is nothing, or if such a change was proposed before. Call inside a transaction.

    Raises InvalidContent for a catalogue that does not hold together, or only with parts that somebody else has yet to
    bring in: no evidence could be computed on such a draft.
    """
    live = snapshot.live_row()
    content = live.content if live else snapshot.EMPTY
    items = [
        Item(kind, key, dict(value))
        for kind, values in mapping.catalogue.items()
        if roles.may(author, f"propose:{kind}") and not (kind in _SINGLE and content.get(kind))
        for key, value in values.items()
        if content.get(kind, {}).get(key) != value
    ]
    digest = canonical.digest([item.to_json() for item in items])
    dead = (ChangeRequest.Status.REJECTED, ChangeRequest.Status.WITHDRAWN)
    if not items or ChangeRequest.objects.filter(content_hash=digest).exclude(status__in=dead).exists():
        return None
    kind = "offer" if any(item.kind == "offer" for item in items) else items[0].kind
    change = catalog.draft(
        kind=kind, key=mapping.name, title=f"Catalogue of the export {mapping.name}", items=items, author=author,
        now=now, rationale="What the loaded decisions were made under.",
    )  # fmt: skip
    snapshot.read(0, snapshot.apply(content, items))
    return change
