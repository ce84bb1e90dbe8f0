"""Every feature group's implementation, by the group's name; a new group is one module and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from decisioning.features.groups import (
    account_state,
    credit_risk,
    lifecycle,
    product_affinity,
    recent_activity,
    session_context,
    spend_behaviour,
    text_interest,
)
from decisioning.features.groups.implementation import Implementation

IMPLEMENTATIONS: Mapping[str, Implementation] = MappingProxyType(
    {
        module.IMPLEMENTATION.group: module.IMPLEMENTATION
        for module in (
            credit_risk, account_state, recent_activity, spend_behaviour, product_affinity, lifecycle, text_interest,
            session_context,
        )
    }
)  # fmt: skip
