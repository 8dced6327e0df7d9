"""How much of an alignment score is due to common names, numbers and punctuation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from neuronxa_task.scoring.alignment import retrieval

TokenIds = Sequence[int]


def surface(
    pivot: Sequence[TokenIds], target: Sequence[TokenIds], special: Collection[int] = ()
) -> float:
    """Fraction of pairs that are aligned by their common tokens, without a model.

    Sentences are compared by the cosine of their bag-of-tokens vectors. As for NASCA, a pair counts
    if each sentence is the other's strictly nearest neighbour.

    Args:
        pivot: n sentences as token ids.
        target: their n translations.
        special: ids of special tokens, which are left out.

    Returns:
        A value from 0 to 1.

    >>> surface([[5, 6], [7, 8]], [[5, 9], [9, 9]])
    0.5
    >>> surface([[5, 6], [7, 8]], [[5, 9], [9, 8]])
    1.0
    """
    columns: dict[int, int] = {}
    for token in (token for ids in (*pivot, *target) for token in ids):
        if token not in special:
            columns.setdefault(token, len(columns))
    return retrieval([_bags(pivot, columns)], [_bags(target, columns)]).score


def _bags(sentences: Sequence[TokenIds], columns: dict[int, int]) -> Tensor:
    """`[n, tokens]` float32: how often each token occurs in each sentence."""
    bags = torch.zeros(len(sentences), len(columns))
    for row, ids in enumerate(sentences):
        for token, count in Counter(ids).items():
            if token in columns:
                bags[row, columns[token]] = count
    return bags
