"""The least-squares line through a scatter, with the band of its confidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neuronxa_task.report.chart import Trend

STEPS = 15
LEVEL = 0.95


@dataclass(frozen=True)
class Fit:
    """A line, how closely the points follow it, and how many points there are."""

    slope: float
    intercept: float
    r: float
    n: int
    trend: Trend

    def distance(self, x: float, y: float) -> float:
        """How far above or below the line a point lies."""
        return abs(y - self.slope * x - self.intercept)


def fit(xs: Sequence[float], ys: Sequence[float]) -> Fit | None:
    """Fit a line; None where all x or all y are the same.

    The band is where the line lies with 95 % confidence, under independent normal errors of equal
    variance: ŷ(x) ± t(n−2) · s · √(1/n + (x − x̄)² / Σ(x − x̄)²), s² = Σ(y − ŷ)² / (n − 2)
    (Draper and Smith 1998, Applied Regression Analysis, section 3.1). Two points have no band.
    """
    from scipy.stats import linregress, t

    x, y = np.asarray(xs, float), np.asarray(ys, float)
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    line = linregress(x, y)
    across = np.linspace(x.min(), x.max(), STEPS)
    at = line.slope * across + line.intercept
    low = high = np.empty(0)
    free = len(x) - 2
    if free > 0:
        residuals = y - line.slope * x - line.intercept
        spread = np.sqrt((residuals @ residuals) / free)
        deviations = x - x.mean()
        error = spread * np.sqrt(1 / len(x) + (across - x.mean()) ** 2 / (deviations @ deviations))
        half_width = t.ppf((1 + LEVEL) / 2, free) * error
        low, high = at - half_width, at + half_width
    trend = Trend(*(tuple(map(float, values)) for values in (across, at, low, high)))
    return Fit(float(line.slope), float(line.intercept), float(line.rvalue), len(x), trend)
