"""Two models compared in the same languages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neuronxa_task.analysis.points import Floats

ENUMERATED = 13
"""Most languages for which all 2^13 = 8,192 signs of the differences are tried."""


@dataclass(frozen=True)
class PairedDifference:
    """How much higher one model is than another.

    Attributes:
        n: number of languages.
        mean: mean of first minus second.
        higher: number of languages in which the first is higher.
        p: two-sided p of Wilcoxon's signed-rank test.
    """

    n: int
    mean: float
    higher: int
    p: float


def paired_difference(first: Floats, second: Floats) -> PairedDifference:
    """Wilcoxon's signed-rank test of two models in the same languages.

    It generalises to other languages, and takes the sentences or questions as given. Languages in
    which both models are equal do not count. p is exact up to 13 languages, and up to 50 if no
    two differences have the same size; otherwise it is from the normal approximation.

    Args:
        first: `[n]`, one model's value in each language; at least one.
        second: `[n]`, the other's, in the same order.

    >>> paired_difference(np.array([0.5, 0.7, 0.9]), np.array([0.4, 0.5, 0.6])).p
    0.25
    """
    from scipy.stats import PermutationMethod, wilcoxon

    differences = np.round(first - second, 12)  # so that equal differences tie
    unequal = differences[differences != 0]
    p = 1.0
    if len(unequal):
        method = "auto" if len(unequal) > ENUMERATED else PermutationMethod(n_resamples=np.inf)
        p = float(wilcoxon(unequal, method=method).pvalue)
    return PairedDifference(
        len(differences), float(np.mean(differences)), int(np.sum(differences > 0)), p
    )
