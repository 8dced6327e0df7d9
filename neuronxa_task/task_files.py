"""Task configurations of the harness: one YAML per language, their groups, and a shared base."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.settings import SCORES

WRITTEN_BY = "# Written by "
HEADER = WRITTEN_BY + "`{command}`; change that, not this file.\n"

TASK_CLASS = "neuronxa.NeuronXATask"
"""Name of the task's class in a YAML file, and so of the Python file beside it."""

NOT_IN_YAML = "[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]"
"""Characters that JSON leaves as they are and YAML takes for none, or for the end of a line."""


@dataclass(frozen=True)
class TaskFamily:
    """One NeuronXA task per language over the same data.

    Attributes:
        name: of the group; a language's task is `<name>_<language>`.
        dataset_path: hub name, or path of a folder or table.
        pivot: language that the others are compared with.
        split: split of the data.
        languages: names of the target languages, as the data names them.
        configurations: data set configuration by language, where the data has them.
        revision: commit of a hub data set.
        groups: further groups by name, each with some of the languages.
        num_sentences: how many pairs are scored.
        command: what writes the files, for their first line.
    """

    name: str
    dataset_path: str
    pivot: str
    split: str
    languages: Sequence[str]
    command: str
    configurations: Mapping[str, str] = field(default_factory=dict)
    revision: str | None = None
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    num_sentences: int = 100

    def task(self, language: str) -> str:
        """Name of a language's task."""
        return f"{self.name}_{language}"


def write_family(family: TaskFamily, folder: Path) -> None:
    """Write a family's YAML files into `folder`, which is made if needed.

    Raises:
        NeuronXAError: the folder cannot be written.
    """
    base = f"_{family.name}_yaml"  # without the ending .yaml, which would make it a task
    files = {base: _base(family), "neuronxa.py": reexport("neuronxa_task.task", "NeuronXATask")}
    for language in family.languages:
        files[f"{family.task(language)}.yaml"] = _task(family, language, base)
    for name, languages in {family.name: family.languages, **family.groups}.items():
        files[f"{name}.yaml"] = group(name, [family.task(code) for code in languages], SCORES)
    write_files(files, folder, family.command)
    _remove_earlier(folder, base, files)


def _remove_earlier(folder: Path, base: str, files: Collection[str]) -> None:
    """Remove the tasks that an earlier call wrote over the same base: languages may have gone."""
    for path in folder.glob("*.yaml"):
        if path.name in files:
            continue
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        if len(lines) > 1 and lines[0].startswith(WRITTEN_BY) and lines[1] == f"include: {base}":
            path.unlink()


def write_files(files: Mapping[str, str], folder: Path, command: str) -> None:
    """Write YAML texts by file name, each under a line that names the command which wrote it.

    All are written before the first takes its name, so that a full disk leaves what was there.

    Raises:
        NeuronXAError: the folder cannot be written.
    """
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".being-written-") as unfinished:
            for name, text in files.items():
                whole = HEADER.format(command=command) + text
                Path(unfinished, name).write_text(whole, encoding="utf-8")
            for name in files:
                Path(unfinished, name).replace(folder / name)
    except OSError as error:
        if is_new and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        raise NeuronXAError(f"{folder} cannot be written: {error.strerror}") from error


def reexport(module: str, name: str) -> str:
    """A Python file that lets the YAML files beside it name `module`'s `name` with `!function`.

    lm_eval 0.4.10 and 0.4.11 take whatever stands before the last dot for a file beside the YAML.
    """
    return f"from {module} import {name}\n\n__all__ = [{_quoted(name)}]\n"


def _quoted(text: str) -> str:
    """A YAML scalar: JSON strings are YAML strings, and `no` must not become false."""
    return re.sub(
        NOT_IN_YAML,
        lambda mark: f"\\u{ord(mark[0]):04x}",
        json.dumps(text, ensure_ascii=False),
    )


def _base(family: TaskFamily) -> str:
    revision = f"dataset_kwargs: {{revision: {family.revision}}}\n" if family.revision else ""
    return (
        f"class: !function {TASK_CLASS}\n"
        "output_type: neuron_alignment\n"
        f"dataset_path: {_quoted(family.dataset_path)}\n"
        f"{revision}"
        f"test_split: {_quoted(family.split)}\n"
        "num_fewshot: 0\n"
    )


def _task(family: TaskFamily, language: str, base: str) -> str:
    """A language's task; the harness takes the metadata of one file only, so it is all here."""
    configuration = family.configurations.get(language)
    return (
        f"include: {base}\n"
        f"task: {_quoted(family.task(language))}\n"
        + (f"dataset_name: {_quoted(configuration)}\n" if configuration else "")
        + "metadata:\n"
        "  version: 1.0\n"
        f"  language: {_quoted(language)}\n"
        f"  pivot: {_quoted(family.pivot)}\n"
        f"  num_sentences: {family.num_sentences}\n"
    )


def group(name: str, tasks: Sequence[str], metrics: Sequence[str]) -> str:
    """A group whose value is the unweighted mean over its tasks."""
    members = "".join(f"  - {_quoted(task)}\n" for task in tasks)
    means = "".join(
        f"  - {{metric: {metric}, aggregation: mean, weight_by_size: false}}\n"
        for metric in metrics
    )
    return (
        f"group: {_quoted(name)}\ntask:\n{members}aggregate_metric_list:\n{means}"
        "metadata:\n  version: 1.0\n"
    )
