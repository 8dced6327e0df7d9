"""Models against each other on the sentences that both were scored on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from neuronxa_task.analysis.adjust import holm
from neuronxa_task.analysis.points import Floats
from neuronxa_task.analysis.same_sentences import (
    FEWEST_PAIRS,
    SentenceDifference,
    sentence_differences,
)
from neuronxa_task.analysis.verdict import LEVEL
from neuronxa_task.report.content import Content
from neuronxa_task.report.names import short_names
from neuronxa_task.report.tables import Heading, written
from neuronxa_task.report.versus import Difference, Versus, model_pairs, p_text, signed
from neuronxa_task.results.uncertainty import PairRecord

SPELT_OUT = 6
"""Most pairs of models whose tests are also described in sentences."""


@dataclass(frozen=True)
class SentenceTest:
    """Two models in one score on one text, on the same sentences.

    Attributes:
        first, second: the models.
        text: alignment benchmark.
        score: alignment score.
        languages: that both have with the same sentences.
        sentences: of one language.
        is_shared: whether all languages have the same pivot sentences.
        difference: of the first from the second.
        p: of the difference, adjusted for all tests of the report (Holm).
    """

    first: str
    second: str
    text: str
    score: str
    languages: int
    sentences: int
    is_shared: bool
    difference: SentenceDifference
    p: float

    @property
    def is_clear(self) -> bool:
        """Whether the difference is beyond the chance of the sentences."""
        return self.p < LEVEL and self.difference.interval.excludes_zero()


def sentence_tests(content: Content) -> list[SentenceTest]:
    """Tests of all pairs of models, texts and scores whose files have `aligned_layers`.

    Empty for one model, for files of earlier versions, and for fewer than 20 sentence pairs.
    """
    tests = [test for text in content.texts for test in _of_text(content, text)]
    adjusted = holm([test.p for test in tests])
    return [replace(test, p=p) for test, p in zip(tests, adjusted, strict=True) if p is not None]


def _of_text(content: Content, text: str) -> Iterator[SentenceTest]:
    """The tests on a text, with p as it is."""
    records = {
        (model, code): about.pairs
        for (model, of_text, code), about in content.results.uncertainties.items()
        if of_text == text and about.pairs is not None
    }
    compared = []
    for first, second in model_pairs(content.models):
        for score in content.scores:
            pairs = [
                (one, other)
                for (model, code), one in records.items()
                if model == first
                and (other := records.get((second, code))) is not None
                and _on_same_sentences(one, other, score)
            ]
            if pairs:
                compared.append((first, second, score, pairs))
    groups: dict[str, Floats] = {}
    for column, (_, _, score, pairs) in enumerate(compared):
        for one, other in pairs:
            sums = groups.setdefault(
                one.pivot_hash, np.zeros((len(one.counts[score]), len(compared)))
            )
            sums[:, column] += (_shares(one, score) - _shares(other, score)) / len(pairs)
    if not groups:
        return
    differences = sentence_differences(list(groups.values()))
    for (first, second, score, pairs), difference in zip(compared, differences, strict=True):
        yield SentenceTest(
            *(first, second, text, score),
            languages=len(pairs),
            sentences=min(len(one.counts[score]) for one, _ in pairs),
            is_shared=len({one.pivot_hash for one, _ in pairs}) == 1,
            difference=difference,
            p=difference.p,
        )


def _on_same_sentences(one: PairRecord, other: PairRecord, score: str) -> bool:
    """Whether two models were scored on the same pairs, and on enough of them."""
    return (
        one.data_hash == other.data_hash
        and score in one.counts
        and score in other.counts
        and len(one.counts[score]) == len(other.counts[score]) >= FEWEST_PAIRS
    )


def _shares(record: PairRecord, score: str) -> Floats:
    """`[pairs]`, share of the layers at which each pair is aligned."""
    return np.frombuffer(record.counts[score], dtype=np.uint8) / record.depths[score]


def told(content: Content, tests: Sequence[SentenceTest]) -> list[str]:
    """What the tests of the first score on the first text show, as sentences."""
    names = short_names(content.models)
    chosen = [test for test in tests if (test.text, test.score) == (tests[0].text, tests[0].score)]
    return [_sentence(test, names[test.first], names[test.second]) for test in chosen[:SPELT_OUT]]


def _sentence(test: SentenceTest, first: str, second: str) -> str:
    mean, (low, high) = test.difference.mean, _ends(test)
    score = test.score.upper()
    where = "1 language" if test.languages == 1 else f"mean over {test.languages} languages"
    of = f"{test.sentences} sentences" + ("" if test.is_shared else " of each language")
    basis = f"{where}, paired over {of}"
    if not test.is_clear:
        return (
            f"{first} and {second}: cannot tell which is higher in {score} (difference "
            f"{written(mean)}, 95 % interval {written(low)} to {written(high)}; {basis})."
        )
    if mean < 0:
        first, second, mean, low, high = second, first, -mean, -high, -low
    return (
        f"{first} is higher in {score} than {second} by {written(mean)} "
        f"(95 % interval {written(low)} to {written(high)}; {basis})."
    )


def _ends(test: SentenceTest) -> tuple[float, float]:
    return test.difference.interval.low, test.difference.interval.high


def table_rows(
    content: Content, tests: Sequence[SentenceTest]
) -> tuple[list[Heading], list[Versus]]:
    """Columns, and a row per pair of models."""
    names = short_names(content.models)
    columns = dict.fromkeys((test.text, test.score) for test in tests)
    by_pair: dict[tuple[str, str], dict[tuple[str, str], Difference]] = {}
    for test in tests:
        low, high = _ends(test)
        shown = Difference(
            signed(test.difference.mean), f"{written(low)} to {written(high)}", p_text(test.p)
        )
        by_pair.setdefault((test.first, test.second), {})[test.text, test.score] = shown
    several = len(content.texts) > 1
    return [Heading(score.upper(), text if several else "") for text, score in columns], [
        Versus(names[first], names[second], [cells.get(column, Difference()) for column in columns])
        for (first, second), cells in by_pair.items()
    ]
