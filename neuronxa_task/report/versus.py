"""Models against each other, in the languages that both have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from neuronxa_task.analysis.adjust import holm
from neuronxa_task.analysis.paired import PairedDifference, paired_difference
from neuronxa_task.report.content import SURFACE, Content
from neuronxa_task.report.names import short_names
from neuronxa_task.report.tables import MISSING, Heading, columns_of, written
from neuronxa_task.tables import p_value

ALL_PAIRS = 4
"""Up to this many models, all pairs are compared; of more, only the first with each other one."""

MIN_LANGUAGES = 3


@dataclass(frozen=True)
class Difference:
    """Text of a mean difference, what stands below it, and p.

    Below it is the number of languages in which the first model is higher, or the 95 % interval.
    """

    text: str = MISSING
    below: str = ""
    p: str = ""


@dataclass(frozen=True)
class Versus:
    """Two models, and their difference in each column."""

    first: str
    second: str
    differences: Sequence[Difference]


def versus(content: Content) -> tuple[list[Heading], list[Versus]]:
    """Columns, and a row per pair of models; p is adjusted for all tests of the table (Holm)."""
    columns = [column for column in columns_of(content) if column.metric != SURFACE]
    pairs = model_pairs(content.models)
    tests = [
        [_test(content, first, second, column.benchmark, column.metric) for column in columns]
        for first, second in pairs
    ]
    adjusted = iter(holm([None if test is None else test.p for row in tests for test in row]))
    names = short_names(content.models)
    rows = [
        Versus(names[first], names[second], [_shown(test, next(adjusted)) for test in row])
        for (first, second), row in zip(pairs, tests, strict=True)
    ]
    used = [index for index in range(len(columns)) if any(row[index] for row in tests)]
    return [columns[index].heading for index in used], [
        Versus(row.first, row.second, [row.differences[index] for index in used]) for row in rows
    ]


def model_pairs(models: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs of models that are compared."""
    if len(models) > ALL_PAIRS:
        return [(models[0], other) for other in models[1:]]
    return [*combinations(models, 2)]


def _test(
    content: Content, first: str, second: str, benchmark: str, metric: str
) -> PairedDifference | None:
    one, other = (content.numbers.get((of, benchmark, metric), {}) for of in (first, second))
    shared = sorted(one.keys() & other.keys())
    if len(shared) < MIN_LANGUAGES:
        return None
    values = [np.array([of[code].value for code in shared]) for of in (one, other)]
    return paired_difference(*values)


def _shown(test: PairedDifference | None, p: float | None) -> Difference:
    if test is None or p is None:
        return Difference()
    return Difference(signed(test.mean), f"{test.higher} of {test.n}", p_text(p))


def signed(value: float) -> str:
    """A difference to three decimals, with its sign.

    >>> signed(0.0123), signed(-0.5), signed(0.0002)
    ('+0.012', '−0.500', '0.000')
    """
    if abs(value) < 0.0005:
        return written(0.0)
    return f"+{written(value)}" if value > 0 else written(value)


def p_text(p: float) -> str:
    """A p-value, named."""
    text = p_value(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"
