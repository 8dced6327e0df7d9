"""Partial correlation: alignment with accuracy, given what else may explain both.

That is a language's resource level and script, or its surface baseline: the fraction of sentence
pairs that find each other by shared names, numbers and punctuation.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from neuronxa_task.analysis.fisher import CONFIDENCE
from neuronxa_task.analysis.points import (
    Floats,
    Interval,
    Points,
    UndefinedCorrelation,
    is_constant,
)
from neuronxa_task.languages.resource_levels import UNKNOWN, resource_level

MIN_FREEDOM = 5
"""Fewest languages, minus covariates, for a partial correlation."""


@dataclass(frozen=True)
class Partial:
    """A partial correlation.

    Attributes:
        r: coefficient.
        p: two-sided.
        interval: Fisher's.
        covariates: number of independent ones.
        n: number of languages.
    """

    r: float
    p: float
    interval: Interval
    covariates: int
    n: int


def covariates(labels: Sequence[Hashable]) -> Floats:
    """`[n, 3]`: resource level (Joshi et al. 2020), whether it is unknown, whether script is Latin.

    An unknown level is set to the mean of the known ones; the second column absorbs the difference.
    """
    codes = [str(label) for label in labels]
    levels = [resource_level(code) for code in codes]
    known = [float(level) for level in levels if level != UNKNOWN]
    mean = float(np.mean(known)) if known else 0.0
    return np.array(
        [
            [
                mean if level == UNKNOWN else float(level),
                float(level == UNKNOWN),
                float(code.endswith("_Latn")),
            ]
            for code, level in zip(codes, levels, strict=True)
        ]
    )


def given_surface(points: Points, method: str) -> Partial:
    """The partial correlation given the surface baseline, over the languages that have one.

    Raises:
        UndefinedCorrelation: too few languages have one, it is the same for all, or it explains x
            or y.
    """
    known = points.with_surface()
    assert known.surface is not None
    if len(known.x) <= MIN_FREEDOM:
        raise UndefinedCorrelation(f"{len(known.x)} languages with a surface baseline are too few")
    if is_constant(known.surface):
        raise UndefinedCorrelation("the surface baseline is the same for all languages")
    return partial_correlation(known, known.surface[:, None], method)


def partial_correlation(points: Points, given: Floats, method: str) -> Partial:
    """Correlate the residuals of x and y after regression on the covariates.

    With k independent covariates, p is that of t = r √((n − 2 − k) / (1 − r²)) on n − 2 − k degrees
    of freedom, and Fisher's z has the standard error 1 / √(n − 3 − k) (Spearman: times
    √(1 + r²/2), Bonett and Wright 2000).

    Args:
        points: alignment and accuracy.
        given: `[n, covariates]`; linearly dependent columns count once.
        method: `pearson`, or `spearman` to use ranks.

    Raises:
        UndefinedCorrelation: too few languages, or the covariates explain x or y.
    """
    columns = [points.x, points.y, *given.T]
    if method == "spearman":
        columns = [stats.rankdata(column) for column in columns]
    x, y = columns[:2]
    design = np.column_stack([np.ones(len(x)), *columns[2:]])
    rank = int(np.linalg.matrix_rank(design - design.mean(axis=0)))
    n = len(x)
    if n - rank < MIN_FREEDOM:
        raise UndefinedCorrelation(f"{n} languages are too few for {rank} covariates")
    residuals = []
    for values in (x, y):
        fitted = design @ np.linalg.lstsq(design, values, rcond=None)[0]
        residuals.append(values - fitted)
        if np.linalg.norm(residuals[-1]) <= 1e-9 * np.linalg.norm(values - values.mean()):
            raise UndefinedCorrelation("the covariates explain alignment or accuracy exactly")
    r = float(np.clip(stats.pearsonr(*residuals).statistic, -1 + 1e-12, 1 - 1e-12))
    freedom = n - 2 - rank
    t = r * np.sqrt(freedom / (1 - r**2))
    error = np.sqrt((1 + r**2 / 2 if method == "spearman" else 1) / (freedom - 1))
    half_width = stats.norm.ppf((1 + CONFIDENCE) / 2) * error
    low, high = np.tanh(np.arctanh(r) + np.array([-half_width, half_width]))
    return Partial(
        r, float(2 * stats.t.sf(abs(t), freedom)), Interval(float(low), float(high)), rank, n
    )
