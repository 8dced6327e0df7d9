"""Which sentence pairs of a corpus to score: the first ones or a random sample."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final, Literal

ALL: Final = "all"
FIRST: Final = "first"

Sample = int | Literal["first"]
"""`first`, or the seed of a random sample."""


def sampled_rows(available: int, count: int | None, sample: Sample = FIRST) -> Sequence[int]:
    """Rows of the pairs to score, in ascending order.

    A random sample is the `count` rows r with the smallest SHA-256 of `"<seed>:<r>"`. It depends
    only on the seed and the number of rows. So all languages of a parallel corpus get the same
    sentences, with any version of any library, and a smaller sample is part of a larger one.

    Args:
        available: number of rows in the corpus.
        count: number of rows to score, at most `available`; `None` for all.
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
