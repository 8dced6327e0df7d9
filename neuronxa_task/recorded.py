"""What a task records in its metadata, for the result file, besides the harness's metrics."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from neuronxa_task.scoring.alignment import Retrieval, aligned_layers, layer_profile
from neuronxa_task.scoring.language_pairs import TaskFacts
from neuronxa_task.settings import SCORE_OF

Bits = tuple[str, ...]
"""Bits by layer of one document, from the pivot and to it, for each pivot in turn."""
Directions = tuple[Bits, int]
"""The bits of one document, and its id."""


@dataclass(frozen=True)
class PivotRecord:
    """What is recorded of a task with one of its pivots.

    Attributes:
        target: the language that is compared with it.
        facts: what all sentence pairs share.
        signature: of the scores.
    """

    pivot: str
    target: str
    facts: TaskFacts
    signature: str


def record(
    metadata: MutableMapping[str, Any],
    representation: str,
    documents: Sequence[Bits],
    pivots: Sequence[PivotRecord],
    *,
    stability: bool,
    pairs: bool,
) -> float:
    """Record a representation's layers and related facts; returns the best layer's fraction.

    Those of the first pivot are the task's own, to which the harness's metrics belong. Those of
    further pivots are recorded with their scores in `pivots`.

    Args:
        metadata: the task's, which is changed.
        representation: `nas`, `nav` or `emb`.
        documents: bits of all documents, in their order.
        pivots: the pivots, in the same order.
        stability: record the scores of subsets.
        pairs: record the scores of all pairs of languages.
    """
    first = _retrieval(documents, 0)
    _record_of_pivot(metadata, representation, first, pivots[0], stability=stability)
    aligned = metadata.setdefault("aligned_layers", {})
    aligned[SCORE_OF[representation]] = aligned_layers(first)
    metadata["neuron_layers"] = list(pivots[0].facts.neuron_layers)
    if pairs:
        metadata["pairs"] = pivots[0].facts.pairs
    for index, pivot in enumerate(pivots[1:], start=1):
        retrieval = _retrieval(documents, index)
        entry = metadata.setdefault("pivots", {}).setdefault(pivot.pivot, {"target": pivot.target})
        entry |= _scores(representation, retrieval)
        _record_of_pivot(entry, representation, retrieval, pivot, stability=stability)
    return first.best


def _retrieval(documents: Sequence[Bits], pivot: int) -> Retrieval:
    return Retrieval(
        *(
            torch.tensor([[bit == "1" for bit in bits[direction]] for bits in documents]).T
            for direction in (2 * pivot, 2 * pivot + 1)
        )
    )


def _record_of_pivot(
    entry: MutableMapping[str, Any],
    representation: str,
    retrieval: Retrieval,
    pivot: PivotRecord,
    *,
    stability: bool,
) -> None:
    facts = pivot.facts
    entry.setdefault("layers", {}).update(layer_profile(representation, retrieval))
    entry["signature"] = pivot.signature
    entry["intervals"] = {score: list(ends) for score, ends in facts.intervals.items()}
    entry["surface"] = facts.surface
    if stability:
        entry["stability"] = facts.stability


def _scores(representation: str, retrieval: Retrieval) -> Mapping[str, float]:
    """Score, its standard error over the pairs as the harness computes it, and best layer."""
    score = SCORE_OF[representation]
    shares = retrieval.weak.double().mean(dim=0)
    return {
        score: retrieval.score,
        f"{score}_stderr": float(shares.std() / len(shares) ** 0.5),
        f"{score}_max": retrieval.best,
    }
