"""Remembers which keys an export has shown already, at eight bytes a key, so that a second one is noticed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Keys = Sequence[str | None]  # a list, or an Arrow array of strings

_MERGED_BELOW = 1 << 16  # keys; younger pieces wait until they are worth merging


class SeenKeys:
    """A set of 64-bit hashes: of 20 million distinct keys, the chance that any two look alike is 1 in 90,000; the
    second of such a pair would be rejected as a duplicate, and listed as such."""

    def __init__(self) -> None:
        self._pieces: list[NDArray[np.uint64]] = []  # each sorted, at least twice as long as the one after it

    def __len__(self) -> int:
        return sum(len(piece) for piece in self._pieces)

    def has(self, keys: Keys) -> NDArray[np.bool_]:
        """For each key (N,) whether it was added before."""
        hashes = _hashes(keys)
        found = np.zeros(len(hashes), dtype=np.bool_)
        for piece in self._pieces:
            places = np.searchsorted(piece, hashes).clip(max=len(piece) - 1)
            found |= piece[places] == hashes
        return found

    def add(self, keys: Keys) -> None:
        """Take in keys that are new and distinct."""
        piece = _hashes(keys)
        while self._pieces and (len(self._pieces[-1]) < 2 * len(piece) or len(self._pieces[-1]) < _MERGED_BELOW):
            piece = np.concatenate([self._pieces.pop(), piece])
        if len(piece):
            self._pieces.append(np.sort(piece, kind="stable"))


def repeats(keys: Keys) -> NDArray[np.bool_]:
    """For each key (N,) whether it stands in the array before."""
    repeated = np.ones(len(keys), dtype=np.bool_)
    repeated[np.unique(_hashes(keys), return_index=True)[1]] = False
    return repeated


def _hashes(keys: Keys) -> NDArray[np.uint64]:
    from pandas.util import hash_array

    values = np.empty(len(keys), dtype=np.object_)
    values[:] = keys.to_pylist() if isinstance(keys, pa.Array) else keys
    return np.asarray(hash_array(values, categorize=False), dtype=np.uint64)
