"""The installed harness, used as a command: its tasks' names, its options, and running it.

None of this imports torch or builds the harness's task index, which takes seconds.
"""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

from neuronxa_task.errors import NeuronXAError

OWN_TASKS = Path(__file__).parent / "task_configs"
NAME = re.compile(
    rb"""^["']?(?:task|group|tag)["']?[ \t]*:[ \t]*([^\s#\[].*)"""
    rb"""|^["']?tag["']?[ \t]*:[ \t]*((?:\n[ \t]*-[ \t].*)+)""",
    re.MULTILINE,
)
"""The name in a task file's `task`, `group` or `tag`; several tags have a line each."""


def task_names(include_paths: Iterable[str | Path] = ()) -> set[str]:
    """Names of the harness's tasks, groups and tags, read from its task files.

    The files are searched for the lines that name them and not parsed, which takes half a second
    for the harness's 14,000 files, where its own index takes about eight. The result may hold a few
    more names than that index, of files that it fails to load.

    Args:
        include_paths: further folders, as `--include_path` takes them.
    """
    names: set[str] = set()
    for folder in (_package() / "tasks", OWN_TASKS, *include_paths):
        for path in _task_files(str(folder)):
            for word, lines in NAME.findall(Path(path).read_bytes()):
                found = (word or lines).decode("utf-8", "replace").splitlines()
                names.update(_unquoted(line) for line in found if line.strip())
    return names


def _package() -> Path:
    spec = importlib.util.find_spec("lm_eval")
    if spec is None or not spec.submodule_search_locations:
        raise NeuronXAError("lm_eval is not installed; install it first: pip install lm-eval")
    return Path(spec.submodule_search_locations[0])


def _task_files(folder: str) -> Iterator[str]:
    """Files whose name ends in `yaml` or has no ending, which other task files include."""
    if not Path(folder).is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _task_files(entry.path)
            elif entry.name.endswith("yaml") or "." not in entry.name:
                yield entry.path


def _unquoted(line: str) -> str:
    """The name in a line.

    >>> _unquoted("  - 'xnli'  # a tag")
    'xnli'
    """
    return re.sub(r"\s+#.*", "", line.strip().removeprefix("-")).strip().strip("\"'")


def config_keys() -> Mapping[str, Any]:
    """The keys of the YAML file that `lm_eval run --config` reads, and the types of their values.

    Every supported harness (0.4.10 and later) has that option.
    """
    from lm_eval.config.evaluate_config import EvaluatorConfig

    return {
        name: kind for name, kind in get_type_hints(EvaluatorConfig).items() if name != "config"
    }


def run_module(
    module: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None
) -> int:
    """Run `python -m MODULE ARGUMENTS` in a process of its own; its exit code.

    Ctrl-C reaches this process alone, which then stops the other one, so that only one of them
    reports the interruption.

    Args:
        module: `lm_eval` or `neuronxa_task`.
        arguments: of its command line.
        environment: variables that are set for it in addition.

    Raises:
        KeyboardInterrupt: the user pressed Ctrl-C; the process has been stopped.
    """
    command = [sys.executable, "-m", module, *arguments]
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # which the new process inherits
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
