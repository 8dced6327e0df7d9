"""Speed, as ratios within one run: `python tests/benchmarks/speed.py` (or `make benchmark`).

1. The scored pass (three representations, pooled) beside the bare batched forward pass of the
   model's body, and beside the plain `model(...)` call with its language-model head.
2. The whole run beside the procedure of the MEXA scripts on the same model and sentences: one
   sentence at a time through the full model with all hidden states kept, and every cosine by
   itself with scipy. MEXA has one representation, the scored run three.
3. Scoring alone, from vectors to alignment, one representation each.
"""

from __future__ import annotations

import random
import statistics
import time
from typing import Annotated

import numpy as np
import torch
import typer
from measure import seconds
from record import record
from scipy.spatial.distance import cosine
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from neuronxa_task.ffn import Body, find_body, find_sites
from neuronxa_task.scoring.alignment import retrieval
from neuronxa_task.scoring.states import batches, encode, pad
from neuronxa_task.settings import StateSettings

BATCH = 32


def model_of_70m() -> LlamaForCausalLM:
    """A random Llama of 12 layers and over 70 million parameters."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=32_000,
        hidden_size=512,
        intermediate_size=1536,
        num_hidden_layers=12,
        num_attention_heads=8,
        num_key_value_heads=8,
    )
    return LlamaForCausalLM(config).eval()


def sentences(count: int) -> list[list[int]]:
    """Token ids of sentences as long as FLORES' are, 15 to 60 tokens."""
    draw = random.Random(0)
    return [
        [1, *(draw.randrange(3, 32_000) for _ in range(draw.randint(15, 60)))] for _ in range(count)
    ]


def prepared(ids: list[list[int]]) -> list[tuple[Tensor, Tensor]]:
    """The same batches that the scored pass makes."""
    return [pad([ids[row] for row in rows], 0) for rows in batches(ids, BATCH)]


def passes(
    body: Body, model: LlamaForCausalLM, ids: list[list[int]], rounds: int
) -> dict[str, float]:
    """The scored pass's ratios to the bare body and to the full model."""
    sites, inputs = find_sites(body), prepared(ids)

    def scored() -> None:
        encode(body, sites, ids, batch_size=BATCH, settings=StateSettings())

    def bare() -> None:
        for batch in inputs:
            body(*batch)

    @torch.no_grad()
    def full() -> None:
        for batch, mask in inputs:
            model(input_ids=batch, attention_mask=mask)

    bare()
    times = [(seconds(scored), seconds(bare), seconds(full)) for _ in range(rounds)]
    to_body = statistics.median(s / b for s, b, _ in times)
    to_model = statistics.median(s / f for s, _, f in times)
    return {
        "scored pass / bare body": to_body,
        "scored pass / model with its head": to_model,
    }


@torch.no_grad()
def one_at_a_time(model: LlamaForCausalLM, ids: list[list[int]]) -> list[list[np.ndarray]]:
    """Position-weighted hidden states, a sentence at a time through the full model."""
    vectors = []
    for sentence in ids:
        output = model(input_ids=torch.tensor([sentence]), output_hidden_states=True)
        weights = torch.arange(1, len(sentence) + 1)[None, :, None]
        vectors.append(
            [
                ((state * weights).sum(dim=1) / weights.sum())[0].numpy()
                for state in output.hidden_states
            ]
        )
    return vectors


def aligned_one_by_one(pivot: list[list[np.ndarray]], target: list[list[np.ndarray]]) -> float:
    """Mean share of aligned pairs, every cosine by itself."""
    shares, n = [], len(pivot)
    for layer in range(len(pivot[0])):
        similarity = np.array(
            [
                [1 - cosine(p[layer].astype(float), t[layer].astype(float)) for t in target]
                for p in pivot
            ]
        )
        aligned = sum(
            similarity[k, k] > max(np.delete(similarity[k], k))
            and similarity[k, k] > max(np.delete(similarity[:, k], k))
            for k in range(n)
        )
        shares.append(aligned / n)
    return float(np.mean(shares))


def whole_run(body: Body, model: LlamaForCausalLM, languages: int, pairs: int) -> dict[str, float]:
    """The ratios of the MEXA scripts' procedure to the scored run."""
    text = sentences(pairs * (languages + 1))
    by_language = [text[i : i + pairs] for i in range(0, len(text), pairs)]
    sites = find_sites(body)

    start = time.perf_counter()
    slow = [one_at_a_time(model, ids) for ids in by_language]
    extracted = time.perf_counter()
    expected = [aligned_one_by_one(slow[0], vectors) for vectors in slow[1:]]
    compared = time.perf_counter()

    states = [
        encode(body, sites, ids, batch_size=BATCH, settings=StateSettings()) for ids in by_language
    ]
    encoded = time.perf_counter()
    scores = [retrieval(states[0].emb, language.emb).score for language in states[1:]]
    one_representation = time.perf_counter()
    for language in states[1:]:
        retrieval(states[0].nas, language.nas)
        retrieval(states[0].nav, language.nav)
    end = time.perf_counter()

    assert np.allclose(scores, expected, atol=1e-9), (scores, expected)
    return {
        "MEXA scripts' procedure / scored run": (compared - start) / (end - compared),
        "its scoring / ours": (compared - extracted) / (one_representation - encoded),
    }


def main(
    rounds: Annotated[int, typer.Option(help="Repetitions of the passes.")] = 5,
    languages: Annotated[int, typer.Option(help="Languages of the whole run.")] = 20,
    pairs: Annotated[int, typer.Option(help="Sentence pairs per language.")] = 100,
) -> None:
    """Measure, print and record the ratios."""
    model = model_of_70m()
    body = find_body(model)
    figures = passes(body, model, sentences(300), rounds)
    figures |= whole_run(body, model, languages, pairs)
    millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    record(
        "speed",
        f"Ratios of times: a Llama of {millions:.0f} M parameters, float32, "
        f"{languages} languages x {pairs} pairs",
        figures,
    )


if __name__ == "__main__":
    typer.run(main)
