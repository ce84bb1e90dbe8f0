"""The one canonical form of JSON values, and its hash: sorted keys, no spaces, shortest floats, UTF-8."""

import hashlib
from typing import Any

import orjson


def dumps(value: Any) -> bytes:
    """Bytes that are equal when the values are. Raises TypeError on what JSON cannot hold; NaN becomes null."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def digest(value: Any) -> str:
    """SHA-256 of the canonical form, in hex."""
    return hashlib.sha256(dumps(value)).hexdigest()
