"""Result files of every version, what else lies in folders, and what no run measured."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from commands import neuronxa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_results import ACCURACY, LANGUAGES, MadeRun, full_run

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.results import Results, RunChoice, read_results
from neuronxa_task.results.files import read_file

CLAIMS = Path(__file__).resolve().parents[2] / "shared" / "field" / "claims"


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def row(results: Results, **where: str) -> dict[str, Any]:
    """The one row at a place."""
    rows = results.table
    for column, wanted in where.items():
        rows = rows[rows[column] == wanted]
    (found,) = rows.to_dict("records")
    return {str(name): value for name, value in found.items()}


# ---------------------------------------------------------------- versions of the harness

VERSION_3 = {
    "results": {
        "xnli_fr": {"acc": 0.5, "acc_stderr": 0.01},
        "arc_de_challenge": {"acc": 0.3, "acc_stderr": 0.02, "acc_norm": 0.4},
    },
    "versions": {"xnli_fr": 0, "arc_de_challenge": 0},
    "config": {
        "model": "hf-causal",
        "model_args": "pretrained=org/model,use_accelerate=True",
        "num_fewshot": 5,
        "limit": None,
        "description_dict": {},
    },
}
VERSION_4_0 = {
    "results": {"xnli_fr": {"acc,none": 0.5, "acc_stderr,none": 0.01, "alias": "xnli_fr"}},
    "configs": {"xnli_fr": {"task": "xnli_fr", "num_fewshot": 5}},
    "versions": {"xnli_fr": "Yaml"},
    "n-shot": {"xnli_fr": 5},
    "config": {"model": "hf", "model_args": "pretrained=org/model", "limit": None},
    "git_hash": "6248026",
}


@pytest.mark.parametrize("content", [VERSION_3, VERSION_4_0], ids=["0.3", "0.4.0"])
@pytest.mark.parametrize("name", ["results.json", "model_xnli_5-shot.json"])
def test_old_files_are_read_under_any_name(
    tmp_path: Path, content: dict[str, Any], name: str
) -> None:
    write(tmp_path / "deep" / "er" / name, content)
    results = read_results([tmp_path])
    found = row(results, benchmark="xnli", metric="acc")
    assert (found["model"], found["language"]) == ("org/model", "fra_Latn")
    assert (found["value"], found["stderr"]) == (0.5, 0.01)
    assert "shots:5" in found["signature"] and "unknown" not in found["signature"]
    assert "--num_fewshot 5" in " ".join(results.commands.values())
    assert "None" not in " ".join(results.commands.values())


def test_metrics_of_0_3_have_no_filter_and_may_have_no_error(tmp_path: Path) -> None:
    results = read_results([write(tmp_path / "x.json", VERSION_3)])
    assert set(results.table["metric"]) == {"acc", "acc_norm"}
    assert math.isnan(row(results, benchmark="arc", metric="acc_norm")["stderr"])
    assert row(results, benchmark="arc", metric="acc")["language"] == "deu_Latn"


def test_a_file_is_dated_by_its_content_its_name_or_itself(tmp_path: Path) -> None:
    inside = write(tmp_path / "a_2020-01-01T00-00-00.json", VERSION_4_0 | {"date": 5.0})
    named = write(tmp_path / "xnli_2025-06-15T15-06-40.123456.json", VERSION_4_0)
    plain = write(tmp_path / "results.json", VERSION_4_0 | {"date": None})
    os.utime(plain, (1000.0, 1000.0))
    dates = [read_file(path).date for path in (inside, named, plain)]
    assert dates == [5.0, 1_750_000_000.0, 1000.0]
    (note,) = (note for note in read_results([tmp_path]).notes if "date" in note)
    assert note == "1 files have no date, so the time of their last change is used: results.json"


@pytest.mark.parametrize("date", [math.nan, 1e300, True, "yesterday", -1e300])
def test_an_impossible_date_is_none(tmp_path: Path, date: Any) -> None:
    path = write(tmp_path / "results.json", VERSION_4_0 | {"date": date})
    os.utime(path, (1000.0, 1000.0))
    assert read_file(path).date == 1000.0


# ---------------------------------------------------------------- what is passed over

FOREIGN: dict[str, dict[str, Any]] = {
    "lighteval": {
        "config_general": {"model_name": "m"},
        "results": {"lighteval|belebele_fra_Latn_mcf|0": {"acc": 0.5}},
        "versions": {},
        "config_tasks": {},
    },
    "Open LLM Leaderboard 1": {
        "config_general": {"model_name": "m"},
        "results": {"harness|arc:challenge|25": {"acc": 0.5}, "all": {"acc": 0.5}},
        "versions": {},
        "config_tasks": {},
    },
    "MTEB": {"task_name": "Tatoeba", "mteb_version": "1.2", "scores": {}},
    "Inspect": {"version": 2, "eval": {}, "plan": {}, "results": {}, "stats": {}},
    "bigcode-evaluation-harness": {"humaneval": {"pass@1": 0.1}, "config": {"n_samples": 1}},
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_format_is_called_by_its_name(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "results_x.json", FOREIGN[name])
    ended = neuronxa("leaderboard", path)
    assert ended.code == 1 and ended.errors.count("\n") == 1
    assert f"results of {name}" in ended.errors.replace("the Open", "Open")
    full_run().write(tmp_path)
    (note,) = read_results([tmp_path]).notes
    assert note.startswith("1 files left out, as they are results of ") and name in note


def test_other_json_in_a_folder_is_counted_and_named(tmp_path: Path) -> None:
    write(tmp_path / "model" / "config.json", {"model_type": "llama"})
    write(tmp_path / "model" / "tokenizer.json", '{"vocab": "' + "x" * 3_000_000 + '"')
    write(tmp_path / "results_cut.json", json.dumps(VERSION_4_0)[:-40])
    full_run().write(tmp_path)
    damaged, foreign = read_results([tmp_path]).notes
    assert damaged.startswith("1 of the files left out: ") and "was the run or the copy" in damaged
    assert foreign == (
        "2 files left out, as they are not result files of lm_eval: config.json, tokenizer.json"
    )


def test_a_group_without_a_number_of_its_own_hides_no_member(tmp_path: Path) -> None:
    run = MadeRun().task("mmmlu_fr_fr_anatomy", {"acc": 0.4})
    run.content["results"]["mmmlu_fr_fr"] = {"alias": "mmmlu_fr_fr", " ": " "}
    run.content["group_subtasks"]["mmmlu_fr_fr"] = ["mmmlu_fr_fr_anatomy"]
    run.task("xnli_fr", {"acc": 0.5}).write(tmp_path)
    results = read_results([tmp_path])
    assert set(results.table["benchmark"]) == {"xnli"}
    assert results.notes[0].endswith("(read them with --pattern): mmmlu_fr_fr_anatomy")


def test_a_predict_only_run_measures_nothing_and_replaces_nothing(tmp_path: Path) -> None:
    full_run(date=1.0).write(tmp_path)
    later = MadeRun(date=2.0)
    for code in LANGUAGES:
        later.task(f"belebele_{code}", {"bypass": 999})
        later.content["results"][f"belebele_{code}"]["bypass_stderr,none"] = "N/A"
    later.write(tmp_path)
    results = read_results([tmp_path])
    assert sorted(results.downstream["value"]) == sorted([*ACCURACY, 0.9])
    (note,) = results.notes
    assert note.startswith("6 tasks left out, as --predict_only measures nothing: belebele_")


# ---------------------------------------------------------------- means, siblings, patterns


def test_a_benchmark_of_prompts_is_their_mean(tmp_path: Path) -> None:
    run = MadeRun()
    for prompt, value in enumerate((0.2, 0.3, 0.7), start=1):
        run.task(f"afrimmlu_direct_amh_prompt_{prompt}", {"acc": value}, samples=500)
    run.task("belebele_amh_Ethi", {"acc": 0.9}).task("belebele_amh_prompt_1", {"acc": 0.1})
    results = read_results([run.write(tmp_path)])
    found = row(results, benchmark="afrimmlu_direct_prompts")
    assert found["language"] == "amh_Ethi"
    assert found["value"] == pytest.approx(0.4)
    assert found["stderr"] == pytest.approx(0.01) and found["n"] == 500
    assert found["task"].split(",") == [f"afrimmlu_direct_amh_prompt_{n}" for n in (1, 2, 3)]
    assert found["signature"].endswith("|prompts:1/2/3")
    assert row(results, benchmark="belebele")["value"] == 0.9
    assert row(results, benchmark="belebele_prompts")["signature"].endswith("|prompts:1")
    assert results.notes == ()


def test_means_of_other_prompts_are_other_settings(tmp_path: Path) -> None:
    run = full_run()
    for code, prompts in (("fra", "12"), ("deu", "1"), ("hin", "12"), ("rus", "12")):
        for prompt in prompts:
            run.task(f"sib_{code}_prompt_{prompt}", {"acc": 0.1 * len(code)})
    run.write(tmp_path)
    ended = neuronxa("correlate", tmp_path, "--benchmarks", "sib_prompts")
    assert ended.code == 1 and "sib_prompts has prompts:1 (deu_Latn of" in ended.errors


def test_a_language_of_several_regions_is_their_mean(tmp_path: Path) -> None:
    run = MadeRun()
    for region, value in (("mexi", 0.6), ("peru", 0.8)):
        run.task(f"global_piqa_parallel_cloze_spa_latn_{region}", {"acc": value})
    results = read_results([run.write(tmp_path)])
    found = row(results, benchmark="global_piqa_parallel_cloze")
    assert found["value"] == pytest.approx(0.7) and found["n"] == 200
    assert found["stderr"] == pytest.approx(0.01 / math.sqrt(2))
    assert found["signature"].endswith("|varieties:mexi/peru")


def with_arc(*, pivot: bool) -> MadeRun:
    run = full_run()
    codes = ("fr", "de", "zh", "ru", "ar", "hi")
    for code, value in zip(codes, ACCURACY, strict=True):
        run.task(f"arc_{code}", {"acc": value})
    return run.task("arc_challenge", {"acc": 0.95}) if pivot else run


def test_the_english_sibling_serves_as_pivot(tmp_path: Path) -> None:
    with_arc(pivot=True).write(tmp_path)
    results = read_results([tmp_path])
    found = row(results, benchmark="arc", language="eng_Latn")
    assert (found["task"], found["value"]) == ("arc_challenge", 0.95)
    assert results.notes == ("arc has no English task; arc_challenge is used instead",)
    ended = neuronxa("correlate", tmp_path, "--relative", "--benchmarks", "arc")
    assert ended.code == 0, ended.errors


def test_an_english_task_alone_is_no_benchmark_of_many_languages(tmp_path: Path) -> None:
    run = full_run().task("arc_challenge", {"acc": 0.95}).task("hellaswag", {"acc": 0.5})
    results = read_results([run.write(tmp_path)])
    assert set(results.downstream["benchmark"]) == {"belebele"}
    assert "left out (read them with --pattern): arc_challenge, hellaswag" in results.notes[0]


def test_a_pattern_that_matches_nothing_is_named(tmp_path: Path) -> None:
    full_run().write(tmp_path)
    results = read_results([tmp_path], patterns=["mine=mytask_{lang}", "b=belebele_{lang}"])
    assert results.notes == (
        "--pattern mine=mytask_{lang} matched none of the 13 tasks, such as "
        "neuronxa_flores_fra_Latn, belebele_fra_Latn, neuronxa_flores_deu_Latn, … (13 in all)",
    )


# ---------------------------------------------------------------- choosing among settings


def runs_of_several_shots(folder: Path) -> None:
    full_run(date=1.0).write(folder)
    later = MadeRun(date=2.0)
    for code in LANGUAGES[:4]:
        later.task(f"belebele_{code}", {"acc": 0.99}, shots=5)
    later.write(folder)


def test_mixed_shots_are_an_error_that_names_the_choice(tmp_path: Path) -> None:
    runs_of_several_shots(tmp_path)
    ended = neuronxa("correlate", tmp_path)
    assert ended.code == 1 and len(ended.errors) < 3 * 100
    assert ended.errors.startswith(
        "neuronxa: error: choose with --num-fewshot, or pass --allow-mixed-signatures; results "
        "use different settings: belebele has shots:"
    )
    assert neuronxa("correlate", tmp_path, "--num-fewshot", 0).code == 0


def test_runs_of_the_chosen_shots_are_read(tmp_path: Path) -> None:
    runs_of_several_shots(tmp_path)
    none, five, three = (RunChoice(num_fewshot=number) for number in (0, 5, 3))
    results = read_results([tmp_path], runs=none)
    assert sorted(results.downstream["value"]) == sorted([*ACCURACY, 0.9])
    assert results.notes == ("4 results left out, with settings other than those chosen (5 shots)",)
    assert set(read_results([tmp_path], runs=five).downstream["value"]) == {0.99}
    with pytest.raises(NeuronXAError, match="there are runs with --num-fewshot 0, 5"):
        read_results([tmp_path], runs=three)
    (note,) = read_results([tmp_path]).notes
    assert note.endswith("4 of them with other settings (0 shots, now 5: --num-fewshot)")


def test_runs_with_or_without_a_chat_template_are_chosen(tmp_path: Path) -> None:
    chat = full_run(date=2.0, accuracy=[0.5] * 6)
    chat.content["chat_template"] = "{{ messages }}"
    chat.write(tmp_path)
    full_run(date=1.0).write(tmp_path)
    with_it, without = (
        read_results([tmp_path], runs=RunChoice(chat_template=chosen)) for chosen in (True, False)
    )
    assert row(with_it, benchmark="belebele", language="fra_Latn")["value"] == 0.5
    assert row(without, benchmark="belebele", language="fra_Latn")["value"] == ACCURACY[0]
    assert "chat template" in " ".join(read_results([tmp_path]).notes)


# ---------------------------------------------------------------- any content

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
NAMES = st.sampled_from(["xnli_fr", "belebele_fra_Latn", "sib_fra_prompt_1", "arc_challenge", "x"])
CONTENT = st.fixed_dictionaries(
    {
        "results": st.dictionaries(
            NAMES, JSON | st.dictionaries(st.sampled_from(["acc,none", "acc", "bypass"]), JSON)
        ),
        "config": st.fixed_dictionaries({}, optional={"model": JSON, "model_args": JSON}),
    },
    optional={
        "configs": st.dictionaries(NAMES, JSON),
        "date": JSON,
        "n-shot": JSON | st.dictionaries(NAMES, JSON),
        "group_subtasks": JSON | st.dictionaries(NAMES, st.lists(NAMES, max_size=2)),
        "versions": JSON,
    },
)
FUZZ = settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@given(content=CONTENT)
@FUZZ
def test_any_content_is_a_table_or_a_clear_error(tmp_path: Path, content: dict[str, Any]) -> None:
    path = write(tmp_path / "results.json", content)
    try:
        table = read_results([path]).table
    except NeuronXAError as error:
        assert "\n" not in str(error)
    else:
        assert table["value"].notna().all() and table["value"].abs().max() <= 1e50
        assert "bypass" not in set(table["metric"]) and all(table["metric"].str.strip())


@given(cut=st.integers(min_value=0, max_value=3000))
@settings(FUZZ, max_examples=40)
def test_a_file_cut_anywhere_is_an_error_of_one_line(tmp_path: Path, cut: int) -> None:
    text = json.dumps(full_run().content)
    path = write(tmp_path / "results.json", text[: cut % len(text)])
    with pytest.raises(NeuronXAError, match="was the run or the copy cut short") as error:
        read_results([path])
    assert "\n" not in str(error.value)


@given(order=st.permutations(range(4)))
@settings(FUZZ, max_examples=10)
def test_the_order_of_the_files_does_not_matter(tmp_path: Path, order: list[int]) -> None:
    runs = [full_run(f"org/m{number % 3}", date=float(number)) for number in range(4)]
    paths = [run.write(tmp_path / str(number)) for number, run in enumerate(runs)]
    results = read_results([paths[number] for number in order])
    assert results.table.equals(read_results(paths).table)
    assert results.notes == read_results(paths).notes


# ---------------------------------------------------------------- files of others


@pytest.mark.skipif(not CLAIMS.exists(), reason="result files of others are not here")
@pytest.mark.parametrize(
    ("inputs", "options", "shown"),
    [
        ("edges/jsonpath", (), "neuronxa_flores with belebele acc, org/m"),
        ("edges/flores", (), "flores_to_eng_prompts"),
        ("edges/lambada", (), "lambada_openai_mt acc"),
        ("edges/arcrel", ("--relative",), "arc has no English task; arc_challenge is used instead"),
        ("edges/shots", ("--num-fewshot", 0), "belebele acc"),
        ("edges/shots2", ("--num-fewshot", 5), "belebele acc"),
        ("edges/nan", (), "belebele acc"),
        ("dupzh", ("--pattern", "x=my_{lang}"), "--pattern x=my_{lang} matched none of the 17"),
        ("dupzh", (), "mmmlu"),
        (
            "predict_only",
            ("--pattern", "gen=gen_{lang}", "--benchmarks", "gen"),
            "gen has no acc; exact_match is used",
        ),
    ],
)
def test_inputs_of_the_field(inputs: str, options: tuple[object, ...], shown: str) -> None:
    ended = neuronxa("correlate", CLAIMS / inputs, "--resamples", 100, "--full", *options)
    assert ended.code == 0, ended.errors
    assert shown in ended.output


@pytest.mark.skipif(not CLAIMS.exists(), reason="result files of others are not here")
@pytest.mark.parametrize(
    ("file", "model", "benchmark", "language", "value"),
    [
        ("v03_okapi.json", "example/bloom-7b1", "arc", "fra_Latn", 0.36577181208053694),
        ("v040_no_date.json", "example/model-7b", "belebele", "eus_Latn", 0.32),
        (
            "xglm-7.5B_xnli_0-shot.json",
            "facebook/xglm-7.5B",
            "xnli",
            "swh_Latn",
            0.45828343313373254,
        ),
        ("foreign_names", "bigscience/bloom-1b1", "xnli", "swh_Latn", 0.3529),
        ("foreign_names", "google/gemma-2b", "belebele_prompts", "luo_Latn", 0.2911),
    ],
)
def test_old_files_of_the_field(
    file: str, model: str, benchmark: str, language: str, value: float
) -> None:
    results = read_results([CLAIMS / file])
    where = {"model": model, "benchmark": benchmark, "language": language, "metric": "acc"}
    assert row(results, **where)["value"] == value
