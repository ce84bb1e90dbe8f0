"""How near each kind of card is to what a customer does."""

from __future__ import annotations

from decisioning.features.groups.implementation import Implementation
from offers.register import CARD_KINDS

IMPLEMENTATION = Implementation("product_affinity", derived=tuple(f"affinity_{kind}" for kind in CARD_KINDS))
