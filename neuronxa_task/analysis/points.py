"""Alignment and accuracy as points, one per language, and intervals of statistics on them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from neuronxa_task.errors import NeuronXAError

MIN_POINTS = 3
Floats = NDArray[np.float64]


class UndefinedCorrelation(NeuronXAError):
    """A correlation is undefined; the message says why."""


@dataclass(frozen=True, eq=False)
class Points:
    """Alignment (x) and accuracy (y), one point per language.

    Attributes:
        x: `[n]`, alignment.
        y: `[n]`, accuracy.
        labels: language of each point. Points with equal labels are drawn together in a bootstrap.
        names: what x and y are, for messages.
        errors: `[n]`, standard errors of y, NaN where unknown; `None` if all are unknown.
        surface: `[n]`, fraction of sentence pairs that find each other by shared tokens alone, NaN
            where unknown; `None` if all are unknown.
    """

    x: Floats
    y: Floats
    labels: Sequence[Hashable]
    names: tuple[str, str] = ("alignment", "accuracy")
    errors: Floats | None = None
    surface: Floats | None = None

    def require_correlation(self) -> None:
        """Check that these points have a correlation.

        Raises:
            UndefinedCorrelation: there are fewer than 3 points, or x or y is constant.
        """
        if len(self.x) < MIN_POINTS:
            raise UndefinedCorrelation(f"{len(self.x)} languages; at least {MIN_POINTS} are needed")
        for name, values in zip(self.names, (self.x, self.y), strict=True):
            if is_constant(values):
                raise UndefinedCorrelation(
                    f"{name} is the same, {values[0]:.4g}, for all {len(values)} languages"
                )

    def with_surface(self) -> Points:
        """The points whose surface baseline is known; the attribute is then not `None`."""
        surface = np.full(len(self.x), np.nan) if self.surface is None else self.surface
        known = ~np.isnan(surface)
        return replace(
            self,
            x=self.x[known],
            y=self.y[known],
            labels=[label for label, is_known in zip(self.labels, known, strict=True) if is_known],
            errors=None if self.errors is None else self.errors[known],
            surface=surface[known],
        )

    def labelled(self, label: Callable[[Hashable], Hashable]) -> Points:
        """The same points with other labels, such as language families."""
        return replace(self, labels=[label(old) for old in self.labels])


@dataclass(frozen=True)
class Interval:
    """A confidence interval, or the range of a statistic."""

    low: float
    high: float

    def excludes_zero(self) -> bool:
        """Whether both bounds have the same sign."""
        return self.low > 0 or self.high < 0


def is_constant(values: Floats) -> bool:
    """Whether all values are equal up to rounding."""
    return bool(np.ptp(values) <= 1e-12 * np.max(np.abs(values)))


def pooled(samples: Sequence[Points]) -> Points:
    """Concatenate the points of several samples."""
    return Points(
        np.concatenate([points.x for points in samples]),
        np.concatenate([points.y for points in samples]),
        [label for points in samples for label in points.labels],
        samples[0].names,
    )
