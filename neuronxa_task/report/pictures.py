"""Draw every chart once, for the page and, if it is shown at first, for files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from neuronxa_task.errors import NeuronXAError, one_of
from neuronxa_task.report.chart import Chart, Menu, Section
from neuronxa_task.report.draw import draw, style
from neuronxa_task.report.inline import Inliner, svg_of

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

FORMATS = ("svg", "png", "pdf")
UNDATED = {"png": {"Software": None}, "pdf": {"CreationDate": None}}
LONGEST_FILE_NAME = 100
DOTS_PER_INCH = 200


@dataclass(frozen=True)
class DrawnChart:
    """A chart with its drawings, ready for the page, and whether it is shown at first."""

    chart: Chart
    drawings: Sequence[Markup]
    shown: bool


@dataclass(frozen=True)
class DrawnSection:
    """A section with its charts drawn."""

    charts: Sequence[DrawnChart]
    menus: Sequence[Menu]


@dataclass
class Studio:
    """Draws charts for the page, and writes some of them to files.

    Attributes:
        folder: folder for the files; created with the first one.
        formats: formats of the files, from `FORMATS`; empty for no files.
        every: write files of all charts, not only of those that the page shows at first.
        inliner: turns drawings into elements of the page.
        written: files written so far.

    Raises:
        NeuronXAError: a format is unknown.
    """

    folder: Path
    formats: Sequence[str] = ()
    every: bool = False
    inliner: Inliner = field(default_factory=Inliner)
    written: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        if unknown := [name for name in self.formats if name not in FORMATS]:
            raise NeuronXAError(
                f"picture formats are {one_of(map(repr, unknown))}; expected some of: "
                f"{one_of(FORMATS)}"
            )

    def draw(self, section: Section) -> DrawnSection:
        """Draw all charts of a section.

        Raises:
            OSError: a file cannot be written.
        """
        with style():
            charts = [self._draw(chart, shown=section.shows(chart)) for chart in section.charts]
        return DrawnSection(charts, section.menus)

    def _draw(self, chart: Chart, *, shown: bool) -> DrawnChart:
        drawings = []
        for part, drawing in enumerate(chart.drawings, start=1):
            drawn = draw(drawing)
            svg = svg_of(drawn.figure)
            drawings.append(self.inliner.inline(svg, drawn, chart.caption))
            if self.formats and (shown or self.every):
                name = chart.name if len(chart.drawings) == 1 else f"{chart.name} part {part}"
                self._save(name, svg, drawn.figure)
        return DrawnChart(chart, drawings, shown)

    def _save(self, name: str, svg: str, figure: Figure) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        stem = file_name(name, {path.stem for path in self.written})
        for kind in dict.fromkeys(self.formats):
            path = self.folder / f"{stem}.{kind}"
            if kind == "svg":
                path.write_text(svg, encoding="utf-8")
            else:
                figure.savefig(path, dpi=DOTS_PER_INCH, metadata=UNDATED[kind])
            self.written.append(path)


def file_name(text: str, taken: set[str]) -> str:
    """A name of lower-case letters, digits, points and hyphens that is not taken.

    >>> file_name("scatter ../Qwen/a_b", {"scatter-qwen-a-b"})
    'scatter-qwen-a-b-2'
    """
    plain = re.sub(r"[^a-z0-9.]+", "-", text.lower())
    name = re.sub(r"[-.]*-[-.]*", "-", plain).strip("-.")[:LONGEST_FILE_NAME]
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{name}-{number}", number + 1
    return candidate
