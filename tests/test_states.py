"""Pooling: exactness, padding, batches, precision, and what cannot be pooled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from conftest import sentences, tiny_llama
from families import tiny_model
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn import Experts, Rows, find_body, find_sites
from neuronxa_task.ffn.moe.stacked import Mixture
from neuronxa_task.scoring import fused_pooling
from neuronxa_task.scoring.pooling import Batch, Pooler, pooling_weights
from neuronxa_task.scoring.states import SentenceStates, encode, pad
from neuronxa_task.scoring.token_sums import (
    ACTIVE,
    MAGNITUDE,
    PLAIN,
    Summand,
    column_blocks,
    sums_by_block,
    sums_by_sentence,
)
from neuronxa_task.settings import Pooling, StateSettings

MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 1], [0, 1, 1, 1]])


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ("position", [[1, 2, 3, 4], [1, 2, 0, 0], [0, 0, 0, 1], [0, 1, 2, 3]]),
        ("mean", [[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 1], [0, 1, 1, 1]]),
        ("last", [[0, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 1]]),
    ],
)
def test_pooling_weights(pooling: str, expected: list[list[int]]) -> None:
    weights = pooling_weights(MASK, pooling)  # type: ignore[arg-type]
    assert weights.tolist() == expected
    # What lies outside the spans is not read, so they are tight.
    weighted = [[t for t, weight in enumerate(row) if weight] for row in expected]
    spans = Batch.of([0, 1, 2, 3], MASK, pooling).spans  # type: ignore[arg-type]
    assert spans.tolist() == [[tokens[0], tokens[-1] + 1] for tokens in weighted]


@pytest.fixture(scope="module")
def token_ids(tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    return [tokenizer(text)["input_ids"] for text in sentences(13)]


def states_of(
    model: PreTrainedModel, ids: list[list[int]], batch_size: int = 5, **options: object
) -> SentenceStates:
    body = find_body(model)
    settings = options.pop("settings", StateSettings())
    return encode(
        body,
        find_sites(body),
        ids,
        batch_size=batch_size,
        settings=settings,  # type: ignore[arg-type]
        **options,  # type: ignore[arg-type]
    )


def close(first: SentenceStates, second: SentenceStates, **tolerance: Any) -> None:
    for name in ("nas", "nav", "emb"):
        for a, b in zip(getattr(first, name), getattr(second, name), strict=True):
            torch.testing.assert_close(a, b, **tolerance)


def test_shapes(model: PreTrainedModel, token_ids: list[list[int]]) -> None:
    states = states_of(model, token_ids)
    assert [layer.shape for layer in states.nas] == [(13, 48)] * 2
    assert [layer.shape for layer in states.nav] == [(13, 48)] * 2
    assert [layer.shape for layer in states.emb] == [(13, 32)] * 3
    assert states.bytes_per_sentence == 4 * (2 * 48 + 2 * 48 + 3 * 32)


@pytest.mark.parametrize("batch_size", [1, 4, 13])
def test_batches_change_nothing(
    model: PreTrainedModel, token_ids: list[list[int]], batch_size: int
) -> None:
    close(states_of(model, token_ids, 6), states_of(model, token_ids, batch_size))


def test_neuron_states_are_whole_weighted_counts(
    model: PreTrainedModel, token_ids: list[list[int]]
) -> None:
    for layer in states_of(model, token_ids).nas:
        assert torch.equal(layer, layer.round())
        for counts, ids in zip(layer, token_ids, strict=True):
            assert 0 <= counts.min() <= counts.max() <= len(ids) * (len(ids) + 1) / 2


def test_last_pooling_is_the_last_token(model: PreTrainedModel, token_ids: list[list[int]]) -> None:
    states = states_of(model, token_ids, settings=StateSettings(pooling="last"))
    with torch.no_grad():
        for row, ids in enumerate(token_ids):
            output = model(torch.tensor([ids]), output_hidden_states=True)
            for layer, hidden in zip(states.emb, output.hidden_states, strict=True):
                torch.testing.assert_close(layer[row], hidden[0, -1])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_pools_in_float32(token_ids: list[list[int]], dtype: torch.dtype) -> None:
    states = states_of(tiny_llama().to(dtype), token_ids)
    assert all(layer.dtype is torch.float32 for layer in (*states.nav, *states.nas, *states.emb))
    exact = states_of(tiny_llama().to(dtype).float(), token_ids)
    for layer, reference in zip(states.nav, exact.nav, strict=True):
        assert (layer - reference).abs().max() < 0.05 * reference.abs().max()


def test_mixed_precision_is_the_harness_s(token_ids: list[list[int]]) -> None:
    model = tiny_llama()
    body = find_body(model, mixed_precision=torch.bfloat16)
    seen: list[torch.dtype] = []
    handle = model.model.layers[0].mlp.down_proj.register_forward_hook(
        lambda _module, _inputs, output: seen.append(output.dtype)
    )
    encode(body, find_sites(body), token_ids, batch_size=13, settings=StateSettings())
    handle.remove()
    assert seen[-1] is torch.bfloat16


def test_selected_and_joined_states(model: PreTrainedModel, token_ids: list[list[int]]) -> None:
    states = states_of(model, token_ids)
    parts = [states.of([4, 0]), states.of([7])]
    close(SentenceStates.concatenate(parts), states.of([4, 0, 7]), rtol=0, atol=0)


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_activations_that_are_not_finite_are_an_error(
    token_ids: list[list[int]], poison: float
) -> None:
    model = tiny_llama()
    sites = find_sites(find_body(model))
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight[5] = poison
    with pytest.raises(NeuronXAError, match="neuron activation of layer 2 is NaN or infinite"):
        encode(find_body(model), sites, token_ids, batch_size=4, settings=StateSettings())


def test_one_poisoned_sentence_is_named(token_ids: list[list[int]]) -> None:
    model = tiny_llama()
    body = find_body(model)
    sites = find_sites(body)
    only_here = [[0, 250, 9], *([0, 5, 9], [0, 9, 9])]
    with torch.no_grad():
        model.get_input_embeddings().weight[250] = float("nan")
    with pytest.raises(NeuronXAError, match="for sentence 1,"):
        encode(body, sites, only_here, batch_size=1, settings=StateSettings())


@pytest.mark.parametrize("length", [0, 5793])
def test_sentences_that_cannot_be_pooled(model: PreTrainedModel, length: int) -> None:
    with pytest.raises(NeuronXAError, match=f"sentence 2 has {length} tokens"):
        states_of(model, [[0, 1], [1] * length])


def test_a_layer_whose_experts_saw_no_token_is_silent() -> None:
    mixture = Mixture(2, 3, run=lambda *_: torch.empty(0))
    sites = [Experts(layer, nn.Identity(), mixture, str(layer)) for layer in (0, 1)]
    pooler = Pooler(StateSettings(), 2, {0: 6, 1: 6})
    pooler.start_batch([1], torch.tensor([[1, 1, 0]]))
    rows = Rows(
        1, torch.tensor([0, 1, 2]), torch.full((3,), 0.5), torch.ones(3, 3), torch.ones(3, 3)
    )
    pooler.routed(sites[1], rows)
    assert [layer.shape for layer in pooler.nas] == [(2, 6), (2, 6)]
    assert not pooler.nas[0].any() and not pooler.nas[1][0].any()
    assert pooler.nas[1][1].tolist() == [0, 0, 0, 3, 3, 3]  # places 1 and 2; the padding not
    assert pooler.nav[1][1].tolist() == [0, 0, 0, 0.5, 0.5, 0.5]


@pytest.mark.parametrize("family", ["mbart", "plbart", "bart", "t5", "m2m_100"])
def test_padding_is_not_seen_by_decoders(family: str) -> None:
    body = find_body(tiny_model(family, "decoder", pad_token_id=1), side="decoder")
    sites = find_sites(body)
    ids = [[5, 6, 7, 8, 9, 10, 11, 12, 13, 14], [20, 21, 22, 23, 24, 25, 26, 27], [30, 31, 2]]
    alone, together = (
        encode(body, sites, ids, batch_size=size, settings=StateSettings(), pad_id=0)
        for size in (1, 3)
    )
    close(alone, together, rtol=1e-4, atol=1e-5)


# ---------------------------------------------------------------- as on accelerators


def left(sentences: list[list[int]], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """As `pad`, on the other side."""
    ids, mask = pad([sentence[::-1] for sentence in sentences], pad_id)
    return ids.flip(1), mask.flip(1)


@pytest.mark.parametrize("family", ["llama", pytest.param("qwen2_moe", marks=pytest.mark.slow)])
@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("pooling", ["position", "mean", "last"])
@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.bfloat16, pytest.param(torch.float16, marks=pytest.mark.slow)]
)
def test_pooling_away_from_the_cpu_is_the_same(
    dtype: torch.dtype,
    pooling: Pooling,
    side: str,
    family: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids = [list(range(3, 3 + length)) for length in (9, 8, 8, 7)]
    # An indifferent router would leave the choice of experts to rounding.
    model = tiny_model(family, initializer_range=0.3).to(dtype)
    settings = StateSettings(pooling=pooling)
    if side == "left":
        monkeypatch.setattr("neuronxa_task.scoring.states.pad", left)
    expected = states_of(model, ids, 4, settings=settings)
    alone = states_of(model, ids, 1, settings=settings)
    monkeypatch.setattr("neuronxa_task.scoring.pooling.is_cpu", lambda device: False)
    monkeypatch.setattr("neuronxa_task.scoring.token_sums.BLOCK_BYTES", 4 * 9 * 4 * 5)  # 5 columns
    found = states_of(model, ids, 4, settings=settings)
    for ours, theirs in zip(found.nas, expected.nas, strict=True):
        assert torch.equal(ours, theirs)
    close(found, expected, rtol=1e-5, atol=1e-6)
    if dtype is torch.float32:
        close(found, alone, rtol=1e-3, atol=1e-4)


def test_sums_are_the_formula_s() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(3, 5, 7, generator=generator)
    values[:, ::2, 3] = 0
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 0, 1, 1, 1]])
    weights = pooling_weights(mask, "position")
    lengths = [5, 2, 5]
    for of, function in (
        (ACTIVE, lambda x: float(x > 0)),
        (MAGNITUDE, abs),
        (PLAIN, lambda x: x),
    ):
        expected = [
            [
                sum(function(values[b, t, f].item()) * weights[b, t].item() for t in range(5))
                for f in range(7)
            ]
            for b in range(3)
        ]
        for found in (
            sums_by_sentence(values, weights, lengths, of),
            sums_by_block(values, weights, of),
        ):
            torch.testing.assert_close(found, torch.tensor(expected))


@pytest.mark.parametrize("of", [ACTIVE, MAGNITUDE, PLAIN])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_blocks_bound_the_memory(
    of: Summand, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = 2**18
    monkeypatch.setattr("neuronxa_task.scoring.token_sums.BLOCK_BYTES", block)
    weights = torch.ones(4, 64)
    taken = []
    for width in (4096, 16384):
        values = torch.randn(4, 64, width).to(dtype)
        assert values.numel() * 4 >= 16 * block
        taken.append(most_memory(lambda: sums_by_block(values, weights, of)))  # noqa: B023
        result = 4 * width * 4
        assert taken[-1] - result <= 3 * block
    assert taken[1] - taken[0] <= 4 * (16384 - 4096) * 4, "but for the result, the same"


@pytest.mark.parametrize(
    ("bytes_per_column", "ends"),
    [(0, [10, 20, 25]), (1, [10, 20, 25]), (3, [*range(3, 25, 3), 25]), (99, [*range(1, 26)])],
)
def test_blocks_are_as_wide_as_they_may_be(
    bytes_per_column: int, ends: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neuronxa_task.scoring.token_sums.BLOCK_BYTES", 10)
    blocks = list(column_blocks(bytes_per_column, 25))
    assert [block.stop for block in blocks] == ends
    assert [block.start for block in blocks] == [0, *ends[:-1]]


def test_padding_that_an_expert_got_is_not_pooled_whatever_it_holds() -> None:
    site = Experts(0, nn.Identity(), Mixture(1, 4, run=lambda *_: torch.empty(0)), "0")
    pooler = Pooler(StateSettings(), 1, {0: 4})
    pooler.start_batch([0], torch.tensor([[1, 1, 0]]))
    values = torch.tensor([[1.0, -2.0, 3.0, 0.0], [3.0, 1.0, -3.0, 0.0], [float("nan")] * 4])
    pooler.routed(site, Rows(0, torch.arange(3), torch.ones(3), values, values))
    assert pooler.nas[0].tolist() == [[3.0, 2.0, 1.0, 0.0]]
    torch.testing.assert_close(pooler.nav[0], torch.tensor([[7 / 3, 4 / 3, 3.0, 0.0]]))


def most_memory(run: Callable[[], object]) -> int:
    """Most bytes that tensors made by `run` took at a time, by torch's own profiler."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run()
    now = most = 0
    for event in sorted(
        (e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"),
        key=lambda event: event.start_ns(),
    ):
        now += event.nbytes()
        most = max(most, now)
    return most


def test_experts_are_pooled_in_blocks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neuronxa_task.scoring.pooling.is_cpu", lambda device: False)
    block = 2**18
    monkeypatch.setattr("neuronxa_task.scoring.token_sums.BLOCK_BYTES", block)
    width, tokens = 8192, 64
    site = Experts(0, nn.Identity(), Mixture(1, width, run=lambda *_: torch.empty(0)), "0")
    pooler = Pooler(StateSettings(), 2, {0: width})
    pooler.start_batch([0, 1], torch.ones(2, 32, dtype=torch.long))
    values = torch.randn(tokens, width)
    values[:, ::7] = 0  # is not active
    rows = Rows(0, torch.arange(tokens), torch.full((tokens,), 0.5), values, values)
    kept = 2 * 2 * width * 4  # sums and means, of two sentences
    assert most_memory(lambda: pooler.routed(site, rows)) <= kept + 4 * block
    weights = torch.arange(1, 33).repeat(2, 1).double()
    by_sentence = values.view(2, 32, width).double()
    active = ((by_sentence > 0) * weights[:, :, None]).sum(dim=1)
    assert torch.equal(pooler.nas[0], active.float())
    size = 0.5 * (by_sentence.abs() * weights[:, :, None]).sum(dim=1) / weights.sum(dim=1)[:, None]
    torch.testing.assert_close(pooler.nav[0], size.float())


def test_where_triton_fails_it_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("Failed to find C compiler.\nPlease specify via CC")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fused_pooling, "pool_neurons", fail)
        fused_pooling._kernels_work.cache_clear()
        assert not fused_pooling._kernels_work(torch.device("cpu"))
        assert not fused_pooling._kernels_work(torch.device("cpu"))
    fused_pooling._kernels_work.cache_clear()
    assert [record.getMessage() for record in caplog.records] == [
        "No fused pooling on cpu, so a run takes a little longer; the scores are the same. Triton "
        "gives: RuntimeError: Failed to find C compiler."
    ]
