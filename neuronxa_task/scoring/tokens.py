"""Texts to token ids, each text once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from neuronxa_task.errors import NeuronXAError

log = logging.getLogger(__name__)


class TokenCache:
    """Token ids of texts, cut at the model's maximum length.

    Args:
        tokenize: text to token ids, special tokens included.
        max_length: tokens that the model takes.
    """

    def __init__(self, tokenize: Callable[[str], Sequence[int]], max_length: int) -> None:
        self._tokenize, self._max_length = tokenize, max_length
        self._ids: dict[str, tuple[int, ...]] = {}
        self.truncated = 0

    def __getitem__(self, text: str) -> tuple[int, ...]:
        if text not in self._ids:
            ids = self._tokenize(text)
            if not ids:
                raise NeuronXAError(f"the tokenizer makes no tokens of the sentence {text!r}")
            self.truncated += len(ids) > self._max_length
            self._ids[text] = tuple(ids[: self._max_length])
        return self._ids[text]

    def warn_of_truncation(self) -> None:
        """Say how many sentences were cut, if any."""
        if self.truncated:
            log.warning(
                "%d of %d sentences are longer than the model's %d tokens and were cut there",
                self.truncated,
                len(self._ids),
                self._max_length,
            )
