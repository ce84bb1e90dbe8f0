"""What the running session tells: folded from its last signals and from the request, never computed ahead."""

from __future__ import annotations

from decisioning.features.groups.implementation import Implementation
from offers.register import SESSION_GROUP, attributes

IMPLEMENTATION = Implementation(SESSION_GROUP, momentary=tuple(each.name for each in attributes(group=SESSION_GROUP)))
