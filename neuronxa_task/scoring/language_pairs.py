"""Requests and answers: what the harness carries between a task and the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.scoring.data_parallel import Ranks
from neuronxa_task.scoring.signature import ModelFacts
from neuronxa_task.settings import StateSettings

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance


@dataclass(frozen=True)
class PairAlignment:
    """The answer to a request: the layers at which one sentence pair is aligned.

    Attributes:
        bits: `nas_from_pivot`, `nas_to_pivot`, … `emb_to_pivot`: one character per layer, `1`
            where that half of weak alignment holds. Layers without neurons have none in `nas_…` and
            `nav_…`; `emb_…` has one more, the embeddings first.
        data_hash: names the sentence pairs that competed.
        token_hash: names their token ids.
        model: what of the model and the run can change the answer.
        neuron_layers: the layers that have neurons.
    """

    bits: dict[str, str]
    data_hash: str
    token_hash: str
    model: ModelFacts
    neuron_layers: tuple[int, ...]

    def __str__(self) -> str:
        return " ".join(f"{name}={bits}" for name, bits in self.bits.items())


@dataclass(frozen=True)
class LanguagePair:
    """The sentence pairs of one task.

    Attributes:
        task: its name.
        settings: which states are compared.
        documents: the documents' ids, by pair.
        pivot: n pivot sentences.
        target: their n translations.
        own: the pairs this process works on, as indices.
    """

    task: str
    settings: StateSettings
    documents: list[int]
    pivot: list[str]
    target: list[str]
    own: list[int]


def language_pairs(instances: Sequence[Instance], ranks: Ranks) -> list[LanguagePair]:
    """Group requests by task, over all processes.

    Raises:
        NeuronXAError: a task has fewer than two sentence pairs.
    """
    handed: dict[str, dict[int, tuple[str, str, dict[str, Any]]]] = {}
    for instance in instances:
        handed.setdefault(instance.task_name, {})[instance.doc_id] = instance.args
    everywhere = [handed] if ranks.replicated else ranks.gather(handed)
    pairs = []
    for task in handed:
        documents = {i: request for part in everywhere for i, request in part[task].items()}
        ids = sorted(documents)
        if len(ids) < 2:
            raise NeuronXAError(
                f"{task} has {len(ids)} sentence pair; at least 2 are needed: a pair is aligned "
                "when it is closer than every other pair (raise --limit or num_sentences)"
            )
        own = set(ranks.share(sorted(handed[task])))
        pairs.append(
            LanguagePair(
                task,
                StateSettings(**documents[ids[0]][2]),
                ids,
                [documents[i][0] for i in ids],
                [documents[i][1] for i in ids],
                [place for place, i in enumerate(ids) if i in own],
            )
        )
    return pairs
