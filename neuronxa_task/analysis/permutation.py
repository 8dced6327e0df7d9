"""Exact p of rank correlations of few languages, and p of a mean of several models' correlations.

Under no association every order of the accuracies is equally likely beside the alignment scores.
All orders of up to eight languages are taken; of more, random ones, and p is then
(1 + as extreme) / (1 + drawn), which keeps its level (Phipson and Smyth 2010).
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
"""Languages from which on the p of a rank correlation is scipy's approximation."""
DRAWN = 9_999
DRAWN_JOINTLY = 1_999
ROUNDING = 1e-9


def rank_p(points: Points, method: str) -> float:
    """Two-sided p of Spearman's or Kendall's coefficient.

    Exact for up to 8 languages, and for Kendall without ties; by 9,999 permutations for fewer than
    30; scipy's for more.

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
    return _p(np.asarray(drawn), float(observed), complete=n <= ENUMERATED)


def mean_p(groups: Sequence[Sequence[Points]], method: str, seed: int = 0) -> float:
    """Two-sided p of a mean of correlations, by permuting languages.

    A language keeps all of its accuracies, of every model and benchmark, so that p holds however
    much the models agree.

    Args:
        groups: samples of each model, each with a correlation.
        method: `pearson` or `spearman`.
        seed: of the random orders.
    """
    labels = dict.fromkeys(label for group in groups for points in group for label in points.labels)
    index_of = {label: index for index, label in enumerate(labels)}
    orders = permuted(len(labels), DRAWN_JOINTLY, seed)
    keys = np.argsort(orders, axis=1)
    drawn, observed = np.zeros(len(orders)), 0.0
    for group in groups:
        for points in group:
            own = [index_of[label] for label in points.labels]
            alike = own == list(range(len(labels)))
            order = orders if alike else np.argsort(keys[:, own], axis=1)
            x, y = (_unit(values, method) for values in (points.x, points.y))
            weight = 1 / (len(group) * len(groups))
            drawn += weight * (x[order] @ y)
            observed += weight * float(x @ y)
    return _p(drawn, observed, complete=len(labels) <= ENUMERATED)


def _unit(values: Floats, method: str) -> Floats:
    """Values, or their ranks, centred and of length 1: products of two are correlations."""
    values = stats.rankdata(values) if method == "spearman" else values
    centred = values - values.mean()
    return np.asarray(centred / np.linalg.norm(centred))


def _p(drawn: Floats, observed: float, *, complete: bool) -> float:
    extreme = np.abs(drawn) >= abs(observed) * (1 - ROUNDING) - 1e-14
    return float(np.mean(extreme) if complete else (1 + np.sum(extreme)) / (1 + len(drawn)))


@lru_cache(maxsize=8)
def permuted(n: int, drawn: int, seed: int = 0) -> NDArray[np.intp]:
    """`[orders, n]`: all orders of up to 8, else so many random ones."""
    if n <= ENUMERATED:
        return np.array(list(permutations(range(n))), np.intp)
    random = np.random.default_rng((seed, n))
    return np.argsort(random.random((drawn, n)), axis=1)
