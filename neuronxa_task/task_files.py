"""Task configurations of the harness: one YAML per language, their groups, and a shared base."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from neuronxa_task.alignment import SCORE_OF
from neuronxa_task.errors import NeuronXAError

METRICS = (*SCORE_OF.values(), *(f"{score}_max" for score in SCORE_OF.values()))
HEADER = "# Written by `{command}`; change that, not this file.\n"


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


def write(family: TaskFamily, folder: Path) -> list[Path]:
    """Write a family's YAML files into `folder`, which is made if needed.

    Raises:
        NeuronXAError: the folder cannot be written.
    """
    base = f"_{family.name}_yaml"  # without the ending .yaml, which would make it a task
    files = {base: _base(family)}
    for language in family.languages:
        files[f"{family.task(language)}.yaml"] = _task(family, language, base)
    for group, languages in {family.name: family.languages, **family.groups}.items():
        files[f"{group}.yaml"] = _group(family, group, languages)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(HEADER.format(command=family.command) + text, encoding="utf-8")
    except OSError as error:
        raise NeuronXAError(f"{folder} cannot be written: {error.strerror}") from error
    return [folder / name for name in files]


def _quoted(text: str) -> str:
    """A YAML scalar: JSON strings are YAML strings, and `no` must not become false."""
    return json.dumps(text, ensure_ascii=False)


def _base(family: TaskFamily) -> str:
    revision = f"dataset_kwargs: {{revision: {family.revision}}}\n" if family.revision else ""
    return (
        "class: !function neuronxa_task.task.NeuronXATask\n"
        "output_type: neuron_alignment\n"
        f"dataset_path: {_quoted(family.dataset_path)}\n"
        f"{revision}"
        f"test_split: {_quoted(family.split)}\n"
        "num_fewshot: 0\n"
        "metadata:\n"
        "  version: 1.0\n"
        f"  pivot: {_quoted(family.pivot)}\n"
        f"  num_sentences: {family.num_sentences}\n"
    )


def _task(family: TaskFamily, language: str, base: str) -> str:
    configuration = family.configurations.get(language)
    return (
        f"include: {base}\n"
        f"task: {_quoted(family.task(language))}\n"
        + (f"dataset_name: {_quoted(configuration)}\n" if configuration else "")
        + f"doc_to_target: {_quoted(language)}\n"
    )


def _group(family: TaskFamily, group: str, languages: Sequence[str]) -> str:
    tasks = "".join(f"  - {_quoted(family.task(language))}\n" for language in languages)
    metrics = "".join(
        f"  - {{metric: {metric}, aggregation: mean, weight_by_size: false}}\n" for metric in METRICS
    )
    return (
        f"group: {_quoted(group)}\ntask:\n{tasks}aggregate_metric_list:\n{metrics}"
        "metadata:\n  version: 1.0\n"
    )
