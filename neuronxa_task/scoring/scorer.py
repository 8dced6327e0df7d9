"""Answer the requests of a run: sentence pairs in, the layers that align each pair out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace

import torch
from torch import Tensor

from neuronxa_task.corpus import data_hash
from neuronxa_task.scoring.encoder import ScoredModel, SentenceEncoder
from neuronxa_task.scoring.language_pairs import (
    PairResult,
    Request,
    TaskFacts,
    TaskKey,
    TaskPairs,
    TaskResults,
    from_json,
    key_of,
    pairs_by_task,
    task_results,
    to_json,
)
from neuronxa_task.scoring.measure import measure
from neuronxa_task.scoring.pair_groups import PairGroup, pair_groups
from neuronxa_task.scoring.rivals import Combine, rivals_by_layer
from neuronxa_task.scoring.signature import software
from neuronxa_task.scoring.state_cache import Sentence, StateCache
from neuronxa_task.scoring.states import SentenceStates
from neuronxa_task.scoring.surface import surface
from neuronxa_task.settings import REQUEST_TYPE


def answer(model: ScoredModel, requests: Sequence[Request]) -> list[PairResult]:
    """Answer the requests of every NeuronXA task of a run.

    Raises:
        NeuronXAError: the model has no feed-forward neurons, an activation is not finite, or a task
            has a single sentence pair.
    """
    results = _Scorer(model).results(pairs_by_task(requests, model.processes))
    return [results[key_of(request)][request.doc_id] for request in requests]


class _Scorer:
    """Scores one task after the other, so that memory does not grow with their number."""

    def __init__(self, model: ScoredModel) -> None:
        self.model, self.tokens = model, model.tokens
        self.encoder = SentenceEncoder(model)
        self.together = self.encoder.together

    def results(self, tasks: Sequence[TaskPairs]) -> dict[TaskKey, TaskResults]:
        """Score all tasks; results by task, pivot and document."""
        from tqdm import tqdm

        groups = pair_groups(tasks, self.together, self.tokens.__getitem__)
        kept = {task.key: group for group in groups for task in group.tasks}
        keys = {task.key: self._finished_key(task, kept.get(task.key)) for task in tasks}
        results = {
            task.key: finished
            for task in tasks
            if (finished := self._finished(keys[task.key])) is not None
        }
        for group in groups:  # all of a group's vectors are needed at once
            if any(task.key not in results for task in group.tasks):
                for task in group.tasks:
                    results.pop(task.key, None)
        unfinished = [task for task in tasks if task.key not in results]
        cache = StateCache(map(self._sentences, unfinished))
        self.tokens.warn_of_truncation()
        with (
            ExitStack() as stores,
            tqdm(
                total=cache.distinct,
                desc=f"Running {REQUEST_TYPE} requests",
                unit=" sentences",
                disable=self.together.rank != 0,
            ) as bar,
        ):
            for task in unfinished:
                bar.set_postfix_str(task.task, refresh=False)
                states, rows = self.encoder.states(
                    cache,
                    task.settings,
                    self._sentences(task),
                    max_batch_tokens=task.options.max_batch_tokens,
                    progress=bar.update,
                )
                results[task.key] = self._score(task, states, rows)
                if task.key not in kept:
                    self._finish(keys[task.key], results[task.key])
                elif states is not None:
                    kept[task.key].keep(task, states, *self._vectors(task, states, rows), stores)
            for group in (group for group in groups if group.tasks[0] in unfinished):
                self._score_pairs(group, results, keys)
        return results

    def _score_pairs(
        self, group: PairGroup, results: dict[TaskKey, TaskResults], keys: Mapping[TaskKey, str]
    ) -> None:
        """Add the scores of all pairs of a group's languages to its tasks' results."""
        from tqdm import tqdm

        with tqdm(total=group.steps, desc="Scoring all pairs", unit=" matrices") as bar:
            for task, facts in group.results(results, bar.update):
                results[task.key] = {
                    document: replace(result, task=facts)
                    for document, result in results[task.key].items()
                }
                self._finish(keys[task.key], results[task.key])

    def _sentences(self, task: TaskPairs) -> set[Sentence]:
        texts = [*task.pivot, *task.own_target] if task.own else []
        return {(task.settings, self.tokens[text]) for text in texts}

    # ------------------------------------------------------------ states to results

    def _score(
        self, task: TaskPairs, states: SentenceStates | None, rows: dict[Sentence, int]
    ) -> TaskResults:
        """Results of all documents, on every process."""
        side = self.encoder.side(task.settings.side)
        n, hidden_states = len(task.pivot), len(side.body.layers) + 1
        depth = 2 * len(side.layers) + hidden_states
        pivot_ids, target_ids = self._ids(task.pivot), self._ids(task.target)
        if states is None:  # this process only takes part in the exchange
            pivot: Iterator[Tensor] = iter([torch.empty(n, 0)] * depth)
            target: Iterator[Tensor] = iter([torch.empty(0, 0)] * depth)
        else:
            pivot, target = self._vectors(task, states, rows)
        layers = rivals_by_layer(
            pivot,
            target,
            pairs=task.own,
            pivot_sentences=pivot_ids,
            target_sentences=target_ids,
            combine=Combine(self.encoder.split.sum, self.model.processes.maximum),
        )
        measurement = measure(layers, side.layers, hidden_states, n)
        facts = TaskFacts(
            data_hash=data_hash(task.pivot, task.target),
            token_hash=self._token_hash(task),
            model=replace(self.model.facts, settings=side.settings),
            neuron_layers=side.layers,
            surface=surface(pivot_ids, target_ids, self.model.special_ids),
            intervals=measurement.alignment.intervals,
            stability=measurement.stability,
        )
        return task_results(measurement.alignment, task.documents, facts)

    def _vectors(
        self, task: TaskPairs, states: SentenceStates, rows: dict[Sentence, int]
    ) -> tuple[Iterator[Tensor], Iterator[Tensor]]:
        """The vectors of the pivot sentences and of this process's translations, by layer."""
        pivot, target = (
            states.vectors([rows[task.settings, ids] for ids in self._ids(texts)])
            for texts in (task.pivot, task.own_target)
        )
        return pivot, target

    def _ids(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        return [self.tokens[text] for text in texts]

    def _token_hash(self, task: TaskPairs) -> str:
        pivot, target = (map(str, self._ids(side)) for side in (task.pivot, task.target))
        return data_hash([*pivot], [*target])

    # ------------------------------------------------------------ resumption

    def _finished(self, key: str) -> TaskResults | None:
        """Results of an earlier run, if any process has them."""
        finished = self.model.finished
        if finished is None:
            return None
        # Every process asks, so that none computes alone what needs an exchange.
        stored = self.together.gather(finished.get(key))
        return next((from_json(text) for text in stored if text is not None), None)

    def _finish(self, key: str, results: TaskResults) -> None:
        processes, finished = self.model.processes, self.model.finished
        # Processes that the harness takes for one write into one file.
        if finished is not None and not (processes.replicated and processes.rank > 0):
            finished[key] = to_json(results)

    def _finished_key(self, task: TaskPairs, group: PairGroup | None) -> str:
        """A hash of all that the results depend on, on any number of processes; "" if unused."""
        if self.model.finished is None:
            return ""
        request = {
            "settings": asdict(task.settings),
            "batch_tokens": task.options.max_batch_tokens,
            "model": asdict(self.model.facts),
            "software": software(),
            "documents": task.documents,
            "pivot": task.pivot,
            "target": task.target,
            "tokens": self._token_hash(task),
            "special": sorted(self.model.special_ids),
            "scored_with": group and [[one.options.target, one.target] for one in group.tasks],
        }
        digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
        return f"{REQUEST_TYPE}-{digest}"
