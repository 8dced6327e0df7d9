"""What a correlation is corrected for: the number of tests, and the noise in the accuracies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neuronxa_task.analysis.points import Points


def holm(p: Sequence[float | None]) -> list[float | None]:
    """p adjusted for all of a table (Holm 1979); missing ones stay so and do not count.

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
    """`reliability` of the accuracies, and `r_noise_corrected` for it (Spearman 1904).

    An accuracy is measured on some questions only; its standard errors tell how much of the
    variance over languages that explains: reliability = 1 − mean(error²) / variance. The corrected
    r is r / √reliability, at most 1: what exact accuracies would show. Alignment's own noise is
    not corrected for.

    Returns:
        Both, or neither where a standard error is unknown, or they explain all of the variance.
    """
    if points.errors is None or np.isnan(points.errors).any():
        return {}
    reliability = 1 - float(np.mean(points.errors**2) / np.var(points.y, ddof=1))
    if reliability <= 0:
        return {}
    corrected = float(np.clip(r / np.sqrt(reliability), -1.0, 1.0))
    return {"reliability": reliability, "r_noise_corrected": corrected}
