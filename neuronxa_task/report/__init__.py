"""Reports: one page that needs nothing else, and its pictures for papers and slides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neuronxa_task.analysis.selection import Selection
    from neuronxa_task.results import Results


@dataclass(frozen=True)
class Report:
    """What was written, and the notes that are on the page."""

    page: Path
    pictures: Sequence[Path]
    notes: Sequence[str]


def write_report(
    results: Results, output: Path, title: str, choice: Selection, *, paper: bool = False
) -> Report:
    """Write `report.html` and `pictures/`.

    Args:
        results: what was read.
        output: folder; it is made where it does not exist.
        title: heading of the page.
        choice: which of the results are set beside each other.
        paper: set the paper's figures beside.

    Raises:
        NeuronXAError: the choice names nothing in the results, settings differ and the choice does
            not allow it, or the folder cannot be written.
    """
    from neuronxa_task.analysis.correlate import correlation_table
    from neuronxa_task.errors import NeuronXAError
    from neuronxa_task.report.content import Content
    from neuronxa_task.report.page import render
    from neuronxa_task.report.pictures import write_pictures

    content = Content(results, choice)
    joins = content.pairings
    found = correlation_table(joins, choice, paper=paper) if joins else None
    notes = content.notes if found is None else (*content.notes, *found.notes)
    notes = tuple(dict.fromkeys(notes))
    text = render(content, found, title, notes)
    page = output / "report.html"
    try:
        output.mkdir(parents=True, exist_ok=True)
        page.write_text(text, encoding="utf-8")
        return Report(page, write_pictures(content, output / "pictures"), notes)
    except OSError as error:
        raise NeuronXAError(f"{error.filename} cannot be written: {error.strerror}") from error
