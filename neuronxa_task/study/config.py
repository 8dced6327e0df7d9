"""Read a study from a YAML file: models, tasks, and settings of `lm_eval run --config`.

    models: [Qwen/Qwen2.5-7B, {name: Qwen/Qwen2.5-14B, model_args: {dtype: bfloat16}}]
    tasks: [neuronxa_flores, {tasks: [belebele, m_mmlu], num_fewshot: 5}]
    batch_size: auto

All keys except `models`, `tasks` and `output` are the harness's own, with the same meaning. The
entry of a model can override them for that model, and the entry of a task for that task, which has
priority.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from neuronxa_task.errors import NeuronXAError, did_you_mean, one_of
from neuronxa_task.harness import config_keys

DEFAULTS = {"model": "hf", "batch_size": "auto"}
"""Settings that a study need not give: Hugging Face models, the largest batches that fit."""

SET_BY_STUDY = ("tasks", "output_path")
"""Keys of the harness that a study sets in another way."""

KINDS = {
    bool: "true or false",
    int: "a whole number of 0 or more",
    float: "a number above 0",
    str: "text",
    list: "a list",
    dict: "a mapping, such as {dtype: bfloat16}",
}
AUTO = re.compile(r"auto(:\d+)?")
"""Other values of `batch_size`, which the harness annotates as an integer."""


@dataclass(frozen=True)
class Run:
    """One run of the harness: a model on some tasks.

    Attributes:
        model: name of the model's folder.
        tasks: names of tasks and groups.
        config: content of the file for `lm_eval run --config`, without the output path.
    """

    model: str
    tasks: tuple[str, ...]
    config: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """Folder of its results, relative to the study's folder."""
        first, *others = self.tasks
        return Path(self.model) / (f"{first}+{len(others)}" if others else first)


@dataclass(frozen=True)
class Study:
    """All runs of a study.

    Attributes:
        output: folder for results and reports.
        runs: a run for each model and entry of tasks, model by model.
    """

    output: Path
    runs: tuple[Run, ...]

    @property
    def tasks(self) -> list[str]:
        """Names of all tasks and groups, without repeats."""
        return list(dict.fromkeys(task for run in self.runs for task in run.tasks))


def read_study(path: Path) -> Study:
    """Read and check a study.

    Raises:
        NeuronXAError: the file is missing or not YAML, a key is unknown or missing, a value has
            the wrong type, or a model or task is listed twice.
    """
    kinds = {name: kind for name, kind in config_keys().items() if name not in SET_BY_STUDY}
    # A model's arguments determine its folder, so a task cannot change them.
    kinds_for_tasks = {name: kind for name, kind in kinds.items() if name != "model_args"}
    study = _mapping(_parse(path), ("models", "tasks", "output", *kinds), str(path))
    output = study.get("output", str(path.with_suffix("")))
    if not isinstance(output, str):
        raise NeuronXAError(f"{path}: output is {output!r}; expected a folder")
    common = DEFAULTS | _settings(study, kinds, str(path))
    models = [_model(entry, kinds, f"{path}: models") for entry in _listed(study, "models", path)]
    entries = [
        _tasks(entry, kinds_for_tasks, f"{path}: tasks") for entry in _listed(study, "tasks", path)
    ]
    _refuse_repeats([folder for folder, *_ in models], f"{path}: models")
    _refuse_repeats([task for tasks, _ in entries for task in tasks], f"{path}: tasks")
    runs = []
    for folder, name, settings in models:
        arguments = common.get("model_args", {}) | settings.get("model_args", {})
        model = common | settings | {"model_args": {"pretrained": name} | arguments}
        for tasks, own in entries:
            config = model | own | {"tasks": list(tasks)}
            first = ("model", "model_args", "tasks")
            rest = [key for key in config if key not in first]
            runs.append(Run(folder, tasks, {key: config[key] for key in (*first, *rest)}))
    return Study(Path(output), tuple(runs))


def _parse(path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NeuronXAError(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise NeuronXAError(f"{path} is not YAML: {' '.join(str(error).split())}") from error


def _mapping(value: Any, keys: Sequence[str], where: str) -> dict[str, Any]:
    """Check that `value` is a mapping with only these keys, and return it."""
    if not isinstance(value, dict):
        raise NeuronXAError(f"{where}: {value!r}; expected a mapping with the keys {one_of(keys)}")
    unknown = [key for key in value if key not in keys]
    if unknown:
        guess = did_you_mean(str(unknown[0]), keys)
        raise NeuronXAError(
            f"{where}: unknown key {one_of(map(repr, unknown))}; expected: {one_of(keys)}{guess}"
        )
    return value


def _listed(study: Mapping[str, Any], key: str, path: Path) -> list[Any]:
    entries = study.get(key)
    if not isinstance(entries, list) or not entries:
        raise NeuronXAError(f"{path}: {key} is {entries!r}; expected a list of one or more")
    return entries


def _settings(given: Mapping[str, Any], kinds: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Select the harness's settings, and check their types."""
    settings = {name: given[name] for name in kinds if given.get(name) is not None}
    for name, value in settings.items():
        if name == "batch_size" and isinstance(value, str):
            if not AUTO.fullmatch(value):
                raise NeuronXAError(
                    f"{where}: batch_size is {value!r}; expected a whole number, auto or auto:N"
                )
            continue
        expected = _kinds_of(kinds[name])
        if not any(_is(value, kind) for kind in expected):
            text = " or ".join(KINDS.get(kind, kind.__name__) for kind in expected)
            raise NeuronXAError(f"{where}: {name} is {value!r}; expected {text}")
    return settings


def _kinds_of(annotation: Any) -> list[type]:
    """The types that an annotation allows, without `None`.

    >>> _kinds_of(str | list[str] | None), _kinds_of(int)
    ([<class 'str'>, <class 'list'>], [<class 'int'>])
    """
    is_union = get_origin(annotation) in (Union, UnionType)
    members = get_args(annotation) if is_union else (annotation,)
    return [get_origin(member) or member for member in members if member is not NoneType]


def _is(value: Any, kind: type) -> bool:
    if kind in (int, float):
        is_number = isinstance(value, (int, kind)) and not isinstance(value, bool)
        return is_number and math.isfinite(value) and (value > 0 or (kind is int and value == 0))
    if kind in (dict, list) and not _is_json(value):  # YAML also has dates
        return False
    return isinstance(value, kind)


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _model(entry: Any, kinds: Mapping[str, Any], where: str) -> tuple[str, str, dict[str, Any]]:
    """Read an entry of `models`: the model's folder, name and settings."""
    entry = {"name": entry} if isinstance(entry, str) else entry
    keys = _mapping(entry, ("name", *kinds), where)
    settings = _settings(keys, kinds, where)
    arguments = settings.get("model_args", {})
    name = keys.get("name", arguments.get("pretrained"))
    if not isinstance(name, str) or not name:
        raise NeuronXAError(f"{where}: name is {name!r}; expected a hub name or a path")
    parts = [name, *(f"{key}={value}" for key, value in arguments.items())]
    if "model" in settings:
        parts.append(settings["model"])
    folder = re.sub(r"[^\w.=+-]+", "__", "__".join(parts)).strip("_")
    return folder, name, settings


def _tasks(
    entry: Any, kinds: Mapping[str, Any], where: str
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Read an entry of `tasks`: the tasks of a run, and their settings."""
    if isinstance(entry, str) and entry:
        return (entry,), {}
    keys = _mapping(entry, ("tasks", *kinds), where)
    tasks = keys.get("tasks")
    tasks = [tasks] if isinstance(tasks, str) else tasks
    if not isinstance(tasks, list) or not tasks or not all(isinstance(t, str) for t in tasks):
        raise NeuronXAError(f"{where}: tasks is {tasks!r}; expected a name or a list of names")
    return tuple(tasks), _settings(keys, kinds, where)


def _refuse_repeats(names: Iterable[str], where: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise NeuronXAError(f"{where}: {name} is listed twice")
        seen.add(name)
