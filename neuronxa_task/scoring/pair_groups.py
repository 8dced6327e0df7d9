"""Tasks whose languages are scored with each other as well as with the pivot (`pairs: true`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from torch import Tensor

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.scoring.all_pairs import LayerShape, VectorStore, score_all_pairs
from neuronxa_task.scoring.data_parallel import Processes
from neuronxa_task.scoring.language_pairs import TaskFacts, TaskKey, TaskPairs, TaskResults
from neuronxa_task.scoring.states import SentenceStates
from neuronxa_task.settings import SCORE_OF, StateSettings

TokenIds = Sequence[int]


@dataclass
class PairGroup:
    """Tasks of one parallel text and equal settings.

    Attributes:
        tasks: the tasks, each with a different target language.
        longest: tokens of the longest sentence.
    """

    tasks: list[TaskPairs]
    longest: int
    _store: VectorStore | None = field(init=False, default=None)

    def keep(
        self,
        task: TaskPairs,
        states: SentenceStates,
        pivot: Iterator[Tensor],
        target: Iterator[Tensor],
        stores: ExitStack,
    ) -> None:
        """Keep the vectors of a task's language until all are there, and the pivot's once.

        Args:
            task: one of the group's.
            states: of its sentences; tells the size of every layer.
            pivot: per layer, `[n, features]` vectors of the pivot sentences.
            target: likewise of their translations.
            stores: closes what holds the vectors.

        Raises:
            NeuronXAError: the disk is too small.
        """
        options = task.options
        if self._store is None:
            languages = [options.pivot, *(member.options.target for member in self.tasks)]
            layers = layer_shapes(states, task.settings, self.longest)
            self._store = stores.enter_context(VectorStore(languages, len(task.pivot), layers))
            self._store.add(options.pivot, pivot)
        self._store.add(options.target, target)

    def results(
        self, results: Mapping[TaskKey, TaskResults], progress: Callable[[int], object]
    ) -> Iterator[tuple[TaskPairs, TaskFacts]]:
        """Every task with its facts, the scores with every other language among them.

        Args:
            results: of every task.
            progress: called as by `score_all_pairs`.
        """
        assert self._store is not None
        scores = score_all_pairs(self._store, progress)
        for row, task in enumerate(self.tasks, start=1):
            pairs = {
                score: {
                    language: float(matrix[row, column])
                    for column, language in enumerate(self._store.languages)
                    if column != row
                }
                for score, matrix in scores.items()
            }
            facts = next(iter(results[task.key].values())).task
            yield task, replace(facts, pairs=pairs)

    @property
    def steps(self) -> int:
        """Language pairs times layers, which `results` reports as progress."""
        return 0 if self._store is None else self._store.steps


def layer_shapes(states: SentenceStates, settings: StateSettings, longest: int) -> list[LayerShape]:
    """The size of every layer, and the largest sum of neuron states that it can hold."""
    largest = {"position": longest * (longest + 1) // 2, "mean": longest, "last": 1}
    return [
        LayerShape(
            SCORE_OF[name], layer.shape[1], largest[settings.pooling] if name == "nas" else None
        )
        for name in SCORE_OF
        for layer in getattr(states, name)
    ]


def pair_groups(
    tasks: Sequence[TaskPairs], processes: Processes, ids: Callable[[str], TokenIds]
) -> list[PairGroup]:
    """The tasks that are to be scored with each other, by settings and pivot.

    Args:
        tasks: all of the run.
        processes: those that score together.
        ids: token ids of a text.

    Raises:
        NeuronXAError: several processes, or text that is not parallel over languages.
    """
    wanted = [task for task in tasks if task.options.pairs]
    if wanted and processes.size > 1:
        raise NeuronXAError(
            f"pairs: true needs a single process, and this run has {processes.size}; "
            "start lm_eval without torchrun or accelerate launch"
        )
    by_settings: dict[tuple[StateSettings, str], list[TaskPairs]] = {}
    for task in wanted:
        by_settings.setdefault((task.settings, task.options.pivot), []).append(task)
    groups = []
    for members in by_settings.values():
        first = members[0]
        for task in members[1:]:
            if task.pivot != first.pivot:
                raise NeuronXAError(
                    f"pairs: true needs text that is parallel over all languages, but {task.task} "
                    f"and {first.task} have different {task.options.pivot} sentences; use "
                    "neuronxa_flores, or a corpus of your own"
                )
        texts = {*first.pivot, *(text for task in members for text in task.target)}
        groups.append(PairGroup(members, max(len(ids(text)) for text in texts)))
    return groups
