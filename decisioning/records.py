"""A decision as canonical bytes and back: what is stored, compared and replayed; floats keep every bit."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime
from operator import attrgetter
from typing import Any

import numpy as np
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
                "vector_at": known.vector_at.isoformat() if known.vector_at else None,
                **({"versions": known.versions} if known.versions else {}),
                **({"spent": known.spent} if known.spent else {}),
            },
        }
    )


def inputs_from_bytes(content: bytes) -> tuple[DecisionRequest, Known]:
    raw = orjson.loads(content)
    request, known = raw["request"], raw["known"]
    vector_at = known.get("vector_at")  # absent from records of before there were vectors
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
            vector_at=datetime.fromisoformat(vector_at) if vector_at else None,
            versions=known.get("versions", {}),
            spent=known.get("spent", {}),
        ),
    )


_NUMBERS = ("propensity", "boost", "mean", "width", "draw", "score")
_MANDATED = (*_NUMBERS, "merit", "share")


def result_to_bytes(decision: Decision) -> bytes:
    """Choices and refusals as rows in the order of the dataclass fields. The numbers of the scored arms, of which there
    are hundreds, are little-endian float64 in base64: half the bytes of their digits, and the very bits."""
    names = _MANDATED if decision.scored and decision.scored[0].share is not None else _NUMBERS
    read = attrgetter(*names)
    numbers = np.array([read(row) for row in decision.scored], dtype="<f8")
    return canonical.dumps(
        {
            "format": FORMAT,
            "reason": decision.reason,
            "choices": [[row.rank, row.arm, row.offer, row.action_probability] for row in decision.choices],
            "refusals": [[row.offer, row.stage, row.reason, row.by] for row in decision.refusals],
            "scored": {
                "arms": [row.arm for row in decision.scored],
                "offers": [row.offer for row in decision.scored],
                "columns": names,
                "float64": base64.b64encode(numbers.tobytes()).decode(),
            },
            "degraded": decision.degraded,
            **({"spends": decision.spends} if decision.spends else {}),
        }
    )


def result_from_bytes(content: bytes) -> Decision:
    raw: Mapping[str, Any] = orjson.loads(content)
    scored = raw["scored"]
    numbers = np.frombuffer(base64.b64decode(scored["float64"]), dtype="<f8").reshape(-1, len(scored["columns"]))
    return Decision(
        choices=tuple(Choice(*row) for row in raw["choices"]),
        reason=raw["reason"],
        refusals=tuple(Refusal(*row) for row in raw["refusals"]),
        scored=tuple(
            Scored(arm, offer, *row)
            for arm, offer, row in zip(scored["arms"], scored["offers"], numbers.tolist(), strict=True)
        ),
        degraded=tuple(raw["degraded"]),
        spends=raw.get("spends"),
    )


def digest(inputs: bytes, result: bytes) -> bytes:
    """SHA-256 over both, lengths included; a closed partition's digests make its audit row."""
    return hashlib.sha256(len(inputs).to_bytes(8, "big") + inputs + result).digest()
