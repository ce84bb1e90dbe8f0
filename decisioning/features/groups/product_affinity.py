"""How near each kind of card is to a customer, as the bank's own models tell it."""

from __future__ import annotations

from decisioning.features.groups.implementation import Implementation
from offers.register import CARD_KINDS

IMPLEMENTATION = Implementation("product_affinity", given=tuple(f"affinity_{kind}" for kind in CARD_KINDS))
