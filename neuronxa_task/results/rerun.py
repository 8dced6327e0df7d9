"""Reconstruct the command that made a result file, as far as the file says."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neuronxa_task.harness import RANDOM_MODEL, RANDOM_RUNNER
from neuronxa_task.languages import FLORES_PIVOT, TATOEBA_PIVOT
from neuronxa_task.results.comparable import shots_of
from neuronxa_task.results.files import ResultFile, printable
from neuronxa_task.settings import METADATA_OF_OTHER_TASKS, SETTINGS, Settings

DEFAULT_SEEDS = (0, 1234, 1234, 1234)
DEFAULT_PIVOTS = (FLORES_PIVOT, TATOEBA_PIVOT)
INSTALLED = re.compile(r"(^|/)(lm_eval/tasks|neuronxa_task/task_configs)/")
"""Matches paths of task files that need no `--include_path`."""


def command_of(file: ResultFile) -> str:
    """The `lm_eval` command for a result file: model, tasks and settings.

    Options that do not change scores (device, cache, output) are left out. The harness does not
    record `--num_fewshot`; it is included if all benchmarks of the run have the same number.
    """
    config = file.part("config")
    options = {
        "--model": config.get("model"),
        "--model_args": _arguments(config.get("model_args")),
        "--include_path": _own_tasks(file),
        "--tasks": ",".join(_asked_tasks(file)),
        "--metadata": _settings(file),
        "--num_fewshot": _shots(file),
        "--batch_size": config.get("batch_size"),
        "--limit": config.get("limit"),
        "--gen_kwargs": _arguments(config.get("gen_kwargs")),
        "--seed": _seeds(config),
        "--system_instruction": file.content.get("system_instruction"),
    }
    is_random = options["--model"] == RANDOM_MODEL
    words = ["python", "-m", RANDOM_RUNNER] if is_random else ["lm_eval"]
    for option, value in options.items():
        if value not in (None, ""):
            words += [option, str(value)]
    words += ["--apply_chat_template"] if file.content.get("chat_template") else []
    words += ["--fewshot_as_multiturn"] if file.content.get("fewshot_as_multiturn") is True else []
    return printable(shlex.join(words))


def _arguments(given: Any) -> str | None:
    """Model arguments in the form of the command line."""
    if isinstance(given, dict):
        return ",".join(f"{key}={value}" for key, value in given.items())
    return given if isinstance(given, str) else None


def _asked_tasks(file: ResultFile) -> list[str]:
    """Groups and tasks that are not members of another group of the run."""
    members = {
        member
        for subtasks in file.part("group_subtasks").values()
        if isinstance(subtasks, list)
        for member in subtasks
        if isinstance(member, str)
    }
    names = dict.fromkeys((*file.part("group_subtasks"), *file.part("results")))
    return [name for name in names if name not in members]


def _own_tasks(file: ResultFile) -> str | None:
    """Folder of the user's own tasks, if any."""
    for task in file.part("configs"):
        source = file.metadata(task).get("config_source")
        if isinstance(source, str) and not INSTALLED.search(Path(source).as_posix()):
            return str(Path(source).parent)
    return None


def _settings(file: ResultFile) -> str | None:
    """Settings that are not the default and agree in all tasks that have them, as JSON."""
    metadata = [file.metadata(task) for task in file.part("configs")]
    scored = [entry for entry in metadata if "signature" in entry]
    chosen: dict[str, Any] = {}
    for names, tasks in ((SETTINGS, scored), (sorted(METADATA_OF_OTHER_TASKS), metadata)):
        for name in names:
            values = [entry[name] for entry in tasks if entry.get(name) is not None]
            same = bool(values) and all(value == values[0] for value in values)
            if same and not _is_default(name, values[0]):
                chosen[name] = values[0]
    return json.dumps(chosen, ensure_ascii=False) if chosen else None


def _is_default(name: str, value: Any) -> bool:
    return value in DEFAULT_PIVOTS if name == "pivot" else value == getattr(Settings, name, None)


def _shots(file: ResultFile) -> int | None:
    shots = {
        number
        for task in file.part("results")
        if "signature" not in file.metadata(task) and (number := shots_of(file, task)) is not None
    }
    return shots.pop() if len(shots) == 1 else None


def _seeds(config: Mapping[str, Any]) -> str | None:
    names = ("random_seed", "numpy_seed", "torch_seed", "fewshot_seed")
    seeds = tuple(config.get(name) for name in names)
    return None if None in seeds or seeds == DEFAULT_SEEDS else ",".join(map(str, seeds))
