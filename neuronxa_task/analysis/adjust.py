"""What a correlation is corrected for: the number of tests, and the noise in the accuracies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neuronxa_task.analysis.points import Points


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Holm-adjusted p-values (Holm 1979); missing ones stay missing and are not counted.

    >>> holm([0.01, None, 0.04, 0.03])
    [0.03, None, 0.06, 0.06]
    """
    tested = sorted((value, index) for index, value in enumerate(p) if value is not None)
    adjusted: list[float | None] = [None] * len(p)
    highest = 0.0
    for rank, (value, index) in enumerate(tested):
        highest = max(highest, min(1.0, value * (len(tested) - rank)))
        adjusted[index] = highest
    return adjusted


def noise_corrected(points: Points, r: float) -> dict[str, float]:
    """Correct a correlation for the noise in the accuracies (Spearman 1904).

    An accuracy is measured on a finite number of questions. Its standard errors tell how much of
    the variance over languages is noise: reliability = 1 − mean(error²) / variance. The corrected
    r is r / √reliability, at most 1: an estimate of r with exact accuracies. Noise in the alignment
    is not corrected for.

    Returns:
        `reliability` and `r_noise_corrected`; empty if a standard error is unknown or if the errors
        explain all of the variance.
    """
    if points.errors is None or np.isnan(points.errors).any():
        return {}
    reliability = 1 - float(np.mean(points.errors**2) / np.var(points.y, ddof=1))
    if reliability <= 0:
        return {}
    corrected = float(np.clip(r / np.sqrt(reliability), -1.0, 1.0))
    return {"reliability": reliability, "r_noise_corrected": corrected}
