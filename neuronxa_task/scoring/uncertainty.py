"""Uncertainty of a score: resamples and subsets of its sentence pairs, from their rivals."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from scipy.stats import binomtest
from torch import Tensor

from neuronxa_task.scoring.alignment import Interval
from neuronxa_task.scoring.rivals import Rivals

StabilityCurve = dict[int, list[float]]
"""By number of pairs, the scores of 20 random subsets."""

RESAMPLES = 500
FEWEST_PAIRS = 20
"""With fewer pairs, an interval would cover less than it claims (tests/test_uncertainty.py)."""
FEW = 8
"""If fewer pairs than this are ever aligned, or ever not aligned, resamples hardly differ, and the
interval of a proportion is wider and more honest."""
SUBSET_SIZES = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
SUBSETS = 20


class PairSamples:
    """Scores of samples of the pairs, with neighbours searched only among each sample's pairs.

    A pair that occurs twice in a sample is not its own rival. With weights w, the score is the mean
    over layers of Σ_k w_k·[no rival of k has w > 0] / Σ_k w_k.

    Args:
        weights: `[n, samples]`, how often each pair occurs in each sample.
    """

    def __init__(self, weights: Tensor) -> None:
        self._weights = weights.float()
        self._is_drawn = (weights > 0).float()
        self._sums = torch.zeros(weights.shape[1], dtype=torch.float64)
        self._layers = 0

    def add(self, rivals: Rivals) -> None:
        """Count the aligned pairs of a layer in each sample."""
        is_aligned = (rivals.either.float() @ self._is_drawn) == 0
        self._sums += (self._weights * is_aligned).sum(dim=0).double()
        self._layers += 1

    @property
    def scores(self) -> Tensor:
        """`[samples]` float64: score of each sample, the mean over the added layers."""
        return self._sums / self._weights.sum(dim=0).double() / self._layers


@dataclass
class ScoreInterval:
    """A score's 95 % interval, by a bootstrap over its sentence pairs.

    Mutual nearest neighbours are recomputed in every resample. A resample contains about 63 % of
    the pairs, so there are fewer competitors and its scores are too high. Therefore the interval is
    the score plus the quantiles of the resamples' deviations from their mean. If nearly all pairs
    are aligned at all layers, or nearly none at any, resamples hardly differ, and the interval is
    widened to that of a proportion (Wilson).

    Args:
        pairs: number n of pairs.
    """

    pairs: int
    _samples: PairSamples = field(init=False)
    _aligned_layers: Tensor = field(init=False)
    _layers: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        draws = torch.randint(self.pairs, (RESAMPLES, self.pairs), generator=generator)
        counts = torch.zeros(RESAMPLES, self.pairs)
        counts.scatter_add_(1, draws, torch.ones(RESAMPLES, self.pairs))
        self._samples = PairSamples(counts.T)
        self._aligned_layers = torch.zeros(self.pairs, dtype=torch.long)

    def add(self, rivals: Rivals) -> None:
        """Count the aligned pairs of a layer in each resample."""
        self._samples.add(rivals)
        self._aligned_layers += ~rivals.either.any(dim=1)
        self._layers += 1

    @property
    def bounds(self) -> Interval | None:
        """Lower and upper bound, within [0, 1]; `None` for fewer than 20 pairs."""
        if self.pairs < FEWEST_PAIRS:
            return None
        score = float(self._aligned_layers.double().mean()) / self._layers
        scores = self._samples.scores
        quantiles = torch.quantile(scores, torch.tensor([0.025, 0.975], dtype=torch.float64))
        low, high = (score + quantiles - scores.mean()).tolist()
        ever = int((self._aligned_layers > 0).sum())
        always = int((self._aligned_layers == self._layers).sum())
        if min(ever, self.pairs - always) < FEW:
            wilson = binomtest(round(score * self.pairs), self.pairs).proportion_ci(method="wilson")
            low, high = min(low, wilson.low), max(high, wilson.high)
        return max(0.0, float(low)), min(1.0, float(high))


def subset_sizes(pairs: int) -> list[int]:
    """Sizes of the subsets in a stability curve of n pairs, with n as the last."""
    return [*(size for size in SUBSET_SIZES if size < pairs), pairs]


def subsets(pairs: int, size: int) -> Tensor:
    """`[n, 20]` of 0 and 1: random subsets, equal for all languages with n pairs."""
    generator = torch.Generator().manual_seed(size)
    order = torch.stack([torch.randperm(pairs, generator=generator) for _ in range(SUBSETS)])
    return torch.zeros(SUBSETS, pairs).scatter_(1, order[:, :size], 1.0).T


class Stability:
    """A score as a function of the number of pairs: scores of random subsets of each size.

    Args:
        pairs: number n of pairs.
    """

    def __init__(self, pairs: int) -> None:
        self._by_size = {size: PairSamples(subsets(pairs, size)) for size in subset_sizes(pairs)}

    def add(self, rivals: Rivals) -> None:
        """Count the aligned pairs of a layer in each subset."""
        for samples in self._by_size.values():
            samples.add(rivals)

    @property
    def scores(self) -> StabilityCurve:
        """Scores of all subsets by size."""
        return {size: samples.scores.tolist() for size, samples in self._by_size.items()}
