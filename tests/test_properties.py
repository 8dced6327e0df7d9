"""What holds of every score, whatever the vectors, sentences, order and batches."""

from __future__ import annotations

import random

import torch
from conftest import SYLLABLES, byte_tokenizer, tiny_llama
from fuzzing import TRIED, tried
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from neuronxa_task import score
from neuronxa_task.scoring.alignment import retrieval
from neuronxa_task.scoring.pooling import pooling_weights
from neuronxa_task.settings import Pooling

MODEL = tiny_llama()
SEEDS = st.integers(0, 2**31)
SIZES = st.tuples(st.integers(2, 12), st.integers(1, 9), st.integers(1, 3))
SENTENCE = st.lists(st.sampled_from(SYLLABLES), min_size=1, max_size=8).map(" ".join)


def languages(seed: int, size: tuple[int, int, int], whole: bool) -> tuple[list[Tensor], ...]:
    """Vectors of a pivot and a target near it, `[n, features]` for each layer.

    Whole numbers, as sums of neuron states are, make ties and zero vectors likely.
    """
    n, features, layers = size
    draw = torch.Generator().manual_seed(seed)

    def vectors() -> Tensor:
        if whole:
            return torch.randint(0, 3, (n, features), generator=draw).double()
        return torch.randn(n, features, generator=draw, dtype=torch.float64)

    pivot = [vectors() for _ in range(layers)]
    return pivot, [layer + vectors() for layer in pivot]


@tried(40)
@given(seed=SEEDS, size=SIZES, whole=st.booleans())
def test_scores_are_shares_and_follow_order_scale_and_sides(
    seed: int, size: tuple[int, int, int], whole: bool
) -> None:
    TRIED["alignment"] += 1
    pivot, target = languages(seed, size, whole)
    found = retrieval(pivot, target)
    assert 0 <= found.score <= found.best <= 1
    assert torch.equal(found.weak, found.from_pivot & found.to_pivot)
    back = retrieval(target, pivot)
    assert torch.equal(back.from_pivot, found.to_pivot)
    assert torch.equal(back.to_pivot, found.from_pivot)
    order = torch.randperm(size[0], generator=torch.Generator().manual_seed(seed))
    other = retrieval([layer[order] for layer in pivot], [layer[order] for layer in target])
    assert torch.equal(other.weak, found.weak[:, order])
    # Powers of two scale a float without rounding, so that ties stay ties.
    scales = 2.0 ** torch.randint(
        -8, 9, (size[0], 1), generator=torch.Generator().manual_seed(seed)
    )
    scaled = retrieval([layer * scales for layer in pivot], [layer * 0.25 for layer in target])
    assert torch.equal(scaled.weak, found.weak)


@tried(25)
@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    pooling=st.sampled_from(["position", "mean", "last"]),
)
def test_weights_do_not_see_the_side_of_padding(lengths: list[int], pooling: Pooling) -> None:
    TRIED["pooling"] += 1
    width = max(lengths) + 2
    right = torch.tensor([[1] * n + [0] * (width - n) for n in lengths])
    left = torch.tensor([[0] * (width - n) + [1] * n for n in lengths])
    for row, n in enumerate(lengths):
        of_left = pooling_weights(left, pooling)[row]
        of_right = pooling_weights(right, pooling)[row]
        assert torch.equal(of_left[width - n :], of_right[:n])
        assert of_left[: width - n].sum() == of_right[n:].sum() == 0
    expected = {"position": [n * (n + 1) / 2 for n in lengths], "mean": lengths}
    sums = pooling_weights(right, pooling).sum(dim=1).tolist()
    assert sums == expected.get(pooling, [1] * len(lengths))


@tried(4)
@given(
    pairs=st.lists(st.tuples(SENTENCE, SENTENCE), min_size=2, max_size=8, unique=True),
    batch_size=st.integers(1, 5),
    seed=SEEDS,
)
def test_scores_do_not_see_batches_order_or_sides(
    pairs: list[tuple[str, str]], batch_size: int, seed: int
) -> None:
    TRIED["scores"] += 1
    model, tokenizer = MODEL, byte_tokenizer()
    pivot, target = map(list, zip(*pairs, strict=True))
    found = score(model, tokenizer, pivot, target, batch_size=batch_size)
    assert all(0 <= value <= 1 for value in found.metrics().values())
    alone = score(model, tokenizer, pivot, target, batch_size=1)
    assert torch.equal(alone.nas.weak, found.nas.weak)
    order = random.Random(seed).sample(range(len(pairs)), len(pairs))
    other = score(
        model,
        tokenizer,
        [pivot[k] for k in order],
        [target[k] for k in order],
        batch_size=batch_size,
    )
    assert torch.equal(other.nas.weak, found.nas.weak[:, order])
    back = score(model, tokenizer, target, pivot, batch_size=batch_size)
    assert torch.equal(back.nas.from_pivot, found.nas.to_pivot)
