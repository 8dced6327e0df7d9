"""Scores of random subsets of the pairs, as runs with `stability: true` leave them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuronxa_task.errors import NeuronXAError, did_you_mean, one_of
from neuronxa_task.results import Results
from neuronxa_task.results.comparable import require_same_settings
from neuronxa_task.settings import SCORE_OF

Floats = NDArray[np.float64]
MEANS = tuple(SCORE_OF.values())


@dataclass(frozen=True, eq=False)
class Curve:
    """One score of one language.

    Attributes:
        by_size: `[subsets]` scores of random subsets, by their number of pairs, rising; the last
            size is n, where all are the score itself.
        interval: 95 % interval of the score; `None` where the file has none.
    """

    by_size: Mapping[int, Floats]
    interval: tuple[float, float] | None

    @property
    def pairs(self) -> int:
        """n."""
        return max(self.by_size)


Key = tuple[str, str, str]
"""Model, alignment benchmark, language."""


def curves_of(results: Results) -> tuple[dict[Key, dict[str, Curve]], list[str]]:
    """The curves among results, by score, and a note on those that are damaged.

    Args:
        results: the results to use.
    """
    curves: dict[Key, dict[str, Curve]] = {}
    damaged = []
    for key, recorded in results.recorded.items():
        if "stability" not in recorded:
            continue
        about = results.uncertainties.get(key)
        intervals = {} if about is None else about.intervals
        metadata = {"stability": recorded["stability"], "intervals": intervals}
        try:
            curves[key] = dict(_curves(metadata))
        except (TypeError, ValueError, AttributeError):
            damaged.append(" ".join(key))
    notes = [f"{len(damaged)} damaged curves left out: {one_of(damaged, at_most=5)}"]
    return curves, notes if damaged else []


def chosen_curves(
    results: Results, alignment: Sequence[str] = (), *, allow_mixed: bool = False
) -> tuple[dict[Key, dict[str, Curve]], list[str]]:
    """The curves to show, by score, and notes on them.

    Args:
        results: the results to use.
        alignment: alignment benchmarks; all of them if empty.
        allow_mixed: continue if settings differ, and say so.

    Raises:
        NeuronXAError: there are no curves, or none of a benchmark, or settings differ.
    """
    curves, notes = curves_of(results)
    if not curves:
        raise NeuronXAError(
            "no result file has curves; score the model with --metadata "
            "'{\"stability\": true}', as in lm_eval --tasks neuronxa_flores_core --metadata "
            f"'{{\"stability\": true}}'{''.join(f'; {note}' for note in notes)}"
        )
    known = sorted({benchmark for _, benchmark, _ in curves})
    if missing := [name for name in alignment if name not in known]:
        raise NeuronXAError(
            f"no curves of {one_of(map(repr, missing))}; found: {one_of(known)}"
            + did_you_mean(missing[0], known)
        )
    if alignment:
        curves = {key: of for key, of in curves.items() if key[1] in alignment}
    keys = results.table[["model", "benchmark", "language"]].itertuples(index=False, name=None)
    compared = results.table[[key in curves for key in keys]]
    return curves, [*notes, *require_same_settings(compared, allow_mixed=allow_mixed)]


def _curves(metadata: Mapping[str, Any]) -> Iterator[tuple[str, Curve]]:
    """A task's curves.

    Raises:
        TypeError, ValueError, AttributeError: they have another form.
    """
    intervals = metadata.get("intervals") or {}
    for score, sizes in metadata["stability"].items():
        by_size = {int(size): np.asarray(values, np.float64) for size, values in sizes.items()}
        by_size = dict(sorted(by_size.items()))
        counts = {values.shape for values in by_size.values()}
        inside = all(((values >= 0) & (values <= 1)).all() for values in by_size.values())
        if score not in MEANS or len(counts) != 1 or len(counts.pop()) != 1 or not inside:
            raise ValueError(score)
        ends = intervals.get(score)
        yield score, Curve(by_size, None if ends is None else (float(ends[0]), float(ends[1])))
