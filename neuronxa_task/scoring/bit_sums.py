"""Exact sums of the bits of a tensor, which the sums of its shards add up to."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import torch
from torch import Tensor

BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
CHUNK = {"cpu": 30_000}
"""Elements to sum at a time; on a CPU, few enough for the cache and for torch to start no threads,
which would take longer than the sums."""
CHUNK_ELSEWHERE = 2**24


def bit_sum(tensor: Tensor, held: Mapping[int, Tensor] | None = None) -> int:
    """Sum of the bits of all elements, weighted by their indices, modulo 2⁶⁴.

    Args:
        tensor: a tensor of any shape and dtype, or a part of a larger one.
        held: for a part, the indices of its elements in the whole, by split dimension.
    """
    bits = _as_integers(tensor.detach())
    if bits.numel() == 0:
        return 0
    by_dim = [_index_weights(dim, size) for dim, size in enumerate(bits.shape)]
    for dim, indices in (held or {}).items():
        whole = _index_weights(dim, int(indices.max()) + 1)
        by_dim[dim] = whole[indices.cpu()]
    *outer, last = (weights.to(bits.device) for weights in by_dim)
    rows = torch.ones(1, dtype=torch.int64, device=bits.device)
    for weights in outer:
        rows = (rows[:, None] * weights).flatten()
    bits = bits.reshape(len(rows), -1)
    chunk = CHUNK.get(bits.device.type, CHUNK_ELSEWHERE)
    width = min(bits.shape[1], chunk)
    height = chunk // width
    by_row = torch.empty(len(bits), dtype=torch.int64, device=bits.device)
    total = 0
    for columns, weights in zip(torch.split(bits, width, 1), torch.split(last, width), strict=True):
        for block, sums in zip(
            torch.split(columns, height), torch.split(by_row, height), strict=True
        ):
            torch.sum(block * weights, dim=1, out=sums)
        total += int((by_row * rows).sum())
    return total % 2**64


def _as_integers(tensor: Tensor) -> Tensor:
    """The bits of the elements as integers, with at least one dimension."""
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    tensor = tensor.reshape(1) if tensor.ndim == 0 else tensor
    return tensor.view(torch.uint8 if tensor.dtype is torch.bool else BITS[tensor.element_size()])


@lru_cache(maxsize=64)
def _index_weights(dim: int, size: int) -> Tensor:
    """`[size]` pseudo-random odd integers, equal everywhere: splitmix64 (Steele et al. 2014)."""
    z = torch.arange(size, dtype=torch.int64) + (dim << 40)
    z = (z + 1) * signed(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        z = (z ^ ((z >> shift) & (2 ** (64 - shift) - 1))) * signed(factor)
    return (z ^ ((z >> 31) & (2**33 - 1))) | 1


def signed(number: int) -> int:
    """The signed integer of the same 64 bits."""
    return number - 2**64 if number >= 2**63 else number
