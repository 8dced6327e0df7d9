"""The demo's downstream task: which of eight sentences translates the English one?

The tiny model was trained on ``<bos>sentence<fra_Latn>translation<eos>``. The language mark
is a special token, at which the tokenizer always splits. So the prompt's tokens are a prefix of the
tokens of prompt and translation, and both are scored exactly as in training.
"""

from __future__ import annotations

import random
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any, TypedDict

from neuronxa_task.demo.phrasebook import (
    EVALUATION_SIZE,
    FILLERS_PER_SLOT,
    PIVOT,
    Meaning,
    evaluation_meanings,
    render,
)

if TYPE_CHECKING:
    from datasets import DatasetDict

CONTESTED_SLOTS = 3
CHOICES_SEED = 8


class Document(TypedDict):
    """One multiple-choice question: ``choices[answer]`` translates the sentence in ``context``."""

    context: str
    choices: list[str]
    answer: int


def language_token(language: str) -> str:
    """The special token that asks for a sentence in ``language``."""
    return f"<{language}>"


def prompt(sentence: str, language: str) -> str:
    """The text that the tiny model continues with ``sentence`` in ``language``."""
    return sentence + language_token(language)


def distractors(meaning: Meaning, rng: random.Random) -> list[Meaning]:
    """Seven wrong meanings in random order, with ``meaning`` the corners of a cube.

    Three slots have two candidates each and the choices are their combinations, so that all three
    must be understood. All corners are alike, so a model that cannot read the question is right one
    time in eight; that would not hold for distractors scattered around the answer.
    """
    candidates: list[list[int]] = [[index] for index in meaning]
    for slot in rng.sample(range(len(candidates)), CONTESTED_SLOTS):
        candidates[slot].append(
            rng.choice([i for i in range(FILLERS_PER_SLOT) if i != meaning[slot]])
        )
    wrong = [Meaning(*corner) for corner in product(*candidates)]
    wrong.remove(meaning)
    rng.shuffle(wrong)
    return wrong


@cache
def questions() -> tuple[tuple[tuple[Meaning, ...], int], ...]:
    """Choices and index of the answer for each evaluation meaning, equal in all languages."""
    rng = random.Random(CHOICES_SEED)
    answers = [index % 2**CONTESTED_SLOTS for index in range(EVALUATION_SIZE)]
    rng.shuffle(answers)
    drawn = []
    for meaning, answer in zip(evaluation_meanings(), answers, strict=True):
        wrong = distractors(meaning, rng)
        drawn.append(((*wrong[:answer], meaning, *wrong[answer:]), answer))
    return tuple(drawn)


def documents(language: str) -> list[Document]:
    """The questions that ask for a translation from English into ``language``.

    Raises:
        ValueError: the phrasebook does not have this language.
    """
    return [
        Document(
            context=prompt(render(choices[answer], PIVOT), language),
            choices=[render(choice, language) for choice in choices],
            answer=answer,
        )
        for choices, answer in questions()
    ]


def load(language: str, **_: Any) -> DatasetDict:
    """The task's ``custom_dataset``: one split, ``test``, of :func:`documents`.

    The harness passes all of its ``--metadata``; other keys are ignored.
    """
    from datasets import Dataset, DatasetDict

    return DatasetDict(test=Dataset.from_list(documents(language)))
