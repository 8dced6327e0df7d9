"""Scores against the number of sentence pairs, as lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from neuronxa_task.analysis.stability import OVER_LANGUAGES
from neuronxa_task.languages import language
from neuronxa_task.report.chart import (
    COLOURS,
    Axis,
    Band,
    Chart,
    Line,
    Lines,
    Section,
    upper_limit,
)
from neuronxa_task.report.names import short_names
from neuronxa_task.report.pictures import Studio

if TYPE_CHECKING:
    import pandas as pd


def stability_lines(rows: pd.DataFrame, score: str) -> Lines:
    """The mean over languages of each model; for a single model also its band and its languages.

    Args:
        rows: of the table of `neuronxa_task.analysis.stability`, of one benchmark and score.
        score: its name.
    """
    means = rows[rows["language"] == OVER_LANGUAGES]
    names = short_names(list(dict.fromkeys(means["model"])))
    lines, bands = [], []
    if len(names) == 1:
        for code, of_language in rows.groupby("language", sort=False):
            if code != OVER_LANGUAGES:
                lines.append(Line(language(str(code)).name, _points(of_language)))
        banded = means.dropna(subset="low")
        ends = zip(banded["n"], banded["low"], banded["high"], strict=True)
        if len(banded) > 1:
            bands.append(Band("95 % band", [(float(n), low, high) for n, low, high in ends]))
    for number, (model, of_model) in enumerate(means.groupby("model", sort=False)):
        colour = number if number < COLOURS else None
        name = "mean over languages" if len(names) == 1 else names[str(model)]
        lines.append(Line(name, _points(of_model), colour, bold=len(names) == 1))
    highest = [*rows["value"], *(high for band in bands for *_, high in band.points)]
    return Lines(
        Axis("sentence pairs", 0, float(rows["n"].max())),
        Axis(score.upper(), 0.0, upper_limit(highest)),
        lines,
        bands,
    )


def draw_curves(table: pd.DataFrame, folder: Path, formats: Sequence[str]) -> list[Path]:
    """A picture per alignment benchmark and score.

    Raises:
        NeuronXAError: a format is unknown.
        OSError: a picture cannot be written.
    """
    charts = []
    for key, rows in table.groupby(["alignment", "score"], sort=False):
        alignment, score = map(str, key)
        caption = f"{score.upper()} by number of sentence pairs, {alignment}"
        drawing = stability_lines(rows, score)
        charts.append(Chart(f"stability {alignment} {score}", caption, {}, [drawing]))
    studio = Studio(folder, formats)
    studio.draw(Section(charts, []))
    return studio.written


def _points(rows: pd.DataFrame) -> list[tuple[float, float]]:
    return [(float(n), float(value)) for n, value in zip(rows["n"], rows["value"], strict=True)]
