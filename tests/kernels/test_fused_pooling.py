"""The Triton kernels: on a GPU if there is one, otherwise by Triton's interpreter on the CPU.

`make kernels` installs Triton in a folder of its own and runs them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from neuronxa_task.ffn.moe.grouped import Groups
from neuronxa_task.scoring import fused_pooling
from neuronxa_task.scoring.pooling import Batch
from neuronxa_task.settings import Pooling

DEVICE = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
LENGTHS = (19, 8, 1, 9)
WIDTH = 259
"""More than a block of columns."""


def mask_of(side: str) -> Tensor:
    mask = torch.zeros(len(LENGTHS), max(LENGTHS), dtype=torch.long)
    for row, length in enumerate(LENGTHS):
        mask[row, :length] = 1
    return mask if side == "right" else mask.flip(1)


def batch_of(pooling: Pooling, side: str = "right") -> Batch:
    """Four sentences that are not in the order of their rows, of which there are six."""
    return Batch.of([5, 0, 2, 3], mask_of(side), pooling).to(DEVICE)


def activations(dtype: torch.dtype, *shape: int, seed: int = 0) -> Tensor:
    values = torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)
    values[..., ::5] = 0  # not active
    return values.to(DEVICE)


def weighted(values: Tensor, batch: Batch) -> Tensor:
    """`[batch, F]` float64: the sum over tokens, by the formula."""
    return torch.einsum("bt,btf->bf", batch.weights.double(), values.double())


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found.double() - expected).norm() / expected.norm())


CASES = list(itertools.product(DTYPES, ("position", "mean", "last"), ("right", "left")))


@pytest.mark.parametrize(("dtype", "pooling", "side"), CASES)
def test_neurons(dtype: torch.dtype, pooling: Pooling, side: str) -> None:
    batch = batch_of(pooling, side)
    shape = (*batch.weights.shape, WIDTH)
    gate, product = activations(dtype, *shape), activations(dtype, *shape, seed=1)
    for state, value in ((gate, product), (product, product)):
        kept = torch.zeros(2, 6, 3 + WIDTH, device=DEVICE)
        fused_pooling.pool_neurons(state, value, batch, (kept[0, :, 3:], kept[1, :, 3:]))
        nas, nav = kept[:, batch.rows, 3:]
        assert torch.equal(nas.double(), weighted(state > 0, batch))
        assert relative(nav, weighted(value.abs(), batch) / batch.totals) < 3e-7
        assert not kept[:, [1, 4]].any() and not kept[:, :, :3].any()


@pytest.mark.parametrize(("dtype", "pooling", "side"), CASES)
def test_hidden_states(dtype: torch.dtype, pooling: Pooling, side: str) -> None:
    batch = batch_of(pooling, side)
    # A view whose last dimension is not contiguous, as some models give.
    state = activations(dtype, len(LENGTHS), WIDTH, max(LENGTHS)).transpose(1, 2)
    kept = torch.zeros(6, WIDTH, device=DEVICE)
    fused_pooling.pool_hidden(state, batch, kept)
    assert relative(kept[batch.rows], weighted(state, batch) / batch.totals) < 3e-7


@pytest.mark.parametrize("expert_weighted", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_experts(dtype: torch.dtype, expert_weighted: bool) -> None:
    experts, k, batch = 5, 2, batch_of("position")
    generator = torch.Generator().manual_seed(0)
    tokens = batch.weights.numel()
    index = torch.rand(tokens, experts - 1, generator=generator).argsort(dim=1)[:, :k]  # 4: none
    groups = Groups(index.to(DEVICE), experts)
    gate, product = (activations(dtype, tokens * k, WIDTH, seed=seed) for seed in (0, 1))
    router = torch.randn(tokens, k, generator=generator).to(DEVICE, dtype)
    rows = groups.rows(router, gate, product)
    is_padding = (batch.weights == 0).flatten()[rows.keys % tokens]
    gate[is_padding], product[is_padding] = float("nan"), float("nan")
    kept = torch.ones(2, 6, experts * WIDTH, device=DEVICE)
    fused_pooling.pool_experts(gate, product, rows, batch, (kept[0], kept[1]), expert_weighted)
    nas, nav = (layer[batch.rows].view(4, experts, WIDTH) for layer in kept)
    expected = torch.zeros(2, 4, experts, WIDTH, dtype=torch.float64, device=DEVICE)
    flat = batch.weights.flatten()
    for row, (key, slot) in enumerate(zip(rows.keys.tolist(), rows.slots.tolist(), strict=True)):
        expert, token = divmod(key, tokens)
        sentence, weight = token // batch.weights.shape[1], flat[token].double()
        if weight:
            factor = rows.router[slot].abs().double() if expert_weighted else 1
            expected[0, sentence, expert] += weight * (gate[row] > 0)
            expected[1, sentence, expert] += weight * factor * product[row].abs().double()
    assert torch.equal(nas.double(), expected[0])
    assert relative(nav, expected[1] / batch.totals[:, :, None]) < 3e-7
    assert not kept[:, batch.rows, -WIDTH:].any(), "an expert without rows"


def alone_and_in_a_batch(pool: Callable[[Tensor, Batch], Tensor]) -> list[Tensor]:
    values = activations(torch.bfloat16, 1, 19, WIDTH)
    results = []
    for before, after in ((0, 0), (0, 13), (13, 0)):
        mask = torch.tensor([[0] * before + [1] * 19 + [0] * after])
        padded = torch.nn.functional.pad(values, (0, 0, before, after), value=7.0)
        results.append(pool(padded, Batch.of([0], mask, "position").to(DEVICE)))
    return results


def test_padding_does_not_change_a_bit() -> None:
    def values_of(values: Tensor, batch: Batch) -> Tensor:
        kept = torch.zeros(2, 1, WIDTH, device=DEVICE)
        fused_pooling.pool_neurons(values, values, batch, (kept[0], kept[1]))
        return kept

    alone, *padded = alone_and_in_a_batch(values_of)
    assert all(torch.equal(alone, other) for other in padded)


def test_they_are_used_where_they_work() -> None:
    fused_pooling._kernels_work.cache_clear()
    assert fused_pooling._kernels_work(DEVICE)
    assert fused_pooling.runs_on(DEVICE) == (DEVICE.type == "cuda")
