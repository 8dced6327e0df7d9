"""Sentences to token ids, by the tokenizer's own call."""

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
    """Token ids of sentences, each tokenized once and cut at the model's maximum length.

    The tokenizer is called with its defaults, special tokens included. The harness's `tok_encode`
    is not used: it needs a bos or eos token, and adds no special tokens to a sentence that begins
    with the bos token's text.

    Args:
        tokenizer: the model's.
        model: what the ids are for; gives the size of the vocabulary.
        max_length: tokens that the model takes.
        add_bos_token: the harness's model argument of this name: whether special tokens are added,
            or `None` for the tokenizer's own choice.
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
            NeuronXAError: it has no tokens but special ones, or an id that the model has no
                embedding for.
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
                f"the tokenizer makes no tokens of the sentence {shortened(sentence)!r}; "
                "expected text that it knows"
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
        """Say how many sentences were cut, if any."""
        if self.truncated:
            log.warning(
                "%d of %d sentences are longer than the model's %d tokens and were cut there",
                self.truncated,
                len(self._ids),
                self._max_length,
            )


def vocabulary_size(model: nn.Module) -> int | None:
    """Token ids that a model has embeddings for; `None` if it does not embed by a table."""
    find_embeddings: Any = getattr(model, "get_input_embeddings", None)
    try:
        embeddings = find_embeddings() if find_embeddings is not None else None
    except (AttributeError, NotImplementedError):
        return None
    size = getattr(embeddings, "num_embeddings", None)
    return size if isinstance(size, int) else None


def most_positions(model: nn.Module) -> int | None:
    """Tokens that a model has learned positions for, where fewer than its configuration says.

    RoBERTa and its kin count positions from behind the padding id, so the first ones are never
    used: of 514, 512 are left.
    """
    limits = [
        module.num_embeddings - module.padding_idx - 1
        for name, module in model.named_modules()
        if name.endswith("position_embeddings")
        and isinstance(module, nn.Embedding)
        and module.padding_idx is not None
    ]
    return min(limits, default=None)
