"""Tokenize sentences with the tokenizer's own call."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import nn

from neuronxa_task.errors import NeuronXAError, shortened

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger(__name__)


class TokenCache:
    """Token ids of sentences, each tokenized once and truncated to the model's maximum length.

    The tokenizer is called with its defaults, including special tokens. The harness's `tok_encode`
    is not used, because it needs a bos or eos token, and adds no special tokens to a sentence that
    starts with the text of the bos token.

    Args:
        tokenizer: the model's tokenizer.
        model: the model, which gives the size of the vocabulary.
        max_length: maximum number of tokens.
        add_bos_token: the harness's model argument of this name: whether to add special tokens;
            `None` for the tokenizer's default.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        model: nn.Module,
        max_length: int,
        add_bos_token: bool | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self._options = {} if add_bos_token is None else {"add_special_tokens": add_bos_token}
        self._vocabulary = vocabulary_size(model)
        self._max_length = min(max_length, most_positions(model) or max_length)
        unknown = getattr(tokenizer, "unk_token_id", None)
        self._no_text = set(getattr(tokenizer, "all_special_ids", ())) - {unknown}
        self._ids: dict[str, tuple[int, ...]] = {}
        self.truncated = 0

    def __getitem__(self, sentence: str) -> tuple[int, ...]:
        """Token ids of a sentence.

        Raises:
            NeuronXAError: it has only special tokens, or an id for which the model has no
                embedding.
        """
        if sentence not in self._ids:
            ids: Sequence[int] = self._tokenizer(sentence, **self._options)["input_ids"]
            self._check(sentence, ids)
            self.truncated += len(ids) > self._max_length
            self._ids[sentence] = tuple(ids[: self._max_length])
        return self._ids[sentence]

    def _check(self, sentence: str, ids: Sequence[int]) -> None:
        if self._no_text.issuperset(ids):
            raise NeuronXAError(
                f"the tokenizer gives no tokens for the sentence {shortened(sentence)!r}; "
                "expected text in its vocabulary"
            )
        if self._vocabulary is not None and not 0 <= min(ids) <= max(ids) < self._vocabulary:
            beyond = next(i for i in ids if not 0 <= i < self._vocabulary)
            raise NeuronXAError(
                f"the tokenizer does not fit the model: token id {beyond} of the sentence "
                f"{shortened(sentence)!r}, but the model has {self._vocabulary} embeddings; load "
                "the model's own tokenizer, or call model.resize_token_embeddings(len(tokenizer)) "
                "and save the model"
            )

    def warn_of_truncation(self) -> None:
        """Log how many sentences were truncated, if any."""
        if self.truncated:
            log.warning(
                "%d of %d sentences were truncated to the model's maximum of %d tokens",
                self.truncated,
                len(self._ids),
                self._max_length,
            )


def vocabulary_size(model: nn.Module) -> int | None:
    """Number of a model's token embeddings; `None` if it has no table of embeddings."""
    find_embeddings: Any = getattr(model, "get_input_embeddings", None)
    try:
        embeddings = find_embeddings() if find_embeddings is not None else None
    except (AttributeError, NotImplementedError):
        return None
    size = getattr(embeddings, "num_embeddings", None)
    return size if isinstance(size, int) else None


def most_positions(model: nn.Module) -> int | None:
    """Number of usable learned positions, if it is less than the configuration says; else `None`.

    RoBERTa and similar models count positions from the padding id + 1, so the first positions are
    never used: 512 of 514 remain.
    """
    limits = [
        module.num_embeddings - module.padding_idx - 1
        for name, module in model.named_modules()
        if name.endswith("position_embeddings")
        and isinstance(module, nn.Embedding)
        and module.padding_idx is not None
    ]
    return min(limits, default=None)
