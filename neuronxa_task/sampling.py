"""Which sentence pairs of a corpus are scored: the first ones, or a random sample."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final, Literal

ALL: Final = "all"
FIRST: Final = "first"

Sample = int | Literal["first"]
"""`first`, or the seed of a random sample."""


def sampled_rows(available: int, count: int | None, sample: Sample = FIRST) -> Sequence[int]:
    """The rows of the pairs that are scored, in ascending order.

    A sample is the `count` rows r with the smallest SHA-256 of `"<seed>:<r>"`. It depends on
    nothing but the seed and the number of rows, so that languages of one parallel corpus are scored
    on the same sentences under every version of every library; and a smaller sample is part of a
    larger one of the same seed.

    Args:
        available: rows that the corpus has.
        count: rows that are scored, at most `available`; all of them for `None`.
        sample: `first`, or the seed of a random sample.

    >>> sampled_rows(1000, 3), sampled_rows(1000, 3, sample=1), sampled_rows(1000, 4, sample=1)
    (range(0, 3), [691, 819, 989], [691, 819, 932, 989])
    """
    if count is None or sample == FIRST:
        return range(available if count is None else count)
    by_hash = sorted(range(available), key=lambda row: _digest(f"{sample}:{row}"))
    return sorted(by_hash[:count])


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
