"""Random numbers as a pure function of (key, counter), so that a draw can be repeated; no clock, no state comes in."""

from hashlib import blake2b

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

# SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST_MULTIPLIER = np.uint64(0xBF58476D1CE4E5B9)
_SECOND_MULTIPLIER = np.uint64(0x94D049BB133111EB)

# 52 bits, not 53: with 53 the largest value plus one half rounds up to 1.0, whose normal quantile is infinite.
_DROPPED_BITS = np.uint64(64 - 52)
_UNIT = 2.0**-52
_SECOND = np.uint64(1 << 63)


def arm_counter(arm_key: str) -> int:
    """The counter of an arm's draw: 63 bits of its key's BLAKE2b, hence independent of which other arms are present."""
    return int.from_bytes(blake2b(arm_key.encode(), digest_size=8).digest(), "big") >> 1


def second(counters: ArrayLike) -> NDArray[np.uint64]:
    """The counters of a second draw for the same arms: `arm_counter` leaves the highest bit free."""
    return _words(counters) | _SECOND


def uniforms(key: ArrayLike, counters: ArrayLike) -> NDArray[np.float64]:
    """Uniform draws strictly inside (0, 1), one for each pair of the broadcast `key` and `counters` (integers).

    Keys (N, 1) with counters (M,) give (N, M), bit for bit what N calls with one key give. Keys should be spread over
    64 bits (a hash): only key + (counter + 1) x gamma enters. Raises TypeError for anything but integers.
    """
    return np.asarray(((words(key, counters) >> _DROPPED_BITS) + 0.5) * _UNIT, dtype=np.float64)


def words(key: ArrayLike, counters: ArrayLike) -> NDArray[np.uint64]:
    """The 64 bits of each of these draws: with a customer as counter, a key for draws of hers."""
    with np.errstate(over="ignore"):  # the arithmetic is modulo 2**64
        state = _words(key) + (_words(counters) + np.uint64(1)) * GOLDEN_GAMMA
        state = (state ^ (state >> np.uint64(30))) * _FIRST_MULTIPLIER
        state = (state ^ (state >> np.uint64(27))) * _SECOND_MULTIPLIER
    return np.asarray(state ^ (state >> np.uint64(31)), dtype=np.uint64)


def normals(key: ArrayLike, counters: ArrayLike) -> NDArray[np.float64]:
    """Standard normal draws by inversion of `uniforms`: finite (|z| < 8.3), same shapes and same guarantees."""
    return np.asarray(ndtri(uniforms(key, counters)), dtype=np.float64)


def _words(integers: ArrayLike) -> NDArray[np.uint64]:
    array = np.asarray(integers)
    if array.dtype.kind not in "iu":
        raise TypeError(f"keys and counters are integers that fit 64 bits, not {array.dtype}")
    return array.astype(np.uint64, copy=False)  # a negative integer stands for its two's complement
