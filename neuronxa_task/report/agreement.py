"""How closely alignment goes with accuracy: the report's words and intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neuronxa_task.analysis.correlate import Correlations
from neuronxa_task.analysis.correlation_rows import MEAN, POOLED
from neuronxa_task.analysis.verdict import CANNOT_TELL, given_surface, sentences
from neuronxa_task.report.content import Content
from neuronxa_task.report.tables import MISSING, written
from neuronxa_task.tables import number

if TYPE_CHECKING:
    import pandas as pd

SUMMARY_METHOD = "pearson"
ONE_MATTERS = 0.1
"""Least range of leave-one-out r that is worth a sentence."""

IN_WORDS = {MEAN: "mean of these models", POOLED: "all models' languages pooled"}


@dataclass(frozen=True)
class Estimate:
    """A coefficient with its 95 % interval over languages, and its row of all correlations.

    The row's `note` says why there is none, or what it leaves out.
    """

    r: float | None
    ends: tuple[float, float] | None
    row: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The coefficient."""
        return MISSING if self.r is None else written(self.r)

    @property
    def interval(self) -> str:
        """Its interval, as in `0.50 to 0.95`."""
        written_ends = "" if self.ends is None else "{:.2f} to {:.2f}".format(*self.ends)
        return written_ends.replace("-", "−")


@dataclass(frozen=True)
class Line:
    """A model, or several, with an estimate per score; None where the score is missing."""

    kind: str
    who: str
    n: str
    estimates: Sequence[Estimate | None]


@dataclass(frozen=True)
class Group:
    """One benchmark, or all, against a parallel text.

    Attributes:
        name: the benchmark, or how many.
        text: alignment benchmark.
        lines: models, their mean, and all pooled.
        paper: the published figure per score, if there are any.
    """

    name: str
    text: str
    lines: Sequence[Line]
    paper: Sequence[str]

    @property
    def main(self) -> Line:
        """The mean over models, or the one model's line."""
        return next((line for line in self.lines if line.kind == MEAN), self.lines[0])


def summary(content: Content, correlations: Correlations, names: dict[str, str]) -> list[Group]:
    """Pearson's correlations, by benchmark."""
    table = correlations.table[correlations.table["method"] == SUMMARY_METHOD]
    groups = []
    for (text, benchmark), rows in table.groupby(["alignment", "benchmark"], sort=False):
        again = rows.groupby(["kind", "model", "score"]).cumcount()  # several pivots, if allowed
        lines = [
            Line(
                str(kind),
                names.get(str(model)) or IN_WORDS[str(kind)],
                number(same["n"].max(), 0) or MISSING,
                [_estimate(same, score) for score in content.scores],
            )
            for (kind, model, _), same in rows.groupby(["kind", "model", again], sort=False)
        ]
        published = {row["score"]: _given(row["paper"]) for row in rows.to_dict("records")}
        paper = [f"{score.upper()} {r:.4f}" for score, r in published.items() if r is not None]
        name = str(benchmark)
        if name not in content.metrics:
            every = {join.benchmark for join in content.joins if join.alignment == text}
            are_all = len(every) == len(name.split(", "))
            name = f"mean over {len(every)} benchmarks" if are_all else f"mean over {name}"
        groups.append(Group(name, str(text), lines, paper))
    return groups


def _estimate(rows: pd.DataFrame, score: str) -> Estimate | None:
    for row in rows[rows["score"] == score].to_dict("records"):
        r, low, high = (_given(row[name]) for name in ("r", "low", "high"))
        return Estimate(r, None if low is None or high is None else (low, high), row)
    return None


def _given(value: Any) -> float | None:
    """A number of the table; None for its NaN and None."""
    return None if value is None or value != value else float(value)


def qualifications(row: Mapping[str, Any]) -> Iterator[str]:
    """What else bears on a claim: data size and script, shared tokens, families, single languages.

    A correlation without a claim has nothing to qualify.
    """
    if row["verdict"] == CANNOT_TELL:
        return
    if (partial := number(row["partial_r"], 2)) != "":
        what = "mean partial r" if number(row["partial_low"]) == "" else "partial r"
        ends = _ends(row, "partial_low", "partial_high")
        yield f"Given the languages’ resource level and script, {what} = {partial}{ends}."
    yield from given_surface(row)
    if ends := _ends(row, "families_low", "families_high"):
        count = int(row["families"])
        crosses = row["families_low"] <= 0 <= row["families_high"]
        yield (
            f"With the {count} language families resampled instead of single languages, the 95 % "
            f"interval is {ends.strip(' ()')}" + (", which includes 0." if crosses else ".")
        )
    low, high = _given(row["leave_one_out_low"]), _given(row["leave_one_out_high"])
    if low is not None and high is not None and high - low > ONE_MATTERS:
        yield f"With one language left out, r ranges from {number(low, 2)} to {number(high, 2)}."


def _ends(row: Mapping[str, Any], low: str, high: str) -> str:
    """An interval in brackets, after a space; empty where there is none."""
    ends = number(row[low], 2), number(row[high], 2)
    return f" ({ends[0]} to {ends[1]})" if all(ends) else ""


def in_words(content: Content, groups: Sequence[Group]) -> tuple[list[str], list[str]]:
    """The main finding, the first score's correlation on the first text; and what qualifies it."""
    first = [group for group in groups if group.text == content.texts[0]]
    known = [
        (group, estimate)
        for group in first
        if (estimate := group.main.estimates[0]) is not None and estimate.r is not None
    ]
    if not known:
        return [], []
    _, estimate = known[-1]  # the mean over benchmarks is the last, where there is one
    further = list(qualifications(estimate.row))
    if len(known) > 1:
        single = ", ".join(f"{group.name} {estimate.text}" for group, estimate in known[:-1])
        further.append(f"By benchmark: r = {single}.")
    return list(sentences(estimate.row)), further
