"""RankC against the paper's equations, and from the harness's logged samples."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from commands import neuronxa
from conftest import byte_tokenizer
from transformers import AutoTokenizer

from neuronxa_task import NeuronXAError
from neuronxa_task.bmlama53.rankc import (
    LanguagePair,
    consistency,
    rankc,
    shown,
    summary,
    table,
)
from neuronxa_task.bmlama53.samples import candidate_ranks


def by_the_paper(first: Sequence[int], second: Sequence[int]) -> float:
    """Equations 1 to 3 of Qi et al. 2023, for candidates listed from the best to the worst."""
    size = len(first)
    weights = [math.exp(size - j) for j in range(1, size + 1)]
    overlaps = [len(set(first[:j]) & set(second[:j])) / j for j in range(1, size + 1)]
    return sum(
        weight / sum(weights) * overlap for weight, overlap in zip(weights, overlaps, strict=True)
    )


def rank_of_each(listed: Sequence[int]) -> list[int]:
    return [listed.index(candidate) for candidate in range(len(listed))]


@pytest.mark.parametrize("size", [2, 3, 5, 10, 40])
def test_consistency_is_the_paper_s(size: int) -> None:
    draw = random.Random(size)
    rankings = [draw.sample(range(size), k=size) for _ in range(20)]
    for first, second in pairwise(rankings):
        found = consistency(rank_of_each(first), rank_of_each(second))
        assert found == pytest.approx(by_the_paper(first, second), abs=1e-12)
        assert found == pytest.approx(consistency(rank_of_each(second), rank_of_each(first)))
        assert 0 < found <= 1
        assert consistency(rank_of_each(first), rank_of_each(first)) == pytest.approx(1)


def test_many_facts_at_once_are_each_by_itself() -> None:
    draw = random.Random(1)
    first, second = ([draw.sample(range(6), k=6) for _ in range(9)] for _ in range(2))
    together = consistency(first, second)
    alone = [consistency(*pair).item() for pair in zip(first, second, strict=True)]
    assert together.tolist() == pytest.approx(alone)


def test_the_top_counts_most() -> None:
    # By hand for N = 3, w = (e², e, 1) / (e² + e + 1) = (0.6652, 0.2447, 0.0900).
    assert consistency([0, 1, 2], [0, 2, 1]) == pytest.approx(0.6652 + 0.2447 / 2 + 0.09, abs=1e-4)
    assert consistency([0, 1, 2], [1, 0, 2]) == pytest.approx(0.2447 + 0.09, abs=1e-4)


def test_unrelated_rankings() -> None:
    draw = np.random.default_rng(0)
    first, second = (draw.permuted(np.tile(np.arange(10), (20_000, 1)), axis=1) for _ in range(2))
    # E[P@j] = j / 10, and w_j falls by 1 / e from rank to rank: their sum is 0.158.
    assert consistency(first, second).mean() == pytest.approx(0.158, abs=0.005)


def test_ranks_of_ties_follow_the_data_s_order() -> None:
    assert candidate_ranks([0.5, 0.5, 0.9, -math.inf]).tolist() == [1, 2, 0, 3]


# ---------------------------------------------------------------- logged samples

# Fact 0 is ranked alike in both languages, fact 1 the other way round.
FACTS = {
    "xa": {0: {"mo": -3.0, "na": -2.0, "pe": -9.0}, 1: {"ra": -1.0, "su": -4.0}},
    "xb": {0: {"om": -5.0, "an": -4.0, "ep": -9.0}, 1: {"ar": -4.0, "us": -2.0}},
}
SWAPPED = 1 / (1 + math.e)
"""Consistency of two candidates, ranked one way and the other: w_2 = e^0 / (e^1 + e^0)."""


def write_run(
    folder: Path,
    facts: Mapping[str, Mapping[int, Mapping[str, float]]],
    day: int = 1,
    model: str = "some/model",
) -> None:
    """A result file and its samples, as the harness names and writes them."""
    folder.mkdir(parents=True, exist_ok=True)
    date = f"2026-01-{day:02}T10-00-00.000001"
    config = {"model": "hf", "model_args": {"pretrained": model}}
    run: dict[str, Any] = {"results": {}, "configs": {}, "config": config, "date": float(day)}
    (folder / f"results_{date}.json").write_text(json.dumps(run), encoding="utf-8")
    for language, rows in facts.items():
        lines = [
            json.dumps(
                {
                    "doc_id": place,
                    "doc": {"row": row, "sentences": list(scores), "answer": 0},
                    "filtered_resps": [[str(score), "False"] for score in scores.values()],
                }
            )
            for place, (row, scores) in enumerate(rows.items())
        ]
        path = folder / f"samples_bmlama53_{language}_{date}.jsonl"
        path.write_text("\n".join([*lines, ""]), encoding="utf-8")


def pairs_of(
    folder: Path, languages: Sequence[str] | None = None, by: str = "tokens"
) -> list[LanguagePair]:
    """The pairs of a folder of which nothing is to be noted."""
    pairs, notes = rankc([folder], languages, by)
    assert notes == []
    return pairs


def test_rankc_is_the_mean_over_facts(tmp_path: Path) -> None:
    write_run(tmp_path / "a", FACTS)
    write_run(tmp_path / "b" / "c", FACTS, model="another")
    pairs = pairs_of(tmp_path, by="sum")
    assert [pair.rankc for pair in pairs] == [pytest.approx((1 + SWAPPED) / 2)] * 2
    assert [pair._replace(rankc=0.0) for pair in pairs] == [
        LanguagePair(model, "xa", "xb", 0.0, 2, 0) for model in ("some/model", "another")
    ]


def test_facts_are_paired_by_their_row(tmp_path: Path) -> None:
    # Fact 0 is left out in one language, so that its documents are one off.
    write_run(tmp_path, {"xa": FACTS["xa"], "xb": {1: FACTS["xb"][1], 7: {"b": -1, "d": -2}}})
    (pair,) = pairs_of(tmp_path, by="sum")
    assert pair.rankc == pytest.approx(SWAPPED)
    assert (pair.facts, pair.left_out) == (1, 2)


def test_the_newest_run_of_a_language_counts(tmp_path: Path) -> None:
    write_run(tmp_path, FACTS)
    write_run(tmp_path, {"xa": FACTS["xb"]}, day=2)
    (tmp_path / "results_x.json").write_text("{", encoding="utf-8")
    (pair,), notes = rankc([tmp_path], by="sum")
    assert pair.rankc == pytest.approx(1), "both languages now rank alike"
    assert notes[0].startswith("1 of the files left out: ")
    assert notes[1:] == ["1 files of samples replaced by newer runs of the same model"]


def test_what_the_candidates_are_ranked_by(model_folder: Path, tmp_path: Path) -> None:
    first, second = "abc", "abcé"
    assert [len(byte_tokenizer()(text)["input_ids"]) - 1 for text in (first, second)] == [3, 5]
    # The second of the sentences, of 4 characters and 5 tokens, is better by its mean over either
    # (-3.9 / 4 > -1 and -3.9 / 5 > -1), and then over tokens alone (-4.5 / 5 > -1 > -4.5 / 4).
    longer = {0: {first: -3.0, second: -3.9}, 1: {first: -3.0, second: -4.5}}
    always_first = {row: {"a": -1.0, "b": -9.0} for row in longer}
    write_run(tmp_path, {"xa": longer, "xb": always_first}, model=str(model_folder))
    expected = {"sum": 1, "characters": (SWAPPED + 1) / 2, "tokens": SWAPPED}
    assert {by: pairs_of(tmp_path, by=by)[0].rankc for by in expected} == pytest.approx(expected)


def test_chosen_languages_and_their_order(tmp_path: Path) -> None:
    write_run(tmp_path, {**FACTS, "xc": FACTS["xa"]})
    assert [pair[1:3] for pair in pairs_of(tmp_path, by="sum")] == [
        ("xa", "xb"),
        ("xa", "xc"),
        ("xb", "xc"),
    ]
    (pair,) = pairs_of(tmp_path, ["xc", "xa"], by="sum")
    assert (pair.first, pair.second) == ("xc", "xa")
    assert pair.rankc == pytest.approx(1)


def test_the_pairs_as_text_and_as_a_file(tmp_path: Path) -> None:
    pairs = [LanguagePair("n", "fr", "de", 0.25, 8, 1), LanguagePair("n", "fr", "hi", 0.5, 9, 0)]
    assert [line.split() for line in summary(pairs).splitlines()] == [
        ["n"],
        ["languages", "RankC", "facts", "left", "out"],
        ["fr", "hi", "0.500", "9", "0"],
        ["fr", "de", "0.250", "8", "1"],
        ["mean", "0.375"],
    ]
    many = [LanguagePair("m", "a", str(number), number / 100, 1, 0) for number in range(100)]
    lines = summary([*many, *pairs]).splitlines()
    assert "a 99" in lines[2] and "… 84 more" in lines[10] and "a 0 " in lines[18]
    assert lines[19].split() == ["mean", "0.495"]
    assert list(table(pairs).itertuples(index=False, name=None)) == [tuple(pair) for pair in pairs]
    assert shown(pairs)["rankc"].tolist() == ["0.250", "0.500"]


def test_the_command_takes_files_prints_notes_and_writes_tables(tmp_path: Path) -> None:
    write_run(tmp_path / "in", FACTS)
    write_run(tmp_path / "in", {"xa": FACTS["xa"]}, day=2)
    files = sorted((tmp_path / "in").glob("results_*.json"))
    ended = neuronxa("rankc", *files, "--by", "sum", "--output", tmp_path / "out")
    assert ended.code == 0, ended.errors
    assert "note: 1 files of samples replaced by newer runs" in ended.output
    (row,) = pd.read_csv(tmp_path / "out" / "rankc.csv").to_dict("records")
    assert row["rankc"] == pytest.approx((1 + SWAPPED) / 2)
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {
        ".csv",
        ".json",
        ".md",
        ".tex",
    }


def change_run(folder: Path, **config: Any) -> None:
    (path,) = folder.glob("results_*.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    content["config"] |= config
    path.write_text(json.dumps(content), encoding="utf-8")


def test_the_tokenizer_is_found_in_arguments_given_as_text_and_loaded_once(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    load = AutoTokenizer.from_pretrained

    def counted(name: str, **options: Any) -> Any:
        loaded.append(name)
        return load(name, **options)

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", counted)
    folder = tmp_path / "model"
    folder.symlink_to(model_folder)  # a name of its own, as tokenizers are kept
    write_run(tmp_path / "in", FACTS)
    change_run(tmp_path / "in", model_args=f"pretrained={folder},dtype=float32")
    assert len(pairs_of(tmp_path / "in")) == 1
    assert loaded == [str(folder)]


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({}, "no files samples_bmlama53_.*run lm_eval with --tasks bmlama53 --log_samples"),
        ({"xa": FACTS["xa"]}, "RankC compares two languages; some/model has samples only in xa"),
        ({"xa": {0: {"a": 1.0}}, "xb": {1: {"b": 1.0}}}, "xa and xb have no fact in common"),
        ({**FACTS, "xb": {0: {"a": -1.0, "b": -2.0}}}, "fact 0 has 3 and 2 candidates"),
        ({**FACTS, "xb": {0: {"a": math.nan}}}, "line 1 of .* a log-probability is NaN"),
    ],
    ids=["no samples", "one language", "other facts", "other candidates", "NaN"],
)
def test_samples_that_cannot_be_compared(
    facts: dict[str, dict[int, dict[str, float]]], message: str, tmp_path: Path
) -> None:
    write_run(tmp_path, facts)
    with pytest.raises(NeuronXAError, match=message):
        pairs_of(tmp_path, by="sum")


def test_wrong_choices_list_the_right_ones(tmp_path: Path) -> None:
    write_run(tmp_path, FACTS, model=str(tmp_path / "gone"))
    with pytest.raises(NeuronXAError, match="no logged samples of bmlama53 in zz; it has: xa, xb"):
        pairs_of(tmp_path, ["xa", "zz"], by="sum")
    with pytest.raises(NeuronXAError, match="--by is 'words'; expected one of: tokens, char"):
        pairs_of(tmp_path, by="words")
    with pytest.raises(NeuronXAError, match="did you mean 'tokens'"):
        pairs_of(tmp_path, by="token")
    with pytest.raises(NeuronXAError, match=r"gone' cannot be loaded .* --by characters"):
        pairs_of(tmp_path)


def test_a_run_that_names_no_tokenizer(tmp_path: Path) -> None:
    write_run(tmp_path, FACTS)
    change_run(tmp_path, model_args=None)
    with pytest.raises(NeuronXAError, match=r"model_args name no model.* --by characters"):
        pairs_of(tmp_path)


def test_a_sentence_of_no_characters_has_no_mean(tmp_path: Path) -> None:
    write_run(tmp_path, {**FACTS, "xb": {0: {"": -1.0, "b": -2.0, "c": -3.0}}})
    with pytest.raises(NeuronXAError, match=r"line 1 of .*a sentence has no characters"):
        pairs_of(tmp_path, by="characters")
    pairs_of(tmp_path, by="sum")


def test_samples_that_are_no_text_or_a_folder(tmp_path: Path) -> None:
    write_run(tmp_path, FACTS)
    (path,) = tmp_path.glob("samples_bmlama53_xb_*")
    path.write_bytes(b"\xff\xfe{}\n")
    with pytest.raises(NeuronXAError, match=r"xb.* is not a file of samples: 'utf-8'"):
        pairs_of(tmp_path, by="sum")
    path.unlink()
    path.mkdir()
    with pytest.raises(NeuronXAError, match=r"xb.* cannot be read: Is a directory"):
        pairs_of(tmp_path, by="sum")


ONE_ANSWER = (
    '{"doc": {"row": 5, "sentences": ["a", "b", "c"]}, "filtered_resps": [["-1", "False"]]}'
)


@pytest.mark.parametrize("line", ['{"doc": {"row": 0, "sen', '{"doc": 3}', "[]", ONE_ANSWER])
def test_a_damaged_line_is_named(line: str, tmp_path: Path) -> None:
    write_run(tmp_path, FACTS)
    (path,) = tmp_path.glob("samples_bmlama53_xb_*")
    path.write_text(path.read_text(encoding="utf-8") + line, encoding="utf-8")
    with pytest.raises(NeuronXAError, match=r"line 3 of .*xb.*is not a sample of bmlama53"):
        pairs_of(tmp_path, by="sum")
