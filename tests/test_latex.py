"""Tables in LaTeX: they compile, fit the page, and show what the cells hold."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from commands import neuronxa
from made_results import write_run
from pdf import needs_pdflatex, overfull

from neuronxa_task.languages import FLORES_TARGETS
from neuronxa_task.latex import best, best_in_rows, latex
from neuronxa_task.latex_text import escaped
from neuronxa_task.tables import write


def written(folder: Path, table: pd.DataFrame, name: str = "scores") -> Path:
    (path,) = write(folder, name, table, table, caption="Scores in 50 % of a_b", formats=["tex"])
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b & 50 % #1 {x} $y$", r"a\_b \& 50 \% \#1 \{x\} \$y\$"),
        ("−0.5 – 1 ± 2", r"$-$0.5 -- 1 $\pm$ 2"),
        ("-0.5 [-1.0, 2] 2025-06-01 model-7B", r"$-$0.5 [$-$1.0, 2] 2025-06-01 model-7B"),
        ("Bokmål Volapük", r"Bokm\r{a}l Volap\"{u}k"),
        ("Gĩkũyũ", r"G\~{\i{}}k\~{u}y\~{u}"),
        ("中文 \x1b", "U+4E2DU+6587  "),
        ("\\input{x}", r"\textbackslash{}input\{x\}"),
    ],
)
def test_marks_are_escaped(text: str, expected: str) -> None:
    assert escaped(text) == expected


def test_a_small_table_floats_and_a_long_one_goes_on_over_pages() -> None:
    rows = [{"language": f"language {n}", "NASCA": f"0.{n:03}"} for n in range(203)]
    small, large = (
        latex(pd.DataFrame(rows[:n]), "Scores", "scores", notes=["a\nb"]) for n in (5, 203)
    )
    for made, kind in ((small, "tabular"), (large, "longtable")):
        assert made.count(f"\\begin{{{kind}}}{{lr}}") == 1
        assert made.count(r"\label{tab:scores}") == 1
        assert "% a b\n" in made
    assert "\\begin{table}[htbp]\n\\centering" in small
    assert large.count("language 202") == 1


def test_what_is_too_wide_goes_on_in_a_further_table_behind_the_same_names() -> None:
    scores = {f"score number {n}": "0.500" for n in range(12)}
    table = pd.DataFrame([{"model": name} | scores for name in ("org/m", "org/n")])
    made = latex(table, "Scores", "wide")
    parts = made.split(r"\begin{table}")[1:]
    assert len(parts) > 1
    assert all("org/m & 0.500" in part for part in parts)
    assert r"\label{tab:wide-2}" in made
    assert "(2 of " in made
    assert all(made.count(f"score number {n} ") == 1 for n in range(12))


def test_what_all_rows_share_is_said_in_the_caption_of_a_wide_table() -> None:
    wide = {"model": "org/model", "benchmark": "b" * 30, "n": "9"}
    scores = dict.fromkeys(("NASCA", "NAVCA", "MEXA"), "0.50 [0.40, 0.60]")
    made = latex(pd.DataFrame([wide | scores]), "Scores", "one")
    assert f"\\caption{{Scores; model: org/model; benchmark: {'b' * 30}}}" in _plain(made)
    assert "n & NASCA & NAVCA & MEXA" in made and "footnotesize" in made
    assert "org/model & 9" in latex(pd.DataFrame([{"model": "org/model", "n": "9"}]), "S", "s")


def test_smaller_type_keeps_a_table_whole() -> None:
    names = [f"score {n}" for n in range(7)]
    table = pd.DataFrame([{"model": model} | dict.fromkeys(names, "0.50 ± 0.01") for model in "ab"])
    small, split = (latex(table[["model", *names[:count]]], "S", "s") for count in (6, 7))
    assert small.count("scriptsize") == small.count("begin{tabular}") == 1
    assert "scriptsize" not in split and split.count("begin{tabular}") == 2


def test_of_a_long_and_wide_table_each_model_has_its_own() -> None:
    scores = {f"SCORE {n}": "0.500 [0.400, 0.600]" for n in range(3)}
    rows = [
        {"model": f"org/model-{model}", "language": f"language {n}"} | scores
        for model in "ab"
        for n in range(50)
    ]
    table = pd.DataFrame(rows)
    made = latex(table, "Scores", "scores", bold={(50, 2)})
    parts = made.split(r"\begin{longtable}")[1:]
    named = [[model for model in "ab" if f"model-{model}" in _plain(part)] for part in parts]
    assert named == [["a"], ["b"]]
    bold = [r"language 0 & \textbf{0.500" in part for part in parts]
    assert bold == [False, True]
    assert [f"({n} of 2)" in part for n, part in enumerate(parts, start=1)] == [True] * 2


def _plain(made: str) -> str:
    return made.replace(r"\allowbreak{}", "")


def test_the_best_numbers_are_bold_ties_included() -> None:
    table = pd.DataFrame(
        {
            "model": ["a", "b", "c"],
            "NASCA": ["0.50 [0.4, 0.6]", "0.70 [0.6, 0.8]", "0.70 [0.5, 0.8]"],
            "MEXA": ["0.90", "–", "−0.90"],
            "RMSE": ["0.2", "0.1", ""],
        }
    )
    assert best(table, ["NASCA", "MEXA"]) == {(1, 1), (2, 1), (0, 2)}
    assert best(table, ["RMSE"], lowest=True) == {(1, 3)}
    assert best_in_rows(table, ["NASCA", "MEXA"]) == {(0, 2), (2, 1)}
    assert r"b & \textbf{0.70 [0.6, 0.8]} & --" in latex(table, "", "x", bold={(1, 1)})


@pytest.mark.slow
@needs_pdflatex
def test_pdflatex_sets_every_table_within_the_page(tmp_path: Path) -> None:
    """Names as long, as odd and as many as come."""
    names = [
        "/data/checkpoints/an_unusually_long_name_of_a_run-000123456/final.merged",
        "a" * 70,
        "org/mödel_50%&{x}$y$ ^~\\ #1 <i> |",
        "中文模型/العربية – −1",
        "WWWWWWWWWWWWWWWWWWWWMMMMMMMMMMMMMMM",
        "",
    ]
    rows = [
        {"model": name, "benchmark": "global_mmlu_full, belebele, m_mmlu, arc, xnli", "n": "100"}
        | {f"SCORE {score}": "−0.888 [−0.888, 0.888]" for score in range(7)}
        | {"note": "not defined: acc is the same, 0.5, for all 6 languages “so” it ʻis"}
        for name in names
    ]
    tables = [
        written(tmp_path, pd.DataFrame(rows), "wide"),
        written(tmp_path, pd.DataFrame(rows * 30), "long"),
        written(tmp_path, pd.DataFrame([{"code": "fra_Latn", "NASCA": "0.5"}] * 203), "languages"),
        written(tmp_path, pd.DataFrame({"only": ["0.1"]}), "tiny"),
    ]
    assert overfull(*tables) == []


@needs_pdflatex
@pytest.mark.slow
def test_pdflatex_sets_every_table_of_the_commands(tmp_path: Path) -> None:
    codes = FLORES_TARGETS[:45]
    for seed, model in enumerate(("org/first_7B", "org/second-1.5B")):
        path = tmp_path / "in" / f"results_{seed}.json"
        of = {"belebele": codes[:30], "xnli": codes[:8]}
        write_run(path, model, codes, of, seed=seed, metadata={"surface": 0.05}, pairs=True)
    for command in (
        ("correlate", "--resamples", "100"),
        ("predict",),
        ("report", "--no-pictures"),
        ("leaderboard",),
        ("retrieval",),
    ):
        ended = neuronxa(*command, tmp_path / "in", "--output", tmp_path / "out")
        assert ended.code == 0, ended.errors
    tables = sorted((tmp_path / "out").glob("*.tex"))
    assert [table.stem for table in tables] == [
        *("comparison", "correlation", "correlation_full", "estimates", "languages"),
        *("leaderboard", "prediction", "retrieval"),
    ]
    assert overfull(*tables) == []
    for name in ("correlation", "languages", "leaderboard", "prediction"):
        assert r"\textbf{" in (tmp_path / "out" / f"{name}.tex").read_text(encoding="utf-8"), name
