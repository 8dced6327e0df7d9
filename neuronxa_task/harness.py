"""The installed harness as a command: the names of its tasks, its options, and running it.

Nothing here imports torch or builds the harness's task index, which would take seconds.
"""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

from neuronxa_task import task_configs
from neuronxa_task.errors import NeuronXAError

NAME = re.compile(
    rb"""^["']?(?:task|group|tag)["']?[ \t]*:[ \t]*([^\s#\[].*)"""
    rb"""|^["']?tag["']?[ \t]*:[ \t]*((?:\n[ \t]*-[ \t].*)+)""",
    re.MULTILINE,
)
"""Matches the names in a task file's `task`, `group` and `tag`, also tags on several lines."""

RANDOM_RUNNER, RANDOM_MODEL = "neuronxa_task.random_weights", "hf-random"
"""The module that runs the harness with a random-weights model added, and that model's name."""

QUIET = {
    "LMEVAL_LOG_LEVEL": "ERROR",
    "TRANSFORMERS_VERBOSITY": "error",
    "DATASETS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",  # transformers 5.0 shows its own whatever tqdm's delay
    "TQDM_DELAY": "3",
}
"""Log only errors; show a progress bar only for steps longer than three seconds."""


def task_names(include_paths: Iterable[str | Path] = ()) -> set[str]:
    """Names of all tasks, groups and tags of the harness and of this package.

    The task files are searched for the lines with names, not parsed. That takes half a second for
    the harness's 14,000 files, and its own index takes about eight. A few names may belong to files
    that the harness cannot load.

    Args:
        include_paths: further folders of task files, as for `--include_path`.
    """
    package = package_folder()
    if package is None:
        raise NeuronXAError("lm_eval is not installed; install it first: pip install lm-eval")
    installed = (package / "tasks", task_configs.folder())
    return set().union(*map(_installed_names, installed), *map(_names_in, include_paths))


def _names_in(folder: str | Path) -> frozenset[str]:
    names: set[str] = set()
    for path in _task_files(str(folder)):
        for word, lines in NAME.findall(Path(path).read_bytes()):
            listed = (word or lines).decode("utf-8", "replace").splitlines()
            names.update(_unquoted(line) for line in listed if line.strip())
    return frozenset(names)


_installed_names = cache(_names_in)  # installed files stay as they are while a process runs


def package_folder() -> Path | None:
    """Folder of the installed harness's source; `None` if it is not installed."""
    spec = importlib.util.find_spec("lm_eval")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def _task_files(folder: str) -> Iterator[str]:
    """Files with the ending `yaml` or without an ending, which other task files include."""
    if not Path(folder).is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _task_files(entry.path)
            elif entry.name.endswith("yaml") or "." not in entry.name:
                yield entry.path


def _unquoted(line: str) -> str:
    """The name in a line of YAML.

    >>> _unquoted("  - 'xnli'  # a tag")
    'xnli'
    """
    return re.sub(r"\s+#.*", "", line.strip().removeprefix("-")).strip().strip("\"'")


def config_keys() -> Mapping[str, Any]:
    """Keys of the YAML file for `lm_eval run --config`, with the types of their values.

    All supported harnesses (0.4.10 and later) have this option.
    """
    from lm_eval.config.evaluate_config import EvaluatorConfig

    return {
        name: kind for name, kind in get_type_hints(EvaluatorConfig).items() if name != "config"
    }


def run_module(
    module: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None
) -> int:
    """Run `python -m MODULE ARGUMENTS` in a child process, and return its exit code.

    Only this process receives Ctrl-C and then stops the child, so that the interruption is reported
    once.

    Args:
        module: `lm_eval` or `neuronxa_task`.
        arguments: its command-line arguments.
        environment: environment variables to add.

    Raises:
        KeyboardInterrupt: the user pressed Ctrl-C; the child has been stopped.
    """
    command = [sys.executable, "-m", module, *arguments]
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited by the child
    try:
        process = subprocess.Popen(command, env={**os.environ, **(environment or {})})
    finally:
        signal.signal(signal.SIGINT, handler)
    try:
        return process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
