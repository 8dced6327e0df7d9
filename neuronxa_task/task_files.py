"""Write task files for the harness: one YAML per language, groups, and a shared base."""

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
"""Name of the task class in YAML files; the Python file next to them has the same name."""

NOT_IN_YAML = "[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]"
"""Characters that JSON does not escape but YAML rejects, or reads as the end of a line."""


@dataclass(frozen=True)
class TaskFamily:
    """One NeuronXA task per language on the same data.

    Attributes:
        name: name of the group; a language's task is `<name>_<language>`.
        dataset_path: hub name, or path of a folder or table.
        pivot: language to compare the others with.
        languages: the data's names of the target languages.
        configurations: data set configuration by language, if the data has configurations.
        revision: commit of a hub data set.
        groups: languages of further groups, by name.
        num_sentences: number of pairs to score.
        command: the command that writes the files, for their first line.
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
        """Name of a language's task, `<name>_<language>`."""
        return f"{self.name}_{language}"


def write_family(family: TaskFamily, folder: Path) -> None:
    """Write the YAML files of a family to `folder`, and remove tasks of an earlier call.

    Raises:
        NeuronXAError: the folder cannot be written.
    """
    base = f"_{family.name}_yaml"  # with the ending .yaml it would be a task
    files = {base: _base(family), "neuronxa.py": reexport("neuronxa_task.task", "NeuronXATask")}
    for language in family.languages:
        files[f"{family.task(language)}.yaml"] = _task(family, language, base)
    for name, languages in {family.name: family.languages, **family.groups}.items():
        files[f"{name}.yaml"] = group(name, [family.task(code) for code in languages], SCORES)
    write_files(files, folder, family.command)
    _remove_earlier(folder, base, files)


def _remove_earlier(folder: Path, base: str, files: Collection[str]) -> None:
    """Remove tasks that an earlier call wrote with the same base, for other languages."""
    for path in folder.glob("*.yaml"):
        if path.name in files:
            continue
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        if len(lines) > 1 and lines[0].startswith(WRITTEN_BY) and lines[1] == f"include: {base}":
            path.unlink()


def write_files(files: Mapping[str, str], folder: Path, command: str) -> None:
    """Write files, each with a first line that names the command.

    All are written before the first is renamed, so that a full disk leaves the old files intact.

    Args:
        files: text by file name.
        folder: the folder, which is created if needed.
        command: the command that writes the files.

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
    """Text of a Python file that makes `name` of `module` available to YAML's `!function`.

    lm_eval 0.4.10 and 0.4.11 read the part before the last dot as a file next to the YAML.
    """
    return f"from {module} import {name}\n\n__all__ = [{_quoted(name)}]\n"


def _quoted(text: str) -> str:
    """Quote a YAML string as JSON, so that `no` does not become false."""
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
    """YAML of a language's task; the harness does not merge metadata, so all of it is here."""
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
    """YAML of a group whose value is the unweighted mean over its tasks."""
    members = "".join(f"  - {_quoted(task)}\n" for task in tasks)
    means = "".join(
        f"  - {{metric: {metric}, aggregation: mean, weight_by_size: false}}\n"
        for metric in metrics
    )
    return (
        f"group: {_quoted(name)}\ntask:\n{members}aggregate_metric_list:\n{means}"
        "metadata:\n  version: 1.0\n"
    )
