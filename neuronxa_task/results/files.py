"""Result files of the harness: found, read with care, and checked to be what they claim to be."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from neuronxa_task.errors import NeuronXAError, one_of
from neuronxa_task.errors import printable as printable

PATTERN = "results_*.json"
MAX_BYTES = 256 * 2**20
"""No honest result file comes near: all 15,000 tasks of lm_eval 0.4.13 at once are some 50 MB."""


@dataclass(frozen=True)
class ResultFile:
    """One result file, its parts checked to be mappings.

    Attributes:
        path: where it was read.
        content: the parsed JSON.
        date: when the run began, in seconds since 1970.
    """

    path: Path
    content: Mapping[str, Any]
    date: float

    @property
    def began(self) -> str:
        """`date` as people write it, in UTC."""
        return datetime.fromtimestamp(self.date, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

    def part(self, name: str) -> Mapping[str, Any]:
        """A part of the file, such as `results` or `configs`; empty if it is not a mapping."""
        found = self.content.get(name)
        return found if isinstance(found, dict) else {}

    def of_task(self, part: str, task: str) -> Mapping[str, Any]:
        """A task's entry in a part of the file; empty if it is not a mapping."""
        found = self.part(part).get(task)
        return found if isinstance(found, dict) else {}

    def metadata(self, task: str) -> Mapping[str, Any]:
        """The metadata of a task's configuration, where NeuronXA leaves layers and signature."""
        found = self.of_task("configs", task).get("metadata")
        return found if isinstance(found, dict) else {}


def read_files(paths: Sequence[Path]) -> tuple[list[ResultFile], list[str]]:
    """Read result files and those in folders, at any depth; each file once.

    Args:
        paths: files, which must be result files, and folders, in which files named
            `results_*.json` that are none are left out and counted.

    Returns:
        The files, oldest run first, and notes on what was left out.

    Raises:
        NeuronXAError: a path does not exist, a given file is no result file, or none was found.
    """
    read: dict[Path, ResultFile] = {}
    refused: list[str] = []
    for path in paths:
        for file, given in _candidates(path):
            if (place := file.resolve()) in read:
                continue
            try:
                read[place] = read_file(file)
            except NeuronXAError as error:
                if given:
                    raise
                refused.append(printable(str(error)))
    if not read:
        reason = f"; left out: {one_of(refused, at_most=3)}" if refused else ""
        raise NeuronXAError(
            f"no result file in {one_of(paths)}{reason}; expected files {PATTERN} that "
            "`lm_eval --output_path DIR` wrote"
        )
    notes = []
    if refused:
        notes.append(f"{len(refused)} of the files left out: {one_of(refused, at_most=3)}")
    return sorted(read.values(), key=lambda file: (file.date, str(file.path))), notes


def _candidates(path: Path) -> Iterator[tuple[Path, bool]]:
    """Files to read, each with whether the user named it."""
    if path.is_dir():
        yield from ((file, False) for file in sorted(path.rglob(PATTERN)) if file.is_file())
    elif path.is_file():
        yield path, True
    else:
        raise NeuronXAError(f"{path} does not exist; expected a result file or a folder of them")


def read_file(path: Path) -> ResultFile:
    """Read one result file.

    Raises:
        NeuronXAError: it cannot be read, is not JSON, or not what the harness writes.
    """
    return ResultFile(path, content := _parse(path), _date(path, content))


def _parse(path: Path) -> Mapping[str, Any]:
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise NeuronXAError(
                f"{path} has {size / 2**20:,.0f} MiB; result files up to "
                f"{MAX_BYTES / 2**20:,.0f} MiB are read"
            )
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise NeuronXAError(f"{path} cannot be read: {error.strerror}") from error
    except RecursionError:
        raise NeuronXAError(f"{path} is no result file: nested too deeply") from None
    except ValueError as error:
        if isinstance(error, NeuronXAError):
            raise
        raise NeuronXAError(
            f"{path} is not valid JSON ({error}); was the run or the copy cut short?"
        ) from error
    if not isinstance(content, dict):
        raise NeuronXAError(f"{path} is no result file: a JSON {type(content).__name__}")
    for part in ("results", "configs", "config"):
        if not isinstance(content.get(part), dict):
            raise NeuronXAError(f"{path} is no result file of lm_eval: it has no object {part!r}")
    return content


def _date(path: Path, content: Mapping[str, Any]) -> float:
    date = content.get("date")
    try:
        if isinstance(date, bool) or not isinstance(date, (int, float)):
            raise TypeError
        datetime.fromtimestamp(date, timezone.utc)
    except (TypeError, ValueError, OverflowError, OSError):
        raise NeuronXAError(
            f"{path} is no result file of lm_eval: its `date` is {date!r:.40}, no time"
        ) from None
    return float(date)
