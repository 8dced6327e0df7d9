"""Permutation tests: rank correlations of few languages, and means of several correlations.

Without an association, every order of the accuracies is equally likely. For up to eight languages,
all orders are enumerated. For more, random orders are drawn, and p = (1 + as extreme) / (1 + drawn)
keeps the level of the test (Phipson and Smyth 2010).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from neuronxa_task.analysis.points import Floats, Points

ENUMERATED = 8
FEW = 30
"""From this many languages, scipy's approximation gives the p of a rank correlation."""
DRAWN = 9_999
DRAWN_JOINTLY = 1_999
ROUNDING = 1e-9


def rank_p(points: Points, method: str) -> float:
    """Two-sided p of Spearman's or Kendall's coefficient.

    Exact for up to 8 languages, and for Kendall without ties. From 9,999 permutations for fewer
    than 30 languages; scipy's approximation for more.

    >>> round(rank_p(Points(np.arange(3.0), np.arange(3.0), "abc"), "spearman"), 4)
    0.3333
    """
    n = len(points.x)
    ties = any(len(np.unique(values)) < n for values in (points.x, points.y))
    if n >= FEW or (method == "kendall" and not ties):
        test = {"spearman": stats.spearmanr, "kendall": stats.kendalltau}[method]
        return float(test(points.x, points.y).pvalue)
    orders = permuted(n, DRAWN)
    if method == "spearman":
        x, y = (stats.rankdata(values) - (n + 1) / 2 for values in (points.x, points.y))
        drawn, observed = x[orders] @ y, x @ y
    else:
        x, y = (np.sign(values - values[:, None]) for values in (points.x, points.y))
        drawn = np.concatenate(
            [
                np.einsum("bij,ij->b", x[block[:, :, None], block[:, None, :]], y)
                for block in np.array_split(orders, 40)
            ]
        )
        observed = np.sum(x * y)
    return _p(np.asarray(drawn), float(observed), is_exact=n <= ENUMERATED)


def mean_p(groups: Sequence[Sequence[Points]], method: str, seed: int = 0) -> float:
    """Two-sided p of a mean of correlations, by permuting languages.

    A language keeps its accuracies of all models and benchmarks together, so p is valid however
    much the models agree.

    Args:
        groups: the samples of each model; every sample has a correlation.
        method: `pearson` or `spearman`.
        seed: seed of the random orders.
    """
    labels = dict.fromkeys(label for group in groups for points in group for label in points.labels)
    index_of = {label: index for index, label in enumerate(labels)}
    orders = permuted(len(labels), DRAWN_JOINTLY, seed)
    keys = np.argsort(orders, axis=1)
    drawn, observed = np.zeros(len(orders)), 0.0
    for group in groups:
        for points in group:
            own = [index_of[label] for label in points.labels]
            has_all_labels = own == list(range(len(labels)))
            order = orders if has_all_labels else np.argsort(keys[:, own], axis=1)
            x, y = (_unit(values, method) for values in (points.x, points.y))
            weight = 1 / (len(group) * len(groups))
            drawn += weight * (x[order] @ y)
            observed += weight * float(x @ y)
    return _p(drawn, observed, is_exact=len(labels) <= ENUMERATED)


def _unit(values: Floats, method: str) -> Floats:
    """Values, or their ranks, centred and scaled to length 1, so that dot products are r."""
    values = stats.rankdata(values) if method == "spearman" else values
    centred = values - values.mean()
    return np.asarray(centred / np.linalg.norm(centred))


def _p(drawn: Floats, observed: float, *, is_exact: bool) -> float:
    extreme = np.abs(drawn) >= abs(observed) * (1 - ROUNDING) - 1e-14
    return float(np.mean(extreme) if is_exact else (1 + np.sum(extreme)) / (1 + len(drawn)))


@lru_cache(maxsize=8)
def permuted(n: int, drawn: int, seed: int = 0) -> NDArray[np.intp]:
    """`[orders, n]`: all orders if n is at most 8, else `drawn` random orders."""
    if n <= ENUMERATED:
        return np.array(list(permutations(range(n))), np.intp)
    random = np.random.default_rng((seed, n))
    return np.argsort(random.random((drawn, n)), axis=1)
