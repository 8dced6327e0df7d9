"""How many tokens a model takes, by the rule of lm_eval 0.4.13 whichever harness is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

NAMES = ("n_positions", "max_position_embeddings", "n_ctx")
UNSET = int(1e30)
"""What transformers gives as `model_max_length` of a tokenizer that knows none."""

DEFAULT = 2048


def max_length(config: Any, tokenizer: PreTrainedTokenizerBase | None) -> int:
    """Tokens that a model takes: by its text model's configuration, else by its tokenizer.

    Earlier harnesses do not look at `text_config`, where models that read images, too, have it.

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
