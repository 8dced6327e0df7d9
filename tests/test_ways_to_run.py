"""Families in every way to run a model, against a naive reference in float64.

The reference takes one sentence at a time through the plain model, without batch or padding, and
computes the feed-forward blocks by their textbook equation. NEURONXA_COMPILER=inductor compiles all
families, and for real, which takes minutes; NEURONXA_TABLE=FILE appends the differences to a file.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from families import VOCABULARY, tiny_model
from family_cases import observed
from textbook import into, textbook
from torch import Tensor, nn
from torch.nn.functional import normalize

from neuronxa_task.ffn import Body, DenseNeurons, find_body, find_sites, neurons_by_layer, reading
from neuronxa_task.scoring.alignment import retrieval
from neuronxa_task.scoring.pooling import Pooler
from neuronxa_task.scoring.states import SentenceStates, encode
from neuronxa_task.settings import StateSettings

pytestmark = pytest.mark.slow

COMPILER = os.environ.get("NEURONXA_COMPILER", "eager")
TABLE = os.environ.get("NEURONXA_TABLE")
PAIRS = 8


class Bounds(NamedTuple):
    """Largest differences of a vector from the reference, both of length 1."""

    nas: float
    nav: float
    emb: float


FAMILIES = {
    "bert": "causal",
    "bloom": "causal",
    "falcon": "causal",
    "gemma2": "causal",
    "glm": "causal",
    "gpt2": "causal",
    "gpt_neox": "causal",
    "llama": "causal",
    "mt5": "seq2seq",
    "olmo2": "causal",
    "opt": "causal",
    "phi3": "causal",
    "qwen2": "causal",
    "qwen3": "causal",
    "starcoder2": "causal",
    "xlm-roberta": "causal",
}
COMPILED = set(FAMILIES) if "NEURONXA_COMPILER" in os.environ else {"bert", "llama"}
FIXED_POSITIONS = {"bert", "gpt2", "xlm-roberta"}
"""Positions are counted from the left, padding included, unless they are passed."""
BOUNDS = {
    torch.float32: Bounds(1e-6, 1e-6, 1e-6),
    torch.bfloat16: Bounds(0.2, 0.02, 0.02),
    torch.float16: Bounds(0.1, 0.003, 0.003),
}
"""A state is on or off, so a gate that rounding moves over 0 counts in full: much, in a sentence of
three tokens and 48 neurons."""


def sentences() -> list[list[int]]:
    """Pivot sentences and their translations, in which every third token is another."""
    draw = torch.Generator().manual_seed(3)
    pivots = [
        torch.randint(4, VOCABULARY - 2, (length,), generator=draw).tolist()
        for length in (3, 12, 7, 5, 9, 12, 4, 8)
    ]
    translations = [
        [token + 1 if position % 3 == 1 else token for position, token in enumerate(pivot)]
        for pivot in pivots
    ]
    return [*pivots, *translations]


@torch.no_grad()
def reference(family: str, model: nn.Module) -> SentenceStates:
    """A sentence at a time, in float64, from the same weights."""
    double: Any = copy.deepcopy(model).double()
    body = find_body(double)
    # Only where the neurons are is taken from the package; what they are is the textbook's.
    dense = [site for site in find_sites(body) if isinstance(site, DenseNeurons)]
    sources = [into(body, site) for site in dense]
    encoder = double.get_encoder() if FAMILIES[family] == "seq2seq" else double
    rows: dict[str, list[list[Tensor]]] = {
        kind: [[] for _ in range(len(dense) + (kind == "emb"))] for kind in Bounds._fields
    }
    for ids in sentences():
        weights = torch.arange(1, len(ids) + 1, dtype=torch.float64)
        weights /= weights.sum()
        with observed(*(of_site[0] for of_site in sources)) as seen:
            states = encoder(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states
        for layer, (site, of_site) in enumerate(zip(dense, sources, strict=True)):
            gate, product = textbook(body, site, of_site, seen[of_site[0]][0][0][0])
            width = site.width
            rows["nas"][layer].append(weights @ (gate.reshape(-1, width) > 0).double())
            rows["nav"][layer].append(weights @ product.reshape(-1, width).abs())
        for layer, state in enumerate(states):
            rows["emb"][layer].append(weights @ state[0].double())
    return SentenceStates(**{kind: [*map(torch.stack, layers)] for kind, layers in rows.items()})


def by_batches(body: Body, batch_size: int) -> SentenceStates:
    """As runs do: similar lengths together, padded on the right."""
    return encode(
        body, find_sites(body), sentences(), batch_size=batch_size, settings=StateSettings()
    )


def padded_left(body: Body) -> SentenceStates:
    """All sentences in one batch, padded on the left."""
    sites, ids = find_sites(body), sentences()
    width = max(map(len, ids))
    pooler = Pooler(StateSettings(), len(ids), neurons_by_layer(sites))
    batch = torch.tensor([[0] * (width - len(of)) + of for of in ids])
    mask = torch.tensor([[0] * (width - len(of)) + [1] * len(of) for of in ids])
    with torch.no_grad(), reading(body, sites, pooler) as run:
        pooler.start_batch(list(range(len(ids))), mask)
        pooler.hidden(len(body.layers), run(batch, mask))
    return SentenceStates(pooler.nas, pooler.nav, pooler.emb)


def compiled_by_layer(model: nn.Module) -> nn.Module:
    for layer in find_body(model).layers:
        layer.compile(dynamic=True, backend=COMPILER)
    return used(model)


def compiled_whole(model: nn.Module) -> nn.Module:
    whole: Any = torch.compile(model, backend=COMPILER)
    return used(whole)


@torch.no_grad()
def used(model: nn.Module) -> nn.Module:
    """The model after a pass of its user's, so that there is compiled code without hooks."""
    user_model: Any = model
    ids = torch.tensor([[5, 6, 7, 8]])
    more = {"decoder_input_ids": ids} if user_model.config.is_encoder_decoder else {}
    user_model(input_ids=ids, attention_mask=torch.ones_like(ids), **more)
    return model


WAYS: dict[
    str, tuple[Callable[[nn.Module], nn.Module], Callable[[Body], SentenceStates], torch.dtype]
] = {
    "batch 1": (used, lambda body: by_batches(body, 1), torch.float32),
    "batch 8": (used, lambda body: by_batches(body, 8), torch.float32),
    "padded left": (used, padded_left, torch.float32),
    "compiled by layer": (compiled_by_layer, lambda body: by_batches(body, 8), torch.float32),
    "compiled whole": (compiled_whole, lambda body: by_batches(body, 8), torch.float32),
    "bfloat16": (used, lambda body: by_batches(body, 8), torch.bfloat16),
    "float16": (used, lambda body: by_batches(body, 8), torch.float16),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_way_to_run_gives_the_reference(family: str) -> None:
    references: dict[torch.dtype, SentenceStates] = {}
    for way, (prepare, read, dtype) in WAYS.items():
        if way == "padded left" and family in FIXED_POSITIONS:
            continue
        if way.startswith("compiled") and family not in COMPILED:
            continue
        model = tiny_model(family, FAMILIES[family]).to(dtype)
        if dtype not in references:
            references[dtype] = reference(family, model)
        expected = references[dtype]
        vectors = read(find_body(prepare(model)))
        worst = differences(vectors, expected)
        layers = list(aligned(vectors))
        differing = sum(a != b for a, b in zip(layers, aligned(expected), strict=True))
        if TABLE:
            with Path(TABLE).open("a", encoding="utf-8") as table:
                shown = "\t".join(f"{value:.1e}" for value in worst)
                table.write(f"{family}\t{way}\t{shown}\t{differing} of {len(layers)}\n")
        assert all(value <= bound for value, bound in zip(worst, BOUNDS[dtype], strict=True)), way
        if dtype == torch.float32:
            assert differing == 0, way


def differences(vectors: SentenceStates, expected: SentenceStates) -> Bounds:
    """The largest difference of the vectors' directions, which cosines compare, over all layers."""
    return Bounds(
        *(
            max(
                float((normalize(layer.double()) - normalize(right)).norm(dim=1).max())
                for layer, right in zip(
                    getattr(vectors, kind), getattr(expected, kind), strict=True
                )
            )
            for kind in Bounds._fields
        )
    )


def aligned(vectors: SentenceStates) -> Iterator[list[bool]]:
    """Of each layer: which pairs are aligned."""
    for layers in (vectors.nas, vectors.nav, vectors.emb):
        yield from retrieval(
            [layer[:PAIRS] for layer in layers], [layer[PAIRS:] for layer in layers]
        ).weak.tolist()
