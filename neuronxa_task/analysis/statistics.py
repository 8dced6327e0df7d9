"""Correlation statistics: coefficients with p and intervals, and means of correlations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from neuronxa_task.analysis.bootstrap import (
    BOOTSTRAP,
    Bootstrap,
    Floats,
    Interval,
    Points,
    UndefinedCorrelation,
    is_constant,
    resampled,
)
from neuronxa_task.errors import NeuronXAError, one_of

METHODS = ("pearson", "spearman", "kendall")
EXACT = 1 - 1e-12
"""From here on a coefficient is 1 but for rounding, and its Fisher z infinite."""


@dataclass(frozen=True)
class Correlation:
    """A correlation or a mean of several.

    Attributes:
        r: coefficient.
        p: two-sided, of no correlation; `None` where no test is defined.
        n: languages, or points where several models are pooled.
        fisher: interval through Fisher's z; `None` where not defined.
        bootstrap: percentile interval of resampled languages; `None` where no resample has a
            correlation.
        undefined_resamples: resamples left out because all their values are the same.
    """

    r: float
    p: float | None
    n: int
    fisher: Interval | None
    bootstrap: Interval | None
    undefined_resamples: int


def correlate(points: Points, method: str, bootstrap: Bootstrap = BOOTSTRAP) -> Correlation:
    """Correlate alignment with accuracy.

    Args:
        points: at least 3, neither coordinate constant.
        method: `pearson`, `spearman` or `kendall` (tau-b).
        bootstrap: settings of the intervals.

    Raises:
        UndefinedCorrelation: there is none.
        NeuronXAError: the method is unknown.

    >>> points = Points(np.array([1.0, 2, 3, 4]), np.array([2.0, 1, 4, 3]), list("abcd"))
    >>> round(correlate(points, "spearman").r, 6)
    0.6
    """
    r, p = _test(points, method)
    interval, undefined = bootstrap.interval(resampled([points], method, bootstrap)[0])
    n = len(points.x)
    return Correlation(r, p, n, fisher_interval(r, n, method, bootstrap), interval, undefined)


def _test(points: Points, method: str) -> tuple[float, float]:
    tests = {"pearson": stats.pearsonr, "spearman": stats.spearmanr, "kendall": stats.kendalltau}
    if method not in tests:
        raise NeuronXAError(f"method is {method!r}; expected one of: {one_of(METHODS)}")
    points.require_correlation()
    found = tests[method](points.x, points.y)
    return float(found.statistic), float(found.pvalue)


def fisher_interval(
    r: float, n: int, method: str, bootstrap: Bootstrap = BOOTSTRAP
) -> Interval | None:
    """Interval through Fisher's z.

    The standard error of z is 1/√(n−3) for Pearson, √((1+r²/2)/(n−3)) for Spearman (Bonett and
    Wright 2000), √(0.437/(n−4)) for Kendall (Fieller, Hartley and Pearson 1957).

    Returns:
        The interval, or `None` where z or its error is not defined: |r| = 1, too few points.
    """
    freedom = n - 4 if method == "kendall" else n - 3
    if abs(r) >= EXACT or freedom < 1:
        return None
    variance = {"pearson": 1.0, "spearman": 1 + r**2 / 2, "kendall": 0.437}[method] / freedom
    reach = stats.norm.ppf((1 + bootstrap.confidence) / 2) * np.sqrt(variance)
    return Interval(*(float(np.tanh(np.arctanh(r) + side)) for side in (-reach, reach)))


def mean_correlation(
    groups: Sequence[Sequence[Points]], method: str, bootstrap: Bootstrap = BOOTSTRAP
) -> Correlation:
    """Mean of several correlations through Fisher's z: within groups, then over groups.

    p and the Fisher interval are those of a t-test over the groups' z (models, say): they speak
    about further models. The bootstrap draws languages, the same for all samples: it speaks about
    further languages.

    Args:
        groups: at least two samples in all, each with a correlation.
        method: as in `correlate`.
        bootstrap: settings of the intervals.

    Raises:
        UndefinedCorrelation: fewer than two samples, or one without a correlation or with |r| = 1.
    """
    samples = [points for group in groups for points in group]
    if len(samples) < 2:
        raise UndefinedCorrelation(f"a mean of {len(samples)} correlations; expected two or more")
    z = _means(_fisher_z([correlation_of(points, method) for points in samples]), groups)
    test = None if len(z) < 2 or is_constant(z) else stats.ttest_1samp(z, 0.0)
    reach = test and test.confidence_interval(bootstrap.confidence)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Of few languages some resamples are exactly 1: their mean is, too, as the limit of z.
        drawn = np.arctanh(resampled(samples, method, bootstrap))
        interval, undefined = bootstrap.interval(np.tanh(_means(drawn, groups).mean(axis=0)))
    return Correlation(
        r=float(np.tanh(z.mean())),
        p=test and float(test.pvalue),
        n=len({label for points in samples for label in points.labels}),
        fisher=reach and Interval(float(np.tanh(reach.low)), float(np.tanh(reach.high))),
        bootstrap=interval,
        undefined_resamples=undefined,
    )


def fisher_mean(coefficients: Sequence[float]) -> float:
    """Mean of correlations through Fisher's z.

    Raises:
        UndefinedCorrelation: one of them is exactly 1, and not the only one.

    >>> round(fisher_mean([0.8, 0.9]), 4)
    0.8579
    """
    if len(coefficients) == 1:
        return coefficients[0]
    return float(np.tanh(_fisher_z(coefficients).mean()))


def _fisher_z(coefficients: Sequence[float]) -> Floats:
    if any(abs(r) >= EXACT for r in coefficients):
        raise UndefinedCorrelation("a correlation is exactly 1: its Fisher z is infinite")
    z: Floats = np.arctanh(np.asarray(coefficients))
    return z


def _means(values: Floats, groups: Sequence[Sequence[Points]]) -> Floats:
    """`[groups, …]`: means of the rows of each group, which follow each other."""
    ends = np.cumsum([len(group) for group in groups])[:-1]
    return np.stack([rows.mean(axis=0) for rows in np.split(values, ends)])


def correlation_of(points: Points, method: str) -> float:
    """The coefficient alone.

    Raises:
        UndefinedCorrelation: there is none.
    """
    return _test(points, method)[0]
