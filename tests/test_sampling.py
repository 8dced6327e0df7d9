"""Samples of sentence pairs: seeded, the same for every language, recorded in the signature."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from conftest import sentences
from lm_eval.tasks import TaskManager
from runs import LANGUAGES, PIVOT, evaluate, layers_of, signature_of, write_text

from neuronxa_task import corpus
from neuronxa_task.errors import NeuronXAError
from neuronxa_task.own_text import make_tasks
from neuronxa_task.results.comparable import differences
from neuronxa_task.sampling import sampled_rows
from neuronxa_task.task import _warn_of_first_sentences

pytestmark = pytest.mark.slow


def test_the_first_rows_by_default() -> None:
    assert list(sampled_rows(10, 4)) == [0, 1, 2, 3]
    assert list(sampled_rows(5, None)) == list(sampled_rows(5, None, sample=3)) == list(range(5))


@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_a_sample_is_seeded_distinct_and_part_of_a_larger_one(seed: int) -> None:
    rows = sampled_rows(1000, 100, sample=seed)
    assert rows == sampled_rows(1000, 100, sample=seed) == sorted(set(rows))
    assert len(rows) == 100
    assert max(rows) < 1000
    assert set(sampled_rows(1000, 20, sample=seed)) < set(rows) < set(range(1000))
    assert rows != sampled_rows(1000, 100, sample=seed + 1)


def test_every_row_is_drawn_equally_often() -> None:
    """Over 400 seeds, each of 50 rows is among 10 with a chance of 0.2."""
    drawn = [row for seed in range(400) for row in sampled_rows(50, 10, sample=seed)]
    counts = [drawn.count(row) for row in range(50)]
    assert sum(counts) == 4000
    assert all(50 <= count <= 110 for count in counts)  # 80, and standard deviation 8


def test_languages_of_a_parallel_corpus_have_the_same_sentences(tmp_path: Path) -> None:
    columns = {code: [f"{code} {row}" for row in range(300)] for code in ("eng", "fra", "deu")}
    pd.DataFrame(columns).to_csv(tmp_path / "text.csv", index=False)
    read = corpus.load(str(tmp_path / "text.csv"), None, "all", None)
    english, french = read.pairs("eng", "fra", 40, 5)
    also_english, german = read.pairs("eng", "deu", 40, 5)
    assert english == also_english
    assert [line.split()[1] for line in french] == [line.split()[1] for line in german]
    assert english != read.pairs("eng", "fra", 40)[0]


def test_an_empty_sentence_is_named_by_its_own_row(tmp_path: Path) -> None:
    row = sampled_rows(50, 5, sample=2)[-1]
    french = [f"fra {number}" for number in range(50)]
    french[row] = ""
    pd.DataFrame({"eng": sentences(50), "fra": french}).to_csv(tmp_path / "t.csv", index=False)
    read = corpus.load(str(tmp_path / "t.csv"), None, "all", None)
    with pytest.raises(NeuronXAError, match=rf"sentence {row + 1} of fra is empty"):
        read.pairs("eng", "fra", 5, 2)


def test_a_run_scores_the_sample_and_says_so(model_folder: Path, made_up_tasks: Path) -> None:
    run = evaluate(model_folder, made_up_tasks, metadata={"sample": 3, "num_sentences": 6})
    rows = sampled_rows(len(PIVOT), 6, sample=3)
    for language in LANGUAGES:
        task = f"made_up_{language}"
        documents = [sample["doc"]["pivot"] for sample in run["samples"][task]]
        assert documents == [PIVOT[row] for row in rows]
        assert signature_of(run, task)["n"] == "6"
        assert signature_of(run, task)["sample"] == "3"
    everything = evaluate(model_folder, made_up_tasks, metadata={"num_sentences": "all"})
    of_eleven = evaluate(model_folder, made_up_tasks, metadata={"num_sentences": len(PIVOT)})
    assert layers_of(everything) == layers_of(of_eleven)
    assert signature_of(everything, "made_up_near")["n"] == "all"
    assert "sample" not in signature_of(of_eleven, "made_up_near")
    limited = evaluate(model_folder, made_up_tasks, metadata={"num_sentences": "all"}, limit=5)
    assert signature_of(limited, "made_up_near")["n"] == "5", "all were not scored"


def test_samples_are_not_mixed_with_first_sentences() -> None:
    rows = [
        ("m", "b", language, f"n:100{sample}|pivot:eng|data_hash:{language}")
        for language, sample in (("fra", ""), ("deu", "|sample:1"))
    ]
    table = pd.DataFrame(rows, columns=["model", "benchmark", "language", "signature"])
    (difference,) = differences(table)
    assert difference.startswith("b has sample:first")
    assert "sample:1" in difference


@pytest.mark.parametrize(("metadata", "warnings"), [({}, 1), ({"sample": 1}, 0)])
def test_first_sentences_of_tatoeba_warn_once(
    metadata: dict[str, int], warnings: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _warn_of_first_sentences.cache_clear()
    make_tasks(write_text(tmp_path / "tatoeba"), "mine", "piv", tmp_path / "tasks")
    manager = TaskManager(
        include_path=str(tmp_path / "tasks"), include_defaults=False, metadata=metadata
    )
    manager.load_task_or_group(["mine"])
    assert caplog.text.count("are not representative") == warnings
