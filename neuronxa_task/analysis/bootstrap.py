"""Bootstrap of correlations over languages, or over families of languages.

scipy's bootstrap gives no interval if a single resample has no correlation, and it cannot draw the
same languages for several samples. Where scipy gives an interval, ours is equal (tested).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from neuronxa_task.analysis.fisher import CONFIDENCE
from neuronxa_task.analysis.kernels import KERNELS
from neuronxa_task.analysis.points import Floats, Interval, Points, pooled
from neuronxa_task.languages.families import family

MIN_DRAWN = 15
"""Fewest languages that are resampled: with fewer, bootstrap intervals are too narrow."""
MIN_FAMILIES = 10
"""Fewest language families that are resampled."""
MOST_UNDEFINED = 0.05
"""Largest fraction of undefined resamples for which an interval is given."""
BLOCK = 500
"""Resamples that are computed at a time, to bound memory."""


@dataclass(frozen=True)
class Bootstrap:
    """Settings of the bootstrap.

    Attributes:
        resamples: number of bootstrap resamples.
        seed: seed of the resamples and of the permutation tests.
    """

    resamples: int = 2000
    seed: int = 0

    def percentile(self, drawn: Floats) -> Interval | None:
        """Percentile interval of resampled values; `None` if too many are undefined (NaN)."""
        tail = (1 - CONFIDENCE) / 2
        return self._quantiles(drawn, (tail, 1 - tail))

    def bca(self, value: float, drawn: Floats, without_one: Floats) -> Interval | None:
        """Bias-corrected and accelerated interval (Efron 1987).

        Args:
            value: the statistic of the whole sample.
            drawn: `[resamples]`, its value in each resample.
            without_one: `[labels]`, its value with one label left out in turn.

        Returns:
            The interval; `None` if too many resamples or a leave-one-out value are undefined, or if
            all resamples lie on one side of the value.
        """
        defined = drawn[~np.isnan(drawn)]
        if not len(defined) or np.isnan(without_one).any():
            return None
        below = (np.mean(defined < value) + np.mean(defined <= value)) / 2
        distance = without_one.mean() - without_one
        spread = np.sum(distance**2)
        if not 0 < below < 1 or spread == 0:
            return None
        acceleration = np.sum(distance**3) / (6 * spread**1.5)
        bias = stats.norm.ppf(below)
        tail = (1 - CONFIDENCE) / 2
        z = bias + stats.norm.ppf([tail, 1 - tail])
        low, high = stats.norm.cdf(bias + z / (1 - acceleration * z))
        return self._quantiles(drawn, (low, high))

    def _quantiles(self, drawn: Floats, levels: tuple[float, float]) -> Interval | None:
        defined = drawn[~np.isnan(drawn)]
        if len(defined) < (1 - MOST_UNDEFINED) * len(drawn):
            return None
        low, high = np.quantile(defined, levels)
        return Interval(float(low), float(high))


BOOTSTRAP = Bootstrap()


@dataclass(eq=False)
class Resampler:
    """Coefficients of resampled points; equal labels get equal draws, computed once.

    Attributes:
        bootstrap: number of resamples and their seed.
    """

    bootstrap: Bootstrap = BOOTSTRAP
    _draws: dict[int, Floats] = field(default_factory=dict)
    _known: dict[tuple[Hashable, ...], tuple[Floats, Floats]] = field(default_factory=dict)
    _by_family: dict[Points, Points] = field(default_factory=dict)

    def resampled(self, samples: Sequence[Points], method: str) -> tuple[Floats, Floats]:
        """Coefficients of each sample, with the same labels drawn for all samples.

        Returns:
            `[samples, resamples]` bootstrap values, and `[samples, labels]` values with one label
            left out in turn. NaN where the remaining points are constant in alignment or accuracy.
        """
        labels = tuple(dict.fromkeys(label for points in samples for label in points.labels))
        known = []
        for points in samples:
            key = (points, method, labels)
            if key not in self._known:
                self._known[key] = self._coefficients(points, method, labels)
            known.append(self._known[key])
        return np.stack([drawn for drawn, _ in known]), np.stack(
            [without_one for _, without_one in known]
        )

    def leave_one_out(self, samples: Sequence[Points], method: str) -> Floats:
        """`[samples, labels]`: coefficients of each sample with one label left out in turn."""
        labels = tuple(dict.fromkeys(label for points in samples for label in points.labels))
        index_of = {label: index for index, label in enumerate(labels)}
        kept = 1 - np.eye(len(labels))
        return np.stack(
            [
                KERNELS[method](points)(kept[:, [index_of[label] for label in points.labels]])
                for points in samples
            ]
        )

    def by_family(self, points: Points) -> Points:
        """The points labelled by language family; the same object for the same points."""
        if points not in self._by_family:
            self._by_family[points] = points.labelled(lambda code: family(str(code)))
        return self._by_family[points]

    def draws(self, labels: int) -> Floats:
        """`[resamples, labels]`: how often each label is drawn in each resample."""
        if labels not in self._draws:
            random = np.random.default_rng(self.bootstrap.seed)
            drawn = random.multinomial(
                labels, np.full(labels, 1 / labels), self.bootstrap.resamples
            )
            self._draws[labels] = drawn.astype(np.float64)
        return self._draws[labels]

    def _coefficients(
        self, points: Points, method: str, labels: tuple[Hashable, ...]
    ) -> tuple[Floats, Floats]:
        index_of = {label: index for index, label in enumerate(labels)}
        columns = [index_of[label] for label in points.labels]
        kernel = KERNELS[method](points)
        counts = self.draws(len(labels))
        drawn = [
            kernel(counts[start : start + BLOCK].take(columns, axis=1))
            for start in range(0, len(counts), BLOCK)
        ]
        return np.concatenate(drawn), kernel((1 - np.eye(len(labels)))[:, columns])

    def of_models(self, samples: Sequence[Points], method: str) -> Floats:
        """`[resamples]`: coefficients of the points of all models as one sample.

        Languages and models are drawn independently; a point counts as often as its language was
        drawn times its model was drawn (pigeonhole bootstrap, Owen 2007).

        Args:
            samples: the points of each model.
            method: a key of `KERNELS`.
        """
        labels = list(dict.fromkeys(label for points in samples for label in points.labels))
        index_of = {label: index for index, label in enumerate(labels)}
        columns = [index_of[label] for points in samples for label in points.labels]
        owners = np.repeat(np.arange(len(samples)), [len(points.x) for points in samples])
        kernel = KERNELS[method](pooled(samples))
        languages = self.draws(len(labels))
        random = np.random.default_rng((self.bootstrap.seed, 1))
        models = random.multinomial(
            len(samples), np.full(len(samples), 1 / len(samples)), len(languages)
        )
        return np.concatenate(
            [
                kernel(
                    languages[start : start + BLOCK].take(columns, axis=1)
                    * models[start : start + BLOCK].take(owners, axis=1)
                )
                for start in range(0, len(languages), BLOCK)
            ]
        )
