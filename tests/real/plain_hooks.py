"""Retrieval of these two architectures by plain hooks on their named modules, pooled in float64.

Shares no code with the package: a sentence at a time, without padding, through the whole model; the
neurons are read where the model's own source has them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

Vectors = list[np.ndarray]


@dataclass(frozen=True)
class Neurons:
    """Modules of one layer: what they put out, or are given, is `[1, tokens, width]`.

    Attributes:
        gate: puts out act(x·W_gate).
        product: is given what enters the output projection.
    """

    gate: nn.Module
    product: nn.Module


def of_bert(model: PreTrainedModel) -> list[Neurons]:
    """BERT: `intermediate` puts out act(x·W_in), the only site that there is."""
    return [Neurons(layer.intermediate, layer.output.dense) for layer in model.encoder.layer]


def of_llama(model: PreTrainedModel) -> list[Neurons]:
    """Llama: `act_fn` puts out act(x·W_gate), `down_proj` is given its product with x·W_up."""
    return [Neurons(layer.mlp.act_fn, layer.mlp.down_proj) for layer in model.model.layers]


def sentence_vectors(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    sentences: Sequence[str],
    neurons: Sequence[Neurons],
) -> dict[str, Vectors]:
    """Position-weighted means: `gate>0`, `product>0`, `|gate|`, `|product|`, `hidden`.

    Returns:
        By name, a float64 array `[sentences, width]` for each layer.
    """
    rows: dict[str, list[list[np.ndarray]]] = {}
    for sentence in sentences:
        seen: dict[tuple[str, int], Tensor] = {}
        hooks = []
        for layer, modules in enumerate(neurons):
            keep_output = partial(_keep_output, seen, ("gate", layer))
            keep_input = partial(_keep_input, seen, ("product", layer))
            hooks += [
                modules.gate.register_forward_hook(keep_output),
                modules.product.register_forward_pre_hook(keep_input),
            ]
        with torch.no_grad():
            output = model(**tokenizer(sentence, return_tensors="pt"), output_hidden_states=True)
        for hook in hooks:
            hook.remove()
        found = {
            f"{sign}{site}{over}": [of(seen[site, layer]) for layer in range(len(neurons))]
            for site in ("gate", "product")
            for sign, over, of in (("", ">0", _is_positive), ("|", "|", torch.abs))
        }
        found["hidden"] = list(output.hidden_states)
        for name, layers in found.items():
            rows.setdefault(name, []).append([_weighted_mean(layer) for layer in layers])
    return {name: [np.stack(layer) for layer in zip(*of, strict=True)] for name, of in rows.items()}


def _keep_output(
    seen: dict[tuple[str, int], Tensor],
    key: tuple[str, int],
    _module: nn.Module,
    _given: object,
    output: Tensor,
) -> None:
    seen[key] = output


def _keep_input(
    seen: dict[tuple[str, int], Tensor],
    key: tuple[str, int],
    _module: nn.Module,
    given: tuple[Tensor],
) -> None:
    seen[key] = given[0]


def _is_positive(activation: Tensor) -> Tensor:
    return (activation > 0).double()


def _weighted_mean(activation: Tensor) -> np.ndarray:
    tokens = activation[0].double().numpy()
    weights = np.arange(1, len(tokens) + 1, dtype=np.float64)
    return np.asarray(weights @ tokens / weights.sum())


def retrieval(pivot: Vectors, target: Vectors) -> dict[str, list[float]]:
    """Each layer's share of pairs that are each other's nearest, and of either direction."""
    shares: dict[str, list[float]] = {"weak": [], "from_pivot": [], "to_pivot": []}
    for english, other in zip(pivot, target, strict=True):
        cosines = _unit(english) @ _unit(other).T
        pairs = range(len(cosines))
        rows = [all(cosines[k, k] > cosines[k, j] for j in pairs if j != k) for k in pairs]
        columns = [all(cosines[k, k] > cosines[i, k] for i in pairs if i != k) for k in pairs]
        shares["from_pivot"].append(float(np.mean(rows)))
        shares["to_pivot"].append(float(np.mean(columns)))
        shares["weak"].append(float(np.mean(np.logical_and(rows, columns))))
    return shares


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def layers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    pivot: Sequence[str],
    target: Sequence[str],
    find: Callable[[PreTrainedModel], list[Neurons]],
    *,
    nas_site: str = "gate",
    nav_site: str = "product",
) -> dict[str, list[float]]:
    """What a result file's `layers` should hold."""
    of_pivot, of_target = (
        sentence_vectors(model, tokenizer, side, find(model)) for side in (pivot, target)
    )
    vectors = {"nas": f"{nas_site}>0", "nav": f"|{nav_site}|", "emb": "hidden"}
    scores = {"nas": "nasca", "nav": "navca", "emb": "mexa"}
    expected = {}
    for name, of in vectors.items():
        shares = retrieval(of_pivot[of], of_target[of])
        expected[scores[name]] = shares["weak"]
        expected[f"{name}_from_pivot"] = shares["from_pivot"]
        expected[f"{name}_to_pivot"] = shares["to_pivot"]
    return expected
