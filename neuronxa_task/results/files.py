"""Find the harness's result files by content, and read and date them."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import Any

from neuronxa_task.errors import NeuronXAError, one_of
from neuronxa_task.errors import printable as printable
from neuronxa_task.results.formats import NO_RESULT_FILE, ForeignFileError, require_result_file

MAX_BYTES = 256 * 2**20
"""Largest file that is read; all 15,000 tasks of lm_eval 0.4.13 together take about 50 MB."""

LARGE = 2**20
"""Larger JSON is checked before it is parsed, since folders may also contain tokenizers."""

DATE = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}[-:]\d{2}[-:]\d{2}(?:\.\d+)?")
"""A date in a file's name, as the harness writes it, with or without colons."""


@dataclass(frozen=True, eq=False)
class ResultFile:
    """One result file, with access to its parts as mappings.

    Attributes:
        date: start of the run in seconds since 1970: from the content, else from the file's name,
            else the time of the file's last change.
    """

    path: Path
    content: Mapping[str, Any]
    date: float

    @property
    def began(self) -> str:
        """`date` in ISO 8601, in UTC."""
        return datetime.fromtimestamp(self.date, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

    def part(self, name: str) -> Mapping[str, Any]:
        """A part of the file, such as `results` or `configs`; empty if it is not a mapping."""
        part = self.content.get(name)
        return part if isinstance(part, dict) else {}

    def of_task(self, part: str, task: str) -> Mapping[str, Any]:
        """A task's entry in a part of the file; empty if it is not a mapping."""
        entry = self.part(part).get(task)
        return entry if isinstance(entry, dict) else {}

    def metadata(self, task: str) -> Mapping[str, Any]:
        """The metadata of a task's configuration, which has NeuronXA's layers and signature."""
        metadata = self.of_task("configs", task).get("metadata")
        return metadata if isinstance(metadata, dict) else {}

    @cached_property
    def signatures(self) -> tuple[str, ...]:
        """The NeuronXA signatures of the run's tasks, each once."""
        given = (self.metadata(task).get("signature") for task in self.part("configs"))
        return tuple(dict.fromkeys(line for line in given if isinstance(line, str)))


def read_files(
    paths: Sequence[Path], keep: Callable[[ResultFile], ResultFile] = lambda file: file
) -> tuple[list[ResultFile], list[str]]:
    """Read result files, and those in folders at any depth; each file once.

    Args:
        paths: result files and folders. Other JSON files in folders are left out and counted by
            reason.
        keep: the part of each file to keep, if all of them would fill the memory.

    Returns:
        The files, oldest run first, and notes on what was left out.

    Raises:
        NeuronXAError: a path does not exist, a given file is not a result file, or no result file
            is found.
    """
    read: dict[Path, ResultFile] = {}
    damaged: list[str] = []
    foreign: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        for file, given in _candidates(path):
            resolved = file.resolve()
            if resolved in read:
                continue
            try:
                read[resolved] = keep(read_file(file))
            except ForeignFileError as error:
                if given:
                    raise
                foreign[error.format].append(printable(file.name))
            except NeuronXAError as error:
                if given:
                    raise
                damaged.append(printable(str(error)))
    notes = list(_left_out(damaged, foreign))
    if not read:
        raise NeuronXAError(
            f"no result file of lm_eval in {one_of(paths, at_most=3)}; give a folder that "
            f"`lm_eval --output_path DIR` wrote{''.join(f'; {note}' for note in notes[:2])}"
        )
    notes += _dated_by_file(read.values())
    return sorted(read.values(), key=lambda file: (file.date, str(file.path))), notes


def _left_out(damaged: Sequence[str], foreign: Mapping[str, Sequence[str]]) -> Iterator[str]:
    if damaged:
        yield f"{len(damaged)} of the files left out: {one_of(damaged, at_most=3)}"
    for kind, names in foreign.items():
        yield f"{len(names)} files left out, as they are {kind}: {one_of(names, at_most=3)}"


def _dated_by_file(files: Iterable[ResultFile]) -> Iterator[str]:
    undated = [file.path.name for file in files if _date_inside(file.content) is None]
    undated = [name for name in undated if not DATE.search(name)]
    if undated:
        yield (
            f"{len(undated)} files have no date, so the time of their last change is used: "
            f"{printable(one_of(undated, at_most=3))}"
        )


def _candidates(path: Path) -> Iterator[tuple[Path, bool]]:
    """The files to try, and whether the user named each of them."""
    if path.is_dir():
        yield from ((file, False) for file in sorted(path.rglob("*.json")) if file.is_file())
    elif path.is_file():
        yield path, True
    else:
        raise NeuronXAError(f"{path} does not exist; expected a result file or a folder of them")


def read_file(path: Path) -> ResultFile:
    """Read one result file.

    Raises:
        ForeignFileError: it is valid JSON, but not written by the harness.
        NeuronXAError: it cannot be read, or is not JSON.
    """
    return ResultFile(path, content := _parse(path), _date(path, content))


def _parse(path: Path) -> Mapping[str, Any]:
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise NeuronXAError(
                f"{path} has {size / 2**20:,.0f} MiB; result files up to "
                f"{MAX_BYTES / 2**20:,.0f} MiB are read"
            )
        text = path.read_bytes()
        if size > LARGE and b'"results"' not in text:
            raise ForeignFileError(path, NO_RESULT_FILE, "it has no object 'results'")
        content = json.loads(text)
    except OSError as error:
        raise NeuronXAError(f"{path} cannot be read: {error.strerror}") from error
    except RecursionError:
        raise NeuronXAError(f"{path} is not a result file: nested too deeply") from None
    except ValueError as error:
        if isinstance(error, NeuronXAError):
            raise
        raise NeuronXAError(
            f"{path} is not valid JSON ({error}); was the run or the copy cut short?"
        ) from error
    return require_result_file(path, content)


def _date(path: Path, content: Mapping[str, Any]) -> float:
    inside = _date_inside(content)
    if inside is not None:
        return inside
    named = date_in_name(path)
    if named is not None:
        day, _, time = named.partition("T")
        try:
            moment = datetime.fromisoformat(f"{day}T{time.replace('-', ':')[:8]}")
            return moment.replace(tzinfo=timezone.utc).timestamp()
        except ValueError:
            pass
    return path.stat().st_mtime


def _date_inside(content: Mapping[str, Any]) -> float | None:
    date = content.get("date")
    if isinstance(date, bool) or not isinstance(date, (int, float)):
        return None
    try:
        datetime.fromtimestamp(date, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None
    return float(date)


def date_in_name(path: Path) -> str | None:
    """The date in a file's name, as written; all files of a run have the same.

    >>> date_in_name(Path("belebele_2025-10-09T08-55-00.000000.json"))
    '2025-10-09T08-55-00.000000'
    """
    dates = DATE.findall(path.stem)
    return dates[-1] if dates else None
