"""Bootstrap of correlations over languages, or over families of languages.

scipy's bootstrap gives no interval once a single resample has no correlation, and does not draw the
same languages for several samples. Where it gives one, these are the same (a test compares them).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from neuronxa_task.analysis.kernels import KERNELS
from neuronxa_task.analysis.points import Floats, Interval, Points, pooled
from neuronxa_task.languages.families import family

MIN_DRAWN = 15
"""Languages from which on they are resampled: of fewer, bootstrap intervals are too narrow."""
MIN_FAMILIES = 10
"""Families of languages from which on they are resampled."""
MOST_UNDEFINED = 0.05
"""Share of resamples without a correlation up to which there is an interval."""
BLOCK = 500


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made.

    Attributes:
        resamples: number of bootstrap resamples.
        seed: of their random numbers, and of those of permutation tests.
        confidence: level of all intervals.
    """

    resamples: int = 2000
    seed: int = 0
    confidence: float = 0.95

    def percentile(self, drawn: Floats) -> Interval | None:
        """Percentile interval of resampled values; `None` where too many are undefined (NaN)."""
        tail = (1 - self.confidence) / 2
        return self._quantiles(drawn, (tail, 1 - tail))

    def bca(self, value: float, drawn: Floats, without_one: Floats) -> Interval | None:
        """Bias-corrected and accelerated interval (Efron 1987).

        Args:
            value: of the whole sample.
            drawn: `[resamples]`.
            without_one: `[labels]`, leaving each label out.

        Returns:
            The interval; `None` where too many resamples, or the value without one label, are
            undefined, or all resamples lie on one side of the value.
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
        tail = (1 - self.confidence) / 2
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
    """Coefficients of resampled points: the same draws for the same labels, computed once.

    Attributes:
        bootstrap: how many resamples, and their seed.
    """

    bootstrap: Bootstrap = BOOTSTRAP
    _draws: dict[int, Floats] = field(default_factory=dict)
    _known: dict[tuple[Hashable, ...], tuple[Floats, Floats]] = field(default_factory=dict)
    _by_family: dict[Points, Points] = field(default_factory=dict)

    def resampled(self, samples: Sequence[Points], method: str) -> tuple[Floats, Floats]:
        """Coefficients of each sample, the same labels being drawn for all samples.

        Returns:
            `[samples, resamples]`, of drawn labels, and `[samples, labels]`, leaving each label of
            all samples out in turn. NaN where the points left have the same alignment or accuracy.
        """
        labels = tuple(dict.fromkeys(label for points in samples for label in points.labels))
        known = []
        for points in samples:
            key = (points, method, labels)
            if key not in self._known:
                self._known[key] = self._coefficients(points, method, labels)
            known.append(self._known[key])
        return np.stack([drawn for drawn, _ in known]), np.stack([left for _, left in known])

    def left_out(self, samples: Sequence[Points], method: str) -> Floats:
        """`[samples, labels]`: coefficients of each sample, leaving each label out in turn."""
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
        """The points, labelled by the families of their languages: always the same object."""
        if points not in self._by_family:
            self._by_family[points] = points.labelled(lambda code: family(str(code)))
        return self._by_family[points]

    def draws(self, labels: int) -> Floats:
        """`[resamples, labels]`: how often each label is drawn."""
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

        Both languages and models are drawn, independently of each other, and a point counts as
        often as its language times its model (Owen 2007, the pigeonhole bootstrap).

        Args:
            samples: each model's points.
            method: as of `KERNELS`.
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
