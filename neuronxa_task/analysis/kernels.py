"""Correlation coefficients of many resamples at once.

A resample is a vector that counts how often each point was drawn. The coefficients of all resamples
are then a few matrix products, and leaving one point out is just another such vector.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuronxa_task.analysis.points import Floats, Points

EXACT_IN_FLOAT32 = 2**12
"""Sums over pairs of at most this many drawn points are exact in float32."""

Kernel = Callable[[Floats], Floats]
"""Maps the counts of each point, `[resamples, n]`, to coefficients, `[resamples]`."""


def _pearson(points: Points) -> Kernel:
    """From sums of powers of the centred values; from the drawn values where those cancel."""
    x, y = (
        (values - values.mean()) / (np.max(np.abs(values - values.mean())) or 1.0)
        for values in (points.x, points.y)
    )
    powers = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)

    def pearson(counts: Floats) -> Floats:
        total, x_sum, y_sum, xx, yy, xy = (counts @ powers).T
        total = np.maximum(total, 1.0)
        xx, yy = xx / total - (x_sum / total) ** 2, yy / total - (y_sum / total) ** 2
        close = (xx < 1e-3) | (yy < 1e-3)
        r = _ratio(xy / total - x_sum * y_sum / total**2, np.sqrt(np.abs(xx * yy)), ~close)
        if close.any():
            r[close] = _counted_pearson(points.x, points.y, counts[close])
        return np.clip(r, -1.0, 1.0)

    return pearson


def _spearman(points: Points) -> Kernel:
    """Pearson's r of the resample's mid-ranks, centred on half the number of points."""
    x_ties, y_ties = _Ties.of(points.x), _Ties.of(points.y)

    def spearman(counts: Floats) -> Floats:
        middle = counts.sum(axis=1, keepdims=True) / 2
        x, y = x_ties.mid_ranks(counts) - middle, y_ties.mid_ranks(counts) - middle
        weighted = counts * x
        sides = ((weighted, y), (weighted, x), (counts * y, y))
        xy, xx, yy = (np.einsum("bi,bi->b", *pair) for pair in sides)
        return np.clip(_ratio(xy, np.sqrt(xx * yy), (xx > 0) & (yy > 0)), -1.0, 1.0)

    return spearman


@dataclass(frozen=True, eq=False)
class _Ties:
    """Values in ascending order, grouped by equality.

    Attributes:
        order: `[n]`, indices of the values in ascending order.
        first: `[groups]`, start of each group of equal values in that order.
        last: `[groups]`, end of each group, exclusive.
        group: `[n]`, group of each value.
    """

    order: NDArray[np.intp]
    first: NDArray[np.intp]
    last: NDArray[np.intp]
    group: NDArray[np.intp]

    @classmethod
    def of(cls, values: Floats) -> _Ties:
        distinct, group = np.unique(values, return_inverse=True)
        order = np.argsort(group, kind="stable")
        first = np.searchsorted(group[order], np.arange(len(distinct)))
        return cls(order, first, np.append(first[1:], len(values)), group)

    def mid_ranks(self, counts: Floats) -> Floats:
        """`[resamples, n]`: number of lower drawn values plus half the number of equal ones."""
        below = self._cumulated(counts)
        middle = below.take(self.first, axis=1) + below.take(self.last, axis=1)
        return np.asarray(middle.take(self.group, axis=1) / 2)

    def pairs(self, counts: Floats) -> Floats:
        """`[resamples]`: twice the number of pairs of drawn values that differ."""
        below = self._cumulated(counts)
        equal = below.take(self.last, axis=1) - below.take(self.first, axis=1)
        return np.asarray(counts.sum(axis=1) ** 2 - np.einsum("bi,bi->b", equal, equal))

    def _cumulated(self, counts: Floats) -> Floats:
        """`[resamples, n + 1]`: how many of the k lowest values are drawn, for k from 0 to n."""
        below = np.zeros((len(counts), len(self.order) + 1))
        np.cumsum(counts.take(self.order, axis=1), axis=1, out=below[:, 1:])
        return below


def _kendall(points: Points) -> Kernel:
    """Tau-b, Σ c_i c_j s_ij t_ij / √(pairs differing in x · pairs differing in y)."""
    agreement = np.sign(points.x - points.x[:, None]) * np.sign(points.y - points.y[:, None])
    x_ties, y_ties = _Ties.of(points.x), _Ties.of(points.y)

    def tau(counts: Floats) -> Floats:
        exact = counts.sum(axis=1).max(initial=0) <= EXACT_IN_FLOAT32
        kind = np.float32 if exact else np.float64
        narrow = counts.astype(kind)
        concordant = np.einsum("bi,bi->b", narrow @ agreement.astype(kind), narrow)
        x_pairs, y_pairs = x_ties.pairs(counts), y_ties.pairs(counts)
        defined = (x_pairs > 0) & (y_pairs > 0)
        return _ratio(concordant.astype(np.float64), np.sqrt(x_pairs * y_pairs), defined)

    return tau


KERNELS: dict[str, Callable[[Points], Kernel]] = {
    "pearson": _pearson,
    "spearman": _spearman,
    "kendall": _kendall,
}


def _counted_pearson(x: Floats, y: Floats, counts: Floats) -> Floats:
    """`[resamples]`: Pearson's r of the values `[n]` in each resample."""
    drawn = counts > 0
    total = np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    defined = _varies(x, drawn) & _varies(y, drawn)
    x = x - (counts * x).sum(axis=1, keepdims=True) / total
    y = y - (counts * y).sum(axis=1, keepdims=True) / total
    size = np.sqrt((counts * x**2).sum(axis=1) * (counts * y**2).sum(axis=1))
    return _ratio((counts * x * y).sum(axis=1), size, defined)


def _varies(values: Floats, drawn: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """`[resamples]`: whether the drawn values differ by more than rounding."""
    highest = np.where(drawn, values, -np.inf).max(axis=1)
    lowest = np.where(drawn, values, np.inf).min(axis=1)
    varies: NDArray[np.bool_] = highest - lowest > 1e-12 * np.abs(values).max()
    return varies


def _ratio(value: Floats, by: Floats, defined: NDArray[np.bool_]) -> Floats:
    """`value / by` where defined, else NaN."""
    return np.divide(value, by, out=np.full_like(value, np.nan), where=defined)
