"""How probable a ranking was: exact action probabilities of independent normal scores; no draw or simulation comes in.

A product of normal distribution functions is smooth on the scale of the narrowest arm that is still undecided there.
So the axis is cut into panels as wide as that scale allows, each with Gauss-Legendre nodes, and one mesh serves all the
nested integrals. A scale of 0 is a certain score; equal certain scores stand in arm order, as in `ranking.rank`.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

PROBABILITY_FLOOR = 1e-12  # an arm that was listed had a chance; off-policy weights divide by it

_DEGENERATE = 1e-13  # relative to the largest score: a narrower arm is a certain one


class InvalidScores(ValueError):
    """Locations or scales that do not describe normal scores."""


class InvalidRanking(ValueError):
    """A ranking that names an arm twice, two arms of one offer, or an arm that cannot be chosen."""


@dataclass(frozen=True, slots=True)
class _Mesh:
    """In standard deviations of an arm: beyond what distance its score is taken as decided, and a panel's width."""

    reach: float
    step: float

    def for_ranks(self, count: int) -> "_Mesh":
        """P(so many scores above x) falls as their number's power, so that long rankings need narrower panels."""
        return _Mesh(self.reach, min(self.step, 16.0 / count))


_USUAL = _Mesh(reach=7.2, step=3.0)  # Phi(-7.2) = 3e-13
_FINE = _Mesh(reach=7.2, step=2.25)  # for probabilities that sum to 1 within 1e-10
_LONG = _Mesh(reach=37.0, step=1.0)  # Phi(-37) = 6e-300; there the density falls by e each 1/37

# A ranking this many times less likely than among equal arms is integrated over the long mesh.
_SURPRISING = 1e-4
_NEGLIGIBLE = 1e-17
_TRIAL_POINTS = np.linspace(0.0, 1.0, 17)


def prefix_probabilities(location: ArrayLike, scale: ArrayLike, offers: ArrayLike, ranked: ArrayLike) -> Floats:
    """For each rank, the probability that this arm stands there given the arms ranked above it; (r,).

    Scores of the k arms are independent and normal with `location` and `scale`, (k,); `offers` (k,) says which offer
    each arm is of; only the best arm of an offer is listed. `ranked` (r,) holds arm indices, best first. Absolute error
    under 1e-6; never below PROBABILITY_FLOOR, which all ranks after an impossible one also get. Raises InvalidScores
    and InvalidRanking.
    """
    centre, spread = _scores(location, scale)
    arms, owners = np.asarray(ranked, dtype=np.intp), np.asarray(offers)
    if not arms.size:
        return np.empty(0)
    _check_ranking(centre, owners, arms)
    competitors = len(centre) - np.arange(len(arms))
    negligible = _NEGLIGIBLE * float(np.exp(-np.log(competitors).sum()))
    conditional = _conditional_probabilities(centre, spread, owners, arms, _USUAL, negligible)
    if np.prod(np.minimum(conditional * competitors, 1.0)) < _SURPRISING:
        conditional = _conditional_probabilities(centre, spread, owners, arms, _LONG, 0.0)
    return np.minimum(np.maximum(conditional, PROBABILITY_FLOOR), 1.0)


def first_probabilities(location: ArrayLike, scale: ArrayLike) -> Floats:
    """The probability of each arm (k,) to have the best score of all; sums to 1.

    A location of minus infinity keeps an arm out. Raises InvalidScores.
    """
    centre, spread = _scores(location, scale)
    reach = _FINE.reach * spread
    able = np.flatnonzero(centre + reach >= (centre - reach).max(initial=-np.inf))
    result = np.zeros(centre.shape)
    result[able] = _first_probabilities(centre[np.newaxis, able], spread[np.newaxis, able])[0]
    return result


def first_probabilities_many(location: ArrayLike, scale: ArrayLike, block: int = 64) -> Floats:
    """`first_probabilities` for N customers: (N, k) each give (N, k); a customer without arms gets zeros.

    `block` customers are computed at a time, which bounds the memory in use.
    """
    centre, spread = _scores(location, scale)
    result = np.empty(centre.shape)
    for start in range(0, len(centre), block):
        chunk = slice(start, start + block)
        result[chunk] = _first_probabilities(centre[chunk], spread[chunk])
    return result


def _scores(location: ArrayLike, scale: ArrayLike) -> tuple[Floats, Floats]:
    centre = np.asarray(location, dtype=np.float64)
    spread = np.asarray(scale, dtype=np.float64)
    if centre.shape != spread.shape:
        raise InvalidScores(f"locations {centre.shape} and scales {spread.shape} differ in shape")
    if not ((centre < np.inf) & (spread >= 0) & (spread < np.inf)).all():
        raise InvalidScores("locations must be below infinity and scales finite and not negative")
    largest = np.maximum(np.where(centre > -np.inf, np.abs(centre), 0.0), spread).max(initial=0.0)
    return centre, np.where(spread > _DEGENERATE * largest, spread, 0.0)


def _check_ranking(centre: Floats, owners: NDArray[np.generic], arms: Indices) -> None:
    if arms.min() < 0 or arms.max() >= len(centre):
        raise InvalidRanking(f"{arms.tolist()} must hold indices from 0 to {len(centre) - 1}")
    if len(set(owners[arms].tolist())) < len(arms):
        raise InvalidRanking(f"{arms.tolist()} lists two arms of one offer")
    if not (centre[arms] > -np.inf).all():
        raise InvalidRanking(f"{arms.tolist()} lists an arm whose location is minus infinity")


# ---- the mesh ----

_NODES, _WEIGHTS = legendre.leggauss(20)


class _Panels(NamedTuple):
    """P panels between `edges` (…, P + 1): nodes and weights (…, P, 20), half widths (…, P, 1)."""

    edges: Floats
    half: Floats
    nodes: Floats
    weights: Floats


def _panels(low: Floats, high: Floats, centre: Floats, spread: Floats, mesh: _Mesh) -> _Panels:
    """The axis from `low` to `high` (N,), cut for the arms (N, k) of N cases; a certain arm makes an edge."""
    begin, end, stride = centre - mesh.reach * spread, centre + mesh.reach * spread, mesh.step * spread
    edge, last = low[:, np.newaxis], high[:, np.newaxis]
    edges = [edge]
    while (edge < last).any():
        # An undecided arm allows its own stride; one that lies ahead is met at its beginning.
        allowed = np.where(end > edge, np.maximum(begin, edge + stride), np.inf)
        edge = np.minimum(np.minimum.reduce(allowed, axis=1, keepdims=True, initial=np.inf), last)
        edges.append(edge)
    cuts = np.concatenate(edges, axis=1)
    half = (cuts[..., 1:, np.newaxis] - cuts[..., :-1, np.newaxis]) / 2
    return _Panels(cuts, half, cuts[..., :-1, np.newaxis] + half * (1 + _NODES), half * _WEIGHTS)


def _beginning(certain: Floats, centre: Floats, spread: Floats, mesh: _Mesh, negligible: float) -> Floats:
    """A point (N,) that all N's arms lie below with at most `negligible` probability; 0 where there is no arm.

    `certain` (N,) is the best certain score; the other arms are (N, k), and minus infinity stands for none.
    """
    low = np.maximum(certain, (centre - mesh.reach * spread).max(axis=1, initial=-np.inf))
    low = np.where(low > -np.inf, low, 0.0)
    top = np.maximum(low, centre.max(axis=1, initial=-np.inf))
    points = low[:, np.newaxis] + (top - low)[:, np.newaxis] * _TRIAL_POINTS
    standard = (points[:, np.newaxis] - centre[..., np.newaxis]) / spread[..., np.newaxis]
    below = np.multiply.reduce(ndtr(standard), axis=1)
    skipped = np.maximum(np.count_nonzero(below <= negligible, axis=1) - 1, 0)
    return np.asarray(points[np.arange(len(points)), skipped])


def _without_certain(centre: Floats, spread: Floats) -> tuple[Floats, Floats]:
    """Certain arms moved to minus infinity, with a scale that may be divided by."""
    return np.where(spread > 0, centre, -np.inf), np.where(spread > 0, spread, 1.0)


def _density(standard: Floats) -> Floats:
    return np.asarray(np.exp(-0.5 * standard * standard) / np.sqrt(2 * np.pi))


# ---- which arm is first ----


def _first_probabilities(centre: Floats, spread: Floats) -> Floats:
    """(N, k) -> (N, k). Of the certain arms only the best can be first, and the others must be above it to be so."""
    if not centre.size:
        return np.zeros(centre.shape)
    certain = np.where(spread > 0, -np.inf, centre)
    best_certain = certain.max(axis=1, initial=-np.inf)
    centre, spread = _without_certain(centre, spread)
    low = _beginning(best_certain, centre, spread, _FINE, _NEGLIGIBLE)
    high = np.maximum(low, (centre + _FINE.reach * spread).max(axis=1, initial=-np.inf))
    panels = _panels(low, high, centre, spread, _FINE)
    nodes = panels.nodes.reshape(len(centre), 1, -1)
    standard = (nodes - centre[..., np.newaxis]) / spread[..., np.newaxis]
    below = ndtr(standard)
    all_below = panels.weights.reshape(nodes.shape) * np.multiply.reduce(below, axis=1, keepdims=True)
    result = np.add.reduce(_density(standard) / below * all_below, axis=2) / spread
    rows = np.flatnonzero(best_certain > -np.inf)
    others_below = ndtr((best_certain[rows, np.newaxis] - centre[rows]) / spread[rows])
    result[rows, np.argmax(certain[rows], axis=1)] = np.multiply.reduce(others_below, axis=1)
    return np.asarray(result)


# ---- which arms are first, second, … ----


@dataclass(frozen=True, slots=True)
class _Arms:
    """The arms that matter, in arm order, (k,) each; rows of the listed ones, of their siblings and of all others."""

    centre: Floats
    spread: Floats
    listed: list[int]
    siblings: list[Indices]
    others: Indices

    def below(self, points: Floats) -> Floats:
        """P(score < point) for each arm and point, (k, Q); no point is itself a certain arm's score."""
        certain = self.spread == 0
        standard = (points - self.centre[:, np.newaxis]) / np.where(certain, 1.0, self.spread)[:, np.newaxis]
        probabilities = ndtr(standard)
        if certain.any():
            probabilities[certain] = standard[certain] > 0
        return np.asarray(probabilities)

    def below_certain(self, arm: int) -> Floats:
        """P(score ranks below that of the certain arm `arm`) for each arm, (k, 1)."""
        gap = self.centre[arm] - self.centre
        certain = self.spread == 0
        later = (gap > 0) | ((gap == 0) & (np.arange(len(gap)) > arm))
        below = np.where(certain, later, ndtr(gap / np.where(certain, 1.0, self.spread)))
        return np.asarray(below[:, np.newaxis], dtype=np.float64)

    def lower_offers_below(self, below: Floats) -> list[Floats]:
        """For each rank, the probability that all offers of later ranks, or of none, lie below each point, (Q,)."""
        product = np.multiply.reduce(below[self.others], axis=0)
        products = [product]
        for rank in range(len(self.listed) - 1, 0, -1):
            product = product * below[self.listed[rank]] * self.siblings_below(rank, below)
            products.append(product)
        return products[::-1]

    def siblings_below(self, rank: int, below: Floats) -> Floats:
        return np.asarray(np.multiply.reduce(below[self.siblings[rank]], axis=0))


def _conditional_probabilities(
    centre: Floats, spread: Floats, owners: NDArray[np.generic], ranked: Indices, mesh: _Mesh, negligible: float
) -> Floats:
    of_offer = owners == owners[ranked][:, np.newaxis]  # (r, k)
    listed_offer = of_offer.any(axis=0)
    # Every listed arm scores above the offers that are not listed and above the last listed offer's other arms.
    bounding = of_offer[-1] | ~listed_offer
    best_certain = centre[bounding & (spread == 0)].max(initial=-np.inf, keepdims=True)
    bounds = _without_certain(centre[np.newaxis, bounding], spread[np.newaxis, bounding])
    low = _beginning(best_certain, *bounds, mesh, negligible)
    high = (centre + mesh.reach * spread)[ranked].max(keepdims=True)
    if high < low:
        return np.zeros(len(ranked))
    of_offer[np.arange(len(ranked)), ranked] = False
    kept = np.flatnonzero((centre + mesh.reach * spread >= low) | listed_offer)
    arms = _Arms(
        centre[kept],
        spread[kept],
        np.searchsorted(kept, ranked).tolist(),
        [np.flatnonzero(siblings) for siblings in of_offer[:, kept]],
        np.flatnonzero(~listed_offer[kept]),
    )
    panels = _panels(low, high, arms.centre[np.newaxis], arms.spread[np.newaxis], mesh.for_ranks(len(ranked)))
    return _nested_integrals(arms, _Panels(*(array[0] for array in panels)))


class _Above(NamedTuple):
    """P(the ranks so far are as listed, and all above x), relative to the ranks before, at nodes and edges."""

    nodes: Floats
    edges: Floats


def _nested_integrals(arms: _Arms, panels: _Panels) -> Floats:
    below = arms.below(panels.nodes.ravel())
    lower = arms.lower_offers_below(below)
    above = _Above(np.ones_like(panels.nodes), np.ones_like(panels.edges))
    conditional = np.zeros(len(arms.listed))
    for rank, arm in enumerate(arms.listed):
        if arms.spread[arm] > 0:
            density = _rank_density(arms, panels, above, rank, below)
            here = float(np.add.reduce((panels.weights * density).ravel() * lower[rank]))
        else:
            density = None
            above, here = _certain_rank(arms, panels, above, rank)
        conditional[rank] = here
        if here <= 0 or rank == len(arms.listed) - 1:
            break
        if density is not None:
            above = _integrated_to_the_right(density, panels)
        # Relative to what has been ranked: the next integral is then the conditional probability itself.
        above = _Above(above.nodes / here, above.edges / here)
    return conditional


def _rank_density(arms: _Arms, panels: _Panels, above: _Above, rank: int, below: Floats) -> Floats:
    """Density at the nodes of: this rank's arm scores here, its siblings below, the ranks before it above, (P, 20)."""
    centre, spread = arms.centre[arms.listed[rank]], arms.spread[arms.listed[rank]]
    density = _density((panels.nodes - centre) / spread) / spread * above.nodes
    if arms.siblings[rank].size:
        density = density * arms.siblings_below(rank, below).reshape(density.shape)
    return np.asarray(density)


def _integrated_to_the_right(density: Floats, panels: _Panels) -> _Above:
    by_panel = np.add.reduce(panels.weights * density, axis=1)
    edges = np.append(np.cumsum(by_panel[::-1])[::-1], 0.0)
    # Element-wise instead of a matrix product: BLAS may sum in another order on another processor.
    inside = panels.half * np.add.reduce(density[..., np.newaxis] * _TO_THE_RIGHT, axis=1)
    return _Above(edges[1:, np.newaxis] + inside, edges)


def _certain_rank(arms: _Arms, panels: _Panels, above: _Above, rank: int) -> tuple[_Above, float]:
    """As the two above for an arm whose whole probability sits on one edge of the mesh; with the rank's probability."""
    arm = arms.listed[rank]
    at = panels.edges == arms.centre[arm]
    if not at.any():  # it lies below what must be below it
        return above, 0.0
    below = arms.below_certain(arm)
    mass = float(above.edges[at][0] * arms.siblings_below(rank, below)[0])
    edges = np.where(panels.edges <= arms.centre[arm], mass, 0.0)
    nodes = np.broadcast_to(edges[1:, np.newaxis], panels.nodes.shape)
    return _Above(nodes, edges), mass * float(arms.lower_offers_below(below)[rank][0])


def _integration_to_the_right() -> Floats:
    """Column i: weights that integrate over [node i, 1] what is known at the nodes of [-1, 1] (Legendre expansion)."""
    order = len(_NODES)
    degree = np.arange(order)
    values = legendre.legvander(_NODES, order)
    integrals = np.empty((order, order))
    integrals[:, 0] = 1 - _NODES
    integrals[:, 1:] = (values[:, :-2] - values[:, 2:]) / (2 * degree[1:] + 1)
    coefficients = (degree[:, np.newaxis] + 0.5) * values[:, :-1].T * _WEIGHTS
    return np.ascontiguousarray((integrals @ coefficients).T)


_TO_THE_RIGHT = _integration_to_the_right()
