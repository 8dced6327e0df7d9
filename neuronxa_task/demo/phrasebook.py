"""A compositional phrasebook in ten languages: who does what, where and when.

``lexicon.tsv`` has 25 fillers for each of four slots, as whole phrases in every language, so that
each of the 25**4 = 390,625 meanings can be rendered as a correct sentence. Two decisions make
templates sufficient: every sentence is in the habitual present with a third person singular
subject, and every phrase already has its article, case or adposition. The only agreement left is
the Arabic verb's prefix and the Hindi verb's ending, which depend on the subject.

``python -m neuronxa_task.demo.phrasebook`` writes ``phrasebook.tsv``, the evaluation sentences.
"""

from __future__ import annotations

import csv
import random
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from neuronxa_task.languages.codes import FLORES_CORE, FLORES_PIVOT

if TYPE_CHECKING:
    from collections.abc import Iterator

PIVOT, TARGETS = FLORES_PIVOT, FLORES_CORE
LANGUAGES = (PIVOT, *TARGETS)

FILLERS_PER_SLOT = 25
EVALUATION_SIZE = 100
EVALUATION_SEED = 2507_14900

LEXICON_PATH = Path(__file__).with_name("lexicon.tsv")
TABLE_PATH = Path(__file__).with_name("phrasebook.tsv")

# {verb} and {rest} are the two sides of the bar in an action such as "liest|die Zeitung"; if a
# language needs no split, {verb} is the whole action. In Hindi the object comes first, so {rest} is
# the verb's stem and {agreement} its ending.
_TEMPLATES = {
    "eng_Latn": "{who} {verb} {where} {when}.",
    "zho_Hans": "{who}{when}{where}{verb}。",
    "fra_Latn": "{when}, {who} {verb} {where}.",
    "deu_Latn": "{who} {verb} {when} {where} {rest}.",
    "ita_Latn": "{when} {who} {verb} {where}.",
    "spa_Latn": "{when} {who} {verb} {where}.",
    "rus_Cyrl": "{when} {who} {verb} {where}.",
    "arb_Arab": "{agreement}{verb} {who} {rest} {where} {when}.",
    "hin_Deva": "{who} {when} {where} {verb} {rest}{agreement}।",
    "jpn_Jpan": "{when}、{who}は{where}{verb}。",
}

# The lexicon marks subjects as masculine or feminine, and with "h" those that take the honorific
# plural in Hindi.
_AGREEMENT = {
    "arb_Arab": {"m": "ي", "mh": "ي", "f": "ت", "fh": "ت"},
    "hin_Deva": {"m": "ता है", "mh": "ते हैं", "f": "ती है", "fh": "ती हैं"},
}


class Meaning(NamedTuple):
    """One sentence's meaning: the index of its filler in each slot."""

    who: int
    what: int
    where: int
    when: int


class Filler(NamedTuple):
    """A row of the lexicon: a phrase in every language and, for subjects, the agreement class."""

    agreement: str
    phrases: dict[str, str]


@cache
def lexicon() -> dict[str, tuple[Filler, ...]]:
    """The fillers of each slot, in the order of ``lexicon.tsv``, by slot name."""
    slots: dict[str, list[Filler]] = {slot: [] for slot in Meaning._fields}
    with LEXICON_PATH.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            phrases = {language: row[language] for language in LANGUAGES}
            slots[row["slot"]].append(Filler(row["agreement"], phrases))
    return {slot: tuple(fillers) for slot, fillers in slots.items()}


def render(meaning: Meaning, language: str) -> str:
    """The sentence that says ``meaning`` in ``language``, a FLORES code.

    Raises:
        ValueError: the phrasebook does not have this language.
    """
    _require(language)
    fillers = {slot: lexicon()[slot][index] for slot, index in meaning._asdict().items()}
    phrases = {slot: filler.phrases[language] for slot, filler in fillers.items()}
    verb, _, rest = phrases["what"].partition("|")
    agreement = _AGREEMENT.get(language, {}).get(fillers["who"].agreement, "")
    parts = {**phrases, "verb": verb, "rest": rest, "agreement": agreement}
    sentence = _TEMPLATES[language].format_map(parts)
    return sentence[0].upper() + sentence[1:]


@cache
def evaluation_meanings() -> tuple[Meaning, ...]:
    """The held-out meanings, with every filler of every slot equally often."""
    rng = random.Random(EVALUATION_SEED)
    columns = []
    for _ in Meaning._fields:
        column = list(range(FILLERS_PER_SLOT)) * (EVALUATION_SIZE // FILLERS_PER_SLOT)
        rng.shuffle(column)
        columns.append(column)
    return tuple(Meaning(*fillers) for fillers in zip(*columns, strict=True))


def training_meanings(seed: int) -> Iterator[Meaning]:
    """An endless stream of meanings drawn evenly from all but the held-out ones."""
    rng = random.Random(seed)
    held_out = frozenset(evaluation_meanings())
    while True:
        meaning = Meaning(*(rng.randrange(FILLERS_PER_SLOT) for _ in Meaning._fields))
        if meaning not in held_out:
            yield meaning


def evaluation_table() -> str:
    """The text of ``phrasebook.tsv``: a header of language codes, then a row per meaning."""
    rows = [LANGUAGES] + [
        tuple(render(m, language) for language in LANGUAGES) for m in evaluation_meanings()
    ]
    return "".join("\t".join(row) + "\n" for row in rows)


def evaluation_sentences(language: str) -> list[str]:
    """The frozen evaluation sentences of ``language``; entry i is parallel across languages.

    Raises:
        ValueError: the phrasebook does not have this language.
    """
    _require(language)
    with TABLE_PATH.open(encoding="utf-8", newline="") as file:
        return [
            row[language] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        ]


def _require(language: str) -> None:
    if language not in LANGUAGES:
        raise ValueError(f"no {language!r} in the phrasebook; it has {', '.join(LANGUAGES)}")


if __name__ == "__main__":
    TABLE_PATH.write_text(evaluation_table(), encoding="utf-8", newline="\n")
