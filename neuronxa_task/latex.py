"""Tables in LaTeX that pdflatex compiles and that fit the width of a page's text.

They need the packages booktabs, array and longtable and are made for a 10 pt document. If a table
is too wide, columns that are the same in all rows move to the caption, and the longest texts are
broken into lines. If it is still too wide, it is set in smaller type; if that does not suffice, it
continues in a further table, which repeats the leading columns that tell the rows apart. If such a
table is long, each text of its first column, such as a model, has tables of its own. Columns
without any text are left out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from neuronxa_task.latex_text import escaped, width

if TYPE_CHECKING:
    import pandas as pd

TEXT_WIDTH = 345.0
"""pt: that of LaTeX's own article in 10 pt."""
FLOAT_LINES = 40
"""Longer tables do not fit a page, and become a longtable."""
KEYS_WIDTH = 240.0
"""pt: greatest width of the leading columns that are in every part of a table."""
PIECE = 40.0
"""pt: longest part of a word without a place to break the line, in a column of broken texts."""


class _Type(NamedTuple):
    """A size of type: its command, and lengths in pt."""

    command: str
    scale: float
    """Width relative to 8 pt type."""
    gap: float
    """Between two columns."""
    wrapped: float
    """Width of a column whose texts are broken."""


NORMAL, SMALL = _Type("footnotesize", 1.0, 8.0, 90.0), _Type("scriptsize", 0.94, 4.0, 72.0)

PACKAGES = "% Needs \\usepackage{booktabs,array,longtable}"


def latex(
    table: pd.DataFrame,
    caption: str,
    label: str,
    *,
    notes: Sequence[str] = (),
    bold: Collection[tuple[int, int]] = (),
) -> str:
    """A table of text as LaTeX; a long one goes on over pages (longtable).

    Args:
        table: cells as text.
        caption: text.
        label: for `\\ref`, without its `tab:`.
        notes: for the reader of the file, as comments.
        bold: row and column of the cells to be set in bold type.
    """
    heads = [str(name) for name in table.columns]
    rows = [[str(cell) for cell in row] for row in table.itertuples(index=False)]
    columns = [
        _Column(
            head,
            [row[number] for row in rows],
            {row for row, column in bold if column == number},
        )
        for number, head in enumerate(heads)
    ]
    columns = [column for column in columns if any(column.cells)] or columns
    tables = [fitted for part in _by_first(columns) for fitted in _fitted(part)]
    comments = "\n".join([PACKAGES, *(f"% {_one_line(note)}" for note in notes)])
    made = []
    for number, (said, part) in enumerate(tables, start=1):
        more = f" ({number} of {len(tables)})" if len(tables) > 1 else ""
        name = f"{label}-{number}" if number > 1 else label
        made.append(_table(part, len(part[0].cells), escaped(caption) + said + more, f"tab:{name}"))
    return "\n\n".join([comments, *made]) + "\n"


def _by_first(columns: list[_Column]) -> list[list[_Column]]:
    """The columns; where they are too wide, those of each text of the first, if these are long."""
    first = columns[0]
    rows: dict[str, list[int]] = {}
    for row, cell in enumerate(first.cells):
        rows.setdefault(cell, []).append(row)
    is_short = not rows or min(map(len, rows.values())) <= FLOAT_LINES / 2
    if first.is_number or is_short or _total(columns) <= TEXT_WIDTH:
        return [columns]
    return [[column.of(own) for column in columns] for own in rows.values()]


def _fitted(columns: list[_Column]) -> list[tuple[str, list[_Column]]]:
    """Tables that fit the width, and what the caption says for their other columns."""
    said = ""
    if _total(columns) > TEXT_WIDTH:
        same = [column for column in columns if column.is_same]
        said = "".join(f"; {escaped(one.head)}: {_broken(one.cells[0])}" for one in same)
        columns = [column for column in columns if not column.is_same] or columns[:1]
    parts = _parts(columns)
    if len(parts) > 1 and len(smaller := _parts([column.small() for column in columns])) == 1:
        parts = smaller
    return [(said, part) for part in parts]


def _one_line(text: str) -> str:
    return " ".join(text.split())


class _Column:
    """A column: its cells as LaTeX, how wide they are, and whether their lines are broken."""

    def __init__(
        self, head: str, cells: Sequence[str], bold: Collection[int], of: _Type = NORMAL
    ) -> None:
        self.head, self.cells, self.bold, self.type = head, cells, bold, of
        self.is_number = is_numeric(cells)
        self.is_wrapped = False
        widths = [width(cell, is_bold=row in bold) for row, cell in enumerate(cells)]
        self.natural = of.scale * max([width(head), *widths])

    def small(self) -> _Column:
        """The same column in smaller type."""
        return _Column(self.head, self.cells, self.bold, SMALL)

    def of(self, rows: Sequence[int]) -> _Column:
        """The column in some of the rows."""
        bold = {place for place, row in enumerate(rows) if row in self.bold}
        return _Column(self.head, [self.cells[row] for row in rows], bold, self.type)

    @property
    def is_same(self) -> bool:
        """Whether all rows have the same text, which can then move to the caption."""
        one = set(self.cells)
        return not self.is_number and len(one) == 1 and one != {""}

    @property
    def width(self) -> float:
        return self.type.wrapped if self.is_wrapped else self.natural

    @property
    def form(self) -> str:
        if self.is_wrapped:
            return f">{{\\raggedright\\arraybackslash}}p{{{self.type.wrapped:g}pt}}"
        return "r" if self.is_number else "l"

    def lines(self, row: int) -> int:
        text = self.type.scale * width(self.cells[row])
        return 1 + int(text * 1.15 / self.type.wrapped) if self.is_wrapped else 1

    def title(self) -> str:
        return self._written(self.head)

    def cell(self, row: int) -> str:
        text = self._written(self.cells[row])
        return f"\\textbf{{{text}}}" if row in self.bold and text else text

    def _written(self, text: str) -> str:
        return _broken(text) if self.is_wrapped else escaped(text)


def _broken(text: str) -> str:
    """A text as LaTeX whose long words have places to break a line."""
    words = ("\\allowbreak{}".join(map(escaped, _pieces(word))) for word in text.split())
    return " ".join(words)


def _pieces(word: str) -> list[str]:
    """A word in pieces between which a line may break: after its marks, and where it is long."""
    pieces = [""]
    for mark in word:
        if width(pieces[-1] + mark) > PIECE or pieces[-1][-1:] in tuple("/_.,-"):
            pieces.append("")
        pieces[-1] += mark
    return pieces


def _parts(columns: Sequence[_Column]) -> list[list[_Column]]:
    """Split the columns into tables that fit the page; the leading texts are in every one."""
    by_width = sorted(columns, key=lambda column: -column.natural)
    for column in by_width:
        is_long = not column.is_number and column.natural > column.type.wrapped
        column.is_wrapped = is_long and _total(columns) > TEXT_WIDTH
    keys = list(columns[:1])
    for column in columns[1:]:
        if column.is_number or _total([*keys, column]) > KEYS_WIDTH:
            break
        keys.append(column)
    parts = [list(keys)]
    for column in columns[len(keys) :]:
        if _total([*parts[-1], column]) > TEXT_WIDTH and len(parts[-1]) > len(keys):
            parts.append([*keys])
        parts[-1].append(column)
    return parts


def _total(columns: Sequence[_Column]) -> float:
    return sum(column.width + column.type.gap for column in columns)


def _table(columns: Sequence[_Column], rows: int, caption: str, label: str) -> str:
    form = "".join(column.form for column in columns)
    head = " & ".join(column.title() for column in columns) + r" \\"
    body = [" & ".join(column.cell(row) for column in columns) + r" \\" for row in range(rows)]
    of = columns[0].type
    size = f"\\{of.command}\\setlength{{\\tabcolsep}}{{{of.gap / 2:g}pt}}"
    lines = sum(max(column.lines(row) for column in columns) for row in range(rows))
    if lines <= FLOAT_LINES:
        return "\n".join(
            [
                "\\begin{table}[htbp]\n\\centering",
                f"\\caption{{{caption}}}\n\\label{{{label}}}\n{size}",
                f"\\begin{{tabular}}{{{form}}}\n\\toprule\n{head}\n\\midrule",
                *body,
                "\\bottomrule\n\\end{tabular}\n\\end{table}",
            ]
        )
    return "\n".join(
        [
            f"{{{size}",
            f"\\begin{{longtable}}{{{form}}}\n\\caption{{{caption}}}\\label{{{label}}}\\\\",
            f"\\toprule\n{head}\n\\midrule\n\\endfirsthead\n\\toprule\n{head}\n\\midrule\n\\endhead",
            "\\bottomrule\n\\endfoot",
            *body,
            "\\end{longtable}\n}",
        ]
    )


def is_numeric(cells: Sequence[str]) -> bool:
    """Whether a column holds numbers, as text, and is set to the right."""
    return any(cells) and all(not cell or cell[0] in "-−<0123456789[–" for cell in cells)


def best(
    table: pd.DataFrame, columns: Sequence[str], *, lowest: bool = False
) -> set[tuple[int, int]]:
    """Row and column of the highest (lowest) number in each column; all of them if equal."""
    cells = set()
    for name in columns:
        if name in table:
            numbers = [leading_number(str(cell)) for cell in table[name]]
            cells |= {(row, list(table).index(name)) for row in _best_of(numbers, lowest=lowest)}
    return cells


def best_within(
    table: pd.DataFrame, by: Sequence[str], columns: Sequence[str], *, lowest: bool = False
) -> set[tuple[int, int]]:
    """As `best`, among rows that are equal in some columns; unknown ones are left out.

    >>> import pandas as pd
    >>> table = pd.DataFrame({"model": ["a", "a", "b"], "RMSE": ["0.2", "0.1", "0.3"]})
    >>> best_within(table, ["model"], ["RMSE"], lowest=True)
    {(1, 1)}
    """
    keys = [name for name in by if name in table]
    if not keys:
        return best(table, columns, lowest=lowest)
    cells = set()
    for places in table.reset_index(drop=True).groupby(keys).indices.values():
        part = best(table.iloc[places], columns, lowest=lowest)
        cells |= {(int(places[row]), column) for row, column in part}
    return cells


def best_in_rows(table: pd.DataFrame, columns: Sequence[str]) -> set[tuple[int, int]]:
    """Row and column of the highest number among some columns of each row; all of them if equal."""
    chosen = [list(table).index(name) for name in columns if name in table]
    return {
        (row, chosen[position])
        for row, cells in enumerate(table.itertuples(index=False, name=None))
        for position in _best_of([leading_number(str(cells[column])) for column in chosen])
    }


def _best_of(numbers: Sequence[float | None], *, lowest: bool = False) -> list[int]:
    known = [number for number in numbers if number is not None]
    if len(known) < 2:
        return []
    wanted = min(known) if lowest else max(known)
    return [position for position, number in enumerate(numbers) if number == wanted]


def leading_number(cell: str) -> float | None:
    """The number that a cell begins with.

    >>> leading_number("0.85 [0.70, 0.93]"), leading_number("−0.3 ± 0.1"), leading_number("–")
    (0.85, -0.3, None)
    """
    number = re.match(r"[-−]?\d+(\.\d+)?", cell)
    return None if number is None else float(number[0].replace("−", "-"))
