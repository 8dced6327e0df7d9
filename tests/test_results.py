"""Result files, also of many runs and of hostile content, as one table."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made_results import LANGUAGES, MadeRun, full_run, signature

from neuronxa_task.analysis.pairing import join_accuracy
from neuronxa_task.analysis.selection import Selection, select
from neuronxa_task.errors import NeuronXAError
from neuronxa_task.results import COLUMNS, Results, read_results
from neuronxa_task.results.comparable import differences, require_same_settings, settings_of
from neuronxa_task.settings import SCORES


def read(*runs: MadeRun, folder: Path, patterns: tuple[str, ...] = ()) -> Results:
    """The runs, each written as a file of its own and read through the folder."""
    for number, run in enumerate(runs):
        run.write(folder / str(number))
    return read_results([folder], patterns=patterns)


def value(results: Results, **where: str) -> float:
    """The one value at a place."""
    rows = results.table
    for column, wanted in where.items():
        rows = rows[rows[column] == wanted]
    (found,) = rows["value"]
    return float(found)


# ---------------------------------------------------------------- the table


def test_a_combined_run_is_a_tidy_table(tmp_path: Path) -> None:
    path = full_run(date=1_750_000_000.0).write(tmp_path)
    results = read_results([path])
    table = results.table
    assert tuple(table.columns) == COLUMNS
    assert len(table) == 6 * len(SCORES) + 7
    assert set(table["language"]) == {*LANGUAGES, "eng_Latn"}
    (row,) = table[
        (table["task"] == "neuronxa_flores_fra_Latn") & (table["metric"] == "nasca")
    ].to_dict("records")
    assert row == {
        "model": "org/model",
        "benchmark": "neuronxa_flores",
        "language": "fra_Latn",
        "metric": "nasca",
        "value": 0.9,
        "stderr": 0.01,
        "n": 100,
        "signature": signature(),
        "task": "neuronxa_flores_fra_Latn",
        "file": str(path),
        "date": "2025-06-15T15:06:40Z",
    }
    assert set(results.alignment["metric"]) == set(SCORES)
    assert set(results.downstream["metric"]) == {"acc"}
    assert results.pivots == {"neuronxa_flores": "eng_Latn"}
    assert results.profiles["org/model", "neuronxa_flores", "deu_Latn"]["nasca"] == [0.8, 0.8]
    assert results.notes == ()


def test_languages_of_every_benchmark_are_flores_codes(tmp_path: Path) -> None:
    run = MadeRun().aligned("cmn", 0.5, group="neuronxa_tatoeba", facts={"pivot": "eng"})
    for task in ("m_mmlu_zh", "xnli_zh", "belebele_zho_Hans", "global_mmlu_full_zh"):
        run.task(task, {"acc": 0.5})
    results = read(run, folder=tmp_path)
    assert set(results.table["language"]) == {"zho_Hans"}
    assert set(results.table["benchmark"]) == {
        *("neuronxa_tatoeba", "m_mmlu", "xnli", "belebele", "global_mmlu_full"),
    }
    assert results.pivots == {"neuronxa_tatoeba": "eng_Latn"}


def test_the_pivots_own_task_counts_as_the_language_it_scored(tmp_path: Path) -> None:
    run = MadeRun().aligned("fra_Latn", 0.5, target="eng_Latn", facts={"pivot": "fra_Latn"})
    results = read(run, folder=tmp_path)
    assert set(results.table["language"]) == {"eng_Latn"}
    assert set(results.table["benchmark"]) == {"neuronxa_flores"}
    assert results.pivots == {"neuronxa_flores": "fra_Latn"}


def test_own_text_is_a_benchmark_by_the_name_of_its_group(tmp_path: Path) -> None:
    run = MadeRun().aligned("near", 0.5, group="my_corpus").aligned("sw", 0.4, group="my_corpus")
    table = read(run, folder=tmp_path).table
    assert set(table["benchmark"]) == {"my_corpus"}
    assert set(table["language"]) == {"near", "swh_Latn"}


def test_a_group_of_subjects_is_one_language(tmp_path: Path) -> None:
    run = MadeRun().task("global_mmlu_fr", {"acc": 0.5}, samples=400)
    run.task("global_mmlu_fr_stem", {"acc": 0.4})
    run.content["group_subtasks"]["global_mmlu_fr"] = ["global_mmlu_fr_stem"]
    del run.content["n-samples"]["global_mmlu_fr"]
    results = read(run, folder=tmp_path)
    assert results.table[["language", "value", "n"]].values.tolist() == [["fra_Latn", 0.5, 400]]
    assert results.notes == ()


def test_a_filter_is_part_of_the_metrics_name(tmp_path: Path) -> None:
    run = MadeRun().task("mmlu_prox_fr", {"exact_match,custom-extract": 0.25})
    table = read(run, folder=tmp_path).table
    assert list(table["metric"]) == ["exact_match,custom-extract"]


def test_a_pattern_reads_other_benchmarks(tmp_path: Path) -> None:
    run = MadeRun().task("mytask_fr", {"acc": 0.5}).task("other", {"acc": 0.1})
    results = read(run, folder=tmp_path, patterns=("mybench=mytask_{lang}",))
    assert value(results, benchmark="mybench", language="fra_Latn") == 0.5
    assert results.notes == (
        "1 tasks of no known benchmark left out (read them with --pattern): other",
    )


def test_two_tasks_of_the_same_language_do_not_mix(tmp_path: Path) -> None:
    run = MadeRun().task("a_fr", {"acc": 0.1}).task("b_fra", {"acc": 0.2})
    results = read(run, folder=tmp_path, patterns=("x=a_{lang}", "x=b_{lang}"))
    assert value(results, benchmark="x", language="fra_Latn") == 0.2
    assert results.notes == (
        "1 tasks left out, as another task has the same benchmark and language: a_fr for b_fra",
    )


# ---------------------------------------------------------------- several runs


def test_the_newest_run_of_a_model_and_task_counts(tmp_path: Path) -> None:
    new = MadeRun(date=200.0).aligned("fra_Latn", 0.7)
    old = MadeRun(date=100.0).aligned("fra_Latn", 0.1).aligned("deu_Latn", 0.3)
    results = read(new, old, folder=tmp_path)
    assert value(results, language="fra_Latn", metric="nasca") == 0.7
    assert value(results, language="deu_Latn", metric="nasca") == 0.3
    assert results.profiles["org/model", "neuronxa_flores", "fra_Latn"]["nasca"] == [0.7, 0.7]
    assert results.notes == ("1 results replaced by newer runs of the same model and task",)


def test_a_replaced_result_of_other_settings_is_counted(tmp_path: Path) -> None:
    old = MadeRun(date=100.0).aligned("fra_Latn", 0.1, facts={"n": "10"})
    results = read(old, MadeRun(date=200.0).aligned("fra_Latn", 0.7), folder=tmp_path)
    assert "1 of them with other settings" in results.notes[0]


def test_several_replaced_results_of_other_settings_are_said_once(tmp_path: Path) -> None:
    old, new = MadeRun(date=1.0), MadeRun(date=2.0)
    for language in LANGUAGES:
        old.aligned(language, 0.1, facts={"n": "10"})
        new.aligned(language, 0.2)
    assert read(old, new, folder=tmp_path).notes == (
        "6 results replaced by newer runs of the same model and task, "
        "6 of them with other settings",
    )


def test_replaced_results_of_other_weights_are_counted(tmp_path: Path) -> None:
    old = MadeRun(date=1.0).aligned("fra_Latn", 0.1, facts={"model": "aaaa"})
    new = MadeRun(date=2.0).aligned("fra_Latn", 0.2, facts={"model": "bbbb"})
    assert read(old, new, folder=tmp_path).notes == (
        "1 results replaced by newer runs of the same model and task, 1 of them with other weights",
    )


def test_accuracy_of_a_path_s_former_weights_is_not_set_beside_the_new_ones(tmp_path: Path) -> None:
    """A checkpoint is trained on and aligned again; its benchmark is of the weights before."""
    before, after = full_run("ckpt", date=1.0), MadeRun("ckpt", date=2.0)
    for language in LANGUAGES:
        after.aligned(language, 0.5, facts={"model": "new"})
    results = read(before, after, folder=tmp_path)
    (line,) = differences(results.table)
    assert line.startswith(f"ckpt has model:{before.weights['model']} (belebele in arb_Arab, ")
    assert "model:new (neuronxa_flores in arb_Arab, " in line
    with pytest.raises(NeuronXAError, match="ckpt has model:"):
        select(results, Selection())
    (note,) = select(results, Selection(allow_mixed=True)).notes
    assert note.startswith("mixed settings: ckpt has model:")


def test_files_and_folders_mix_and_each_file_is_read_once(tmp_path: Path) -> None:
    path = full_run().write(tmp_path / "a" / "b")
    (tmp_path / "a" / "b" / "samples_belebele_fra_Latn.jsonl").write_text("{}\n{", encoding="utf-8")
    once, twice = read_results([path]), read_results([path, tmp_path, tmp_path / "a"])
    assert once.table.equals(twice.table)
    assert twice.notes == ()


def test_separate_runs_join(tmp_path: Path) -> None:
    alignment = MadeRun(date=1.0, dtype="bfloat16").aligned("fra_Latn", 0.5)
    accuracy = MadeRun(date=2.0, dtype="float32", device_map="auto").task(
        "belebele_fra_Latn", {"acc": 0.4}
    )
    assert set(read(alignment, accuracy, folder=tmp_path).table["model"]) == {"org/model"}


def test_separate_runs_that_loaded_another_model_are_noted(tmp_path: Path) -> None:
    runs = (
        MadeRun(date=1.0).aligned("fra_Latn", 0.5).aligned("deu_Latn", 0.5),
        MadeRun(date=2.0).task("belebele_fra_Latn", {"acc": 0.4}),
        MadeRun(date=3.0).task("xnli_fr", {"acc": 0.4}),
    )
    for run, dtype, commit in zip(runs, ("float32", "bfloat16", "float32"), "ab\x1b", strict=True):
        facts = {"model_dtype": dtype, "model_sha": commit, "model_num_parameters": 7}
        run.content["config"] |= facts
    assert read(*runs, folder=tmp_path).notes == (
        "org/model ran with several commits: a (neuronxa_flores), b (belebele), \\x1b (xnli)",
        "org/model ran with several precisions: float32 (neuronxa_flores, xnli), "
        "bfloat16 (belebele)",
    )


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({}, "org/model"),
        ({"revision": "main", "peft": None, "trust_remote_code": True}, "org/model"),
        ({"revision": "step1000"}, "org/model [revision=step1000]"),
        ({"peft": "me/lora", "dtype": "auto"}, "org/model [peft=me/lora]"),
        ({"load_in_4bit": True}, "org/model [load_in_4bit=True]"),
        ({"brand_new_option": 1}, "org/model [brand_new_option=1]"),
        ({"load_in_8bit": False, "autogptq": False, "peft": "", "delta": ""}, "org/model"),
        ({"enable_thinking": False}, "org/model [enable_thinking=False]"),
    ],
)
def test_models_are_named_by_all_that_makes_them(
    tmp_path: Path, arguments: dict[str, Any], name: str
) -> None:
    run = MadeRun(**arguments).aligned("fra_Latn", 0.5)
    as_text = MadeRun(**arguments).aligned("fra_Latn", 0.5)
    given = as_text.content["config"]["model_args"]
    as_text.content["config"]["model_args"] = ",".join(f"{k}={v}" for k, v in given.items())
    assert set(read(run, as_text, folder=tmp_path).table["model"]) == {name}


def test_a_model_without_a_name_in_its_arguments_keeps_the_recorded_one(tmp_path: Path) -> None:
    run = MadeRun("ignored").aligned("fra_Latn", 0.5)
    run.content["config"]["model_args"] = None
    run.content["model_name"] = "recorded"
    assert set(read(run, folder=tmp_path).table["model"]) == {"recorded"}


def test_models_without_any_name_do_not_mix(tmp_path: Path) -> None:
    runs = [
        MadeRun(date=date).aligned("fra_Latn", 0.5, facts={"model": str(date)})
        for date in (1.0, 2.0)
    ]
    for run in runs:
        run.content["config"]["model_args"] = run.content["model_name"] = None
    results = read(*runs, folder=tmp_path)
    assert set(results.table["model"]) == {f"unnamed, {path}" for path in tmp_path.glob("*/*.json")}
    assert results.notes == ()


@pytest.mark.parametrize("path", ["models/x", "./models/x", "models//x/", "models/y/../x"])
def test_a_path_has_one_name(tmp_path: Path, path: str) -> None:
    results = read(MadeRun(path).aligned("fra_Latn", 0.5), folder=tmp_path)
    assert set(results.table["model"]) == {"models/x"}


# ---------------------------------------------------------------- the command again


def test_the_command_of_a_file(tmp_path: Path) -> None:
    run = full_run(dtype="float32")
    run.content["config"] |= {"limit": 10.0, "batch_size": 8, "fewshot_seed": 7}
    path = run.write(tmp_path)
    (command,) = read_results([path]).commands.values()
    benchmarks = ",".join(f"belebele_{code}" for code in (*LANGUAGES, "eng_Latn"))
    assert command == (
        "lm_eval --model hf --model_args pretrained=org/model,dtype=float32 "
        f"--tasks neuronxa_flores,{benchmarks} --num_fewshot 0 --batch_size 8 "
        "--limit 10.0 --seed 0,1234,1234,7"
    )


def test_the_command_has_settings_own_tasks_and_quotes(tmp_path: Path) -> None:
    run = MadeRun("my models/x").aligned("fra_Latn", 0.5, group="mine")
    metadata = run.content["configs"]["mine_fra_Latn"]["metadata"]
    metadata |= {"pooling": "mean", "config_source": "/home/me/my_tasks/mine_fra_Latn.yaml"}
    run.content["chat_template"] = "{{ messages }}"
    (command,) = read(run, folder=tmp_path).commands.values()
    assert "--model_args 'pretrained=my models/x'" in command
    assert "--include_path /home/me/my_tasks --tasks mine " in command
    assert """--metadata '{"pooling": "mean"}'""" in command
    assert command.endswith("--apply_chat_template")


# ---------------------------------------------------------------- settings


def test_other_sentences_tokens_models_and_software_are_no_other_settings() -> None:
    other = signature(data_hash="11111111", token_hash="1", model="x", torch="3.0", batch="1")
    assert settings_of(other) == settings_of(signature())
    assert settings_of(signature(pool="mean")) != settings_of(signature())


@pytest.mark.parametrize(
    "fact", ["data", "split", "n", "pivot", "nas", "nav", "pool", "sim", "side", "experts"]
)
def test_settings_that_differ_between_languages_are_refused(tmp_path: Path, fact: str) -> None:
    run = MadeRun().aligned("deu_Latn", 0.5, facts={fact: "a"})
    table = read(run.aligned("fra_Latn", 0.5, facts={fact: "b"}), folder=tmp_path).table
    with pytest.raises(NeuronXAError, match=rf"neuronxa_flores has {fact}:a \(deu_Latn of org"):
        require_same_settings(table)
    (note,) = require_same_settings(table, allow_mixed=True)
    assert f"{fact}:b (fra_Latn" in note


def test_settings_that_differ_between_models_are_refused(tmp_path: Path) -> None:
    other = MadeRun("other").aligned("fra_Latn", 0.5, facts={"pool": "mean"})
    table = read(MadeRun().aligned("fra_Latn", 0.5), other, folder=tmp_path).table
    with pytest.raises(
        NeuronXAError, match=r"^give only .*--allow-mixed.* pool:position .* pool:mean"
    ):
        require_same_settings(table)


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ({"data_hash": "11111111"}, "neuronxa_flores in fra_Latn has data_hash:00000000"),
        ({"model": "y", "torch": "1.0", "dtype": "bfloat16"}, None),
        ({"experts": "routed"}, None),
    ],
)
def test_the_same_language_of_two_models_has_the_same_sentences(
    tmp_path: Path, facts: dict[str, str], line: str | None
) -> None:
    other = MadeRun("other").aligned("fra_Latn", 0.5, facts=facts)
    found = differences(read(MadeRun().aligned("fra_Latn", 0.5), other, folder=tmp_path).table)
    assert [each.startswith(line or "-") for each in found] == [True] * bool(line)


@pytest.mark.parametrize("fact", ["model", "dtype"])
def test_a_models_results_are_of_the_same_weights(tmp_path: Path, fact: str) -> None:
    run = MadeRun().aligned("fra_Latn", 0.5)
    table = read(run.aligned("deu_Latn", 0.4, facts={fact: "new"}), folder=tmp_path).table
    with pytest.raises(NeuronXAError, match=f"org/model has {fact}:"):
        require_same_settings(table)


def test_benchmarks_have_settings_too(tmp_path: Path) -> None:
    run = MadeRun().task("belebele_fra_Latn", {"acc": 0.5}, shots=0)
    table = read(run.task("belebele_deu_Latn", {"acc": 0.5}, shots=5), folder=tmp_path).table
    with pytest.raises(NeuronXAError, match=r"belebele has shots:5 .*shots:0 "):
        require_same_settings(table)


def test_models_chat_templates_and_languages_task_versions_may_differ(tmp_path: Path) -> None:
    first, second = MadeRun("first"), MadeRun("second")
    for run, template in ((first, "a"), (second, "b")):
        run.content["chat_template"] = template
        run.task("xnli_fr", {"acc": 0.5}, version=1.0).task("xnli_eu", {"acc": 0.5}, version=2.0)
    assert differences(read(first, second, folder=tmp_path).table) == []


def test_software_of_several_versions_is_noted(tmp_path: Path) -> None:
    other = MadeRun("other").aligned("fra_Latn", 0.5, facts={"torch": "2.14.0"})
    results = read(MadeRun().aligned("fra_Latn", 0.5), other, folder=tmp_path)
    assert results.notes == ("results of several versions of torch: 2.13.0, 2.14.0",)


# ---------------------------------------------------------------- what is no result


NO_RESULTS: dict[str, tuple[str | bytes, str]] = {
    "truncated": ('{"results": {"a": {"acc,none": 0.', "not valid JSON .*cut short"),
    "empty": ("", "not valid JSON"),
    "list": ("[1, 2]", "a JSON list"),
    "other": ('{"a": 1}', "no object 'results'"),
    "wrong_parts": ('{"results": [], "configs": {}, "config": {}, "date": 1}', "object 'results'"),
    "no_config": ('{"results": {}, "configs": {}}', "object 'config'"),
    "deep": ("[" * 200_000, "nested too deeply"),
    "binary": (b"\xff\xfe\x00\x01", "not valid JSON"),
}


@pytest.mark.parametrize("kind", NO_RESULTS)
def test_a_given_file_that_is_no_result_file_is_an_error(tmp_path: Path, kind: str) -> None:
    content, message = NO_RESULTS[kind]
    path = tmp_path / "results_x.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(NeuronXAError, match=message) as error:
        read_results([path])
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_in_a_folder_they_are_left_out_and_counted(tmp_path: Path) -> None:
    for kind, (content, _) in NO_RESULTS.items():
        path = tmp_path / f"results_{kind}.json"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(NeuronXAError, match=r"no result file of lm_eval in .*left out"):
        read_results([tmp_path])
    full_run().write(tmp_path)
    results = read_results([tmp_path])
    assert len(results.table) == 6 * len(SCORES) + 7
    damaged, foreign = results.notes
    assert damaged.startswith("4 of the files left out: ")
    assert foreign.startswith("4 files left out, as they are not result files of lm_eval: results_")


@pytest.mark.parametrize("what", ["missing.json", "empty_folder"])
def test_a_path_without_results_is_an_error(tmp_path: Path, what: str) -> None:
    (tmp_path / "empty_folder").mkdir()
    with pytest.raises(NeuronXAError, match=r"does not exist|no result file of lm_eval in"):
        read_results([tmp_path / what])


def test_a_file_with_nothing_known_says_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(NeuronXAError, match=r"^name your .*--pattern\): hellaswag"):
        read(MadeRun().task("hellaswag", {"acc": 0.5}), folder=tmp_path)


@pytest.mark.parametrize("odd", [None, 7, "", "nonsense", "a:b|c:d"])
def test_scores_without_a_signature_are_no_scores(tmp_path: Path, odd: Any) -> None:
    run = full_run()
    run.content["configs"]["neuronxa_flores_fra_Latn"]["metadata"]["signature"] = odd
    results = read(run, folder=tmp_path)
    assert "fra_Latn" not in set(results.alignment["language"])
    assert results.notes == (
        "1 tasks of no known benchmark left out (read them with --pattern): "
        "neuronxa_flores_fra_Latn",
    )
    by_pattern = read_results([tmp_path], patterns=["mine=neuronxa_flores_{lang}"])
    assert "fra_Latn" not in set(by_pattern.alignment["language"])
    assert "nasca,none has no signature" in by_pattern.notes[0]


ODD_VALUES: list[Any] = [
    *("NaN", "N/A", None, [], {}, "0.5", True, math.nan, math.inf, 10**400, [1, 2], "<b>x</b>"),
]


@pytest.mark.parametrize("odd", ODD_VALUES, ids=repr)
def test_a_value_that_is_no_number_is_left_out_and_counted(tmp_path: Path, odd: Any) -> None:
    run = full_run()
    run.content["results"]["belebele_fra_Latn"]["acc,none"] = odd
    results = read(run, folder=tmp_path)
    assert "belebele_fra_Latn" not in set(results.table["task"])
    assert not results.table["value"].isna().any()
    (note,) = results.notes
    assert note.startswith("1 values left out, as they are not numbers: acc,none is ")
    assert "(belebele_fra_Latn in " in note


def test_an_odd_standard_error_is_no_standard_error(tmp_path: Path) -> None:
    run = full_run()
    run.content["results"]["belebele_fra_Latn"]["acc_stderr,none"] = "N/A"
    table = read(run, folder=tmp_path).table
    assert table.loc[table["task"] == "belebele_fra_Latn", "stderr"].isna().all()


@pytest.mark.parametrize("odd", [None, 3, "x", [], {"nasca": 1}, {"nasca": []}, {"nasca": ["a"]}])
def test_odd_layers_are_no_profile(tmp_path: Path, odd: Any) -> None:
    run = full_run()
    run.content["configs"]["neuronxa_flores_fra_Latn"]["metadata"]["layers"] = odd
    results = read(run, folder=tmp_path)
    assert ("org/model", "neuronxa_flores", "fra_Latn") not in results.profiles
    assert len(results.profiles) == 5


def test_a_hybrids_layers_stand_in_their_places(tmp_path: Path) -> None:
    run = full_run()
    metadata = run.content["configs"]["neuronxa_flores_fra_Latn"]["metadata"]
    metadata["neuron_layers"] = [1, 3]
    metadata["layers"] = {"nasca": [0.5, 0.25], "nas_to_pivot": [1.0, 0.5], "mexa": [0.5] * 5}
    profile = read(run, folder=tmp_path).profiles["org/model", "neuronxa_flores", "fra_Latn"]
    assert profile["nasca"] == pytest.approx([math.nan, 0.5, math.nan, 0.25], nan_ok=True)
    assert profile["nas_to_pivot"] == pytest.approx([math.nan, 1.0, math.nan, 0.5], nan_ok=True)
    assert profile["mexa"] == [0.5] * 5


ODD_PARTS = ("configs", "config", "versions", "n-shot", "n-samples", "group_subtasks", "groups")


@pytest.mark.parametrize("part", ODD_PARTS)
@pytest.mark.parametrize("odd", [{}, {"belebele_fra_Latn": 7, "neuronxa_flores": "x"}, 5, None, []])
def test_odd_parts_do_no_harm(tmp_path: Path, part: str, odd: Any) -> None:
    run = full_run()
    run.content[part] = odd
    path = run.write(tmp_path)
    try:
        results = read_results([path])
    except NeuronXAError as error:
        assert part in ("configs", "config") and str(path) in str(error)
    else:
        assert value(results, language="deu_Latn", metric="acc") == 0.8


def places_in(part: Any, *above: Any) -> Iterator[tuple[Any, ...]]:
    """The way to every part of a JSON value."""
    for key in (
        part if isinstance(part, dict) else range(len(part) if isinstance(part, list) else 0)
    ):
        yield (*above, key)
        yield from places_in(part[key], *above, key)


@pytest.mark.slow
def test_no_part_of_a_file_can_do_harm_by_its_type(tmp_path: Path) -> None:
    """Every part of a small file in turn becomes something else: a result or a clear error.

    Which of the other types a part becomes goes round, so that each kind of part meets them all.
    """
    run = MadeRun().aligned("fra_Latn", 0.5).task("xnli_fr", {"acc": 0.5}).content
    odds: tuple[Any, ...] = (None, -7, "x|:y", [[]], {"a": {}})
    harmless = 0
    for number, place in enumerate(places_in(run)):
        for odd in (odds[number % 5], odds[(number + 2) % 5]):
            content = copy.deepcopy(run)
            part = content
            for key in place[:-1]:
                part = part[key]
            part[place[-1]] = odd
            path = tmp_path / "results_x.json"
            path.write_text(json.dumps(content), encoding="utf-8")
            try:
                results = read_results([path])
                differences(results.table)
                join_accuracy(select(results, Selection()), Selection())
            except NeuronXAError as error:
                assert "\n" not in str(error), (place, odd)
            else:
                harmless += 1
    assert harmless > 60


def test_hostile_names_are_spelled_out(tmp_path: Path) -> None:
    name = "<script>alert(1)</script>\x1b[2J\n|&_%$\\"
    run = full_run(name).task("belebele_\x1b[31mxx", {"acc": 0.5})
    results = read(run, folder=tmp_path)
    (model,) = set(results.table["model"])
    assert model == "<script>alert(1)</script>\\x1b[2J\\n|&_%$\\"
    shown = " ".join([*results.notes, *results.commands.values()])
    assert shown.isprintable()
    (tmp_path / "results_\x1b[2J.json").write_text("{", encoding="utf-8")
    assert " ".join(read_results([tmp_path]).notes).isprintable()


def test_a_large_file_is_read_and_a_huge_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = full_run()
    run.content["junk"] = ["x" * 1000] * 50_000
    path = run.write(tmp_path)
    assert path.stat().st_size > 50 * 10**6
    assert len(read_results([path]).table) == 6 * len(SCORES) + 7
    monkeypatch.setattr("neuronxa_task.results.files.MAX_BYTES", 2**20)
    with pytest.raises(NeuronXAError, match=r"has 48 MiB; result files up to 1 MiB are read"):
        read_results([path])
