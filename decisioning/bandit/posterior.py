"""What the bandit believes: one Bayesian linear regression of reward on context per arm; no I/O and no clock comes in.

The derived arrays use element-wise operations only, no BLAS or LAPACK, whose last bits depend on the processor: a
decision replayed on another machine must give the same bytes.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_DIGEST_SIZE = sha256().digest_size


class InvalidRewardRow(ValueError):
    """A row of the reward log cannot be folded; the message names its position."""


class CorruptPosterior(ValueError):
    """Bytes that are not a whole posterior."""


@dataclass(frozen=True, slots=True)
class ArmPrior:
    """Belief before any trial: an expected reward of `mean`, as though learned from `strength` trials (above 0)."""

    mean: float
    strength: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.mean) and np.isfinite(self.strength) and self.strength > 0):
            raise ValueError(f"a prior needs a finite mean and a strength above 0, not {self}")


DEFAULT_PRIOR = ArmPrior(mean=0.0, strength=1.0)


@dataclass(frozen=True, slots=True)
class RewardRow:
    """One row of the ordered reward log: an impression (`trial`), a later reward for one, or both at once."""

    position: int
    arm: str
    context: Floats  # (d,), component 0 is the constant 1
    trial: bool
    reward: float


@dataclass(frozen=True, eq=False)
class Posterior:
    """Beliefs about K arms over contexts of d components after the reward log's row `version`; compare by `sha256`.

    With noise variance v, the weights of arm k are normal with mean `theta[k]` and covariance v x inverse of
    `precision[k]` (Bishop, Pattern Recognition and Machine Learning, 3.3, with precision in units of 1/v).
    """

    version: int
    noise_variance: float
    arms: tuple[str, ...]
    precision: Floats  # (K, d, d): prior strength x identity + sum of x x' over trials
    moment: Floats  # (K, d): prior + sum of reward x
    trials: NDArray[np.int64]  # (K,)

    def __post_init__(self) -> None:
        for array in (self.precision, self.moment, self.trials):
            array.setflags(write=False)

    @classmethod
    def empty(cls, priors: Mapping[str, ArmPrior], dimension: int, noise_variance: float = 0.05) -> Self:
        """The belief before the log's first row. Raises ValueError for a dimension or noise variance not above 0."""
        if dimension < 1 or not 0 < noise_variance < np.inf:
            raise ValueError(f"dimension {dimension} and noise variance {noise_variance} must be above 0")
        square, flat = (0, dimension, dimension), (0, dimension)
        none = cls(0, float(noise_variance), (), np.empty(square), np.empty(flat), np.empty(0, dtype=np.int64))
        return none.with_arms(priors)

    def with_arms(self, priors: Mapping[str, ArmPrior]) -> Self:
        """The same belief with each arm that is missing added, in order, at its prior; known and retired arms stay."""
        new = {arm: prior for arm, prior in priors.items() if arm not in self.index}
        if not new:
            return self
        strength = np.array([prior.strength for prior in new.values()], dtype=np.float64)
        moment = np.zeros((len(new), self.dimension))
        moment[:, 0] = strength * np.array([prior.mean for prior in new.values()])
        return type(self)(
            self.version,
            self.noise_variance,
            (*self.arms, *new),
            np.concatenate([self.precision, strength[:, np.newaxis, np.newaxis] * np.eye(self.dimension)]),
            np.concatenate([self.moment, moment]),
            np.concatenate([self.trials, np.zeros(len(new), dtype=np.int64)]),
        )

    def fold(self, rows: Iterable[RewardRow], unknown_arm: ArmPrior = DEFAULT_PRIOR) -> Self:
        """The belief after `rows`; however the log is cut into batches, the result is the same byte for byte.

        An arm not seen before starts at the prior `unknown_arm`. Raises InvalidRewardRow for a position that does not
        increase, a context of another shape, or a number that is not finite; then nothing is folded.
        """
        rows = tuple(rows)
        if not rows:
            return self
        self._check(rows)
        start = self.with_arms({row.arm: unknown_arm for row in rows})
        precision, moment, trials = start.precision.copy(), start.moment.copy(), start.trials.copy()
        # Row by row: floating-point sums depend on their order, and the order is the log's.
        for row in rows:
            arm = start.index[row.arm]
            if row.trial:
                precision[arm] += row.context[:, np.newaxis] * row.context  # exactly symmetric
                trials[arm] += 1
            moment[arm] += row.reward * row.context
        return type(self)(rows[-1].position, self.noise_variance, start.arms, precision, moment, trials)

    def _check(self, rows: Sequence[RewardRow]) -> None:
        last = self.version
        for row in rows:
            if row.position <= last:
                raise InvalidRewardRow(f"reward row at position {row.position} comes after position {last}")
            if row.context.shape != (self.dimension,):
                raise InvalidRewardRow(f"reward row at position {row.position}: context of shape {row.context.shape}")
            if not (np.isfinite(row.context).all() and np.isfinite(row.reward)):
                raise InvalidRewardRow(f"reward row at position {row.position}: a number is not finite")
            last = row.position

    def predict(self, context: ArrayLike, arm_indices: ArrayLike | None = None) -> tuple[Floats, Floats]:
        """Expected reward and its standard deviation ("width") in `context` (d,), for the arms asked for, (k,) each.

        `arm_indices` are positions in `arms` (see `indices`); None means every arm. An arm's numbers do not depend on
        which other arms are asked for.
        """
        weighted = self._projection * np.asarray(context, dtype=np.float64)[:, np.newaxis, np.newaxis]
        projected = np.add.reduce(weighted, axis=0)  # (d + 1, K)
        mean, whitened = projected[0], projected[1:]
        width = np.sqrt(self.noise_variance * np.add.reduce(whitened * whitened, axis=0))
        return (mean, width) if arm_indices is None else (mean[arm_indices], width[arm_indices])

    def predict_many(self, contexts: ArrayLike) -> tuple[Floats, Floats]:
        """`predict` for N contexts (N, d) and all K arms: mean and width, (N, K) each, equal to within 1e-12."""
        matrix = np.asarray(contexts, dtype=np.float64)
        mean = matrix @ self._projection[:, 0]
        squares = np.zeros_like(mean)
        for row in range(1, self.dimension + 1):
            squares += np.square(matrix @ self._projection[:, row])
        return mean, np.sqrt(self.noise_variance * squares)

    def effective_trials(self, width: ArrayLike) -> Floats:
        """How many trials in this very context would leave a standard deviation of `width` (any shape, above 0)."""
        return np.asarray(self.noise_variance / np.square(np.asarray(width, dtype=np.float64)))

    def indices(self, arms: Iterable[str]) -> Indices:
        """Positions of `arms` in this posterior. Raises KeyError for an arm that it does not hold."""
        return np.array([self.index[arm] for arm in arms], dtype=np.intp)

    @cached_property
    def index(self) -> Mapping[str, int]:
        return {arm: position for position, arm in enumerate(self.arms)}

    @property
    def dimension(self) -> int:
        return int(self.moment.shape[1])

    @cached_property
    def theta(self) -> Floats:
        """Expected weights, (K, d)."""
        return np.ascontiguousarray(self._projection[:, 0].T)

    @cached_property
    def covariance(self) -> Floats:
        """Covariance of the weights, (K, d, d)."""
        whitening = self._projection[:, 1:]  # (column, row, arm)
        products = np.add.reduce(whitening[:, np.newaxis] * whitening[np.newaxis], axis=2)
        return self.noise_variance * np.ascontiguousarray(products.transpose(2, 0, 1))

    @cached_property
    def _projection(self) -> Floats:
        """(d, d + 1, K): maps a context to each arm's mean (row 0) and to its whitened coordinates (the others).

        The whitening W inverts the Cholesky factor of the precision P, so that x' inverse(P) x = |W x|².
        """
        whitening = _inverse_cholesky(self.precision.transpose(1, 2, 0))
        half = np.add.reduce(whitening * self.moment.T, axis=1)
        theta = np.add.reduce(whitening * half[:, np.newaxis], axis=0)
        return np.ascontiguousarray(np.concatenate([theta[:, np.newaxis], whitening.transpose(1, 0, 2)], axis=1))

    def to_bytes(self) -> bytes:
        """A line of JSON; precision, moment (float64) and trials (int64), little-endian; a SHA-256 of all before it."""
        content = self._content()
        return content + sha256(content).digest()

    @cached_property
    def sha256(self) -> str:
        """Hex SHA-256 of the content: the posterior's identity."""
        return sha256(self._content()).hexdigest()

    def _content(self) -> bytes:
        header = {
            "arms": self.arms,
            "dimension": self.dimension,
            "noise_variance": self.noise_variance,
            "version": self.version,
        }
        line = json.dumps(header, sort_keys=True, separators=(",", ":")).encode() + b"\n"
        numbers = (self.precision.astype("<f8"), self.moment.astype("<f8"), self.trials.astype("<i8"))
        return line + b"".join(array.tobytes() for array in numbers)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The inverse of `to_bytes`. Raises CorruptPosterior if a byte is missing or changed."""
        content, digest = data[:-_DIGEST_SIZE], data[-_DIGEST_SIZE:]
        if sha256(content).digest() != digest:
            raise CorruptPosterior("the SHA-256 at the end does not match the content")
        line, _, payload = content.partition(b"\n")
        header = json.loads(line)
        count, dimension = len(header["arms"]), header["dimension"]
        floats = np.frombuffer(payload, dtype="<f8", count=count * dimension * (dimension + 1)).astype(np.float64)
        precision, moment = np.split(floats, [count * dimension * dimension])
        return cls(
            header["version"],
            header["noise_variance"],
            tuple(header["arms"]),
            precision.reshape(count, dimension, dimension),
            moment.reshape(count, dimension),
            np.frombuffer(payload, dtype="<i8", offset=floats.nbytes).astype(np.int64),
        )


def _inverse_cholesky(matrices: Floats) -> Floats:
    """W with W A W' = I, lower triangular, for positive definite matrices A stacked along the last axis, (d, d, K)."""
    rest = matrices.copy()
    inverse = np.zeros_like(rest)
    inverse[np.diag_indices(len(rest))] = 1.0
    for pivot in range(len(rest)):
        scale = np.sqrt(rest[pivot, pivot])
        inverse[pivot] /= scale
        column = rest[pivot + 1 :, pivot] / scale
        rest[pivot + 1 :, pivot + 1 :] -= column[:, np.newaxis] * column
        inverse[pivot + 1 :] -= column[:, np.newaxis] * inverse[pivot]
    return inverse
