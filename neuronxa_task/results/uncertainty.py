"""What a NeuronXA task records besides its scores: what else may explain them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from neuronxa_task.settings import SCORE_OF, SCORES

LARGEST = 1e50
"""Largest value of a metric; squares of larger numbers would overflow in the statistics."""
ROUNDING = 1e-6


@dataclass(frozen=True)
class PairRecord:
    """How far each sentence pair is aligned, for tests of models on the same sentences.

    Attributes:
        counts: by score, the number of layers at which each pair is aligned, one byte per pair.
        depths: by score, the number of layers.
        data_hash: of the sentence pairs.
        pivot_hash: of the pivot's sentences; languages in which it is equal share their sentences.
    """

    counts: Mapping[str, bytes]
    depths: Mapping[str, int]
    data_hash: str
    pivot_hash: str


@dataclass(frozen=True)
class Uncertainty:
    """What else may explain a language's scores: chance in the choice of sentences, shared tokens.

    Attributes:
        intervals: low and high end of the 95 % interval of each score that has one.
        surface: fraction of the sentence pairs that find each other by the tokens they share;
            `None` where the file does not say.
        pairs: how far each sentence pair is aligned; `None` where the file does not say.
    """

    intervals: Mapping[str, tuple[float, float]]
    surface: float | None
    pairs: PairRecord | None = None


def uncertainty_of(metadata: Mapping[str, Any], pairs: PairRecord | None) -> Uncertainty | None:
    """A task's intervals, surface and pairs, as far as they are shares; `None` for none of them."""
    given = metadata.get("intervals")
    intervals = {}
    for score, ends in given.items() if isinstance(given, dict) else ():
        numbers = [_share(end) for end in ends] if isinstance(ends, list) else []
        known = [number for number in numbers if number is not None]
        if score in SCORES and len(numbers) == len(known) == 2 and known[0] <= known[1]:
            intervals[score] = (known[0], known[1])
    surface = _share(metadata.get("surface"))
    if not intervals and surface is None and pairs is None:
        return None
    return Uncertainty(intervals, surface, pairs)


def pair_record(
    metadata: Mapping[str, Any], data_hash: str, values: Mapping[str, float]
) -> PairRecord | None:
    """A task's record of its pairs; `None` if it has none.

    Args:
        metadata: of the task.
        data_hash: of its sentence pairs.
        values: its scores, which are the means of what is recorded.

    Raises:
        ValueError: the record is damaged, or does not agree with the scores.
    """
    given = metadata.get("aligned_layers")
    if given is None:
        return None
    layers, pivot_hash = metadata.get("layers"), metadata.get("pivot_hash")
    if not (isinstance(given, dict) and isinstance(layers, dict) and isinstance(pivot_hash, str)):
        raise ValueError("other kinds of values")
    counts = {
        score: bytes.fromhex(str(given[score]))
        for score in SCORE_OF.values()
        if given.get(score) is not None
    }
    depths = {score: len(layers[score]) for score in counts}
    for score, numbers in counts.items():
        mean = sum(numbers) / max(1, len(numbers) * depths[score])
        if score in values and abs(mean - values[score]) > ROUNDING:
            raise ValueError(f"{score} is {values[score]}, and its pairs' mean {mean}")
    return PairRecord(counts, depths, data_hash, pivot_hash)


def _share(value: Any) -> float | None:
    number = number_of(value)
    return number if number is not None and 0 <= number <= 1 else None


def number_of(value: Any) -> float | None:
    """A number, or `None`: the harness writes "N/A", and NaN as text or as a JSON extra."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) <= LARGEST else None
