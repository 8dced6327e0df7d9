"""How the plugin enters lm-evaluation-harness: a request type, metrics, and a model name."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lm_eval.api.model import LM
from lm_eval.api.registry import register_metric
from lm_eval.api.task import ALL_OUTPUT_TYPES

from neuronxa_task.errors import show_errors_as_one_line
from neuronxa_task.settings import METADATA_OF_OTHER_TASKS, REQUEST_TYPE, SCORE_OF

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance

    from neuronxa_task.scoring.language_pairs import PairAlignment


def _answer(self: LM, requests: Sequence[Instance]) -> list[PairAlignment]:
    """Layers at which sentence pairs are aligned; see `neuronxa_task.scoring.scorer`."""
    from neuronxa_task.scoring.scorer import neuron_alignment

    return neuron_alignment(self, requests)


def register() -> None:
    """Make the request type, its metrics and `LM.neuron_alignment` known; safe to call again."""
    if REQUEST_TYPE in ALL_OUTPUT_TYPES:
        return
    ALL_OUTPUT_TYPES.append(REQUEST_TYPE)
    # On LM, not HFLM: every backend answers, those without activations with a clear error, and
    # importing this does not import torch.
    setattr(LM, REQUEST_TYPE, _answer)
    for score in SCORE_OF.values():
        register_metric(metric=score, higher_is_better=True, aggregation="mean")(_per_document)
        register_metric(metric=f"{score}_max", higher_is_better=True)(_per_document)
    show_errors_as_one_line()


def _per_document(items: Any) -> Any:
    """What the registry asks for; `NeuronXATask.process_results` computes the metrics."""
    return items


def arguments_of_models() -> frozenset[str]:
    """Keys of a task's metadata that are no settings: what models and other tasks are given.

    The harness merges `--model_args` into every task's metadata and keeps no record of which key
    came from where, so a mistyped setting could not be told from `attn_implementation=...`. The
    evaluation in progress knows: its frame is looked up.
    """
    from lm_eval.models.huggingface import HFLM
    from lm_eval.utils import simple_parse_args_string

    known = METADATA_OF_OTHER_TASKS | set(inspect.signature(HFLM.__init__).parameters)
    frame = inspect.currentframe()
    while frame is not None:
        module, function = frame.f_globals.get("__name__"), frame.f_code.co_name
        if (module, function) == ("lm_eval.evaluator", "simple_evaluate"):
            given = frame.f_locals.get("model_args")
            parsed = simple_parse_args_string(given) if isinstance(given, str) else given
            return known | frozenset(parsed or ())
        frame = frame.f_back
    return known


def __getattr__(name: str) -> Any:
    """`NeuronXALM`, made when asked for, since its base imports torch and transformers."""
    if name != "NeuronXALM":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from neuronxa_task.model import NeuronXALM

    return NeuronXALM


register()
