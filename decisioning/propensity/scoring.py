"""Calibrated P(accept) from a trained model, bit for bit the same however it is asked; no training, no database.

One row, a batch, another process after a reload: LightGBM adds the trees of a row in the same order each time, and the
logistic function is scipy's scalar one, because numpy's own exp may differ in the last bit with memory layout.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
import orjson
from scipy.special import expit

from decisioning.propensity.encoding import Encoder, FloatArray, OfferRow, Static, arm_row, offer_row
from decisioning.propensity.precision import rounded
from offers.conditions.vectorise import Column
from offers.register import GROUPS
from offers.types import Release

FORMAT = 1
CHUNK_ROWS = 1 << 17  # rows of one LightGBM call in a batch: 128 k rows x 40 columns are 42 MB

Prepared = Static


class UnreadableModel(ValueError):
    """The stored bytes are not a propensity model of this format."""


class OtherGroupVersion(ValueError):
    """A feature group has another meaning now than when the model was trained on it."""

    def __init__(self, model: str, group: str, trained: int) -> None:
        now = GROUPS[group].version
        super().__init__(f"{model} was trained on version {trained} of {group}, which is at version {now}: train anew")
        self.model = model
        self.group = group
        self.trained = trained


@dataclass(frozen=True)
class PropensityModel:
    """A gradient-boosted tree model with its encoder and its calibration `(intercept, slope)` on the log-odds."""

    name: str
    encoder: Encoder
    booster_text: str
    calibration: tuple[float, float]
    base_rate: float
    per_arm: bool
    report: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def booster(self) -> lightgbm.Booster:
        return lightgbm.Booster(model_str=self.booster_text)

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @property
    def group_versions(self) -> Mapping[str, int]:
        """The feature groups that it reads and the version of each that it was trained on: 1 where it names none."""
        named = self.report.get("group_versions", {})
        return {group: named.get(group, 1) for group in self.encoder.groups}

    def require_current(self) -> None:
        """Raise OtherGroupVersion where a group that it reads means something else today."""
        for group, trained in self.group_versions.items():
            if trained != GROUPS[group].version:
                raise OtherGroupVersion(self.name, group, trained)

    def prepare(self, rows: Sequence[OfferRow]) -> Prepared:
        """What is fixed for a release, computed once; `index` of `score` counts in the order of `rows`."""
        return self.encoder.static_matrix(rows)

    def prepare_release(self, release: Release) -> Prepared:
        """A row for every arm, or for every offer where the model does not tell arms apart; keys in sorted order."""
        arms = [release.arms[key] for key in sorted(release.arms)]
        if self.per_arm:
            return self.prepare(
                [arm_row(arm.key, release.offers[arm.offer], release.creatives[arm.creative]) for arm in arms]
            )
        return self.prepare([offer_row(release.offers[key]) for key in sorted(release.offers)])

    def score(self, attributes: Mapping[str, Any], prepared: Prepared, index: npt.NDArray[np.intp]) -> FloatArray:
        """P(accept) of one customer for the rows `index`, shape (len(index),)."""
        if len(index) == 0:
            return np.empty(0)
        return self._probability(self._raw(self.encoder.matrix(attributes, prepared, index), threads=1))

    def score_many(self, customers: Sequence[Mapping[str, Any]], prepared: Prepared, *, threads: int = 1) -> FloatArray:
        """P(accept) of N customers for every prepared row, shape (N, k): the bits that `score` gives."""
        width = len(prepared.keys)
        index = np.arange(width)
        scores = np.empty((len(customers), width))
        step = max(1, CHUNK_ROWS // max(width, 1))
        for start in range(0, len(customers) if width else 0, step):
            chunk = customers[start : start + step]
            matrix = np.concatenate([self.encoder.matrix(attributes, prepared, index) for attributes in chunk])
            scores[start : start + step] = self._probability(self._raw(matrix, threads)).reshape(len(chunk), width)
        return scores

    def score_row(self, columns: Mapping[str, Column], prepared: Prepared, row: int, size: int) -> FloatArray:
        """P(accept) of one prepared row for many customers as columns, shape (size,): the bits that `score` gives."""
        return self.score_matrix(self.encoder.matrix_many(columns, prepared, row, size)) if size else np.empty(0)

    def score_matrix(self, matrix: FloatArray, *, threads: int = 1) -> FloatArray:
        """P(accept) of rows that the encoder made, shape (N,)."""
        return self._probability(self._raw(matrix, threads))

    def contributions(
        self, attributes: Mapping[str, Any], prepared: Prepared, index: npt.NDArray[np.intp]
    ) -> FloatArray:
        """TreeSHAP values in log-odds before calibration, shape (len(index), columns + 1); the last is the mean.

        Each row sums to the raw score. They cost milliseconds, so they belong to explanations, never to a decision.
        """
        return self.contributions_of(self.encoder.matrix(attributes, prepared, index), threads=1)

    def contributions_of(self, matrix: FloatArray, *, threads: int = 1) -> FloatArray:
        """The same of rows that the encoder made, shape (N, columns + 1); some 1,000 rows a second."""
        return np.asarray(self.booster.predict(matrix, pred_contrib=True, num_threads=threads), dtype=np.float64)

    def raw_scores_of(self, matrix: FloatArray, *, threads: int = 1) -> FloatArray:
        """What they add up to, of rows that the encoder made, shape (N,)."""
        return self._raw(matrix, threads)

    def raw_scores(self, attributes: Mapping[str, Any], prepared: Prepared, index: npt.NDArray[np.intp]) -> FloatArray:
        """Log-odds before calibration, shape (len(index),): what `contributions` add up to."""
        return self._raw(self.encoder.matrix(attributes, prepared, index), threads=1)

    def _raw(self, matrix: FloatArray, threads: int) -> FloatArray:
        return np.asarray(self.booster.predict(matrix, raw_score=True, num_threads=threads), dtype=np.float64)

    def _probability(self, raw: FloatArray) -> FloatArray:
        intercept, slope = self.calibration
        return rounded(np.asarray(expit(intercept + slope * raw), dtype=np.float64))

    def to_bytes(self) -> bytes:
        """Canonical JSON: equal models give equal bytes, and `sha256` is the hash of them."""
        content = {
            "format": FORMAT,
            "name": self.name,
            "columns": self.encoder.to_json(),
            "booster": self.booster_text,
            "calibration": list(self.calibration),
            "base_rate": self.base_rate,
            "per_arm": self.per_arm,
            "report": dict(self.report),
        }
        return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)

    @classmethod
    def from_bytes(cls, content: bytes) -> PropensityModel:
        """The model that `to_bytes` wrote. Raises UnreadableModel for anything else."""
        try:
            stored = orjson.loads(content)
            if stored["format"] != FORMAT:
                raise UnreadableModel(f"format {stored['format']}, this version reads {FORMAT}")
            intercept, slope = stored["calibration"]
            return cls(
                name=stored["name"],
                encoder=Encoder.from_json(stored["columns"]),
                booster_text=stored["booster"],
                calibration=(float(intercept), float(slope)),
                base_rate=float(stored["base_rate"]),
                per_arm=stored["per_arm"],
                report=stored["report"],
            )
        except (KeyError, TypeError, orjson.JSONDecodeError) as fault:
            raise UnreadableModel(f"not a propensity model: {fault}") from fault
