"""Bootstrap of correlations over languages.

scipy's bootstrap gives no interval once a single resample has no correlation, which with few
languages happens, and resamples one sample only. Here a resample is a vector of how often each
language was drawn, so that a coefficient of all resamples is a few matrix products, and the same
languages are drawn for several samples.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuronxa_task.errors import NeuronXAError

MIN_POINTS = 3
BLOCK = 500
Floats = NDArray[np.float64]


class UndefinedCorrelation(NeuronXAError):
    """There is no correlation of these points, for the reason it gives."""


@dataclass(frozen=True, eq=False)
class Points:
    """What is correlated: one point per language.

    Attributes:
        x: `[n]`, alignment.
        y: `[n]`, accuracy.
        labels: language of each point. Points of the same label are drawn together in a bootstrap.
        names: what x and y are, for messages.
    """

    x: Floats
    y: Floats
    labels: Sequence[Hashable]
    names: tuple[str, str] = ("alignment", "accuracy")

    def require_correlation(self) -> None:
        """Check that these points have a correlation.

        Raises:
            UndefinedCorrelation: there are too few, or one coordinate is constant.
        """
        if len(self.x) < MIN_POINTS:
            raise UndefinedCorrelation(f"{len(self.x)} languages; at least {MIN_POINTS} are needed")
        for name, values in zip(self.names, (self.x, self.y), strict=True):
            if is_constant(values):
                raise UndefinedCorrelation(
                    f"{name} is the same, {values[0]:.4g}, for all {len(values)} languages"
                )


@dataclass(frozen=True)
class Interval:
    """A confidence interval."""

    low: float
    high: float


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made.

    Attributes:
        resamples: number of bootstrap resamples.
        seed: of their random numbers.
        confidence: level of all intervals.
    """

    resamples: int = 2000
    seed: int = 0
    confidence: float = 0.95

    def interval(self, drawn: Floats) -> tuple[Interval | None, int]:
        """Percentile interval of resampled values, and how many of them are undefined (NaN)."""
        defined = drawn[~np.isnan(drawn)]
        undefined = len(drawn) - len(defined)
        if not len(defined):
            return None, undefined
        tail = (1 - self.confidence) / 2
        low, high = np.quantile(defined, [tail, 1 - tail])
        return Interval(float(low), float(high)), undefined


BOOTSTRAP = Bootstrap()


def is_constant(values: Floats) -> bool:
    """Whether all values are the same but for rounding."""
    return bool(np.ptp(values) <= 1e-12 * np.max(np.abs(values)))


def resampled(samples: Sequence[Points], method: str, bootstrap: Bootstrap = BOOTSTRAP) -> Floats:
    """`[samples, resamples]`: coefficients, the same languages being drawn for all samples.

    NaN where all drawn points of a sample have the same alignment or the same accuracy.
    """
    labels = list(dict.fromkeys(label for points in samples for label in points.labels))
    place = {label: index for index, label in enumerate(labels)}
    columns = [[place[label] for label in points.labels] for points in samples]
    kernels = [KERNELS[method](points) for points in samples]
    blocks = [
        np.stack(
            [kernel(counts[:, column]) for kernel, column in zip(kernels, columns, strict=True)]
        )
        for counts in _draws(len(labels), bootstrap)
    ]
    return np.concatenate(blocks, axis=1)


def _draws(labels: int, bootstrap: Bootstrap) -> Iterator[Floats]:
    """Blocks `[resamples, labels]` of how often each label is drawn."""
    random = np.random.default_rng(bootstrap.seed)
    for start in range(0, bootstrap.resamples, BLOCK):
        size = min(BLOCK, bootstrap.resamples - start)
        draws = random.multinomial(labels, np.full(labels, 1 / labels), size=size)
        yield draws.astype(np.float64)


Kernel = Callable[[Floats], Floats]
"""Coefficients, `[resamples]`, of how often each point is drawn, `[resamples, n]`."""


def _pearson(points: Points) -> Kernel:
    return lambda counts: _counted_pearson(points.x, points.y, counts)


def _spearman(points: Points) -> Kernel:
    """Pearson's of the resample's mid-ranks, Σ_j c_j ([x_j < x_i] + [x_j = x_i] / 2)."""
    x, y = ((_signs(values) + 1) / 2 for values in (points.x, points.y))
    return lambda counts: _counted_pearson(counts @ x, counts @ y, counts)


def _kendall(points: Points) -> Kernel:
    """Tau-b, Σ c_i c_j s_ij t_ij / √(Σ c_i c_j |s_ij| · Σ c_i c_j |t_ij|), s and t the signs."""
    x, y = _signs(points.x), _signs(points.y)

    def tau(counts: Floats) -> Floats:
        concordant, x_pairs, y_pairs = (
            np.einsum("bi,bi->b", counts @ signs, counts) for signs in (x * y, x**2, y**2)
        )
        defined = (x_pairs > 0) & (y_pairs > 0)
        return _ratio(concordant, np.sqrt(x_pairs * y_pairs), defined)

    return tau


KERNELS: dict[str, Callable[[Points], Kernel]] = {
    "pearson": _pearson,
    "spearman": _spearman,
    "kendall": _kendall,
}


def _signs(values: Floats) -> Floats:
    """`[n, n]`: at j, i the sign of value i minus value j."""
    return np.sign(values - values[:, None])


def _counted_pearson(x: Floats, y: Floats, counts: Floats) -> Floats:
    """Pearson's coefficient per resample of `[n]` or `[resamples, n]` values."""
    drawn = counts > 0
    total = np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    defined = _varies(x, drawn) & _varies(y, drawn)
    x = x - (counts * x).sum(axis=1, keepdims=True) / total
    y = y - (counts * y).sum(axis=1, keepdims=True) / total
    size = np.sqrt((counts * x**2).sum(axis=1) * (counts * y**2).sum(axis=1))
    return np.clip(_ratio((counts * x * y).sum(axis=1), size, defined), -1.0, 1.0)


def _varies(values: Floats, drawn: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Per resample, whether the drawn values differ by more than rounding."""
    highest = np.where(drawn, values, -np.inf).max(axis=1)
    lowest = np.where(drawn, values, np.inf).min(axis=1)
    varies: NDArray[np.bool_] = highest - lowest > 1e-12 * np.abs(values).max()
    return varies


def _ratio(value: Floats, by: Floats, defined: NDArray[np.bool_]) -> Floats:
    """`value / by` where defined, else NaN."""
    return np.divide(value, by, out=np.full_like(value, np.nan), where=defined)
