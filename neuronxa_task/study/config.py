"""A study, read from one YAML file: models, tasks, and settings of `lm_eval run --config`.

    models: [Qwen/Qwen2.5-7B, {name: Qwen/Qwen2.5-14B, model_args: {dtype: bfloat16}}]
    tasks: [neuronxa_flores, {tasks: [belebele, m_mmlu], num_fewshot: 5}]
    batch_size: auto

Every key but `models`, `tasks` and `output` is the harness's own and means what it means there. A
model's entry may set any of them for that model, and a task's entry for those tasks, which goes
before the model's.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from neuronxa_task.errors import NeuronXAError, one_of
from neuronxa_task.harness import config_keys

DEFAULTS = {"model": "hf", "batch_size": "auto"}
"""Where a study is silent: Hugging Face models, in the largest batches that fit."""

WITHOUT = ("tasks", "output_path")
"""Keys of the harness that a study says in its own way."""

KINDS = {
    bool: "true or false",
    int: "a whole number of 0 or more",
    float: "a number above 0",
    str: "text",
    list: "a list",
    dict: "a mapping, such as {dtype: bfloat16}",
}
AUTO = re.compile(r"auto(:\d+)?")
"""What `batch_size` may also be; the harness's own annotation says a whole number."""


@dataclass(frozen=True)
class Run:
    """One run of the harness: a model on some tasks.

    Attributes:
        model: name of the model's folder.
        tasks: tasks and groups.
        config: what the file of `lm_eval run --config` holds, but for the output path.
    """

    model: str
    tasks: tuple[str, ...]
    config: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """Where its results go, below the study's folder."""
        first, *others = self.tasks
        return Path(self.model) / (f"{first}+{len(others)}" if others else first)


@dataclass(frozen=True)
class Study:
    """All runs of a study.

    Attributes:
        output: folder of results and reports.
        runs: every model on every entry of the tasks, model by model.
    """

    output: Path
    runs: tuple[Run, ...]

    @property
    def tasks(self) -> list[str]:
        """All tasks and groups, once each."""
        return list(dict.fromkeys(task for run in self.runs for task in run.tasks))


def read_study(path: Path) -> Study:
    """Read a study.

    Raises:
        NeuronXAError: no such file, not YAML, an unknown or missing key, a value of another kind
            than the harness takes, or a model or a task that is listed twice.
    """
    kinds = {name: kind for name, kind in config_keys().items() if name not in WITHOUT}
    # A model's arguments tell its folder from those of others, so no task can change them.
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
    """`value`, if it is a mapping of such keys."""
    if not isinstance(value, dict):
        raise NeuronXAError(f"{where}: {value!r}; expected a mapping with the keys {one_of(keys)}")
    unknown = [key for key in value if key not in keys]
    if unknown:
        similar = get_close_matches(str(unknown[0]), keys, n=1)
        guess = f"; did you mean {similar[0]}?" if similar else ""
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
    """The settings of the harness among what is given."""
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
    """The kinds of value that an annotation allows, but for none.

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
    if kind in (dict, list) and not _is_json(value):  # YAML has dates as well
        return False
    return isinstance(value, kind)


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _model(entry: Any, kinds: Mapping[str, Any], where: str) -> tuple[str, str, dict[str, Any]]:
    """A model's folder, its name, and its settings."""
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
    """The tasks of one run, and its settings."""
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
