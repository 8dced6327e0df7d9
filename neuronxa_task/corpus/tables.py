"""Tables with one column per language: csv as Excel writes it, tsv, JSON, parquet."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neuronxa_task.corpus import files
from neuronxa_task.corpus.language_names import language_code
from neuronxa_task.corpus.parallel import Corpus
from neuronxa_task.errors import NeuronXAError, one_of, shortened

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")
PANDAS_INDEX = re.compile(r"__index_level_\d+__")
UNNAMED = re.compile(r"(?:Unnamed: ?\d+)?")


@dataclass(frozen=True)
class Columns:
    """A table as stored.

    Attributes:
        names: column names in order; a name can occur twice.
        cells: cells of each column.
    """

    names: Sequence[str]
    cells: Sequence[Sequence[Any]]


def read_table(path: Path) -> Corpus:
    """Read a table whose columns are languages, named by code or by name.

    Raises:
        NeuronXAError: the file is not a table, or cannot be read.
    """
    columns = read_columns(path)
    codes = [language_code(name) or name.strip() for name in columns.names]
    times = Counter(codes)
    column_of: dict[str, int] = {}
    refused: dict[str, str] = {}
    for index, (name, code) in enumerate(zip(columns.names, codes, strict=True)):
        fault = _fault(code, columns.cells[index])
        if times[code] > 1 and UNNAMED.fullmatch(code) is None:
            fault = f"occurs {times[code]} times"
        if fault is None:
            column_of[code] = index
        else:
            refused[code if times[code] > 1 and code else name.strip() or str(index + 1)] = fault
    return Corpus(
        name=path.name,
        revision="local",
        split="all",
        languages=tuple(column_of),
        read=lambda language: columns.cells[column_of[language]],
        refused=refused,
        is_table=True,
    )


def _fault(name: str, cells: Sequence[Any]) -> str | None:
    """Why a column cannot be a language; `None` if it can."""
    if UNNAMED.fullmatch(name):
        return "has no name"
    filled = [cell for cell in cells if cell not in ("", None)]
    if not filled:
        return "is empty"
    if not any(isinstance(cell, str) for cell in filled):
        return f"contains no text ({shortened(repr(filled[0]))}, …)"
    texts = [cell for cell in filled if isinstance(cell, str)]
    if not any(character.isalpha() for text in texts for character in text):
        return f"contains no letters ({shortened(texts[0], 20)!r}, …)"
    if all(re.fullmatch(r"\S*(?:\d|://)\S*", text) for text in texts):
        return f"contains no sentences ({shortened(texts[0], 20)!r}, …)"
    return None


def read_columns(path: Path) -> Columns:
    """Read a table with the reader for its file ending.

    Raises:
        NeuronXAError: the file is not a table, or cannot be read.
    """
    kind = files.ending(path)
    if kind in SPREADSHEETS:
        raise NeuronXAError(
            f"{path} is a spreadsheet; save it as 'CSV UTF-8' with one column per language"
        )
    if kind not in READERS:
        if path.suffix.lower() in (".gz", ".zip", *files.OTHER_ARCHIVES):
            files.read_bytes(path)  # raises a better error if it cannot be opened
        raise NeuronXAError(f"{path} is not a table; expected one of: {one_of(READERS)}")
    columns = READERS[kind](path)
    if not columns.cells or not columns.cells[0]:
        content = f"a header ({one_of(columns.names, at_most=5)}) and no rows"
        raise NeuronXAError(
            f"{path} has {content if columns.names else 'no columns'}; expected one column per "
            "language, named in the first line"
        )
    return columns


# ---------------------------------------------------------------- delimited text


def _delimited(path: Path, *, quoted: bool) -> Columns:
    import pandas as pd

    text = files.read_text(path).replace("\r\n", "\n").replace("\r", "\n")
    first = next((line for line in text.split("\n") if line.strip()), "")
    if not first:
        raise NeuronXAError(f"{path} is empty; expected one column per language")
    delimiter = _delimiter(first, "\t" if not quoted else ",")
    try:
        rows = pd.read_csv(
            io.StringIO(text),
            sep=delimiter,
            header=None,
            dtype=str,
            keep_default_na=False,
            quoting=0 if quoted else 3,
            skipinitialspace=delimiter != "\t",
        )
    except ValueError as error:
        raise NeuronXAError(f"{path}: {_explained(str(error))}") from error
    if len(rows.columns) == 1:
        raise NeuronXAError(
            f"{path} has one column, {shortened(str(rows.iat[0, 0]))!r}; expected one per "
            f"language, separated by {one_of(DELIMITERS.values())}"
        )
    names = [str(name).strip() for name in rows.iloc[0]]
    return Columns(names, [rows.iloc[1:, index].tolist() for index in range(len(names))])


def _delimiter(header: str, usual: str) -> str:
    """The delimiter that gives the most languages, then the most columns; ties go to the usual one.

    >>> _delimiter("eng_Latn;fra_Latn", ",")
    ';'
    """

    def languages_and_columns(delimiter: str) -> tuple[int, int]:
        names = [name.strip().strip('"') for name in header.split(delimiter)]
        return sum(language_code(name) is not None for name in names), len(names)

    return max((usual, *DELIMITERS), key=languages_and_columns)


def _explained(reason: str) -> str:
    """Rephrase an error of pandas in terms of the table."""
    if numbers := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", reason):
        columns, line, cells = numbers.groups()
        return (
            f"line {line} has {cells} cells, more cells than its header, which has {columns}; "
            "a cell with the delimiter in it needs quotes"
        )
    if row := re.search(r"EOF inside string starting at row (\d+)", reason):
        return f'a quoted cell of row {int(row[1]) + 1} never ends; write a quote in it as ""'
    return f"cannot be read: {' '.join(reason.split())}"


# ---------------------------------------------------------------- JSON and parquet


def _json_lines(path: Path) -> Columns:
    rows = []
    for number, line in enumerate(files.read_text(path).split("\n"), start=1):
        if line.strip():
            rows.append(_parsed(line, f"{path}: line {number}"))
    return _of_records(path, rows)


def _json(path: Path) -> Columns:
    """Read a list of objects, or an object of lists."""
    content = _parsed(files.read_text(path), str(path))
    if isinstance(content, dict) and all(isinstance(cells, list) for cells in content.values()):
        if len(lengths := {len(cells) for cells in content.values()}) > 1:
            raise NeuronXAError(
                f"{path} is not parallel: its columns have {one_of(sorted(lengths))} sentences"
            )
        return Columns(list(content), list(content.values()))
    if not isinstance(content, list):
        raise NeuronXAError(
            f"{path}: expected a list of objects, one per sentence, with a key per language"
        )
    return _of_records(path, content)


def _parsed(text: str, where: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(pairs)
        if len(content) < len(pairs):
            twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
            raise ValueError(f"the key {twice!r} occurs twice")
        return content

    try:
        return json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise NeuronXAError(f"{where} is not JSON: {error}") from error


def _of_records(path: Path, rows: Sequence[Any]) -> Columns:
    if not rows:
        raise NeuronXAError(f"{path} is empty; expected an object per sentence, a key per language")
    names = list(rows[0]) if isinstance(rows[0], dict) else []
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise NeuronXAError(
                f"{path}: row {number} is {shortened(repr(row))}; expected an object with a key "
                'per language, {"eng_Latn": "...", "fra_Latn": "..."}'
            )
        if row.keys() != set(names):
            key = sorted(row.keys() ^ set(names))[0]
            raise NeuronXAError(
                f"{path}: row {number} {'lacks' if key in names else 'also has'} {key!r}, unlike "
                "the first row; expected the same keys in every row"
            )
    return Columns(names, [[row[name] for row in rows] for name in names])


def _parquet(path: Path) -> Columns:
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = files.read_bytes(path)
    try:
        table = pq.read_table(pa.BufferReader(content))
        kept = [i for i, name in enumerate(table.column_names) if not PANDAS_INDEX.fullmatch(name)]
        return Columns(
            [table.column_names[index] for index in kept],
            [table.column(index).to_pylist() for index in kept],
        )
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise NeuronXAError(f"{path} cannot be read as a parquet file: {reason}") from error


READERS: dict[str, Callable[[Path], Columns]] = {
    ".csv": lambda path: _delimited(path, quoted=True),
    ".tsv": lambda path: _delimited(path, quoted=False),
    ".jsonl": _json_lines,
    ".json": _json,
    ".parquet": _parquet,
}
TABLE_ENDINGS = tuple(READERS)
