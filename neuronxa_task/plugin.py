"""How the plugin enters lm-evaluation-harness: a request type, metrics, and a model name."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

from lm_eval.api.model import LM
from lm_eval.api.registry import register_metric
from lm_eval.api.task import ALL_OUTPUT_TYPES

from neuronxa_task.errors import NeuronXAError, show_errors_as_one_line
from neuronxa_task.settings import METADATA_OF_OTHER_TASKS, REQUEST_TYPE, SCORE_OF

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    from neuronxa_task.scoring.data_parallel import DataParallel
    from neuronxa_task.scoring.encoder import ScoredModel
    from neuronxa_task.scoring.language_pairs import PairResult


def _answer(self: LM, requests: Sequence[Instance]) -> list[PairResult]:
    """Layers at which sentence pairs are aligned; see `neuronxa_task.scoring.scorer`."""
    from neuronxa_task.scoring.scorer import answer

    return answer(scored_model(self), requests)


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


# ---------------------------------------------------------------- the model behind `lm`


def scored_model(lm: LM) -> ScoredModel:
    """What scoring needs of the harness's model.

    Raises:
        NeuronXAError: the backend shows no activations, or calls its model otherwise than `hf`.
    """
    from neuronxa_task.scoring.encoder import ScoredModel
    from neuronxa_task.scoring.signature import model_facts
    from neuronxa_task.scoring.tokens import TokenCache

    hf = _require_readable(lm)
    return ScoredModel(
        model=hf.model,
        facts=model_facts(hf),
        tokens=TokenCache(hf.tok_encode, hf.max_length),
        decode=hf.tok_decode,
        pad_id=hf.tokenizer.pad_token_id or 0,
        special_ids=frozenset(hf.tokenizer.all_special_ids),
        batch_size=hf.max_batch_size if hf.batch_size == "auto" else int(hf.batch_size),
        shrinks_batches=hf.batch_size == "auto",
        mixed_precision=getattr(hf, "mixed_precision_dtype", None),
        processes=processes_of(hf),
        finished=responses_of(hf),
    )


def _require_readable(lm: LM) -> HFLM:
    """The body of the model is called as it is: a backend that calls it otherwise is refused."""
    from lm_eval.models.huggingface import HFLM
    from torch import nn

    if isinstance(lm, HFLM) and isinstance(lm.model, nn.Module):
        if type(lm)._model_call is HFLM._model_call:
            return lm
        reason = "changes how the model is called, which would not be seen in its neurons"
    else:
        reason = "does not show a model's activations"
    raise NeuronXAError(
        f"the backend {type(lm).__name__} {reason}; NeuronXA tasks work with --model hf"
    )


def processes_of(lm: HFLM) -> DataParallel:
    """The processes that `lm` was launched with.

    The harness splits documents between GPUs and tells the rank. On CPUs (0.4.13) it starts the
    processes of `torchrun`, but each receives all documents: accelerate knows how many they are.
    """
    import torch

    from neuronxa_task.scoring.data_parallel import DataParallel

    if lm.world_size > 1:
        return DataParallel(lm.rank, lm.world_size, torch.device(lm.device))
    accelerator = getattr(lm, "accelerator", None)
    if accelerator is not None and accelerator.num_processes > 1:
        index, size = accelerator.process_index, accelerator.num_processes
        return DataParallel(index, size, accelerator.device, replicated=True)
    return DataParallel()


def responses_of(lm: LM) -> ResponseCache | None:
    """The cache of `--use_cache`, if there is one."""
    stored = lm.cache_hook.dbdict
    return None if stored is None else ResponseCache(stored)


class ResponseCache(MutableMapping[str, str]):
    """The harness's cache of responses as texts by key, under `in` and `[]`.

    That is all that both kinds have in common: up to 0.4.13 it pickles into SQLite and commits by
    itself; from pull request 3988 on it takes JSON and is told to `commit`.

    Args:
        stored: the harness's database.
    """

    def __init__(self, stored: Any) -> None:
        self._stored = stored

    def __contains__(self, key: object) -> bool:
        return key in self._stored

    def __getitem__(self, key: str) -> str:
        return str(self._stored[key])

    def __setitem__(self, key: str, value: str) -> None:
        self._stored[key] = value
        if hasattr(self._stored, "commit"):
            self._stored.commit()

    def __delitem__(self, key: str) -> None:
        del self._stored[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)


register()
