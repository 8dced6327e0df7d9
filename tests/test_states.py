"""Pooling: exactness, padding, batches, precision, and what cannot be pooled."""

from __future__ import annotations

import pytest
import torch
from conftest import sentences, tiny_llama
from families import tiny_model
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn import Experts, Rows, find_body, find_sites
from neuronxa_task.ffn.moe.stacked import Mixture
from neuronxa_task.scoring.pooling import Pooler, pooling_weights
from neuronxa_task.scoring.states import SentenceStates, encode
from neuronxa_task.settings import StateSettings

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


def close(first: SentenceStates, second: SentenceStates, **tolerance: float) -> None:
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


def test_padding_on_the_other_side_changes_nothing(
    model: PreTrainedModel, token_ids: list[list[int]]
) -> None:
    # Rotary positions are relative, so shifting a sentence by its padding is no other input.
    close(states_of(model, token_ids), states_of(model, token_ids, padding_side="left"))


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
    parts = [states[[4, 0]], states[[7]]]
    close(SentenceStates.concatenate(parts), states[[4, 0, 7]], rtol=0, atol=0)


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_activations_that_are_not_finite_are_an_error(
    token_ids: list[list[int]], poison: float
) -> None:
    model = tiny_llama()
    sites = find_sites(find_body(model))
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight[5] = poison
    with pytest.raises(NeuronXAError, match="neuron activation of layer 1 is NaN or infinite"):
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
