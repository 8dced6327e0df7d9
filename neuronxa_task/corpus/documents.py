"""Documents of a task: sentence pairs of a language with one or several pivots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neuronxa_task.corpus.parallel import Corpus
from neuronxa_task.errors import NeuronXAError
from neuronxa_task.sampling import Sample

Document = dict[str, Any]
"""`{"id", "pivot", "target"}`, the sentences with the first pivot; of further pivots the same under
`pivots`, by pivot."""


def documents(
    corpus: Corpus, targets: Mapping[str, str], count: int | None, sample: Sample
) -> list[Document]:
    """Documents of a task, one per sentence pair.

    Args:
        corpus: the text.
        targets: the language to compare with each pivot.
        count: number of pairs; `None` for all.
        sample: `first`, or the seed of a random sample.

    Raises:
        NeuronXAError: two pivots are the same language, they have different numbers of pairs, or
            pairs cannot be scored (see `Corpus.pairs`).
    """
    _require_distinct(corpus, targets)
    first, *others = targets
    sides = {pivot: corpus.pairs(pivot, targets[pivot], count, sample) for pivot in targets}
    for pivot in others:
        if len(sides[pivot][0]) != len(sides[first][0]):
            raise NeuronXAError(
                f"{len(sides[first][0])} sentence pairs with the pivot {first} and "
                f"{len(sides[pivot][0])} with {pivot}; several pivots need the same number each "
                "(set num_sentences, or score one pivot at a time)"
            )
    pairs = {pivot: list(zip(*texts, strict=True)) for pivot, texts in sides.items()}
    made = []
    for number, (sentence, translation) in enumerate(pairs[first]):
        document: Document = {"id": number, "pivot": sentence, "target": translation}
        if others:
            document["pivots"] = {
                pivot: dict(zip(("pivot", "target"), pairs[pivot][number], strict=True))
                for pivot in others
            }
        made.append(document)
    return made


def _require_distinct(corpus: Corpus, pivots: Mapping[str, str]) -> None:
    """Check that no language is named twice, by two of its codes."""
    known: dict[str, str] = {}
    for pivot in pivots if len(pivots) > 1 else ():
        name = corpus.own_name(pivot)
        if name in known:
            raise NeuronXAError(
                f"the pivots {known[name]!r} and {pivot!r} are the same language of {corpus.name}; "
                "name each once"
            )
        known[name] = pivot
