"""Load a model as the harness's `hf` would, without warnings about its head, to list its layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from torch import nn

from neuronxa_task.errors import NeuronXAError, one_of, shortened

WITHOUT_EFFECT = frozenset(
    "backend tokenizer truncation logits_cache max_length device softmax_dtype add_bos_token "
    "mixed_precision_dtype batch_size max_batch_size use_fast_tokenizer prefix_token_id "
    "parallelize max_memory_per_gpu max_cpu_memory offload_folder tp_plan think_end_token "
    "enable_thinking chat_template_args".split()
)
"""Arguments of the harness's `hf` that change how a model is run, and not which neurons it has."""

NOT_LOADED = ("delta", "autogptq", "gptqmodel")
FAILURES = (OSError, ValueError, TypeError, KeyError, ImportError, RuntimeError)


class Loaded(NamedTuple):
    """A model, and a note on how the harness loads it (empty for `--model hf`)."""

    model: nn.Module
    remark: str


def load(name: str, arguments: Mapping[str, Any]) -> Loaded:
    """Load a model on the CPU, quietly.

    Args:
        name: hub name or folder.
        arguments: what `lm_eval --model_args` would give: `revision`, `subfolder`, `dtype`,
            `trust_remote_code`, `gguf_file`, `peft`, and what `from_pretrained` takes.

    Raises:
        NeuronXAError: it cannot be loaded.
    """
    options = {key: value for key, value in arguments.items() if key not in WITHOUT_EFFECT}
    if refused := [key for key in NOT_LOADED if options.pop(key, None)]:
        raise NeuronXAError(
            f"neuronxa models does not load models with {one_of(refused)}; score such a model with "
            "lm_eval, which says whether its neurons can be read"
        )
    peft = options.pop("peft", None)
    with quiet():
        try:
            return _load(name, {"dtype": "auto", "trust_remote_code": False, **options}, peft)
        except FAILURES as error:
            reason = shortened(" ".join(str(error).split()), at_most=700)
            adapter = f" with the adapter {peft}" if peft else ""
            raise NeuronXAError(
                f"{name}{adapter} cannot be loaded: {reason}; expected a hub name or a folder with "
                "a model of transformers, and its --model_args as lm_eval takes them"
            ) from error


def _load(name: str, options: dict[str, Any], peft: str | None) -> Loaded:
    from transformers import AutoConfig, AutoTokenizer

    shared = {
        key: options[key]
        for key in ("revision", "subfolder", "trust_remote_code", "gguf_file")
        if key in options
    }
    config = AutoConfig.from_pretrained(name, **shared)
    auto_class, remark = _auto_class(config)
    model: Any = auto_class.from_pretrained(name, **options)
    if peft is not None:
        from peft import PeftModel

        # As the harness: adapters with added tokens fit the tokenizer.
        tokenizer = AutoTokenizer.from_pretrained(name, **shared)
        if len(tokenizer) != config.get_text_config().vocab_size:
            model.resize_token_embeddings(len(tokenizer))
        model = PeftModel.from_pretrained(model, peft, revision=options.get("revision"))
    return Loaded(model.eval(), remark)


def _auto_class(config: Any) -> tuple[Any, str]:
    """The class that the harness loads such a model with, and a note on the options this needs."""
    import transformers
    from transformers.models.auto import modeling_auto as auto

    kind = config.model_type
    if kind in auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES:
        return transformers.AutoModelForSeq2SeqLM, ""
    is_remote = "AutoModelForCausalLM" in (getattr(config, "auto_map", None) or {})
    if kind in auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES or is_remote:
        return transformers.AutoModelForCausalLM, ""
    if kind in auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        return (
            transformers.AutoModelForImageTextToText,
            f"lm_eval loads {kind} with --model hf-multimodal and a --batch_size that is a number.",
        )
    return (
        transformers.AutoModel,
        f"lm_eval --model hf has no class for {kind}; score it in Python (neuronxa_task.score).",
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' warnings about heads that are missing, and its progress bars."""
    from transformers.utils import logging

    verbosity, has_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if has_bars:
            logging.enable_progress_bar()
