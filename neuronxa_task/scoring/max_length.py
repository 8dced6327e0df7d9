"""Maximum length of a model, by the rule of lm_eval 0.4.13 with any installed harness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

NAMES = ("n_positions", "max_position_embeddings", "n_ctx")
UNSET = int(1e30)
"""transformers' `model_max_length` of a tokenizer without a maximum."""

DEFAULT = 2048


def max_length(config: Any, tokenizer: PreTrainedTokenizerBase | None) -> int:
    """Maximum number of tokens: from the text model's configuration, else from the tokenizer.

    Earlier harnesses ignore `text_config`, where models that also read images have it.

    >>> from types import SimpleNamespace
    >>> max_length(SimpleNamespace(max_position_embeddings=256), None)
    256
    >>> max_length(SimpleNamespace(), SimpleNamespace(model_max_length=int(1e30)))
    2048
    """
    config = getattr(config, "text_config", None) or config
    for name in NAMES:
        if (value := getattr(config, name, None)) is not None:
            return int(value)
    value = getattr(tokenizer, "model_max_length", None)
    return DEFAULT if value is None or value == UNSET else int(value)
