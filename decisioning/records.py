"""A decision as canonical bytes and back: what is stored, compared and replayed; floats keep every bit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from decisioning.types import Choice, Decision, DecisionRequest, Known, Refusal, Scored
from offers import canonical

FORMAT = 1
_REQUEST = ("customer", "session", "channel", "placement", "limit")


def inputs_to_bytes(request: DecisionRequest, known: Known) -> bytes:
    """Request and knowledge; what names release, model, posterior and key are columns beside it."""
    return canonical.dumps(
        {
            "format": FORMAT,
            "request": {
                **{name: getattr(request, name) for name in _REQUEST},
                "now": request.now.isoformat(),
                "context": request.context,
            },
            "known": {
                "attributes": known.attributes,
                "ages": known.ages,
                "consents": sorted(known.consents),
                "suppressed": known.suppressed,
                "contacts": known.contacts,
                "stops": sorted(known.stops),
                "precomputed": known.precomputed,
                "withheld": known.withheld,
                "degraded": known.degraded,
            },
        }
    )


def inputs_from_bytes(content: bytes) -> tuple[DecisionRequest, Known]:
    raw = orjson.loads(content)
    request, known = raw["request"], raw["known"]
    return (
        DecisionRequest(
            **{name: request[name] for name in _REQUEST},
            now=datetime.fromisoformat(request["now"]),
            context=request["context"],
        ),
        Known(
            attributes=known["attributes"],
            ages=known["ages"],
            consents=frozenset(known["consents"]),
            suppressed=known["suppressed"],
            contacts=known["contacts"],
            stops=frozenset((scope, target) for scope, target in known["stops"]),
            precomputed=known["precomputed"],
            withheld=tuple(known["withheld"]),
            degraded=tuple(known["degraded"]),
        ),
    )


def result_to_json(decision: Decision) -> dict[str, Any]:
    """Rows as lists in the order of the dataclass fields: a decision holds dozens of them."""
    return {
        "format": FORMAT,
        "reason": decision.reason,
        "choices": [[row.rank, row.arm, row.offer, row.action_probability] for row in decision.choices],
        "refusals": [[row.offer, row.stage, row.reason, row.by] for row in decision.refusals],
        "scored": [
            [row.arm, row.offer, row.propensity, row.boost, row.mean, row.width, row.draw, row.score]
            for row in decision.scored
        ],
        "degraded": decision.degraded,
    }


def result_to_bytes(decision: Decision) -> bytes:
    return canonical.dumps(result_to_json(decision))


def result_from_bytes(content: bytes) -> Decision:
    raw: Mapping[str, Any] = orjson.loads(content)
    return Decision(
        choices=tuple(Choice(*row) for row in raw["choices"]),
        reason=raw["reason"],
        refusals=tuple(Refusal(*row) for row in raw["refusals"]),
        scored=tuple(Scored(*row) for row in raw["scored"]),
        degraded=tuple(raw["degraded"]),
    )


def digest(inputs: bytes, result: bytes) -> bytes:
    """SHA-256 over both, lengths included; a closed partition's digests make its audit row."""
    return hashlib.sha256(len(inputs).to_bytes(8, "big") + inputs + result).digest()
