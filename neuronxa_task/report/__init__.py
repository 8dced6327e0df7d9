"""Reports: one page that needs nothing else, and its pictures and tables for papers and slides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neuronxa_task.analysis.selection import Selection
    from neuronxa_task.results import Results

PICTURE_FORMATS = ("svg", "png")


@dataclass(frozen=True)
class Report:
    """What was written, and the notes that are on the page."""

    page: Path
    pictures: Sequence[Path]
    tables: Sequence[Path]
    notes: Sequence[str]


def write_report(
    results: Results,
    output: Path,
    title: str,
    selection: Selection,
    *,
    paper: bool = False,
    picture_formats: Sequence[str] = PICTURE_FORMATS,
    all_pictures: bool = False,
) -> Report:
    """Write `report.html`, `languages.csv`, `languages.tex` and `pictures/`.

    Args:
        results: the results to use.
        output: folder; created if it does not exist.
        title: heading of the page.
        selection: which of the results are compared.
        paper: also show the paper's figures.
        picture_formats: some of svg, png and pdf; none for no pictures.
        all_pictures: write all charts as pictures, not only those that the page shows at first.

    Raises:
        NeuronXAError: the selection names nothing in the results, settings differ and the
            selection does not allow it, a format is unknown, or the folder cannot be written.
    """
    from neuronxa_task.analysis.correlate import correlation_table
    from neuronxa_task.errors import NeuronXAError
    from neuronxa_task.latex import best_within
    from neuronxa_task.report.content import SURFACE, Content
    from neuronxa_task.report.page import render
    from neuronxa_task.report.pictures import Studio
    from neuronxa_task.report.tables import columns_of, language_table
    from neuronxa_task.tables import write

    studio = Studio(output / "pictures", picture_formats, every=all_pictures)
    content = Content(results, selection)
    correlations = None
    if content.joins:
        correlations = correlation_table(content.joins, selection, paper=paper)
    notes = tuple(dict.fromkeys((*content.notes, *(correlations.notes if correlations else ()))))
    page = output / "report.html"
    try:
        output.mkdir(parents=True, exist_ok=True)
        page.write_text(render(content, correlations, title, notes, studio), encoding="utf-8")
    except OSError as error:
        raise NeuronXAError(f"{error.filename} cannot be written: {error.strerror}") from error
    full, shown = language_table(content)
    scores = [of.heading.text for of in columns_of(content) if of.metric != SURFACE]
    tables = write(
        *(output, "languages", full, shown),
        caption="Alignment and accuracy of each language, with 95 % interval or ± standard error; "
        "the highest of each score in bold",
        formats=("csv", "tex"),
        bold=best_within(shown, ["model"], scores),
    )
    return Report(page, studio.written, tables, notes)
