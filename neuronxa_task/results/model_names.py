"""Name the model of a result file, so that different models never have the same name."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from neuronxa_task.results.backends import changes_model
from neuronxa_task.results.files import ResultFile, printable

BASES = ("pretrained", "model", "path", "engine", "model_id", "model_path")
"""Model arguments that name the weights, in the harness's order."""

LOCATIONS = frozenset({"revision", "subfolder"})
"""Arguments that say where the weights are; irrelevant if the weights are known to be equal."""


@dataclass(frozen=True)
class ModelName:
    """The name of a model in one result file.

    Attributes:
        base: name or path of the weights.
        others: other arguments that change the model, as `argument=value`.
    """

    base: str
    others: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.base} [{', '.join(self.others)}]" if self.others else self.base

    @property
    def is_hub_name(self) -> bool:
        """Whether the base has the form of a hub name; hub names ignore case."""
        return self.base.count("/") <= 1 and self.base[:1] not in (".", "/", "~", "\\")

    @property
    def behaviour(self) -> tuple[str, ...]:
        """`others` without arguments that only say where the weights are."""
        return tuple(other for other in self.others if other.partition("=")[0] not in LOCATIONS)


def name_of_model(file: ResultFile) -> ModelName:
    """The name of a file's model, independent of other files."""
    arguments = model_arguments(file.part("config").get("model_args"))
    key = next((name for name in BASES if arguments.get(name)), None)
    base = _plain_path(arguments[key]) if key else _recorded_name(file)
    others = (
        printable(f"{name}={value}")
        for name, value in sorted(arguments.items())
        if name != key and changes_model(name, value, arguments.get(key) if key else None)
    )
    return ModelName(printable(base), tuple(others))


def model_name(file: ResultFile) -> str:
    """The name or path of the weights, followed by other arguments that change the model."""
    return str(name_of_model(file))


def _plain_path(name: str) -> str:
    """Normalise a path; hub names do not change.

    >>> _plain_path("./models/x/"), _plain_path("org/model")
    ('models/x', 'org/model')
    """
    return name if "://" in name else posixpath.normpath(name)


def model_arguments(given: Any) -> Mapping[str, str]:
    """Model arguments as strings by name, from a mapping or from `key=value,…`."""
    if isinstance(given, dict):
        return {str(key): str(value) for key, value in given.items()}
    if isinstance(given, str):
        pairs = (part.partition("=") for part in given.split(",") if part)
        return {key.strip(): value.strip() for key, _, value in pairs}
    return {}


def _recorded_name(file: ResultFile) -> str:
    name = file.content.get("model_name")
    return name if isinstance(name, str) and name else f"unnamed, {file.path}"
