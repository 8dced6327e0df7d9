"""What is correlated: alignment and accuracy, a point per language."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from neuronxa_task.errors import NeuronXAError

MIN_POINTS = 3
Floats = NDArray[np.float64]


class UndefinedCorrelation(NeuronXAError):
    """There is no correlation of these points, for the reason it gives."""


@dataclass(frozen=True, eq=False)
class Points:
    """What is correlated: one point per language.

    Attributes:
        x: `[n]`, alignment.
        y: `[n]`, accuracy.
        labels: language of each point. Points of the same label are drawn together in a bootstrap.
        names: what x and y are, for messages.
        errors: `[n]`, standard errors of y, NaN where unknown; `None` where all are.
    """

    x: Floats
    y: Floats
    labels: Sequence[Hashable]
    names: tuple[str, str] = ("alignment", "accuracy")
    errors: Floats | None = None

    def require_correlation(self) -> None:
        """Check that these points have a correlation.

        Raises:
            UndefinedCorrelation: there are too few, or one coordinate is constant.
        """
        if len(self.x) < MIN_POINTS:
            raise UndefinedCorrelation(f"{len(self.x)} languages; at least {MIN_POINTS} are needed")
        for name, values in zip(self.names, (self.x, self.y), strict=True):
            if is_constant(values):
                raise UndefinedCorrelation(
                    f"{name} is the same, {values[0]:.4g}, for all {len(values)} languages"
                )

    def labelled(self, label: Callable[[Hashable], Hashable]) -> Points:
        """The same points under other labels: their families, say."""
        return replace(self, labels=[label(of) for of in self.labels])


@dataclass(frozen=True)
class Interval:
    """A confidence interval, or the range of a value."""

    low: float
    high: float

    def excludes_zero(self) -> bool:
        """Whether both ends are on the same side of 0."""
        return self.low > 0 or self.high < 0


def is_constant(values: Floats) -> bool:
    """Whether all values are the same but for rounding."""
    return bool(np.ptp(values) <= 1e-12 * np.max(np.abs(values)))


def pooled(samples: Sequence[Points]) -> Points:
    """The points of several samples as one."""
    return Points(
        np.concatenate([points.x for points in samples]),
        np.concatenate([points.y for points in samples]),
        [label for points in samples for label in points.labels],
        samples[0].names,
    )
