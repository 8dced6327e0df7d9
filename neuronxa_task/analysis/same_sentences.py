"""Two models compared on the same sentences: a paired bootstrap over sentence pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neuronxa_task.analysis.points import Floats, Interval

RESAMPLES = 2000
FEWEST_PAIRS = 20
"""With fewer pairs there is no test, as the score itself has no interval."""
WIDER = 1.15
"""Factor that widens the resamples' deviations. Resamples keep a pair's rivals fixed, though these
are a sample too. Without the factor, 95 % intervals hold in about 91 % of cases
(tests/test_same_sentences.py)."""


@dataclass(frozen=True)
class SentenceDifference:
    """How much higher one model is than another on the same sentences.

    Attributes:
        mean: mean over languages and sentence pairs of first minus second.
        interval: 95 %, over sentences.
        p: two-sided, of no difference.
    """

    mean: float
    interval: Interval
    p: float


def sentence_differences(groups: Sequence[Floats]) -> list[SentenceDifference]:
    """Paired bootstrap (Koehn 2004, https://aclanthology.org/W04-3250/) of several differences.

    The sentences of a group are drawn together for all of its languages, and separately for each
    group. The test generalises to other sentences of this kind, with the languages as given.
    With m* the mean of a resample and m that of the data, the interval is m plus the quantiles of
    w·(m* − m), and p the share of resamples with |w·(m* − m)| ≥ |m|; w is `WIDER`.
    p is at least 2 / 2^k where k sentences differ, the least that
    exchanging the two models could give.

    Args:
        groups: `[pairs, tests]` for each group of languages with the same pivot sentences: what
            its languages add to each test, Σ over them of first minus second, divided by the
            number of all languages of the test.

    Returns:
        One result per test.

    Raises:
        ValueError: there are no groups, or one has fewer than 20 pairs.
    """
    if not groups or min(map(len, groups)) < FEWEST_PAIRS:
        raise ValueError(f"at least {FEWEST_PAIRS} pairs are needed in every group")
    generator = np.random.default_rng(0)
    means = sum(group.mean(axis=0) for group in groups)
    deviations = np.zeros((RESAMPLES, len(means)))
    for group in groups:
        n = len(group)
        drawn = generator.multinomial(n, np.full(n, 1 / n), size=RESAMPLES)
        deviations += drawn @ (group - group.mean(axis=0)) / n
    deviations *= WIDER
    low, high = np.quantile(deviations, [0.025, 0.975], axis=0)
    as_far = (np.abs(deviations) >= np.abs(means) - 1e-12).sum(axis=0)
    differing = sum((group != 0).sum(axis=0) for group in groups)
    p = np.maximum((1 + as_far) / (1 + RESAMPLES), np.minimum(1.0, 2.0 ** (1.0 - differing)))
    ends = np.clip([means + low, means + high], -1, 1)
    return [
        SentenceDifference(mean, Interval(*bounds), one)
        for mean, bounds, one in zip(means.tolist(), ends.T.tolist(), p.tolist(), strict=True)
    ]
