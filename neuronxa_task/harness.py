"""How the plugin enters lm-evaluation-harness: a request type, metrics, and a model name."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lm_eval.api.model import LM
from lm_eval.api.registry import register_metric
from lm_eval.api.task import ALL_OUTPUT_TYPES

from neuronxa_task.alignment import SCORE_OF
from neuronxa_task.errors import show_errors_as_one_line

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance

    from neuronxa_task.scoring import PairAlignment

REQUEST_TYPE = "neuron_alignment"


def _answer(self: LM, requests: Sequence[Instance]) -> list[PairAlignment]:
    """Layers at which sentence pairs are aligned; see `neuronxa_task.scoring`."""
    from neuronxa_task.scoring import neuron_alignment

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


def model_arguments_of_the_run() -> frozenset[str]:
    """Names of the `--model_args` of the evaluation that is now loading its tasks.

    The harness merges model arguments into every task's metadata and keeps no record of which key
    came from where, so a mistyped setting could not be told from `attn_implementation=...`. The
    call in progress knows: its frame is looked up.
    """
    frame = inspect.currentframe()
    while frame is not None:
        module, function = frame.f_globals.get("__name__"), frame.f_code.co_name
        if (module, function) == ("lm_eval.evaluator", "simple_evaluate"):
            given = frame.f_locals.get("model_args")
            if isinstance(given, str):
                from lm_eval.utils import simple_parse_args_string

                given = simple_parse_args_string(given)
            return frozenset(given or ())
        frame = frame.f_back
    return frozenset()


def __getattr__(name: str) -> Any:
    """`NeuronXALM`, made when asked for, since its base imports torch and transformers."""
    if name != "NeuronXALM":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from neuronxa_task.model import NeuronXALM

    return NeuronXALM


register()
