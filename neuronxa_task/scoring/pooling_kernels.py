"""Triton kernels of `fused_pooling`.

A program sums one sentence's tokens for a block of columns. Its partial sums have a row for each
token of a tile and are added up at the end, so the order depends on the sentence alone.
"""

from __future__ import annotations

import triton
import triton.language as tl

BLOCK, TILE = 256, 8
"""Columns and tokens of a tile."""


@triton.jit(do_not_specialize=["tokens"])
def neurons(
    state_ptr,
    value_ptr,
    weight_ptr,
    total_ptr,
    span_ptr,
    row_ptr,
    nas_ptr,
    nav_ptr,
    width,
    tokens,
    state_batch,
    state_token,
    value_batch,
    value_token,
    kept_row,
    SAME: tl.constexpr,
    PRECISION: tl.constexpr,
    BLOCK: tl.constexpr,
    TILE: tl.constexpr,
):
    """Sums of states and means of values; one tensor is read if they are the `SAME`."""
    sentence = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    is_column = columns < width
    end = tl.load(span_ptr + 2 * sentence + 1)
    active = tl.zeros((TILE, BLOCK), tl.float32)
    size = tl.zeros((TILE, BLOCK), PRECISION)
    start = tl.load(span_ptr + 2 * sentence)
    while start < end:
        token = start + tl.arange(0, TILE)
        weight = tl.load(weight_ptr + sentence * tokens + token, mask=token < end, other=0.0)
        is_read = (token < end)[:, None] & is_column[None, :]
        at = sentence * value_batch + token[:, None] * value_token + columns[None, :]
        value = tl.load(value_ptr + at, mask=is_read, other=0.0)
        state = value
        if not SAME:
            at = sentence * state_batch + token[:, None] * state_token + columns[None, :]
            state = tl.load(state_ptr + at, mask=is_read, other=0.0)
        active += tl.where(state > 0, weight[:, None], 0.0)
        size += weight[:, None] * tl.abs(value.to(PRECISION))
        start += TILE
    kept = tl.load(row_ptr + sentence) * kept_row + columns
    tl.store(nas_ptr + kept, tl.sum(active, 0), mask=is_column)
    mean = tl.sum(size, 0) / tl.load(total_ptr + sentence)
    tl.store(nav_ptr + kept, mean.to(tl.float32), mask=is_column)


@triton.jit(do_not_specialize=["tokens"])
def hidden(
    value_ptr,
    weight_ptr,
    total_ptr,
    span_ptr,
    row_ptr,
    emb_ptr,
    width,
    tokens,
    value_batch,
    value_token,
    kept_row,
    PRECISION: tl.constexpr,
    BLOCK: tl.constexpr,
    TILE: tl.constexpr,
):
    """Weighted means."""
    sentence = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    is_column = columns < width
    end = tl.load(span_ptr + 2 * sentence + 1)
    total = tl.zeros((TILE, BLOCK), PRECISION)
    start = tl.load(span_ptr + 2 * sentence)
    while start < end:
        token = start + tl.arange(0, TILE)
        weight = tl.load(weight_ptr + sentence * tokens + token, mask=token < end, other=0.0)
        is_read = (token < end)[:, None] & is_column[None, :]
        at = sentence * value_batch + token[:, None] * value_token + columns[None, :]
        value = tl.load(value_ptr + at, mask=is_read, other=0.0)
        total += weight[:, None] * value.to(PRECISION)
        start += TILE
    kept = tl.load(row_ptr + sentence) * kept_row + columns
    mean = tl.sum(total, 0) / tl.load(total_ptr + sentence)
    tl.store(emb_ptr + kept, mean.to(tl.float32), mask=is_column)


@triton.jit
def _first_not_below(key_ptr, count, wanted):
    """Index of the first of `count` ascending keys that is not below `wanted`."""
    low = wanted * 0
    high = low + count
    while low < high:
        middle = (low + high) // 2
        if tl.load(key_ptr + middle) < wanted:
            low = middle + 1
        else:
            high = middle
    return low


@triton.jit(do_not_specialize=["rows", "tokens", "tokens_of_batch"])
def experts(
    state_ptr,
    value_ptr,
    key_ptr,
    slot_ptr,
    router_ptr,
    weight_ptr,
    total_ptr,
    row_ptr,
    nas_ptr,
    nav_ptr,
    rows,
    width,
    tokens,
    tokens_of_batch,
    state_row,
    value_row,
    kept_row,
    SAME: tl.constexpr,
    WEIGHTED: tl.constexpr,
    PRECISION: tl.constexpr,
    BLOCK: tl.constexpr,
    TILE: tl.constexpr,
):
    """As `neurons`, over one sentence's rows of one expert."""
    sentence = tl.program_id(0).to(tl.int64)
    expert = tl.program_id(1).to(tl.int64)
    columns = tl.program_id(2) * BLOCK + tl.arange(0, BLOCK)
    is_column = columns < width
    key = expert * tokens_of_batch + sentence * tokens
    start = _first_not_below(key_ptr, rows, key)
    end = _first_not_below(key_ptr, rows, key + tokens)
    active = tl.zeros((TILE, BLOCK), tl.float32)
    size = tl.zeros((TILE, BLOCK), PRECISION)
    while start < end:
        row = start + tl.arange(0, TILE)
        is_row = row < end
        token = tl.load(key_ptr + row, mask=is_row, other=0) - expert * tokens_of_batch
        weight = tl.load(weight_ptr + token, mask=is_row, other=0.0)
        factor = weight.to(PRECISION)
        if WEIGHTED:
            slot = tl.load(slot_ptr + row, mask=is_row, other=0)
            router = tl.load(router_ptr + slot, mask=is_row, other=0.0)
            factor *= tl.abs(router.to(PRECISION))
        # Padding may hold anything, NaN included.
        is_read = (weight > 0)[:, None] & is_column[None, :]
        at = row[:, None] * value_row + columns[None, :]
        value = tl.load(value_ptr + at, mask=is_read, other=0.0)
        state = value
        if not SAME:
            at = row[:, None] * state_row + columns[None, :]
            state = tl.load(state_ptr + at, mask=is_read, other=0.0)
        active += tl.where(state > 0, weight[:, None], 0.0)
        size += factor[:, None] * tl.abs(value.to(PRECISION))
        start += TILE
    kept = tl.load(row_ptr + sentence) * kept_row + expert * width + columns
    tl.store(nas_ptr + kept, tl.sum(active, 0), mask=is_column)
    mean = tl.sum(size, 0) / tl.load(total_ptr + sentence)
    tl.store(nav_ptr + kept, mean.to(tl.float32), mask=is_column)
