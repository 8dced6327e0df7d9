"""Scores against a deliberately naive reference: a sentence at a time, loops, float64.

The reference recomputes the feed-forward block by its textbook equation from the layer's named
weights, from the input that the block receives; it shares no code with the package.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from conftest import byte_tokenizer, sentences, tiny_llama, translated
from families import tiny_model
from torch import Tensor
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    Phi3Config,
    Phi3ForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from neuronxa_task import NeuronXAError, score
from neuronxa_task.settings import Activation, Pooling

PIVOT = sentences(9)
LANGUAGES = {noise: translated(PIVOT, noise, seed=7) for noise in (0.1, 0.3, 0.6)}


def fused_phi3() -> PreTrainedModel:
    torch.manual_seed(1)
    return Phi3ForCausalLM(
        Phi3Config(
            vocab_size=258,
            hidden_size=32,
            intermediate_size=40,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
            pad_token_id=1,
            bos_token_id=0,
            eos_token_id=1,
            initializer_range=0.5,
        )
    ).eval()


def plain_gpt2() -> PreTrainedModel:
    torch.manual_seed(2)
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=258,
            n_embd=32,
            n_inner=40,
            n_layer=2,
            n_head=4,
            n_positions=256,
            bos_token_id=0,
            eos_token_id=1,
            initializer_range=0.5,
        )
    ).eval()


def silu(x: float) -> float:
    return x / (1 + math.exp(-x))


def gelu_tanh(x: float) -> float:
    return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def linear(weight: Tensor, bias: Tensor | None, x: list[float]) -> list[float]:
    """Row by row of `[out, in]`."""
    rows = weight.tolist()
    shift = [0.0] * len(rows) if bias is None else bias.tolist()
    return [
        math.fsum(w * v for w, v in zip(row, x, strict=True)) + b
        for row, b in zip(rows, shift, strict=True)
    ]


def gated(mlp: Any, x: list[float]) -> tuple[list[float], list[float]]:
    gate = [silu(g) for g in linear(mlp.gate_proj.weight, None, x)]
    up = linear(mlp.up_proj.weight, None, x)
    return gate, [g * u for g, u in zip(gate, up, strict=True)]


def fused(mlp: Any, x: list[float]) -> tuple[list[float], list[float]]:
    both = linear(mlp.gate_up_proj.weight, None, x)
    gate = [silu(g) for g in both[: len(both) // 2]]
    return gate, [g * u for g, u in zip(gate, both[len(both) // 2 :], strict=True)]


def plain(mlp: Any, x: list[float]) -> tuple[list[float], list[float]]:
    active = [gelu_tanh(g) for g in linear(mlp.c_fc.weight.T, mlp.c_fc.bias, x)]
    return active, active


def of_experts(family: str) -> Callable[[], PreTrainedModel]:
    """A tiny model whose tokenizer is the byte tokenizer."""
    values: dict[str, Any] = {"vocab_size": 258, "initializer_range": 0.5, "num_hidden_layers": 2}
    return lambda: tiny_model(family, **values)


def softmax(values: list[float]) -> list[float]:
    powers = [math.exp(value - max(values)) for value in values]
    return [power / math.fsum(powers) for power in powers]


def best_two(values: list[float]) -> list[int]:
    return sorted(range(len(values)), key=lambda index: -values[index])[:2]


def routed(mlp: Any, x: list[float], router: dict[int, float]) -> tuple[list[float], list[float]]:
    """Neurons of all experts: nothing of those that are not asked, the others' times `router`."""
    gate, product = [], []
    for expert, weight in enumerate(mlp.experts.gate_up_proj):
        both = linear(weight, None, x)
        half = len(both) // 2
        router_weight = router.get(expert, 0.0)
        activated = [silu(g) * router_weight for g in both[:half]]
        gate += activated
        product += [a * u for a, u in zip(activated, both[half:], strict=True)]
    return gate, product


def mixtral(mlp: Any, x: list[float]) -> tuple[list[float], list[float]]:
    logits = linear(mlp.gate.weight, None, x)
    chosen = best_two(logits)
    router_weights = softmax([logits[expert] for expert in chosen])
    return routed(mlp, x, dict(zip(chosen, router_weights, strict=True)))


def mixtral_unweighted(mlp: Any, x: list[float]) -> tuple[list[float], list[float]]:
    return routed(mlp, x, dict.fromkeys(best_two(linear(mlp.gate.weight, None, x)), 1.0))


def qwen2_moe(mlp: Any, x: list[float]) -> tuple[list[float], list[float]]:
    router_weights = softmax(linear(mlp.gate.weight, None, x))
    gate, product = routed(
        mlp, x, {expert: router_weights[expert] for expert in best_two(router_weights)}
    )
    shared_gate, shared_product = gated(mlp.shared_expert, x)
    return shared_gate + gate, shared_product + product


def gpt_oss(mlp: Any, x: list[float]) -> tuple[list[float], list[float]]:
    logits = linear(mlp.router.weight, mlp.router.bias, x)
    chosen = best_two(logits)
    router_weights = dict(zip(chosen, softmax([logits[expert] for expert in chosen]), strict=True))
    gate, product = [], []
    for expert in range(len(logits)):
        both = linear(mlp.experts.gate_up_proj[expert].T, mlp.experts.gate_up_proj_bias[expert], x)
        for g, u in zip(both[::2], both[1::2], strict=True):
            g, u = min(g, 7), max(-7, min(u, 7))
            glu = g / (1 + math.exp(-1.702 * g)) * router_weights.get(expert, 0.0)
            gate.append(glu)
            product.append((u + 1) * glu)
    return gate, product


Block = Callable[[torch.nn.Module, list[float]], tuple[list[float], list[float]]]
IN_LAYER = "model.layers.{}.mlp"
FAMILIES: dict[str, tuple[Callable[[], PreTrainedModel], Block, str]] = {
    "gated (llama)": (tiny_llama, gated, IN_LAYER),
    "fused (phi3)": (fused_phi3, fused, IN_LAYER),
    "not gated (gpt2)": (plain_gpt2, plain, "transformer.h.{}.mlp"),
    "experts (mixtral)": (of_experts("mixtral"), mixtral, IN_LAYER),
    "experts (mixtral) unweighted": (of_experts("mixtral"), mixtral_unweighted, IN_LAYER),
    "experts and a shared one (qwen2_moe)": (of_experts("qwen2_moe"), qwen2_moe, IN_LAYER),
    "experts (gpt_oss)": (of_experts("gpt_oss"), gpt_oss, IN_LAYER),
}


def weights_of(length: int, pooling: str) -> list[float]:
    raw = {
        "position": [float(t) for t in range(1, length + 1)],
        "mean": [1.0] * length,
        "last": [0.0] * (length - 1) + [1.0],
    }[pooling]
    return [w / sum(raw) for w in raw]


def naive_vectors(
    model: PreTrainedModel,
    block: Block,
    path: str,
    ids: list[int],
    nas_site: str,
    nav_site: str,
    pooling: str,
) -> tuple[list[list[float]], list[list[float]], list[list[float]]]:
    """Per layer: NAS, NAV and hidden-state vector of one sentence."""
    inputs: dict[int, Tensor] = {}
    depth = model.config.num_hidden_layers
    blocks = [model.get_submodule(path.format(layer)) for layer in range(depth)]
    for layer, mlp in enumerate(blocks):
        mlp.register_forward_pre_hook(
            lambda _, args, layer=layer: inputs.__setitem__(layer, args[0][0])
        )
    with torch.no_grad():
        output = model(input_ids=torch.tensor([ids]), output_hidden_states=True)
    weights = weights_of(len(ids), pooling)
    nas, nav = [], []
    for layer, mlp in enumerate(blocks):
        by_token = [
            dict(zip(("gate", "product"), block(mlp, token), strict=True))
            for token in inputs[layer].tolist()
        ]
        width = len(by_token[0]["gate"])
        nas.append(
            [
                sum(w for w, a in zip(weights, by_token, strict=True) if a[nas_site][f] > 0)
                for f in range(width)
            ]
        )
        nav.append(
            [
                sum(w * abs(a[nav_site][f]) for w, a in zip(weights, by_token, strict=True))
                for f in range(width)
            ]
        )
    emb = [
        [
            sum(w * value for w, value in zip(weights, column, strict=True))
            for column in zip(*state[0].tolist(), strict=True)
        ]
        for state in output.hidden_states
    ]
    return nas, nav, emb


def naive_score(pivot: list[list[list[float]]], target: list[list[list[float]]]) -> float:
    """Mean over layers of the share of weakly aligned pairs; `[sentence][layer][feature]`."""

    def cosine(a: list[float], b: list[float]) -> float:
        dot = math.fsum(x * y for x, y in zip(a, b, strict=True))
        return dot / math.sqrt(math.fsum(x * x for x in a) * math.fsum(y * y for y in b))

    n, layers = len(pivot), len(pivot[0])
    shares = []
    for layer in range(layers):
        c = [[cosine(p[layer], t[layer]) for t in target] for p in pivot]
        aligned = 0
        for k in range(n):
            others = [c[k][j] for j in range(n) if j != k] + [c[i][k] for i in range(n) if i != k]
            aligned += all(c[k][k] > other for other in others)
        shares.append(aligned / n)
    return sum(shares) / layers


SETTINGS = [
    ("gate", "product", "position"),
    ("product", "gate", "mean"),
    ("gate", "product", "last"),
]
CASES = [
    pytest.param(
        *(family, *settings),
        marks=[pytest.mark.slow] * ("experts" in family or ("llama" not in family and number > 0)),
    )
    for family in FAMILIES
    for number, settings in enumerate(SETTINGS[: 1 if "experts" in family else None])
]


@pytest.mark.parametrize(("family", "nas_site", "nav_site", "pooling"), CASES)
def test_scores_equal_the_naive_reference(
    family: str, nas_site: Activation, nav_site: Activation, pooling: Pooling
) -> None:
    build, block, path = FAMILIES[family]
    model, tokenizer = build(), byte_tokenizer()
    exact = copy.deepcopy(model).double()
    exact.set_experts_implementation("eager")  # the others have no float64
    count = 6 if "experts" in family else len(PIVOT)
    pivot, languages = PIVOT[:count], [texts[:count] for texts in LANGUAGES.values()]
    encoded = {
        text: naive_vectors(
            exact, block, path, tokenizer(text)["input_ids"], nas_site, nav_site, pooling
        )
        for text in {*pivot, *(text for texts in languages for text in texts)}
    }
    values = set()
    for texts in languages:
        found = score(
            model,
            tokenizer,
            pivot,
            texts,
            batch_size=4,
            nas_site=nas_site,
            nav_site=nav_site,
            pooling=pooling,
            expert_values="unweighted" if "unweighted" in family else "weighted",
        )
        for place, value in enumerate((found.nasca, found.navca, found.mexa)):
            expected = naive_score(
                [encoded[text][place] for text in pivot], [encoded[text][place] for text in texts]
            )
            assert value == pytest.approx(expected, abs=1e-12)
            values.add(round(value, 6))
    assert len(values) > 2, "languages that all score alike would show nothing"


def test_score_does_not_depend_on_batch_size_or_order(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    pivot = sentences(40, seed=3)
    target = translated(pivot, 0.4, seed=3)
    by_batch = [
        score(model, tokenizer, pivot, target, batch_size=size).metrics() for size in (1, 7, 64)
    ]
    assert by_batch[0] == by_batch[1] == by_batch[2]
    backwards = score(model, tokenizer, pivot[::-1], target[::-1])
    assert backwards.metrics() == by_batch[0]
    assert 0 < by_batch[0]["nasca"] < 1


def test_score_leaves_the_model_as_it_was(tokenizer: PreTrainedTokenizerBase) -> None:
    model = tiny_llama()
    model.train()
    score(model, tokenizer, PIVOT, LANGUAGES[0.1])
    assert model.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_the_sentence_that_cannot_be_read_is_shown(tokenizer: PreTrainedTokenizerBase) -> None:
    model = tiny_llama()
    with torch.no_grad():
        model.get_input_embeddings().weight[tokenizer("%")["input_ids"][-1]] = float("nan")
    with pytest.raises(NeuronXAError, match=r"for the sentence '7 % \{zu\}'"):
        score(model, tokenizer, PIVOT, [*LANGUAGES[0.1][:-1], "7 % {zu}"])


def test_a_language_is_aligned_with_itself(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    found = score(model, tokenizer, PIVOT, PIVOT)
    assert (found.nasca, found.navca, found.mexa) == (1.0, 1.0, 1.0)
