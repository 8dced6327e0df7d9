"""A study, read from one YAML file: which models are run on which tasks, and how.

The keys are those of `lm_eval`'s own options; a task's entry may set some of them for itself.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from neuronxa_task.errors import NeuronXAError, one_of

NO_TEXT = frozenset({"true", "false", "none", "inf", "infinity", "nan"})
"""What the harness takes for another kind of value, where it reads `key=value`."""


def _as_option(value: Any) -> str:
    """A setting as `lm_eval` reads it: mappings as `key=value,…` where that is unambiguous.

    >>> _as_option({"dtype": "float32", "max": 5}), _as_option({"revision": "2"})
    ('dtype=float32,max=5', '{"revision": "2"}')
    """
    if not isinstance(value, Mapping):
        return str(value)
    if all(map(_is_plain, value.values())):
        return ",".join(f"{key}={item}" for key, item in value.items())
    return json.dumps(value)


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        plain = re.fullmatch(r"[A-Za-z/][\w./:+-]*", value)
        return plain is not None and value.lower() not in NO_TEXT
    return isinstance(value, (bool, int, float))


@dataclass(frozen=True)
class Settings:
    """How the harness runs, as its options of the same names say.

    Attributes:
        batch_size: a number, or `auto`.
        num_fewshot: examples before each question; each task's own default for `None`. Tasks that
            fix it themselves (NeuronXA's, BMLAMA-53) keep theirs.
        limit: documents per task, all for `None`.
        metadata: settings of NeuronXA's tasks (`pivot`, `num_sentences`, …) and others.
        device: where the model is; the harness's choice for `None`.
        log_samples: also keep each document's answers, which `neuronxa rankc` reads.
        include_path: folder of further tasks.
    """

    batch_size: int | str = "auto"
    num_fewshot: int | None = None
    limit: float | None = None
    metadata: Mapping[str, Any] | None = None
    device: str | None = None
    log_samples: bool = False
    include_path: str | None = None

    def options(self) -> list[str]:
        """The command line's options."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        words = []
        for name, value in given.items():
            if value is True:
                words.append(f"--{name}")
            elif value is not None and value is not False:
                words += [f"--{name}", _as_option(value)]
        return words


@dataclass(frozen=True)
class Model:
    """A model that the harness loads with `--model hf`.

    Attributes:
        name: hub name, or path.
        arguments: further `--model_args`, such as `dtype` and `revision`.
    """

    name: str
    arguments: Mapping[str, Any]

    @property
    def folder(self) -> str:
        """A name for its folder: different for models that differ in any argument."""
        text = "__".join([self.name, *(f"{key}={value}" for key, value in self.arguments.items())])
        return re.sub(r"[^\w.=+-]+", "__", text).strip("_")


@dataclass(frozen=True)
class Run:
    """One call of the harness."""

    model: Model
    tasks: tuple[str, ...]
    settings: Settings

    @property
    def folder(self) -> Path:
        """Where its results go, below the study's folder."""
        first, *others = self.tasks
        return Path(self.model.folder) / (f"{first}+{len(others)}" if others else first)

    @property
    def arguments(self) -> list[str]:
        """What `lm_eval` is given, but for the place of its results."""
        model_args = {"pretrained": self.model.name, **self.model.arguments}
        return [
            *("--model", "hf", "--model_args", _as_option(model_args)),
            *("--tasks", ",".join(self.tasks)),
            *self.settings.options(),
        ]

    @property
    def command(self) -> str:
        """The same as a line for a shell."""
        return shlex.join(["lm_eval", *self.arguments])


@dataclass(frozen=True)
class Study:
    """All of it.

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


# ---------------------------------------------------------------- reading

Check = tuple[Callable[[Any], bool], str]


def _is_number(value: Any, least: float, *, whole: bool) -> bool:
    kinds = int if whole else (int, float)
    if not isinstance(value, kinds) or isinstance(value, bool):
        return False
    return math.isfinite(value) and value >= least


def _is_json(value: Any) -> bool:
    """Whether the command line can say it; YAML has dates as well."""
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


RULES: dict[str, Check] = {
    "batch_size": (
        lambda value: value == "auto" or _is_number(value, 1, whole=True),
        "a whole number of 1 or more, or auto",
    ),
    "num_fewshot": (
        lambda value: _is_number(value, 0, whole=True),
        "a whole number of 0 or more",
    ),
    "limit": (
        lambda value: _is_number(value, 0, whole=False) and value > 0,
        "a number of documents, or a share between 0 and 1",
    ),
    "metadata": (
        lambda value: isinstance(value, dict) and _is_json(value),
        "a mapping, such as {pivot: fra_Latn}, of text, numbers and lists",
    ),
    "device": (lambda value: isinstance(value, str), "a device, such as cuda:0 or cpu"),
    "log_samples": (lambda value: isinstance(value, bool), "true or false"),
    "include_path": (lambda value: isinstance(value, str), "a folder"),
}


def read_study(path: Path) -> Study:
    """Read a study.

    Raises:
        NeuronXAError: no such file, not YAML, an unknown or missing key, an impossible value, or
            a model or a task that is listed twice.
    """
    study = _mapping(_parse(path), ("models", "tasks", "output", *RULES), str(path))
    output = study.get("output", str(path.with_suffix("")))
    if not isinstance(output, str):
        raise NeuronXAError(f"{path}: output is {output!r}; expected a folder")
    settings = _settings(study, Settings(), str(path))
    models = [_model(entry, f"{path}: models") for entry in _listed(study, "models", path)]
    entries = [_entry(entry, settings, f"{path}: tasks") for entry in _listed(study, "tasks", path)]
    _no_repeats([model.folder for model in models], f"{path}: models")
    _no_repeats([task for tasks, _ in entries for task in tasks], f"{path}: tasks")
    runs = (Run(model, tasks, chosen) for model in models for tasks, chosen in entries)
    return Study(Path(output), tuple(runs))


def _parse(path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NeuronXAError(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise NeuronXAError(f"{path} is not YAML: {' '.join(str(error).split())}") from error


def _mapping(found: Any, keys: Sequence[str], where: str) -> dict[str, Any]:
    """`found`, if it is a mapping of such keys."""
    if not isinstance(found, dict):
        raise NeuronXAError(f"{where}: {found!r}; expected a mapping with the keys {one_of(keys)}")
    if unknown := [key for key in found if key not in keys]:
        raise NeuronXAError(
            f"{where}: unknown key {one_of(map(repr, unknown))}; expected: {one_of(keys)}"
        )
    return found


def _listed(study: Mapping[str, Any], key: str, path: Path) -> list[Any]:
    found = study.get(key)
    if not isinstance(found, list) or not found:
        raise NeuronXAError(f"{path}: {key} is {found!r}; expected a list of one or more")
    return found


def _settings(found: Mapping[str, Any], defaults: Settings, where: str) -> Settings:
    """The defaults, with what is given in their place."""
    given = {name: found[name] for name in RULES if found.get(name) is not None}
    for name, value in given.items():
        is_right, expected = RULES[name]
        if not is_right(value):
            raise NeuronXAError(f"{where}: {name} is {value!r}; expected {expected}")
    return replace(defaults, **given)


def _model(found: Any, where: str) -> Model:
    if isinstance(found, str) and found:
        return Model(found, {})
    keys = _mapping(found, ("name", "model_args"), where)
    name, arguments = keys.get("name"), keys.get("model_args", {})
    if not isinstance(name, str) or not name:
        raise NeuronXAError(f"{where}: name is {name!r}; expected a hub name or a path")
    if not isinstance(arguments, dict) or not _is_json(arguments):
        raise NeuronXAError(
            f"{where}: model_args of {name} is {arguments!r}; expected a mapping, such as "
            "{dtype: bfloat16}, of text, numbers and lists"
        )
    return Model(name, arguments)


def _entry(found: Any, defaults: Settings, where: str) -> tuple[tuple[str, ...], Settings]:
    """The tasks of one run, and its settings."""
    if isinstance(found, str) and found:
        return (found,), defaults
    keys = _mapping(found, ("tasks", *RULES), where)
    tasks = keys.get("tasks")
    tasks = [tasks] if isinstance(tasks, str) else tasks
    if not isinstance(tasks, list) or not tasks or not all(isinstance(t, str) for t in tasks):
        raise NeuronXAError(f"{where}: tasks is {tasks!r}; expected a name or a list of names")
    return tuple(tasks), _settings(keys, defaults, where)


def _no_repeats(names: Iterable[str], where: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise NeuronXAError(f"{where}: {name} is listed twice")
        seen.add(name)
