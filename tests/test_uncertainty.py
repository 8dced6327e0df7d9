"""Intervals and stability of a score: equal to scoring each sample, and as sure as they claim."""

from __future__ import annotations

import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from neuronxa_task.scoring.alignment import retrieval
from neuronxa_task.scoring.rivals import Rivals, rivals_by_layer
from neuronxa_task.scoring.uncertainty import (
    PairSamples,
    ScoreInterval,
    Stability,
    subset_sizes,
    subsets,
)


def planted(
    pairs: int, noises: list[float], generator: torch.Generator
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Vectors of a pair share a meaning, from which both differ by so much noise per layer.

    Part of the noise is the same at all layers, as it is in a model.
    """
    meaning, pivot_noise, target_noise = (
        torch.randn(pairs, 16, generator=generator) for _ in range(3)
    )

    def side(shared: torch.Tensor) -> list[torch.Tensor]:
        own = [torch.randn(pairs, 16, generator=generator) for _ in noises]
        return [
            meaning + size * (0.8 * shared + 0.6 * layer)
            for size, layer in zip(noises, own, strict=True)
        ]

    return side(pivot_noise), side(target_noise)


def test_subsets_are_scored_as_by_themselves() -> None:
    pivot, target = planted(60, [0.5, 0.8], torch.Generator().manual_seed(0))
    curve = Stability(60)
    for rivals in rivals_by_layer(pivot, target):
        curve.add(rivals)
    assert subset_sizes(60) == list(curve.scores) == [10, 20, 50, 60]
    for size, scores in curve.scores.items():
        drawn = subsets(60, size).T.bool()
        assert drawn.sum(dim=1).tolist() == [size] * 20
        for subset, score in zip(drawn, scores, strict=True):
            alone = retrieval([p[subset] for p in pivot], [t[subset] for t in target])
            assert score == pytest.approx(alone.score, abs=1e-12)
    assert len(set(curve.scores[10])) > 1
    assert subset_sizes(9999) == [10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 9999]


def test_a_resample_counts_a_pair_as_often_as_it_holds_it_and_never_against_itself() -> None:
    pivot, target = planted(12, [0.7], torch.Generator().manual_seed(1))
    counts = torch.tensor([3, 0, 1, 1, 0, 2, 0, 0, 1, 1, 2, 1])
    samples = PairSamples(counts[:, None])
    for rivals in rivals_by_layer(pivot, target):
        samples.add(rivals)
    drawn = counts > 0
    weak = retrieval([pivot[0][drawn]], [target[0][drawn]]).weak[0]
    assert 0 < weak.sum() < len(weak)
    expected = float((counts[drawn] * weak).sum() / counts.sum())
    assert samples.scores.tolist() == pytest.approx([expected])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pairs", "noises"),
    [(50, [0.5, 0.6, 0.7, 0.8]), (100, [0.5, 0.6, 0.7, 0.8]), (100, [1.3] * 4), (100, [0.3])],
)
def test_intervals_cover_the_expected_score(pairs: int, noises: list[float]) -> None:
    """In 200 made-up corpora the interval holds the mean score in 90 to 99.5 % of them."""
    generator = torch.Generator().manual_seed(pairs)
    scores, bounds = [], []
    for _ in range(200):
        interval, weak = ScoreInterval(pairs), []
        for rivals in rivals_by_layer(*planted(pairs, noises, generator)):
            interval.add(rivals)
            weak.append(~rivals.either.any(dim=1))
        scores.append(float(torch.stack(weak).double().mean()))
        assert interval.bounds is not None
        bounds.append(interval.bounds)
    expected = sum(scores) / len(scores)
    covered = sum(low <= expected <= high for low, high in bounds) / len(bounds)
    assert 0.90 <= covered <= 0.995
    widest = max(high - low for low, high in bounds)
    assert widest < 0.35


@pytest.mark.slow
@pytest.mark.parametrize(("pairs", "above"), [(30, 3.0), (100, 2.0), (100, 4.5)])
def test_intervals_cover_the_score_of_planted_similarities(pairs: int, above: float) -> None:
    """Similarities are normal, higher by `above` in translations; layers share half the variance.

    The expected score is then an integral: that a pair's similarity exceeds 2n − 2 others.
    """
    expected, _ = quad(
        lambda x: norm.pdf(x - above) * norm.cdf(x) ** (2 * pairs - 2), -10, above + 10
    )
    generator = torch.Generator().manual_seed(pairs)
    covered, scores = 0, []
    for _ in range(200):
        interval, shared = ScoreInterval(pairs), torch.randn(pairs, pairs, generator=generator)
        aligned = []
        for _ in range(4):
            own = torch.randn(pairs, pairs, generator=generator)
            similarity = (shared + own) / 2**0.5 + above * torch.eye(pairs)
            best = similarity.diagonal()
            rivals = Rivals(
                (similarity >= best[:, None]).fill_diagonal_(False),
                (similarity >= best[None]).mT.clone().fill_diagonal_(False),
            )
            interval.add(rivals)
            aligned.append(~rivals.either.any(dim=1))
        low, high = interval.bounds or (1.0, 0.0)
        covered += low <= expected <= high
        scores.append(float(torch.stack(aligned).double().mean()))
    assert sum(scores) / len(scores) == pytest.approx(expected, abs=0.015)
    assert 0.90 <= covered / 200 <= 0.995


def test_an_interval_at_either_end_is_not_empty() -> None:
    eye, moved = torch.eye(40), torch.eye(40).roll(1, 0)
    for target, inside in ((eye, 1.0), (moved, 0.0)):
        interval = ScoreInterval(40)
        for rivals in rivals_by_layer([eye], [target]):
            interval.add(rivals)
        low, high = interval.bounds or (0, 0)
        assert low <= inside <= high
        # Wilson's interval for 40 of 40: 1/(1 + 1.96²/40) = 0.912.
        assert high - low == pytest.approx(0.0876, abs=1e-3)


def test_pairs_that_one_layer_aligns_are_enough_for_the_bootstraps_interval() -> None:
    interval = ScoreInterval(40)
    for aligned in (range(10), range(0)):
        targets = torch.ones(40, 40, dtype=torch.bool)
        targets[list(aligned)] = False
        interval.add(Rivals(targets.fill_diagonal_(False), torch.zeros_like(targets)))
    low, high = interval.bounds or (0, 0)
    # A pair's share of layers is 1/2 for a quarter of the pairs: standard error √(3/64 / 40).
    margin = 1.96 * (3 / 64 / 40) ** 0.5
    assert (low, high) == pytest.approx((0.125 - margin, 0.125 + margin), abs=0.02)
    assert high < 0.25, "Wilson's interval, for pairs that hardly vary, would end at 0.261"


def test_few_pairs_have_no_interval() -> None:
    for pairs in (19, 20):
        interval = ScoreInterval(pairs)
        for rivals in rivals_by_layer([torch.eye(pairs)], [torch.eye(pairs)]):
            interval.add(rivals)
        assert (interval.bounds is None) == (pairs < 20)
