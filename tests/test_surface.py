"""The surface baseline against a reference of ten lines."""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from pathlib import Path
from statistics import fmean

import pytest
from transformers import AutoTokenizer

from neuronxa_task.demo import MODEL_DIR
from neuronxa_task.demo.phrasebook import PIVOT, TARGETS, evaluation_sentences
from neuronxa_task.scoring.surface import surface

DOCUMENT = Path(__file__).parents[1] / "docs" / "results.md"


def reference(pivot: list[list[int]], target: list[list[int]], special: set[int]) -> float:
    def bag(ids: list[int]) -> Counter[int]:
        return Counter(i for i in ids if i not in special)

    def cosine(a: Counter[int], b: Counter[int]) -> float:
        dot = sum(a[token] * b[token] for token in a)
        lengths = sum(n * n for n in a.values()) * sum(n * n for n in b.values())
        return dot / math.sqrt(lengths) if lengths else -math.inf

    c = [[cosine(bag(p), bag(t)) for t in target] for p in pivot]
    others = [[j for j in range(len(c)) if j != k] for k in range(len(c))]
    aligned = [all(c[k][k] > max(c[k][j], c[j][k]) for j in others[k]) for k in range(len(c))]
    return sum(aligned) / len(aligned)


def test_equals_the_reference() -> None:
    draw = random.Random(0)

    def translation(sentence: list[int], shared: float) -> list[int]:
        """Some of its tokens stay; the others are of another vocabulary."""
        return [0, *(i if draw.random() < shared else i + 300 for i in sentence[1:])]

    for shared in (0.0, 0.1, 0.5):
        pivot = [[0, *draw.choices(range(2, 300), k=draw.randint(3, 12))] for _ in range(60)]
        target = [translation(sentence, shared) for sentence in pivot]
        expected = reference(pivot, target, {0})
        assert surface(pivot, target, {0}) == expected
        assert (shared == 0) == (expected == 0)


@pytest.mark.slow
def test_the_documented_figures_of_the_phrasebook() -> None:
    """By the reference, with the tokenizer of the packaged model."""
    tokenizer = AutoTokenizer.from_pretrained(MODEL_DIR)
    special = set(tokenizer.all_special_ids)
    ids = {
        code: [tokenizer(line)["input_ids"] for line in evaluation_sentences(code)]
        for code in (PIVOT, *TARGETS)
    }
    found = {code[:3]: reference(ids[PIVOT], ids[code], special) for code in TARGETS}
    (line,) = re.findall(r"\| packaged phrasebook, 100 .*", DOCUMENT.read_text(encoding="utf-8"))
    *documented, mean = [float(cell) for cell in re.findall(r"\d\.\d\d", line)]
    order = "fra deu ita spa rus zho arb hin jpn".split()
    assert documented == [found[code] for code in order]
    assert mean == round(fmean(found.values()), 2)


def test_sentences_of_special_tokens_alone_find_no_one() -> None:
    assert surface([[0, 1], [0, 5]], [[0, 1], [0, 5]], {0, 1}) == 0.5
