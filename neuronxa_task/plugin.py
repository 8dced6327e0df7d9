"""Every contact with the insides of lm-evaluation-harness, a function each, and why.

Checked with lm_eval 0.4.10 to 0.4.13 and its main branch of August 2026; `tests/test_plugin.py` has
a test for each.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from neuronxa_task.errors import NeuronXAError, show_errors_as_one_line
from neuronxa_task.settings import REQUEST_TYPE

if TYPE_CHECKING:
    from neuronxa_task.scoring.language_pairs import PairAlignment


def require_known_harness() -> None:
    """lm_eval 0.5 rewrites tasks, requests and aggregation; nothing below holds there.

    Raises:
        NeuronXAError: that harness, or a later one, is installed.
    """
    version = importlib.metadata.version("lm_eval")
    if not version.startswith("0.4."):
        raise NeuronXAError(
            f"lm_eval {version} is installed; NeuronXA tasks work with lm_eval 0.4.10 to 0.4.13: "
            'pip install "lm_eval<0.5"'
        )


require_known_harness()  # before what follows, which fails there with a name that says nothing

from lm_eval.api.instance import Instance  # noqa: E402
from lm_eval.api.metrics import mean  # noqa: E402
from lm_eval.api.model import LM  # noqa: E402
from lm_eval.api.task import Task  # noqa: E402
from lm_eval.config.task import TaskConfig  # noqa: E402
from lm_eval.filters import build_filter_ensemble  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402

__all__ = ["LM", "Instance", "Task", "configure", "mean", "metadata_of_file", "register"]


def register() -> None:
    """Prepare the harness for NeuronXA tasks; safe to call again."""
    answer_requests()
    hand_metadata_to_python_tasks()
    show_errors_as_one_line()


def answer_requests() -> None:
    """`evaluate` answers requests of a type by the model's method of that name.

    The method is on `LM`, not on `HFLM`: other backends answer with an error that says what works,
    and nothing here imports torch.
    """
    setattr(LM, REQUEST_TYPE, _answer)


def _answer(self: LM, requests: Sequence[Instance]) -> list[PairAlignment]:
    """Layers at which sentence pairs are aligned; see `neuronxa_task.scoring.scorer`."""
    from neuronxa_task.scoring.scorer import neuron_alignment

    return neuron_alignment(self, requests)


def hand_metadata_to_python_tasks() -> None:
    """Give tasks with a `class` their metadata as every other task has it.

    lm_eval 0.4.10 and 0.4.11 hand `--metadata` and `config_source` to YAML tasks alone. They ask
    `_config_is_python_task` of a whole configuration right before they build the task.
    """
    from neuronxa_task.task import NeuronXATask

    is_python_task = getattr(TaskManager, "_config_is_python_task", None)
    if is_python_task is None or hasattr(is_python_task, "hands_metadata"):
        return

    def with_metadata(self: TaskManager, config: dict[str, Any]) -> bool:
        task_class = config.get("class")
        if isinstance(task_class, type) and issubclass(task_class, NeuronXATask):
            entry = self.task_index.get(config.get("task"), {})
            given = (config.get("metadata") or {}) | (self.metadata or {})
            config["metadata"] = given | {"config_source": str(entry.get("yaml_path", "inline"))}
        return bool(is_python_task(self, config))

    with_metadata.hands_metadata = True  # type: ignore[attr-defined]
    TaskManager._config_is_python_task = with_metadata


def configure(task: Task, options: Mapping[str, Any]) -> None:
    """Give a task what `Task.__init__` gives, which would first download a data set by itself.

    It would also configure the task as a default one, whose `output_type` warns of generation.
    """
    task._config = TaskConfig(**options)
    task._filters = [build_filter_ensemble("none", [["take_first", None]])]
    task._instances = []


def metadata_of_file(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata that a task's own file holds, before the user's was laid over it.

    The harness merges `--model_args` and `--metadata` into every task's metadata, but names the
    file in `config_source`. A task that comes from no file has what it was given.
    """
    source = str(metadata.get("config_source", "inline"))
    if not source.endswith((".yaml", ".yml")):
        return dict(metadata)
    own = _read_task_file(source).get("metadata")
    return own if isinstance(own, dict) else {}


def _read_task_file(path: str) -> dict[str, Any]:
    """A task file with what it includes, its functions left as they are."""
    config: dict[str, Any]
    try:
        from lm_eval.tasks._yaml_loader import load_yaml
    except ImportError:  # lm_eval 0.4.10 and 0.4.11
        from lm_eval.utils import load_yaml_config

        config = load_yaml_config(path, mode="simple")
    else:
        config = load_yaml(path, resolve_func=False)
    return config
