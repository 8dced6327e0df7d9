"""Cosine similarity of sentence vectors in float64, from sums that processes can add."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from neuronxa_task.errors import NeuronXAError

CONVERTED = 2**20
"""Values to convert to float64 at a time: few enough to stay in the cache, also where experts have
millions of neurons, and enough to keep several cores busy."""


class InnerProducts(NamedTuple):
    """Inner products of two sets of vectors, from which their cosines follow.

    They are sums over the features, so the inner products of parts of the features can be added.

    Attributes:
        cross: `[n, m]` float64, each pivot vector with each target vector.
        pivot: `[n]` float64, each pivot vector with itself.
        target: `[m]` float64, each target vector with itself.
    """

    cross: Tensor
    pivot: Tensor
    target: Tensor


def workspace(pivot: Tensor, target: Tensor) -> Tensor:
    """Memory to reuse in calls of `inner_products` with the same numbers of vectors.

    Allocating memory in every call takes longer than the conversion to float64.
    """
    values = (len(pivot) + len(target)) * _features_at_a_time(len(pivot))
    return torch.empty(values, dtype=torch.float64, device=pivot.device)


def _features_at_a_time(pivots: int) -> int:
    # By the pivot alone, which is the same in all processes: sums are then rounded alike.
    return max(CONVERTED // 2 // max(pivots, 1) // 64 * 64, 64)


def inner_products(pivot: Tensor, target: Tensor, buffer: Tensor | None = None) -> InnerProducts:
    """Inner products of sentence vectors; equal vectors have bitwise equal products.

    Args:
        pivot: `[n, features]`, any dtype.
        target: `[m, features]`, any dtype.
        buffer: a `workspace`, which is overwritten.

    Raises:
        NeuronXAError: the shapes do not match.
    """
    if pivot.ndim != 2 or target.ndim != 2 or pivot.shape[1] != target.shape[1]:
        raise NeuronXAError(
            f"sentence vectors have the shapes {list(pivot.shape)} and {list(target.shape)}; "
            "expected [n, features] and [m, features]"
        )
    target = target.to(pivot.device)
    cross = torch.zeros(len(pivot), len(target), dtype=torch.float64, device=pivot.device)
    squares = cross.new_zeros(len(pivot) + len(target))
    buffer = workspace(pivot, target) if buffer is None else buffer
    width = _features_at_a_time(len(pivot))
    for start in range(0, pivot.shape[1], width):
        features = min(width, pivot.shape[1] - start)
        block = buffer[: len(squares) * features].view(len(squares), features)
        p, t = block.split([len(pivot), len(target)])
        p.copy_(pivot[:, start : start + width])
        t.copy_(target[:, start : start + width])
        cross.addmm_(p, t.T)
        squares += block.square_().sum(dim=1)
    pivot_squares, target_squares = squares.split([len(pivot), len(target)])
    # A matrix product may round equal rows differently, at its edge and inside.
    rows, columns = _first_equal(pivot, pivot_squares), _first_equal(target, target_squares)
    return InnerProducts(cross[rows[:, None], columns], pivot_squares, target_squares)


def cosine(products: InnerProducts) -> Tensor:
    """Cosine of each pivot vector with each target vector.

    Returns:
        `[n, m]` float64. A zero vector has no direction, so its similarities are -inf and it has no
        nearest neighbour.

    >>> cosine(inner_products(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0], [0.0, 2.0]])))
    tensor([[0.7071, 0.0000]], dtype=torch.float64)
    """
    lengths = products.pivot.sqrt()[:, None] * products.target.sqrt()
    is_zero = (products.pivot == 0)[:, None] | (products.target == 0)
    similarity: Tensor = products.cross / lengths
    return similarity.masked_fill_(is_zero, -torch.inf)


def _first_equal(vectors: Tensor, squares: Tensor) -> Tensor:
    """`[n]` int64: for each vector, the index of the first equal vector."""
    first = torch.arange(len(vectors), device=vectors.device)
    in_order = squares.sort().values
    if vectors.shape[1] == 0 or not (in_order[1:] == in_order[:-1]).any():
        return first
    _, group, size = torch.unique(squares, return_inverse=True, return_counts=True)
    for repeated in torch.nonzero(size > 1).flatten():
        members = torch.nonzero(group == repeated).flatten()
        for index, member in enumerate(members[1:], start=1):
            is_equal = (vectors[members[:index]] == vectors[member]).all(dim=1)
            if is_equal.any():
                first[member] = members[int(is_equal.nonzero()[0])]
    return first
