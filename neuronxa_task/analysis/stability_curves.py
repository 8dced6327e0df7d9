"""Scores of random subsets of the pairs, as runs with `stability: true` leave them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuronxa_task.errors import NeuronXAError, did_you_mean, one_of
from neuronxa_task.languages import to_flores
from neuronxa_task.languages.benchmarks import patterns_of
from neuronxa_task.results import Results
from neuronxa_task.results.comparable import facts_of, require_same_settings
from neuronxa_task.results.files import printable, read_files
from neuronxa_task.results.identity import name_models
from neuronxa_task.results.pivots import further_pivots, note_of_further, with_pivot
from neuronxa_task.results.task_runs import place_of
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


def read_curves(
    paths: Sequence[Path],
    alignment: Sequence[str] = (),
    *,
    pivot: str | None = None,
    allow_mixed: bool = False,
) -> tuple[dict[Key, dict[str, Curve]], list[str]]:
    """The curves of result files, by score; of a model's runs of a task the newest counts.

    Args:
        paths: files and folders.
        alignment: alignment benchmarks; all for none.
        pivot: which of a run's pivots; the first for `None`.
        allow_mixed: go on where settings differ, and say so.

    Returns:
        The curves, and notes on what was left out.

    Raises:
        NeuronXAError: there are none, a benchmark or the pivot is not among them, or settings
            differ.
    """
    import pandas as pd

    files, notes = read_files(paths)
    if pivot is not None:
        files = [with_pivot(file, pivot) for file in files]
    elif others := dict.fromkeys(name for file in files for name in further_pivots(file)):
        notes.append(note_of_further(others))
    pivots: set[str] = set()
    names = name_models(files)
    curves: dict[Key, dict[str, Curve]] = {}
    signatures: dict[Key, str] = {}
    damaged = []
    for file, model in zip(files, names.of_file, strict=True):
        for task in file.part("configs"):
            metadata = file.metadata(task)
            where = place_of(file, task, patterns_of())
            if "stability" not in metadata or "signature" not in metadata or where is None:
                continue
            key = (model, where.benchmark, where.language)
            if pivot is not None:
                of_task = to_flores(facts_of(str(metadata["signature"])).get("pivot", ""))
                if of_task != to_flores(pivot):
                    pivots.add(printable(of_task))
                    continue
            try:
                curves[key] = dict(_curves(metadata))
            except (TypeError, ValueError, AttributeError):
                damaged.append(task)
            else:
                signatures[key] = str(metadata["signature"])
    if damaged:
        notes.append(f"{len(damaged)} damaged curves left out: {one_of(damaged, at_most=5)}")
    if pivots and not curves:
        raise NeuronXAError(
            f"no curve is with the pivot {pivot!r}; --pivot can be: {one_of(sorted(pivots))}"
        )
    if not curves:
        raise NeuronXAError(
            "no result file has curves; score the model with --metadata "
            "'{\"stability\": true}', as in lm_eval --tasks neuronxa_flores_core --metadata "
            f"'{{\"stability\": true}}'{''.join(f'; {note}' for note in notes[:2])}"
        )
    known = sorted({benchmark for _, benchmark, _ in curves})
    if missing := [name for name in alignment if name not in known]:
        raise NeuronXAError(
            f"no curves of {one_of(map(repr, missing))}; found: {one_of(known)}"
            + did_you_mean(missing[0], known)
        )
    if alignment:
        curves = {key: of for key, of in curves.items() if key[1] in alignment}
    rows = [(*key, signatures[key]) for key in curves]
    table = pd.DataFrame(rows, columns=["model", "benchmark", "language", "signature"])
    mixed = require_same_settings(table, allow_mixed=allow_mixed)
    return curves, [*notes, *names.notes, *names.hints, *mixed]


def curves_of(results: Results) -> tuple[dict[Key, dict[str, Curve]], list[str]]:
    """The curves among results, by score, and a note on those that are damaged.

    Args:
        results: what was read.
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
