"""Requests and results, which the harness passes between a task and the model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.scoring.alignment import Alignment, Interval
from neuronxa_task.scoring.data_parallel import DataParallel
from neuronxa_task.scoring.signature import ModelFacts
from neuronxa_task.scoring.uncertainty import StabilityCurve
from neuronxa_task.settings import StateSettings


class Request(Protocol):
    """The attributes of the harness's `Instance` that are used here."""

    task_name: str
    doc_id: int
    args: tuple[str, str, dict[str, Any]]
    """Pivot sentence, target sentence, what `RequestOptions` holds."""


@dataclass(frozen=True)
class RequestOptions:
    """How a task's requests are answered.

    Attributes:
        states: which states are compared, by setting.
        target: the language that is compared with the pivot.
        pairs: also score the language with every other one.
        max_batch_tokens: most tokens in a batch, padding included.
    """

    states: Mapping[str, Any]
    target: str = ""
    pivot: str = ""
    pairs: bool = False
    max_batch_tokens: int | None = None


@dataclass(frozen=True)
class TaskFacts:
    """Facts that all results of a task share.

    Attributes:
        data_hash: hash of the sentence pairs that were compared, eight hex digits.
        token_hash: hash of their token ids, eight hex digits, which depends on the tokenizer, its
            special tokens and the truncation of long sentences.
        model: facts of the model and the run that can change the result.
        neuron_layers: the layers that have neurons.
        surface: fraction of pairs that are aligned by their common tokens alone.
        intervals: lower and upper bound of each score's 95 % interval; empty for few pairs.
        stability: scores of random subsets of the pairs, by score and subset size.
        pairs: with `pairs: true`, by score, the score with every other language.
    """

    data_hash: str
    token_hash: str
    model: ModelFacts
    neuron_layers: tuple[int, ...]
    surface: float
    intervals: Mapping[str, Interval]
    stability: Mapping[str, StabilityCurve]
    pairs: Mapping[str, Mapping[str, float]] | None = None


@dataclass(frozen=True)
class PairResult:
    """The answer to a request: the layers at which one sentence pair is aligned.

    Attributes:
        bits: `nas_from_pivot`, `nas_to_pivot`, … `emb_to_pivot`: one character per layer, `1` if
            that direction of weak alignment holds. `nas_…` and `nav_…` skip layers without neurons;
            `emb_…` has one more character, for the state before the first layer.
        task: facts shared by all results of the task.
    """

    bits: dict[str, str]
    task: TaskFacts

    def __str__(self) -> str:
        return " ".join(f"{name}={bits}" for name, bits in self.bits.items())


TaskResults = dict[int, PairResult]
"""A task's results with one pivot, by document id."""

TaskKey = tuple[str, str]
"""Name of a task, and a pivot."""


def task_results(alignment: Alignment, documents: Sequence[int], task: TaskFacts) -> TaskResults:
    """Turn the alignment of sentence pairs into one result per document.

    Args:
        alignment: alignment of the pairs, among all pairs of the task.
        documents: document ids of the pairs, in the same order.
        task: facts shared by the results.
    """
    directions = {
        f"{name}_{direction}": getattr(retrieval, direction).T.tolist()
        for direction in ("from_pivot", "to_pivot")
        for name, retrieval in alignment.by_representation().items()
    }
    return {
        document: PairResult(
            {
                name: "".join("01"[is_nearest] for is_nearest in pairs[index])
                for name, pairs in directions.items()
            },
            task,
        )
        for index, document in enumerate(documents)
    }


def to_json(results: TaskResults) -> str:
    """Serialise a task's results, for the harness's cache of responses."""
    facts = asdict(next(iter(results.values())).task)
    bits = {document: result.bits for document, result in results.items()}
    return json.dumps({"task": facts, "bits": bits})


def from_json(text: str) -> TaskResults:
    """Read results written by `to_json`."""
    stored = json.loads(text)
    facts = stored["task"]
    model = facts["model"] | {"settings": tuple(facts["model"]["settings"])}
    facts |= {
        "model": ModelFacts(**model),
        "neuron_layers": tuple(facts["neuron_layers"]),
        "intervals": {score: tuple(ends) for score, ends in facts["intervals"].items()},
        "stability": {
            score: {int(size): scores for size, scores in by_size.items()}
            for score, by_size in facts["stability"].items()
        },
    }
    task = TaskFacts(**facts)
    return {int(document): PairResult(bits, task) for document, bits in stored["bits"].items()}


@dataclass(frozen=True)
class TaskPairs:
    """The sentence pairs of one task with one pivot.

    Attributes:
        settings: which states are compared.
        documents: ids of the n documents, one per pair.
        pivot: n pivot sentences.
        target: their n translations.
        own: indices of the pairs that this process works on.
        options: how to score them.
    """

    task: str
    settings: StateSettings
    documents: list[int]
    pivot: list[str]
    target: list[str]
    own: list[int]
    options: RequestOptions

    @property
    def key(self) -> TaskKey:
        """Names the pairs within a run, in which a task may have several pivots."""
        return self.task, self.options.pivot

    @property
    def own_target(self) -> list[str]:
        """The translations that this process encodes."""
        return [self.target[index] for index in self.own]


def key_of(request: Request) -> TaskKey:
    """The task and the pivot of a request."""
    return request.task_name, request.args[2]["pivot"]


def pairs_by_task(requests: Sequence[Request], processes: DataParallel) -> list[TaskPairs]:
    """Group the requests of all processes by task and pivot, all pivots of a task in a row.

    Raises:
        NeuronXAError: a task has fewer than two sentence pairs.
    """
    received: dict[TaskKey, dict[int, tuple[str, str, dict[str, Any]]]] = {}
    for request in requests:
        received.setdefault(key_of(request), {})[request.doc_id] = request.args
    everywhere = [received] if processes.replicated else processes.gather(received)
    tasks = []
    for key in received:
        task, _ = key
        documents = {i: request for part in everywhere for i, request in part[key].items()}
        ids = sorted(documents)
        if len(ids) < 2:
            raise NeuronXAError(
                f"{task} has {len(ids)} sentence pair; at least 2 are needed: a pair is aligned "
                "if it is closer than every other pair (increase --limit or num_sentences)"
            )
        own = set(processes.own(sorted(received[key])))
        options = RequestOptions(**documents[ids[0]][2])
        tasks.append(
            TaskPairs(
                task,
                StateSettings(**options.states),
                ids,
                [documents[i][0] for i in ids],
                [documents[i][1] for i in ids],
                [index for index, i in enumerate(ids) if i in own],
                options,
            )
        )
    return tasks
