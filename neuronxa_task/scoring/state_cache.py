"""Cache of sentence states, so that each distinct sentence passes through the model once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from neuronxa_task.scoring.states import SentenceStates
from neuronxa_task.settings import StateSettings

Sentence = tuple[StateSettings, tuple[int, ...]]
"""Key of the cache: settings and token ids."""

KEPT_BYTES = 4 * 1024**3
"""Bytes of states to keep for later tasks; sentences beyond it are run again."""


class StateCache:
    """States of the current task, and of sentences that later tasks need.

    Memory never has the states of all languages. For each task in turn, `missing` gives the
    sentences to encode, `add` stores their states, and `take` returns the states of the task.

    Args:
        tasks: sentences of each task, in the order of the calls of `take`.
    """

    def __init__(self, tasks: Iterable[Collection[Sentence]]) -> None:
        self._uses_left = Counter(sentence for sentences in tasks for sentence in sentences)
        self.states: SentenceStates | None = None
        self._row: dict[Sentence, int] = {}
        self.distinct = len(self._uses_left)

    def missing(self, sentences: Collection[Sentence]) -> list[Sentence]:
        """The sentences that are not in the cache, in the order of their ids."""
        return sorted(set(sentences) - self._row.keys(), key=lambda sentence: sentence[1])

    def add(self, sentences: list[Sentence], states: SentenceStates) -> None:
        """Store the states of sentences with equal settings, in the same order."""
        first_row = len(self._row)
        if self.states is not None:
            states = SentenceStates.concatenate([self.states, states])
        self.states = states
        self._row |= {sentence: first_row + index for index, sentence in enumerate(sentences)}

    def take(self, sentences: Collection[Sentence]) -> tuple[SentenceStates, dict[Sentence, int]]:
        """States that include a task's sentences, all of which must be cached, and their rows."""
        assert self.states is not None
        self._uses_left.subtract(sentences)
        return self.states, self._row

    def drop_unneeded(self, bytes_per_sentence: int, coming: Collection[Sentence]) -> None:
        """Drop sentences that no later task needs, and beyond `KEPT_BYTES` those not needed now.

        Args:
            bytes_per_sentence: size of the states of one sentence.
            coming: sentences of the task to score next, whose states have to be in memory anyway.
        """
        if self.states is None:
            return
        needed = sorted(
            (sentence for sentence in self._row if self._uses_left[sentence]),
            key=lambda sentence: (sentence not in coming, -self._uses_left[sentence]),
        )
        now = sum(sentence in coming for sentence in needed)
        kept = needed[: max(1, now, KEPT_BYTES // bytes_per_sentence)]
        if len(kept) == len(self._row):
            return
        self.states = self.states.of([self._row[sentence] for sentence in kept]) if kept else None
        self._row = {sentence: row for row, sentence in enumerate(kept)}
