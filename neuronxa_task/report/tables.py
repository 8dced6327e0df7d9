"""The report's tables, formatted as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite, nan, sqrt
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from neuronxa_task.languages import Language
from neuronxa_task.report.content import SURFACE, Content, Number
from neuronxa_task.report.names import short_names
from neuronxa_task.results.comparable import facts_of

if TYPE_CHECKING:
    import pandas as pd

OF_ITSELF = ("model", "data_hash", "token_hash")
"""Facts in which models and languages differ in any case."""
MISSING = "–"
BAR_STEPS = 20


@dataclass(frozen=True)
class Cell:
    """A number as text, its interval or standard error, and a bar from 0 to `BAR_STEPS`."""

    text: str = MISSING
    beside: str = ""
    bar: int | None = None


@dataclass(frozen=True)
class Heading:
    """Heading of a column of numbers: a label, and their source if there are several."""

    label: str
    source: str

    @property
    def text(self) -> str:
        """The label, with the source in brackets."""
        return f"{self.label} ({self.source})" if self.source else self.label


@dataclass(frozen=True)
class Column:
    """A column of the language tables: its heading, and which numbers it has."""

    heading: Heading
    benchmark: str
    metric: str


@dataclass(frozen=True)
class SideBySide:
    """Alignment beside accuracy for one model.

    Attributes:
        rows: languages with their cells, most aligned first.
        complete: how many languages have a number in every column that this model has.
        means: mean of each column over these languages.
    """

    model: int
    rows: Sequence[tuple[Language, Sequence[Cell]]]
    complete: int
    means: Sequence[Cell]


def cell(number: Number | None) -> Cell:
    """A value with its 95 % interval, or else its standard error.

    >>> cell(Number(0.5, 0.05))
    Cell(text='0.500', beside='±0.050', bar=10)
    >>> cell(Number(0.5, 0.05, (0.41, 0.6))).beside
    '[0.41, 0.60]'
    """
    if number is None:
        return Cell()
    length = round(BAR_STEPS * number.value) if 0 <= number.value <= 1 else None
    beside = f"±{written(number.stderr)}" if isfinite(number.stderr) else ""
    if number.interval is not None:
        beside = "[{:.2f}, {:.2f}]".format(*number.interval)
    return Cell(written(number.value), beside, length)


def written(value: float) -> str:
    """A number to three decimals; very large or small ones to four digits.

    >>> written(0.86166), written(-0.5), written(123456.7)
    ('0.862', '−0.500', '1.235e+05')
    """
    text = f"{value:.3f}" if value == 0 or 0.0005 <= abs(value) < 1000 else f"{value:.4g}"
    return text.replace("-", "−", 1) if text.startswith("-") else text


def columns_of(content: Content) -> list[Column]:
    """Columns of the language tables: alignment, the shared-token baseline, then accuracy."""
    names = {score: score.upper() for score in content.scores} | {SURFACE: "Shared tokens"}
    measured = {(text, metric) for _, text, metric in content.numbers}
    alignment = [
        Column(Heading(name, text if len(content.texts) > 1 else ""), text, metric)
        for text in content.texts
        for metric, name in names.items()
        if metric != SURFACE or (text, metric) in measured
    ]
    accuracy = [
        Column(Heading(benchmark, metric), benchmark, metric)
        for benchmark, metric in content.metrics.items()
    ]
    return alignment + accuracy


def side_by_side(content: Content) -> list[SideBySide]:
    """One table per model."""
    columns = columns_of(content)
    tables = []
    for index, model in enumerate(content.models):
        rows = _numbers(content, columns, model)
        filled = [
            any(numbers[column] is not None for _, numbers in rows)
            for column in range(len(columns))
        ]
        complete = [
            numbers
            for _, numbers in rows
            if all(number is not None for number, has in zip(numbers, filled, strict=True) if has)
        ]
        means = [
            cell(mean(numbers[column] for numbers in complete)) for column in range(len(columns))
        ]
        shown = [(language, [cell(number) for number in numbers]) for language, numbers in rows]
        tables.append(SideBySide(index, shown, len(complete), means))
    return tables


def _numbers(
    content: Content, columns: Sequence[Column], model: str
) -> list[tuple[Language, list[Number | None]]]:
    """Languages in which a model has a number, highest value of the first column first."""
    rows = []
    for language in content.languages:
        numbers = [
            content.number(model, column.benchmark, column.metric, language.code)
            for column in columns
        ]
        if any(number is not None for number in numbers):
            rows.append((language, numbers))
    return sorted(rows, key=lambda row: -row[1][0].value if row[1][0] else inf)


def mean(numbers: Iterable[Number | None]) -> Number | None:
    """Unweighted mean of what there is, and its standard error s / √n; `None` without numbers."""
    values = [number.value for number in numbers if number is not None]
    if not values:
        return None
    return Number(fmean(values), stdev(values) / sqrt(len(values)) if len(values) > 1 else nan)


def language_table(content: Content) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One table of all models and languages: with all digits, and formatted for reading.

    In the former, each column of numbers is followed by its standard errors and the bounds of its
    intervals, if there are any.
    """
    import pandas as pd

    columns = columns_of(content)
    full, shown = [], []
    for model in content.models:
        for language, numbers in _numbers(content, columns, model):
            who = {"model": model} if len(content.models) > 1 else {}
            row: dict[str, object] = {
                **who,
                "language": language.name,
                "code": language.code,
                "script": language.script,
                "resource_level": language.resource_level,
            }
            texts: dict[str, str] = {**who, "language": language.name, "code": language.code}
            for column, number in zip(columns, numbers, strict=True):
                name = column.heading.text
                row[name] = None if number is None else number.value
                low, high = (number and number.interval) or (None, None)
                row[f"{name} stderr"] = None if number is None else number.stderr
                row[f"{name} low"], row[f"{name} high"] = low, high
                one = cell(number)
                texts[name] = f"{one.text} {one.beside.replace('±', '± ')}".strip()
            full.append(row)
            shown.append(texts)
    table = pd.DataFrame(full)
    further = (" stderr", " low", " high")
    empty = [name for name in table if str(name).endswith(further) and table[name].isna().all()]
    return table.drop(columns=empty), pd.DataFrame(shown)


def model_means(
    content: Content,
) -> tuple[list[tuple[Heading, int]], list[tuple[str, list[Cell]]]]:
    """Columns, each with its number of languages that all models have; a model's means over these.

    Beside each mean is its standard error over the languages.
    """
    headings: list[tuple[Heading, int]] = []
    rows: dict[str, list[Cell]] = {model: [] for model in content.models}
    for column in columns_of(content):
        of = column.benchmark, column.metric
        if common := content.common(*of):
            headings.append((column.heading, len(common)))
            for model, cells in rows.items():
                numbers = (content.number(model, *of, language.code) for language in common)
                cells.append(cell(mean(numbers)))
    names = short_names(content.models)
    return headings, [(names[model], cells) for model, cells in rows.items()]


@dataclass(frozen=True)
class Signed:
    """The signature of results on a benchmark.

    Attributes:
        signature: facts that all languages share; for others, the number of different values.
        models: models with this signature but for their weights and languages, each with its number
            of languages and the fingerprint of its weights, if known.
    """

    benchmark: str
    signature: str
    models: Sequence[tuple[str, int, str]]

    @property
    def languages(self) -> str:
        """Number of languages per model; a range if it differs."""
        counts = sorted({count for _, count, _ in self.models})
        return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def signatures(content: Content) -> list[Signed]:
    """Every benchmark's signatures, alignment first."""
    signed: dict[tuple[str, str], list[tuple[str, int, str]]] = {}
    facts: dict[tuple[str, str], list[dict[str, str]]] = {}
    by_run = dict(list(content.table.groupby(["benchmark", "model"])))
    for benchmark in (*content.texts, *content.metrics):
        for model in content.models:
            rows = by_run.get((benchmark, model))
            if rows is not None:
                own = [facts_of(line) for line in rows["signature"].unique()]
                weights = "/".join(sorted({of["model"] for of in own if "model" in of}))
                rest = merged([{key: of[key] for key in of if key not in OF_ITSELF} for of in own])
                languages = int(rows["language"].nunique())
                signed.setdefault((benchmark, rest), []).append((model, languages, weights))
                facts.setdefault((benchmark, rest), []).extend(own)
    return [Signed(key[0], merged(facts[key]), models) for key, models in signed.items()]


def merged(signatures: Sequence[Mapping[str, str]]) -> str:
    """Merge signatures: a fact that differs becomes its number of values.

    >>> merged([{"n": "100", "data_hash": "aa"}, {"n": "100", "data_hash": "bb"}])
    'n:100|data_hash:(2 values)'
    """
    keys = dict.fromkeys(key for facts in signatures for key in facts)
    return "|".join(
        f"{key}:{values.pop()}" if len(values) == 1 else f"{key}:({len(values)} values)"
        for key in keys
        if (values := {facts.get(key, "none") for facts in signatures})
    )
