"""All use of the harness's internals, one function each, with the reason.

Checked with lm_eval 0.4.10 to 0.4.13 and its main branch of August 2026; `tests/test_plugin.py` has
a test of each.
"""

from __future__ import annotations

import importlib.metadata
import inspect
import logging
import sqlite3
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from neuronxa_task.errors import NeuronXAError, damaged_cache, show_errors_as_one_line
from neuronxa_task.settings import REQUEST_TYPE

if TYPE_CHECKING:
    from lm_eval.models.huggingface import HFLM

    from neuronxa_task.scoring.data_parallel import DataParallel
    from neuronxa_task.scoring.encoder import ScoredModel
    from neuronxa_task.scoring.language_pairs import PairResult

log = logging.getLogger(__name__)


def require_known_harness() -> None:
    """Refuse lm_eval 0.5 and later, which change tasks, requests and aggregation.

    Raises:
        NeuronXAError: such a harness is installed.
    """
    version = importlib.metadata.version("lm_eval")
    if not version.startswith("0.4."):
        raise NeuronXAError(
            f"lm_eval {version} is installed; NeuronXA tasks work with lm_eval 0.4.10 to 0.4.13: "
            'pip install "lm_eval<0.5"'
        )


require_known_harness()  # before these imports, which fail there with an unhelpful message

from lm_eval.api.instance import Instance  # noqa: E402
from lm_eval.api.metrics import mean  # noqa: E402
from lm_eval.api.model import LM  # noqa: E402
from lm_eval.api.task import Task  # noqa: E402
from lm_eval.config.task import TaskConfig  # noqa: E402
from lm_eval.filters import build_filter_ensemble  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402

__all__ = ["LM", "Instance", "Task", "configure", "mean", "metadata_of_file", "register"]


def register() -> None:
    """Prepare the harness for NeuronXA tasks; safe to call again.

    `LM` gets the method that `evaluate` calls for our requests, named as the request type. It is
    not added to `HFLM`, so that other backends raise an error that says what works, and so that
    torch is not imported here.
    """
    setattr(LM, REQUEST_TYPE, _answer)
    hand_metadata_to_python_tasks()
    show_errors_as_one_line()


def _answer(self: LM, requests: Sequence[Instance]) -> list[PairResult]:
    """Layers at which sentence pairs are aligned; see `neuronxa_task.scoring.scorer`."""
    from neuronxa_task.scoring.scorer import answer

    return answer(scored_model(self), requests)


def hand_metadata_to_python_tasks() -> None:
    """Give tasks with a `class` the same metadata as YAML tasks.

    lm_eval 0.4.10 and 0.4.11 pass `--metadata` and `config_source` only to YAML tasks. They call
    `_config_is_python_task` with the whole configuration just before they build a task.
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
    """Set the attributes that `Task.__init__` sets, without its download of a data set.

    `Task.__init__` would also use a default configuration, whose `output_type` causes a warning.
    """
    task._config = TaskConfig(**options)
    task._filters = [build_filter_ensemble("none", [["take_first", None]])]
    task._instances = []


def metadata_of_file(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata in a task's own file, before the user's is merged into it.

    The harness merges `--model_args` and `--metadata` into every task's metadata, and names the
    file in `config_source`. For a task without a file, the given metadata is returned.
    """
    source = str(metadata.get("config_source", "inline"))
    if not source.endswith((".yaml", ".yml")):
        return dict(metadata)
    own = _read_task_file(source).get("metadata")
    return own if isinstance(own, dict) else {}


def _read_task_file(path: str) -> dict[str, Any]:
    """Read a task file with its includes, without resolving functions."""
    try:
        from lm_eval.tasks._yaml_loader import load_yaml
    except ImportError:  # lm_eval 0.4.10 and 0.4.11
        from lm_eval.utils import load_yaml_config

        return dict(load_yaml_config(path, mode="simple"))
    return dict(load_yaml(path, resolve_func=False))


# ---------------------------------------------------------------- the model behind `lm`


def scored_model(lm: LM) -> ScoredModel:
    """Everything that scoring needs from the harness's model.

    Raises:
        NeuronXAError: the backend does not expose activations, or calls its model in another way
            than `hf`.
    """
    from neuronxa_task.scoring.encoder import ScoredModel
    from neuronxa_task.scoring.signature import model_facts
    from neuronxa_task.scoring.tokens import TokenCache

    hf = _require_readable(lm)
    facts, finished = model_facts(hf), responses_of(hf)
    if finished is not None and facts.hooks:
        log.warning(
            "NeuronXA tasks do not use --use_cache: the model has %d hooks or replaced functions, "
            "which its fingerprint does not cover",
            facts.hooks,
        )
        finished = None
    return ScoredModel(
        model=hf.model,
        facts=facts,
        tokens=TokenCache(hf.tokenizer, hf.model, _max_length_of(hf), asked_for_bos(hf)),
        decode=hf.tok_decode,
        pad_id=hf.tokenizer.pad_token_id or 0,
        special_ids=frozenset(hf.tokenizer.all_special_ids),
        batch_size=hf.max_batch_size if hf.batch_size == "auto" else int(hf.batch_size),
        shrinks_batches=hf.batch_size == "auto",
        mixed_precision=getattr(hf, "mixed_precision_dtype", None),
        processes=processes_of(hf),
        finished=finished,
    )


def _require_readable(lm: LM) -> HFLM:
    """Refuse backends that call the model in another way, since scoring calls its body directly."""
    from lm_eval.models.huggingface import HFLM
    from torch import nn

    if isinstance(lm, HFLM) and isinstance(lm.model, nn.Module):
        if type(lm)._model_call is HFLM._model_call:
            return lm
        reason = "changes how the model is called, which scoring would not reflect"
    else:
        reason = "does not expose the model's activations"
    raise NeuronXAError(
        f"the backend {type(lm).__name__} {reason}; NeuronXA tasks work with --model hf"
    )


def _max_length_of(lm: HFLM) -> int:
    """Maximum number of tokens: the user's `max_length`, or the rule of the newest harness.

    Harnesses before 0.4.13 ignore `text_config`.
    """
    from neuronxa_task.scoring.max_length import max_length

    return int(lm._max_length or max_length(lm.model.config, lm.tokenizer))


def asked_for_bos(lm: HFLM) -> bool | None:
    """The model argument `add_bos_token`; `None` if it has the harness's default.

    Up to lm_eval 0.4.11 the default is false, which does not mean that the tokenizer must not add
    its special tokens.
    """
    default = inspect.signature(type(lm).__init__).parameters.get("add_bos_token")
    asked: bool | None = getattr(lm, "add_bos_token", None)
    return None if default is not None and asked == default.default else asked


def processes_of(lm: HFLM) -> DataParallel:
    """The processes with which `lm` was launched.

    The harness splits documents between GPUs and sets the rank. On CPUs (0.4.13) it runs under
    `torchrun`, but every process receives all documents; accelerate knows the number of processes.

    Raises:
        NeuronXAError: processes of several machines have the same rank in the harness (0.4.13 on
            GPUs), so that it split the documents wrongly.
    """
    import torch

    from neuronxa_task.scoring.data_parallel import DataParallel

    accelerator = getattr(lm, "accelerator", None)
    if lm.world_size > 1:
        index = lm.rank if accelerator is None else accelerator.process_index
        if index != lm.rank:
            raise NeuronXAError(
                "lm_eval cannot share documents between the GPUs of several machines: process "
                f"{index} also has the rank {lm.rank}; run each machine separately, on some of the "
                "tasks"
            )
        return DataParallel(lm.rank, lm.world_size, torch.device(lm.device))
    if accelerator is not None and accelerator.num_processes > 1:
        index, size = accelerator.process_index, accelerator.num_processes
        return DataParallel(index, size, accelerator.device, replicated=True)
    return DataParallel()


def responses_of(lm: LM) -> ResponseCache | None:
    """The cache of `--use_cache`, if there is one."""
    stored = lm.cache_hook.dbdict
    return None if stored is None else ResponseCache(stored)


class ResponseCache(MutableMapping[str, str]):
    """The harness's cache of responses as a mapping from keys to texts.

    Only `in` and `[]` are common to both kinds of cache: up to 0.4.13 it pickles to SQLite and
    commits by itself; since pull request 3988 it stores JSON and needs `commit`.

    Raises:
        NeuronXAError: the file is damaged, at any reading or writing.
    """

    def __init__(self, stored: Any) -> None:
        self._stored = stored

    @contextmanager
    def _file(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            name = str(getattr(self._stored, "filename", "the file of --use_cache"))
            raise NeuronXAError(damaged_cache(error, name)) from None

    def __contains__(self, key: object) -> bool:
        with self._file():
            return key in self._stored

    def __getitem__(self, key: str) -> str:
        with self._file():
            return str(self._stored[key])

    def __setitem__(self, key: str, value: str) -> None:
        with self._file():
            self._stored[key] = value
            if hasattr(self._stored, "commit"):
                self._stored.commit()

    def __delitem__(self, key: str) -> None:
        del self._stored[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)
