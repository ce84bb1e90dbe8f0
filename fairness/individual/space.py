"""Where two customers are alike: the attributes that may tell them apart, standardised; nothing protected, no proxy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from fairness import proxies
from offers.conditions.vectorise import CategoryColumn, Column, NumberColumn
from offers.register import ATTRIBUTES, SESSION_GROUP

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Space:
    """Customers (n,) as points (n, d); `names` (d,) are the attributes, several times for a category."""

    points: Floats
    names: tuple[str, ...]

    def nearest(self, anchors: NDArray[np.intp], among: NDArray[np.intp], k: int) -> tuple[Floats, NDArray[np.intp]]:
        """Distances and positions (a, k) of the nearest to each anchor among others, the anchor itself left out."""
        take = min(k + 1, len(among))
        index = NearestNeighbors(n_neighbors=take, algorithm="brute").fit(self.points[among])
        distances, places = index.kneighbors(self.points[anchors])
        found = among[places]
        # Of several at the same point the anchor need not be the first.
        own = found == anchors[:, np.newaxis]
        order = np.argsort(own, axis=1, kind="stable")[:, : min(k, take - 1)]
        return np.take_along_axis(distances, order, 1), np.take_along_axis(found, order, 1)


def proxy_bundle() -> tuple[str, ...]:
    """What stands for a protected group: by the register, or by last night's measurement."""
    strong = {name for name, one in proxies.strongest().items() if one.level == "strong"}
    return tuple(
        name for name, declared in ATTRIBUTES.items() if declared.basis_class == "close_proxy" or name in strong
    )


def of(columns: Mapping[str, Column]) -> Space:
    """Numbers, yes or no, and categories, each with a spread of one; missing values stand in the middle."""
    left_out = set(proxy_bundle())
    points: list[Floats] = []
    names: list[str] = []
    for name in sorted(columns):
        declared, column = ATTRIBUTES[name], columns[name]
        if name in left_out or declared.basis_class != "ok" or declared.group == SESSION_GROUP:
            continue
        for values in _numbers(column):
            spread = float(np.nanstd(values)) if (~np.isnan(values)).any() else 0.0
            if spread > 0:
                points.append(np.nan_to_num((values - np.nanmean(values)) / spread))
                names.append(name)
    size = len(next(iter(columns.values()))) if columns else 0
    return Space(np.stack(points, axis=1) if points else np.zeros((size, 0)), tuple(names))


def _numbers(column: Column) -> list[Floats]:
    if isinstance(column, NumberColumn):
        return [column.values]
    if isinstance(column, CategoryColumn):
        return [
            np.where(column.codes < 0, np.nan, (column.codes == code).astype(np.float64))
            for code in range(len(column.vocabulary))
        ]
    return [np.where(column.missing, np.nan, mask.astype(np.float64)) for mask in column.members.values()]
