"""`neuronxa leaderboard`: one row per model, in columns that stay the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from commands import neuronxa
from made_results import ACCURACY, LANGUAGES, NASCA, MadeRun, full_run, navca
from pdf import needs_pdflatex, overfull
from scipy import stats

from neuronxa_task.analysis.leaderboard import COLUMNS, Leaderboard, leaderboard
from neuronxa_task.analysis.leaderboard_accuracy import ACCURACY_COLUMNS
from neuronxa_task.analysis.selection import Selection
from neuronxa_task.errors import NeuronXAError
from neuronxa_task.results import read_results
from neuronxa_task.results.many_files import read_many

ALL = Selection()


def board(folder: Path, *runs: MadeRun, choice: Selection = ALL, **options: Any) -> Leaderboard:
    for number, run in enumerate(runs):
        run.write(folder / str(number))
    return leaderboard(read_results([folder]), choice, **options)


def aligned_only(model: str, scores: dict[str, float], **facts: str) -> MadeRun:
    run = MadeRun(model)
    for language, score in scores.items():
        run.aligned(language, score, facts=facts)
    return run


SIX = dict(zip(LANGUAGES, NASCA, strict=True))


def test_a_row_has_means_groups_correlation_and_origin(tmp_path: Path) -> None:
    found = board(tmp_path, full_run(date=1_750_000_000.0))
    assert list(found.table) == [
        *COLUMNS,
        *(column.format(benchmark="belebele") for column in ACCURACY_COLUMNS),
    ]
    (row,) = found.table.to_dict("records")
    assert (row["model"], row["alignment"]) == ("org/model", "neuronxa_flores")
    assert (row["pivot"], row["n_languages"]) == ("eng_Latn", 6)
    assert row["nasca"] == pytest.approx(np.mean(NASCA))
    assert row["mexa"] == pytest.approx(np.mean(np.square(NASCA)))
    values = [navca(*each) for each in SIX.items()]
    assert row["navca_max"] == pytest.approx(np.mean(values) + 0.05)
    # French and German; Russian; Arabic; Hindi; Chinese.
    assert row["nasca_script_latin"] == pytest.approx(0.85)
    assert row["nasca_script_cyrillic"] == pytest.approx(0.65)
    assert row["nasca_script_east_asian"] == pytest.approx(0.7)
    assert (row["n_script_latin"], row["n_script_other"]) == (2, 0)
    assert np.isnan(row["nasca_script_other"])
    # Class 5: French, German, Chinese, Arabic; class 4: Russian, Hindi.
    assert row["nasca_level_5"] == pytest.approx(np.mean([0.9, 0.8, 0.7, 0.4]))
    assert row["mexa_level_4"] == pytest.approx(np.mean([0.65**2, 0.2**2]))
    assert [row[f"n_level_{level}"] for level in "543210"] == [4, 2, 0, 0, 0, 0]
    assert row["benchmarks"] == "belebele"
    assert row["pearson_nasca"] == pytest.approx(stats.pearsonr(NASCA, ACCURACY).statistic)
    assert row["settings"] == (
        "data:mteb/FloresBitextMining@2144d16c|split:devtest|n:100|pivot:eng_Latn|nas:gate>0|"
        "nav:abs(product)|pool:position|sim:cosine64"
    )
    assert (row["model_weights"], row["dtype"]) == ("2ac1024b", "float32")
    assert (row["neuronxa_version"], row["torch_version"]) == ("0.1.0", "2.13.0")
    assert row["date"] == "2025-06-15T15:06:40Z"
    # The pivot's 0.9 is not in the mean.
    assert row["accuracy_belebele"] == pytest.approx(np.mean(ACCURACY))
    assert (row["accuracy_belebele_languages"], row["accuracy_belebele_metric"]) == (6, "acc")
    # All languages answer the same questions: their errors do not average out.
    assert row["accuracy_belebele_stderr"] == pytest.approx(0.01)
    assert row["nasca_stderr"] == pytest.approx(0.01)


def test_groups_are_the_whole(tmp_path: Path) -> None:
    codes = "fra_Latn rus_Cyrl ace_Arab hin_Deva kor_Hang tha_Thai acm_Arab lat_Latn near".split()
    draw = np.random.default_rng(0)
    (row,) = board(
        tmp_path, aligned_only("m", dict(zip(codes, draw.uniform(size=9), strict=True)))
    ).table.to_dict("records")
    for kind in ("script", "level"):
        names = [name.removeprefix("n_") for name in COLUMNS if name.startswith(f"n_{kind}_")]
        counts = [row[f"n_{name}"] for name in names]
        sums = [
            row[f"nasca_{name}"] * count for name, count in zip(names, counts, strict=True) if count
        ]
        assert sum(counts) == row["n_languages"] == 9
        assert sum(sums) / 9 == pytest.approx(row["nasca"])
    assert (row["n_script_other"], row["n_level_unknown"]) == (2, 2)


def test_without_benchmarks_correlations_are_empty(tmp_path: Path) -> None:
    (row,) = board(tmp_path, aligned_only("m", SIX)).table.to_dict("records")
    assert row["benchmarks"] == ""
    assert np.isnan(row["pearson_nasca"])


def test_correlations_of_several_benchmarks_are_averaged_by_fishers_z(tmp_path: Path) -> None:
    run = full_run()
    other = [0.5, 0.6, 0.2, 0.4, 0.3, 0.1]
    for language, accuracy in zip(LANGUAGES, other, strict=True):
        run.task(f"xnli_{language}", {"acc": accuracy})
    (row,) = board(tmp_path, run).table.to_dict("records")
    z = [np.arctanh(stats.pearsonr(NASCA, y).statistic) for y in (ACCURACY, other)]
    assert row["benchmarks"] == "belebele; xnli"
    assert row["pearson_nasca"] == pytest.approx(np.tanh(np.mean(z)))


def test_means_are_over_the_languages_that_all_models_have(tmp_path: Path) -> None:
    small = aligned_only("small", {"fra_Latn": 0.3, "deu_Latn": 0.1, "tha_Thai": 0.9})
    found = board(tmp_path, aligned_only("large", SIX), small)
    rows = found.table.set_index("model")
    assert rows["n_languages"].to_dict() == {"large": 2, "small": 2}
    assert rows.loc["large", "nasca"] == pytest.approx(0.85)
    assert rows.loc["small", "nasca"] == pytest.approx(0.2)
    assert found.notes == (
        "neuronxa_flores: means are over the 2 languages that all 2 models have; --all-languages "
        "takes each model's own",
    )
    own = leaderboard(read_results([tmp_path]), Selection(), all_languages=True)
    assert own.table.set_index("model")["n_languages"].to_dict() == {"large": 6, "small": 3}
    assert own.notes == ()


def test_means_are_over_as_many_languages_as_they_say(tmp_path: Path) -> None:
    run = full_run().without("neuronxa_flores_fra_Latn", "nasca").aligned("jpn_Jpan", 0.1)
    found = board(tmp_path, run, full_run("other").aligned("jpn_Jpan", 0.2))
    rows = found.table.set_index("model")
    assert rows["n_languages"].to_dict() == {"org/model": 6, "other": 6}
    for model, japanese in (("org/model", 0.1), ("other", 0.2)):
        assert rows.loc[model, "nasca"] == pytest.approx(np.mean([*NASCA[1:], japanese]))
        assert rows.loc[model, "mexa"] == pytest.approx(np.mean(np.square([*NASCA[1:], japanese])))
    assert found.notes[0] == "neuronxa_flores of org/model has no nasca in 1 of 7 languages: " + (
        "fra_Latn"
    )
    assert (
        "neuronxa_flores: means leave out 1 languages that lack one of their model's scores: "
        "fra_Latn of org/model"
    ) in found.notes
    own = leaderboard(read_results([tmp_path]), Selection(), all_languages=True)
    assert own.table.set_index("model")["n_languages"].to_dict() == {"org/model": 6, "other": 7}


def test_a_model_without_a_score_has_no_mean_of_it(tmp_path: Path) -> None:
    run = full_run()
    for language in LANGUAGES:
        run.without(f"neuronxa_flores_{language}", "nasca", "nasca_max")
    found = board(tmp_path, run, full_run("other"))
    rows = found.table.set_index("model")
    assert np.isnan(rows.loc["org/model", ["nasca", "pearson_nasca"]].astype(float)).all()
    assert rows.loc["org/model", "mexa"] == rows.loc["other", "mexa"]
    assert rows["n_languages"].tolist() == [6, 6]
    assert found.notes[0].startswith(
        "neuronxa_flores of org/model has no nasca, nasca_max in 6 of 6 languages"
    )


def test_no_common_language_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NeuronXAError, match=r"no language is common to all 2 models: a has deu_"):
        board(
            tmp_path,
            aligned_only("a", {"fra_Latn": 0.3, "deu_Latn": 0.4}),
            aligned_only("b", {"tha_Thai": 0.3}),
        )


def test_mixed_settings_are_refused_unless_allowed(tmp_path: Path) -> None:
    runs = aligned_only("a", SIX), aligned_only("b", SIX, pool="mean")
    with pytest.raises(NeuronXAError, match=r"pool:position .*pool:mean"):
        board(tmp_path, *runs)
    found = board(tmp_path, *runs, choice=Selection(allow_mixed=True))
    assert list(found.table["settings"].str.contains("pool:mean")) == [False, True]
    assert found.notes[0].startswith("mixed settings: ")


def test_every_alignment_benchmark_has_its_own_rows_sorted(tmp_path: Path) -> None:
    runs = [
        aligned_only(name, {"fra_Latn": s, "deu_Latn": s / 2})
        for name, s in (("x", 0.2), ("y", 0.6))
    ]
    runs[0].aligned("fra", 0.9, group="neuronxa_tatoeba", facts={"pivot": "eng"})
    found = board(tmp_path, *runs)
    assert found.table[["alignment", "model"]].values.tolist() == [
        ["neuronxa_flores", "y"],
        ["neuronxa_flores", "x"],
        ["neuronxa_tatoeba", "x"],
    ]
    upwards = leaderboard(read_results([tmp_path]), Selection(), sort="model")
    assert list(upwards.table["model"]) == ["x", "y", "x"]
    with pytest.raises(NeuronXAError, match="no column 'bleu' to sort by"):
        leaderboard(read_results([tmp_path]), Selection(), sort="bleu")


def test_an_undefined_correlation_is_noted(tmp_path: Path) -> None:
    found = board(tmp_path, full_run(accuracy=[0.5] * 6))
    assert np.isnan(found.table["pearson_nasca"].iloc[0])
    assert found.notes[0] == (
        "org/model: pearson_nasca, pearson_navca, pearson_mexa not defined: acc is the same, 0.5, "
        "for all 6 languages"
    )


def test_mean_accuracy_is_over_the_languages_that_all_models_with_the_benchmark_have(
    tmp_path: Path,
) -> None:
    """Benchmarks come by their names, whatever their order in the files."""
    small = aligned_only("small", SIX)
    for language, accuracy in (("fra_Latn", 0.5), ("deu_Latn", 0.7), ("jpn_Jpan", 0.1)):
        small.task(f"xnli_{language}", {"acc": accuracy}).task(
            f"belebele_{language}", {"acc": accuracy}
        )
    found = board(tmp_path, small, full_run("large"), aligned_only("none", SIX))
    names = [str(name) for name in found.table if str(name).startswith("accuracy_")]
    benchmarks = ("belebele", "xnli")
    assert names == [name.format(benchmark=of) for of in benchmarks for name in ACCURACY_COLUMNS]
    rows = found.table.set_index("model")
    assert rows["accuracy_belebele"].to_dict() == pytest.approx(
        {"large": 0.825, "small": 0.6, "none": np.nan}, nan_ok=True
    )
    assert rows.loc["small", "accuracy_xnli"] == pytest.approx(np.mean([0.5, 0.7, 0.1]))
    assert rows.loc["small", "accuracy_xnli_languages"] == 3
    assert pd.isna(rows.loc["none", "accuracy_belebele_languages"])
    assert (
        "accuracies are means over the languages that all models with the benchmark have: "
        "belebele (2 languages of 2 models)"
    ) in found.notes
    own = leaderboard(read_results([tmp_path]), Selection(), all_languages=True, sort=names[0])
    assert list(own.table["model"]) == ["large", "small", "none"]
    assert own.table["accuracy_belebele"].iloc[0] == pytest.approx(np.mean(ACCURACY))


# ---------------------------------------------------------------- many files


def test_files_a_few_at_a_time_make_the_same_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model's files stay together, older runs are replaced, and notes are said once."""
    for number in range(5):
        full_run(f"m{number}", date=1_750_000_000.0 + number).write(tmp_path / f"a{number}")
    full_run("m0", date=1_760_000_000.0, nasca=[0.5, 0.4, 0.3, 0.2, 0.1, 0.0]).write(tmp_path / "z")
    aligned_only("M0", SIX).task("hellaswag", {"acc": 0.5}).write(tmp_path / "y")
    whole = read_results([tmp_path])
    monkeypatch.setattr("neuronxa_task.results.many_files.FILES_AT_ONCE", 2)
    parts = read_many([tmp_path])
    pd.testing.assert_frame_equal(parts.table, whole.table, check_dtype=False)
    assert parts.notes == whole.notes
    assert parts.pivots == whole.pivots


@pytest.mark.slow
def test_an_added_model_makes_the_same_leaderboard_as_reading_everything(tmp_path: Path) -> None:
    """The others are read from the stored table: their result files are gone."""
    for folder, model in (("in/a", "first"), ("in/b", "second"), ("new", "third")):
        full_run(model, nasca=[len(model) / 10, *NASCA[1:]]).write(tmp_path / folder)
    full_run("second", date=1_760_000_000.0, nasca=NASCA[::-1]).write(tmp_path / "new/again")
    everything = neuronxa(
        "leaderboard", tmp_path / "in", tmp_path / "new", "--output", tmp_path / "whole"
    )
    assert everything.code == 0, everything.errors
    ended = neuronxa("leaderboard", tmp_path / "in", "--output", tmp_path / "board")
    assert ended.code == 0, ended.errors
    shutil.rmtree(tmp_path / "in")
    added = neuronxa("leaderboard", tmp_path / "new", "--add-to", tmp_path / "board")
    assert added.code == 0, added.errors
    for name in ("leaderboard.csv", "leaderboard.json"):
        made, expected = (tmp_path / folder / name for folder in ("board", "whole"))
        assert made.read_bytes() == expected.read_bytes()
    for name in ("leaderboard.parquet", "results.parquet"):
        now, at_once = (pd.read_parquet(tmp_path / folder / name) for folder in ("board", "whole"))
        pd.testing.assert_frame_equal(now, at_once)
        assert len(set(now["model"])) == 3


def test_what_is_no_stored_table_is_one_line(tmp_path: Path) -> None:
    full_run().write(tmp_path / "in")
    missing = neuronxa("leaderboard", tmp_path / "in", "--add-to", tmp_path / "nowhere")
    assert missing.code == 1
    assert "nowhere/results.parquet does not exist; expected the table" in missing.errors
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "results.parquet")
    other = neuronxa("leaderboard", tmp_path / "in", "--add-to", tmp_path)
    assert "has the columns a; expected: model, benchmark" in other.errors
    (tmp_path / "results.parquet").write_bytes(b"PAR1")
    broken = neuronxa("leaderboard", tmp_path / "in", "--add-to", tmp_path)
    assert "cannot be read as parquet" in broken.errors
    assert broken.errors.count("\n") == 1


def test_an_added_model_of_known_weights_is_named(tmp_path: Path) -> None:
    full_run("org/model").write(tmp_path / "in")
    neuronxa("leaderboard", tmp_path / "in", "--output", tmp_path / "board")
    full_run("org/model", date=1_760_000_000.0).write(tmp_path / "new")
    path = next((tmp_path / "new").glob("*.json"))
    path.write_text(path.read_text().replace("org/model", "/data/copy"))
    ended = neuronxa("leaderboard", tmp_path / "new", "--add-to", tmp_path / "board")
    assert ended.code == 0, ended.errors
    assert "/data/copy has the weights of org/model: join them with --alias" in ended.output


@pytest.mark.slow
@needs_pdflatex
def test_the_leaderboard_as_a_page(tmp_path: Path) -> None:
    for number in range(3):
        run = full_run(
            f"organisation/A_model-{number}-Instruct", nasca=np.roll(NASCA, number).tolist()
        )
        for language in LANGUAGES:
            run.task(f"m_mmlu_{language}", {"acc": 0.5})
        run.write(tmp_path / str(number))
    ended = neuronxa("leaderboard", tmp_path, "--output", tmp_path / "out")
    assert ended.code == 0, ended.errors
    assert overfull(tmp_path / "out" / "leaderboard.tex") == []
    assert r"\textbf{" in (tmp_path / "out" / "leaderboard.tex").read_text(encoding="utf-8")


# ---------------------------------------------------------------- files and command


def test_files_of_several_calls_can_be_put_together(tmp_path: Path) -> None:
    full_run("<i>=SUM(a)|b").write(tmp_path / "one")
    aligned_only("plain", {"tha_Thai": 0.3}).write(tmp_path / "two")
    for name in ("one", "two"):
        ended = neuronxa("leaderboard", tmp_path / name, "--output", tmp_path / f"{name}_out")
        assert ended.code == 0, ended.errors
    tables = [
        pd.read_parquet(tmp_path / f"{name}_out" / "leaderboard.parquet") for name in ("one", "two")
    ]
    dtypes = [table[list(COLUMNS)].dtypes.to_dict() for table in tables]
    assert dtypes[0] == dtypes[1]
    both = pd.concat(tables, ignore_index=True).sort_values("nasca", ascending=False)
    assert list(both["model"]) == ["<i>=SUM(a)|b", "plain"]
    read = pd.read_csv(tmp_path / "one_out" / "leaderboard.csv")
    assert tuple(read.columns)[: len(COLUMNS)] == tuple(COLUMNS)
    assert read["nasca"].tolist() == pytest.approx(tables[0]["nasca"].tolist())
    (record,) = json.loads((tmp_path / "one_out" / "leaderboard.json").read_text(encoding="utf-8"))
    assert set(record) == set(tables[0])
    assert record["nasca_script_other"] is None
    markdown = (tmp_path / "one_out" / "leaderboard.md").read_text(encoding="utf-8")
    assert r"| &lt;i&gt;=SUM(a)\|b | 6 | 0.608 ± 0.010 |" in markdown


def test_names_do_not_become_formulas(tmp_path: Path) -> None:
    full_run("=HYPERLINK(1)").write(tmp_path / "in")
    ended = neuronxa("leaderboard", tmp_path / "in", "--output", tmp_path / "out")
    assert ended.code == 0, ended.errors
    (row,) = pd.read_csv(tmp_path / "out" / "leaderboard.csv").to_dict("records")
    assert row["model"] == "'=HYPERLINK(1)"


def test_the_command_explains_its_columns() -> None:
    ended = neuronxa("leaderboard", "--columns")
    assert ended.code == 0
    explained = [line.split(":")[0] for line in ended.output.splitlines()]
    assert explained == [*COLUMNS, *ACCURACY_COLUMNS]


@pytest.mark.parametrize("command", ["correlate", "predict", "leaderboard", "languages"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    ended = neuronxa(command, "--help")
    assert ended.code == 0
    assert f"Example: neuronxa {command} " in ended.output
