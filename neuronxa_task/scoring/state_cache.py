"""States of sentences that tasks share, so that each distinct sentence passes the model once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from neuronxa_task.scoring.states import SentenceStates
from neuronxa_task.settings import StateSettings

Sentence = tuple[StateSettings, tuple[int, ...]]
"""What is encoded, and so what can be shared: settings and token ids."""

KEPT_BYTES = 4 * 1024**3
"""States that later tasks need are kept up to here; beyond it their sentences pass again."""


class StateCache:
    """States of the task in work, and of the sentences that a later task shares.

    Memory holds one language and what is worth keeping, never all languages. For every task in
    turn: `missing` names the sentences to encode, `add` takes their states, `take` gives the
    task's.

    Args:
        tasks: the sentences of every task, in the order in which they will be taken.
    """

    def __init__(self, tasks: Iterable[Collection[Sentence]]) -> None:
        self._uses_left = Counter(sentence for sentences in tasks for sentence in sentences)
        self._states: SentenceStates | None = None
        self._row: dict[Sentence, int] = {}
        self.distinct = len(self._uses_left)

    @property
    def states(self) -> SentenceStates | None:
        """The states that are kept."""
        return self._states

    def missing(self, sentences: Collection[Sentence]) -> list[Sentence]:
        """Those of a task's sentences whose states are not here, in the order of their ids."""
        return sorted(set(sentences) - self._row.keys(), key=lambda sentence: sentence[1])

    def add(self, sentences: list[Sentence], states: SentenceStates) -> None:
        """Keep the states of these sentences, of equal settings, in the same order."""
        first_row = len(self._row)
        if self._states is not None:
            states = SentenceStates.concatenate([self._states, states])
        self._states = states
        self._row |= {sentence: first_row + index for index, sentence in enumerate(sentences)}

    def take(self, sentences: Collection[Sentence]) -> tuple[SentenceStates, dict[Sentence, int]]:
        """States that hold a task's sentences, all of which are here, and the row of each."""
        assert self._states is not None
        self._uses_left.subtract(sentences)
        return self._states, self._row

    def drop_unneeded(self, bytes_per_sentence: int) -> None:
        """Forget sentences that no later task needs, and those beyond `KEPT_BYTES`.

        Args:
            bytes_per_sentence: memory of one sentence's states.
        """
        if self._states is None:
            return
        needed = sorted(
            (sentence for sentence in self._row if self._uses_left[sentence]),
            key=lambda sentence: -self._uses_left[sentence],
        )
        kept = needed[: max(1, KEPT_BYTES // bytes_per_sentence)]
        if len(kept) == len(self._row):
            return
        self._states = self._states[[self._row[sentence] for sentence in kept]] if kept else None
        self._row = {sentence: row for row, sentence in enumerate(kept)}
