"""Each distinct sentence passes the model once: sentences that tasks share, and their states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from neuronxa_task.scoring.states import SentenceStates
from neuronxa_task.settings import StateSettings

Sentence = tuple[StateSettings, tuple[int, ...]]
"""What is encoded, and so what can be shared: settings and token ids."""

KEPT_BYTES = 4 * 1024**3
"""States that later tasks need are kept up to here; beyond it their sentences pass again."""


class SharedStates:
    """States of the sentences in work, and of those that a later task shares.

    Memory holds the language in work and what is worth keeping, never all languages.

    Args:
        uses: the sentences of every task, in the order in which they will be asked for.
        encode: computes the states of sentences of equal settings.
        size: bytes that one sentence takes.
    """

    def __init__(
        self,
        uses: Iterable[set[Sentence]],
        encode: Callable[[StateSettings, list[tuple[int, ...]]], SentenceStates],
        size: Callable[[SentenceStates], int],
    ) -> None:
        self._pending = Counter(sentence for sentences in uses for sentence in sentences)
        self._encode, self._size = encode, size
        self._states: SentenceStates | None = None
        self._row: dict[Sentence, int] = {}
        self.distinct = len(self._pending)

    def of(self, sentences: set[Sentence]) -> tuple[SentenceStates, dict[Sentence, int]]:
        """States that hold `sentences` (of one task, so of equal settings), and their rows."""
        self._drop_all_but(sentence for sentence in self._row if self._pending[sentence])
        new = sorted(sentences - self._row.keys(), key=lambda sentence: sentence[1])
        if new:
            states = self._encode(new[0][0], [ids for _, ids in new])
            offset = len(self._row)
            parts = [states] if self._states is None else [self._states, states]
            self._states = states if len(parts) == 1 else SentenceStates.concatenate(parts)
            self._row |= {sentence: offset + place for place, sentence in enumerate(new)}
        assert self._states is not None
        self._pending.subtract(sentences)
        return self._states, self._row

    def _drop_all_but(self, needed: Iterable[Sentence]) -> None:
        if self._states is None:
            return
        kept = sorted(needed, key=lambda sentence: -self._pending[sentence])
        kept = kept[: max(1, KEPT_BYTES // self._size(self._states))]
        if len(kept) == len(self._row):
            return
        self._states = self._states[[self._row[sentence] for sentence in kept]] if kept else None
        self._row = {sentence: place for place, sentence in enumerate(kept)}
