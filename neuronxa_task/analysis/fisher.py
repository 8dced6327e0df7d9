"""Fisher's z transform of correlations, and the intervals and means that use it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from neuronxa_task.analysis.points import Interval

CONFIDENCE = 0.95
"""Level of all intervals."""
MIN_INTERVAL = 5
"""Fewest languages for an interval."""
EXACT = 1 - 1e-12
"""A larger coefficient is 1 up to rounding, and its Fisher z is infinite."""


def fisher_interval(r: float, n: int, method: str) -> Interval | None:
    """Confidence interval by Fisher's z.

    The standard error of z is 1/√(n−3) for Pearson, √((1+r²/2)/(n−3)) for Spearman (Bonett and
    Wright 2000), √(0.437/(n−4)) for Kendall (Fieller, Hartley and Pearson 1957).

    Returns:
        The interval; `None` if |r| = 1, where z is infinite, or for fewer than 5 languages.
    """
    if abs(r) >= EXACT or n < MIN_INTERVAL:
        return None
    freedom = n - 4 if method == "kendall" else n - 3
    variance = {"pearson": 1.0, "spearman": 1 + r**2 / 2, "kendall": 0.437}[method] / freedom
    half_width = stats.norm.ppf((1 + CONFIDENCE) / 2) * np.sqrt(variance)
    return Interval(*(float(np.tanh(np.arctanh(r) + side)) for side in (-half_width, half_width)))


def fisher_mean(coefficients: Sequence[float]) -> float:
    """Mean of correlations by Fisher's z; the plain mean if one is exactly 1.

    >>> round(fisher_mean([0.8, 0.9]), 4), round(fisher_mean([0.8, 1.0]), 4)
    (0.8579, 0.9)
    """
    values = np.asarray(coefficients, np.float64)
    if np.any(np.abs(values) >= EXACT):
        return float(values.mean())
    return float(np.tanh(np.arctanh(values).mean()))
