"""The chance levels of benchmarks and the bounds of metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuronxa_task.errors import NeuronXAError

Floats = NDArray[np.float64]

CHANCE: Mapping[str, float] = {
    **dict.fromkeys(("arc", "arc_challenge_mt", "belebele", "hellaswag"), 1 / 4),
    **dict.fromkeys(("m_mmlu", "global_mmlu", "mmmlu", "openai_mmlu", "afrimmlu"), 1 / 4),
    **dict.fromkeys(("mmlu", "include_base_44"), 1 / 4),
    **dict.fromkeys(("mmlu_pro", "mmlu_prox", "mmlu_prox_lite"), 1 / 10),
    **dict.fromkeys(("xnli", "afrixnli"), 1 / 3),
    **dict.fromkeys(("xcopa", "xstorycloze", "xwinograd", "global_piqa"), 1 / 2),
    **dict.fromkeys(("paws", "pawsx", "multiblimp"), 1 / 2),
    **dict.fromkeys(("piqa", "AraDiCE_piqa", "AraDiCE_boolq", "AraDiCE_winogrande"), 1 / 2),
    **dict.fromkeys(("openbookqa", "AraDiCE_openbookqa"), 1 / 4),
    "phrasebook_translation": 1 / 8,
    "sib": 1 / 7,
}
"""One over the number of choices of a question.

A benchmark whose name is one of these followed by an underscore (`global_mmlu_full`) has the same
level. A few questions of ARC have three or five choices. MMLU-Pro and its translation have ten
choices in most questions and fewer in the others, so guessing is slightly above 1/10; an answer
that cannot be read counts as wrong there, so accuracy may be below. Benchmarks whose questions
differ more (`truthfulqa`, `bmlama53`) and benchmarks without choices are left out on purpose.
"""

ACCURACIES = frozenset({"acc", "acc_norm", "acc_bytes", "acc_norm_bytes", "exact_match"})
"""Metrics on which a random guess among the choices scores the chance level."""

FRACTIONS = frozenset({*ACCURACIES, "f1", "em", "mc1", "mc2", "exact"})
"""Metrics from 0 to 1; some benchmarks give them in percent."""

PERCENT = frozenset({"bleu", "chrf", "chrf++", "rouge1", "rouge2", "rougeL", "rougeLsum"})
"""Metrics from 0 to 100."""

ONE_SIDED = 1.6449
"""Standard errors above chance that are significant at 5 %, one-sided."""


@dataclass(frozen=True)
class Bounds:
    """The range in which a metric is expected to lie.

    Attributes:
        floor: chance level if it is known, else the metric's lowest value; `None` if it has none.
        ceiling: the metric's highest value; `None` if it has none (perplexity).
        chance: chance level; `None` if it is not known.
    """

    floor: float | None
    ceiling: float | None
    chance: float | None

    def scaled(self, offset: float, divisor: float) -> Bounds:
        """The bounds of `(value − offset) / divisor`."""
        floor, ceiling, chance = (
            None if bound is None else (bound - offset) / divisor
            for bound in (self.floor, self.ceiling, self.chance)
        )
        return Bounds(floor, ceiling, chance)


def bounds(
    benchmark: str, metric: str, values: Sequence[float], given: Mapping[str, float] = {}
) -> Bounds:
    """Bounds of a benchmark's metric.

    Args:
        benchmark: its name.
        metric: its name, which a comma and a filter may follow.
        values: all measured values; if one is above 1, they are taken to be in percent.
        given: the user's chance levels by benchmark, from 0 to 1.

    >>> bounds("belebele", "acc", [0.2, 0.9])
    Bounds(floor=0.25, ceiling=1.0, chance=0.25)
    >>> bounds("flores", "chrf", [20.0, 31.0])
    Bounds(floor=0.0, ceiling=100.0, chance=None)
    """
    name = metric.partition(",")[0]
    highest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    if name in PERCENT:
        ceiling = 100.0 if highest <= 100 else None
    elif name in FRACTIONS or benchmark in given:
        ceiling = 1.0 if highest <= 1 else 100.0 if highest <= 100 else None
    else:
        ceiling = None
    if ceiling is None or min(values, default=0.0) < 0:
        return Bounds(None, None, None)
    level = given.get(benchmark, chance_level(benchmark) if name in ACCURACIES else None)
    chance = None if level is None else level * ceiling
    return Bounds(chance or 0.0, ceiling, chance)


def chance_level(benchmark: str) -> float | None:
    """Chance level of a benchmark, from 0 to 1; `None` if it is not known.

    >>> chance_level("global_mmlu_full"), chance_level("bmlama53")
    (0.25, None)
    """
    names = [name for name in CHANCE if benchmark == name or benchmark.startswith(f"{name}_")]
    return CHANCE[max(names, key=len)] if names else None


def parse_chance(given: Sequence[str]) -> dict[str, float]:
    """Read the command line's `BENCHMARK=LEVEL`, where LEVEL is a number or a fraction.

    Raises:
        NeuronXAError: one has another form, or its level is not in [0, 1).

    >>> parse_chance(["mybench=1/3"])["mybench"] == 1 / 3
    True
    """
    levels = {}
    for text in given:
        benchmark, _, level = text.partition("=")
        over, _, under = level.partition("/")
        try:
            value = float(over) / float(under or 1)
        except (ValueError, ZeroDivisionError):
            value = math.nan
        if not benchmark or not 0 <= value < 1:
            raise NeuronXAError(
                f"chance is {text!r}; expected BENCHMARK=LEVEL with a level of at least 0 and "
                "below 1, such as mybench=0.25 or mybench=1/3"
            )
        levels[benchmark] = value
    return levels


def above_chance(
    values: Floats, stderrs: Floats, documents: Floats, limits: Bounds
) -> NDArray[np.bool_]:
    """`[n]`: whether each accuracy is significantly above chance.

    One-sided at 5 %: value − chance > 1.645 standard errors. Without a standard error in the file,
    that of random guessing is used, √(c (1 − c) / documents). If the number of documents is unknown
    too, any accuracy above chance counts.

    Args:
        values: `[n]`.
        stderrs: `[n]`, NaN where there is none.
        documents: `[n]`, NaN where unknown.
        limits: bounds of the metric, with a known chance level.
    """
    assert limits.chance is not None and limits.ceiling is not None
    level = limits.chance / limits.ceiling
    guess = limits.ceiling * np.sqrt(level * (1 - level) / documents)
    errors = np.where(np.isfinite(stderrs), stderrs, np.where(np.isfinite(guess), guess, 0.0))
    above: NDArray[np.bool_] = values - limits.chance > ONE_SIDED * errors
    return above
