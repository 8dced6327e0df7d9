"""Tables for people and programs: text, Markdown, LaTeX, csv, JSON, parquet."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuronxa_task.errors import NeuronXAError, one_of
from neuronxa_task.latex import is_numeric, latex

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("csv", "json", "parquet", "md", "tex")
FORMULA = ("=", "+", "-", "@")
MARKDOWN = str.maketrans({mark: f"\\{mark}" for mark in "\\|*_`[]"} | {"<": "&lt;", ">": "&gt;"})


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as dictionaries by column."""
    return [dict(zip(map(str, table), row, strict=True)) for row in table.itertuples(index=False)]


def number(value: Any, digits: int = 3) -> str:
    """Format a number with fixed digits; empty if it is missing.

    >>> number(0.89461), number(None), number(float("nan"))
    ('0.895', '', '')
    """
    return "" if value is None or value != value else f"{value:.{digits}f}"


def p_value(value: Any) -> str:
    """Format a p-value; empty if it is missing.

    >>> p_value(0.00001), p_value(0.0421)
    ('<0.0001', '0.0421')
    """
    if value is None or value != value:
        return ""
    return "<0.0001" if value < 1e-4 else f"{value:.4f}"


def interval(low: Any, high: Any) -> str:
    """Format an interval; a dash if it is missing.

    >>> interval(0.5, 0.95), interval(None, None)
    ('[0.500, 0.950]', '–')
    """
    return f"[{number(low)}, {number(high)}]" if number(low) else "–"


def without_empty(table: pd.DataFrame, optional: Sequence[str]) -> pd.DataFrame:
    """Drop optional columns that are empty in all rows."""
    filled = [name for name in table if name not in optional or any(table[name])]
    kept: pd.DataFrame = table[filled]
    return kept


def text(table: pd.DataFrame, indent: str = "") -> str:
    """Format a table as text, with words left-aligned and numbers right-aligned."""
    from rich.cells import cell_len

    cells = [[str(name) for name in table.columns], *_cells(table)]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    left = [not is_numeric(column[1:]) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        padded = [
            cell + space if to_left else space + cell
            for cell, width, to_left in zip(row, widths, left, strict=True)
            for space in [" " * (width - cell_len(cell))]
        ]
        lines.append(indent + "  ".join(padded).rstrip())
    return "\n".join(lines)


SCREEN_WIDTH = 100
SCREEN_ROWS = 18
NAME_LENGTHS = (38, 30, 22)
SHORT_NAMES = (*NAME_LENGTHS, 16)


def wrapped(line: str, hanging: str = "") -> str:
    """A line of prose, broken at the width of a screen.

    Args:
        line: without line breaks.
        hanging: before all lines but the first.
    """
    return textwrap.fill(
        line,
        SCREEN_WIDTH,
        subsequent_indent=hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )


def screen(
    table: pd.DataFrame,
    *,
    rows: int = SCREEN_ROWS,
    more: str,
    indent: str = "",
    lengths: Sequence[int] = NAME_LENGTHS,
) -> str:
    """As much of a table as fits a screen: its first rows and columns, and a count of the rest.

    Args:
        table: for people, as text.
        rows: at most.
        more: what shows the rest, such as `--output FOLDER`.
        indent: before each line.
        lengths: tried in turn to shorten names, before columns are left out.
    """
    columns = list(table.columns)
    names = [name for name in columns if not is_numeric([str(cell) for cell in table[name]])]
    for longest in lengths:
        part = table.iloc[:rows].astype(str)
        part[names] = part[names].map(lambda cell, longest=longest: _shortened(cell, longest))
        if _width(text(part, indent)) <= SCREEN_WIDTH:
            break
    while len(columns) > 2 and _width(text(part[columns], indent)) > SCREEN_WIDTH:
        columns.pop()
    missing = [
        f"{count} more {what}{'s' if count > 1 else ''}"
        for what, count in (
            ("row", len(table) - len(part)),
            ("column", len(table.columns) - len(columns)),
        )
        if count
    ]
    lines = [text(part[columns], indent)]
    if missing:
        lines.append(f"{indent}… {' and '.join(missing)}: {more}")
    return "\n".join(lines)


def _shortened(name: str, longest: int) -> str:
    """A long name, its middle left out: names of models differ at both ends."""
    half = longest // 2
    return name if len(name) <= longest else f"{name[: half - 1]}…{name[-half:]}"


def _width(lines: str) -> int:
    from rich.cells import cell_len

    return max(map(cell_len, lines.split("\n")))


def _cells(table: pd.DataFrame) -> list[list[str]]:
    return [[str(cell) for cell in row] for row in table.itertuples(index=False)]


def _no_formula(cell: Any) -> Any:
    """Prefix text that a spreadsheet would run as a formula with an apostrophe.

    >>> _no_formula("=1+1"), _no_formula(-1.5), _no_formula("org/model")
    ("'=1+1", -1.5, 'org/model')
    """
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def markdown(table: pd.DataFrame) -> str:
    """Format a GitHub Markdown table, with special characters escaped."""
    rows = [[str(name) for name in table.columns], *_cells(table)]
    lines = ["| " + " | ".join(cell.translate(MARKDOWN) for cell in row) + " |" for row in rows]
    lines.insert(1, "|" + " --- |" * len(table.columns))
    return "\n".join(lines) + "\n"


def write(
    folder: Path,
    name: str,
    data: pd.DataFrame,
    shown: pd.DataFrame,
    *,
    caption: str,
    notes: Sequence[str] = (),
    formats: Sequence[str] = ("csv", "json", "md", "tex"),
    bold: Collection[tuple[int, int]] = (),
) -> list[Path]:
    """Write a table in several formats.

    Args:
        folder: made if needed.
        name: of the files, without their ending.
        data: in full, for csv, json and parquet; in csv, text that a spreadsheet would take for a
            formula has a ' before it.
        shown: for people, as text, for md and tex.
        caption: of the LaTeX table; its label is `tab:` and the name.
        notes: for the reader, in md and tex.
        formats: some of `FORMATS`.
        bold: row and column of the cells of `shown` that the LaTeX table sets in bold type.

    Returns:
        The paths of the files.

    Raises:
        NeuronXAError: a format is unknown, or the folder cannot be written.
    """
    if unknown := [ending for ending in formats if ending not in FORMATS]:
        raise NeuronXAError(
            f"formats are {one_of(map(repr, unknown))}; expected some of: {one_of(FORMATS)}"
        )
    paths = [folder / f"{name}.{ending}" for ending in formats]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, ending in zip(paths, formats, strict=True):
            if ending == "parquet":
                data.to_parquet(path, index=False)
            elif ending == "csv":
                data.map(_no_formula).to_csv(path, index=False)
            elif ending == "json":
                content = data.to_json(orient="records", indent=1, force_ascii=False) or "[]"
                path.write_text(content + "\n", encoding="utf-8")
            elif ending == "md":
                listed = "".join(f"- {note.translate(MARKDOWN)}\n" for note in notes)
                path.write_text(markdown(shown) + "\n" + listed, encoding="utf-8")
            else:
                made = latex(shown, caption, name, notes=notes, bold=bold)
                path.write_text(made, encoding="utf-8")
    except OSError as error:
        raise NeuronXAError(f"{folder} cannot be written: {error.strerror}") from error
    return paths
