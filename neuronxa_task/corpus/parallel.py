"""A corpus: one column of sentences per language, with parallel rows; and checks of pairs."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from neuronxa_task.corpus.language_names import same_language
from neuronxa_task.errors import NeuronXAError, did_you_mean, one_of, shortened
from neuronxa_task.sampling import FIRST, Sample, sampled_rows

INVISIBLE = {"Cc", "Cf", "Zl", "Zp", "Zs"}
"""Unicode categories of control characters, format characters (zero width, direction), spaces."""


@dataclass(frozen=True)
class Corpus:
    """Parallel sentences in several languages, read column by column.

    Attributes:
        name: the data's name in a signature.
        revision: commit of the data, or `local`.
        split: the split that was read.
        languages: names of the language columns.
        read: maps a column's name to its sentences, as stored.
        refused: columns that are not languages, and why.
        not_read: files and folders next to the text that were not read.
        is_table: whether columns may be something other than languages.
        has_splits: whether the split was found; data without splits is read as a whole.
    """

    name: str
    revision: str
    split: str
    languages: tuple[str, ...]
    read: Callable[[str], Sequence[Any]]
    refused: Mapping[str, str] = field(default_factory=dict)
    not_read: tuple[str, ...] = ()
    is_table: bool = False
    has_splits: bool = False

    def names_of(self, language: str) -> list[str]:
        """The data's names for a language that is given by name or by any of its codes."""
        if language in self.languages:
            return [language]
        return [name for name in self.languages if same_language(name, language)]

    def own_name(self, language: str) -> str:
        """The data's name for a language that is given by name or by any of its codes.

        Raises:
            NeuronXAError: no column or several columns match.
        """
        names = self.names_of(language)
        if len(names) == 1:
            return names[0]
        where = f"{self.name} ({self.split})"
        if names:
            raise NeuronXAError(f"{where}: {language!r} could be {one_of(names)}; choose one")
        if language in self.refused:
            raise NeuronXAError(f"{where}: column {language!r} {self.refused[language]}")
        known = one_of(shortened(name, 30) for name in self.languages)
        raise NeuronXAError(
            f"{where} has no language {language!r}; it has: {known}"
            f"{did_you_mean(language, self.languages)}"
        )

    def column(self, language: str) -> Sequence[Any]:
        """The sentences of one language, unchecked.

        Raises:
            NeuronXAError: there is no such language.
        """
        return self.read(self.own_name(language))

    def targets(self, pivot: str) -> list[str]:
        """Languages that have sentences parallel to the pivot's."""
        return [language for language in self.languages if language != pivot]

    def pairs(
        self, pivot: str, target: str, count: int | None, sample: Sample = FIRST
    ) -> tuple[list[str], list[str]]:
        """Select `count` sentence pairs and check them.

        Args:
            pivot: language of the first sentences.
            target: language of the second.
            count: number of pairs; `None` for all.
            sample: `first`, or the seed of a random sample (see `sampled_rows`).

        Raises:
            NeuronXAError: a language is unknown, the pivot is its own target, the columns have
                different lengths, there are fewer than `count` pairs or fewer than two, or a
                sentence is empty.
        """
        if pivot == target or self.own_name(pivot) == self.own_name(target):
            raise NeuronXAError(
                f"pivot and target are both {pivot!r}; a language is perfectly aligned with itself"
            )
        columns = {language: self.column(language) for language in (pivot, target)}
        lengths = {language: len(column) for language, column in columns.items()}
        if lengths[pivot] != lengths[target]:
            raise NeuronXAError(
                f"{self.name} ({self.split}) is not parallel: {pivot} has {lengths[pivot]} "
                f"sentences and {target} has {lengths[target]}"
            )
        available = lengths[pivot]
        if available < (wanted := 2 if count is None else count):
            raise NeuronXAError(
                f"{self.name} ({self.split}) has {available} sentence pairs for {pivot}-{target}; "
                f"{wanted} were asked for (num_sentences)"
            )
        rows = sampled_rows(available, count, sample)
        return (
            self._checked(pivot, columns[pivot], rows),
            self._checked(target, columns[target], rows),
        )

    def _checked(self, language: str, column: Sequence[Any], rows: Sequence[int]) -> list[str]:
        sentences = []
        for row in rows:
            sentence = column[row]
            if fault := sentence_fault(sentence):
                raise NeuronXAError(
                    f"{self.name} ({self.split}): sentence {row + 1} of {language} {fault}; "
                    "an alignment score needs text on both sides of every pair"
                )
            sentences.append(sentence.strip())
        return sentences


@dataclass(frozen=True)
class PairedCorpus(Corpus):
    """Text that comes in pairs: the pivot has a different text for each language.

    Attributes:
        by_pair: corpus of two languages, by the set of their names.
    """

    by_pair: Mapping[frozenset[str], Corpus] = field(default_factory=dict)

    def targets(self, pivot: str) -> list[str]:
        """Languages that have sentences parallel to the pivot's."""
        return [
            language for language in self.languages if frozenset((language, pivot)) in self.by_pair
        ]

    def pairs(
        self, pivot: str, target: str, count: int | None, sample: Sample = FIRST
    ) -> tuple[list[str], list[str]]:
        """As `Corpus.pairs`, from the files of this pair."""
        names = self.own_name(pivot), self.own_name(target)
        if names[0] == names[1]:
            return super().pairs(pivot, target, count, sample)
        if (both := self.by_pair.get(frozenset(names))) is None:
            raise NeuronXAError(
                f"{self.name} has no pair of {pivot} and {target}; {pivot} is paired with: "
                f"{one_of(self.targets(names[0]))}"
            )
        return both.pairs(*names, count, sample)


def sentence_fault(sentence: object) -> str | None:
    """Why a sentence cannot be scored; `None` if it can."""
    if not isinstance(sentence, str):
        return f"is {shortened(repr(sentence))}, not text"
    if not sentence.strip():
        return "is empty"
    if all(unicodedata.category(character) in INVISIBLE for character in sentence):
        return "has no visible character"
    if "\0" in sentence:
        return "contains a NUL character"
    if any("\ud800" <= character <= "\udfff" for character in sentence):
        return "contains half of a surrogate pair"
    return None


def data_hash(pivot: Sequence[str], target: Sequence[str]) -> str:
    """Hash a list of sentence pairs, in order, to eight hex digits (SHA-256).

    >>> data_hash(["good morning"], ["bonjour"])
    '616c602c'
    """
    digest = hashlib.sha256()
    for pair in zip(pivot, target, strict=True):
        digest.update("\t".join(pair).encode() + b"\n")
    return digest.hexdigest()[:8]
