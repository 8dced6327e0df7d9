"""From one real run of the harness's own benchmarks to the claims made of it.

`lm_eval` runs once, as the stock command, on NeuronXA and on benchmarks by the harness's own task
files; `benchmark_data` writes their data. Then every command that reads results reads these.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean
from typing import Any

import benchmark_data
import pandas as pd
import pytest
from benchmark_data import DOCUMENTS, ISO1, LETTERS, languages_of
from commands import neuronxa
from filelock import FileLock
from runs import command
from scipy.stats import pearsonr
from test_consistency import by_the_paper
from transformers import AutoTokenizer

from neuronxa_task.bmlama53.rankc import rankc
from neuronxa_task.demo import MODEL_DIR
from neuronxa_task.demo.phrasebook import evaluation_sentences
from neuronxa_task.languages import FLORES_CORE
from neuronxa_task.study.reproduce import conclusions

pytestmark = pytest.mark.slow

TASKS = ("neuronxa_flores_core", *benchmark_data.tasks())
BENCHMARKS = ("belebele", "m_mmlu", "arc", "xnli", "bmlama53")


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The folder of the one run's results, made by the first of the test processes."""
    base = tmp_path_factory.getbasetemp()
    root = (base if worker_id == "master" else base.parent) / "claims"
    with FileLock(f"{root}.lock"), pytest.MonkeyPatch.context() as environment:
        if not root.exists():
            root.mkdir()
            benchmark_data.write_all(root)
            # `datasets` would answer with what another folder of the same name once held.
            environment.setenv("HF_DATASETS_CACHE", str(root / "cache"))
            done = command(
                root / "output",
                *("--model", "hf", "--model_args", f"pretrained={MODEL_DIR},dtype=float32"),
                *("--device", "cpu", "--batch_size", "32", "--log_samples"),
                *("--tasks", ",".join(TASKS), "--metadata", '{"bmlama53": "bmlama53"}'),
                cwd=root,
            )
            (root / "errors.txt").write_text(done.stderr, encoding="utf-8")
    output = root / "output"
    assert list(output.glob("results_*.json")), (root / "errors.txt").read_text(encoding="utf-8")
    return output


@pytest.fixture(scope="session")
def results(run: Path) -> dict[str, Any]:
    """The content of its result file."""
    (path,) = run.glob("results_*.json")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def samples(run: Path, task: str) -> list[dict[str, Any]]:
    (path,) = run.glob(f"samples_{task}_*.jsonl")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def printed(*arguments: object) -> str:
    """What the command prints; it must succeed."""
    ended = neuronxa(*arguments)
    assert ended.code == 0, ended.errors
    return ended.output


# ---------------------------------------------------------------- the run


def test_the_harness_ran_its_own_tasks_on_our_data(run: Path, results: dict[str, Any]) -> None:
    for task in benchmark_data.tasks():
        assert results["n-samples"][task] == {"original": DOCUMENTS, "effective": DOCUMENTS}, task
        assert 0 <= results["results"][task]["acc,none"] <= 1
    for code in FLORES_CORE:
        scores = results["results"][f"neuronxa_flores_{code}"]
        assert 0 < scores["nasca,none"] < 1
    config = results["configs"]["arc_fr"]
    assert config["dataset_path"] == "alexandrainst/m_arc"
    assert "neuronxa" not in config["metadata"]["config_source"]


def test_the_harness_reads_the_answers_as_meant(run: Path) -> None:
    """The right choice says the same as the question, a sentence of the phrasebook."""
    for number, sentence in enumerate(evaluation_sentences("hin_Deva")[:DOCUMENTS]):
        chosen = samples(run, "arc_hi")[number]
        assert chosen["arguments"][f"gen_args_{chosen['target']}"]["arg_1"] == f" {sentence}"
        question = samples(run, "m_mmlu_hi")[number]
        prompt = question["arguments"]["gen_args_0"]["arg_0"].splitlines()
        assert f"{question['target']}. {sentence}" in prompt
        passage = samples(run, "belebele_hin_Deva")[number]
        prompt = passage["arguments"]["gen_args_0"]["arg_0"].splitlines()
        assert f"{LETTERS[int(passage['target'])]}: {sentence}" in prompt


# ---------------------------------------------------------------- RankC


def test_rankc_of_the_real_run(run: Path, results: dict[str, Any]) -> None:
    """Computed here from the samples alone, with the tokenizer's own count."""
    for code in ISO1.values():
        left_out = results["configs"][f"bmlama53_{code}"]["metadata"]["left_out"]
        assert left_out == {"single_candidate": 1, "answer_no_candidate": 1}
    tokenizer = AutoTokenizer.from_pretrained(MODEL_DIR)

    def listed(code: str) -> list[list[int]]:
        """Candidates from the best to the worst, by fact."""
        found = []
        for sample in samples(run, f"bmlama53_{code}"):
            texts = [argument["arg_1"] for argument in sample["arguments"].values()]
            counts = [len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
            scores = [float(score) for score, _ in sample["filtered_resps"]]
            means = [score / count for score, count in zip(scores, counts, strict=True)]
            found.append(sorted(range(len(means)), key=lambda index: -means[index]))
        return found

    (pair,), notes = rankc([run], ["fr", "de"])
    assert notes == []
    facts = [by_the_paper(*both) for both in zip(listed("fr"), listed("de"), strict=True)]
    assert pair.rankc == pytest.approx(mean(facts))
    assert pair._replace(rankc=0.0)[1:] == ("fr", "de", 0.0, DOCUMENTS, 0)
    shown = printed("rankc", run, "--languages", "fr,de,hi")
    assert f"fr de       {pair.rankc:>8.3f}" in shown
    assert "de hi" in shown and "mean" in shown


# ---------------------------------------------------------------- correlation and the rest


def test_correlate(run: Path, results: dict[str, Any], tmp_path: Path) -> None:
    printed("correlate", run, "--paper", "--resamples", "200", "--output", tmp_path)
    table = pd.read_csv(tmp_path / "correlation.csv")
    found = table[table["method"] == "pearson"].set_index(["benchmark", "score"])
    for benchmark in BENCHMARKS:
        languages = [code for code in languages_of(benchmark) if code != "eng_Latn"]
        for score in ("nasca", "navca", "mexa"):
            alignment = [
                results["results"][f"neuronxa_flores_{code}"][f"{score},none"] for code in languages
            ]
            accuracy = [
                results["results"][task_of(benchmark, code)]["acc,none"] for code in languages
            ]
            row = found.loc[benchmark, score]
            assert row["n"] == len(languages)
            assert row["r"] == pytest.approx(pearsonr(alignment, accuracy).statistic)
            assert row["p"] == pytest.approx(pearsonr(alignment, accuracy).pvalue)
    beside = table.dropna(subset="paper")
    assert set(beside["benchmark"]) == {"arc, belebele, m_mmlu"}
    assert beside.set_index("score")["paper"].to_dict() == {
        "nasca": 0.8312,
        "navca": 0.8191,
        "mexa": 0.8291,
    }
    assert beside["r"].notna().all()


def test_transfer_is_divided_by_english(run: Path, results: dict[str, Any], tmp_path: Path) -> None:
    options = ("--relative", "--benchmarks", "xnli,bmlama53", "--resamples", "200")
    printed("correlate", run, "--paper", *options, "--output", tmp_path)
    table = pd.read_csv(tmp_path / "correlation.csv")
    found = table[table["method"] == "pearson"].set_index(["benchmark", "score"])
    # Dividing all by one number changes no correlation within a model, but the paper's is of it.
    assert found.loc[("xnli", "nasca"), "paper"] == 0.9326
    assert found.loc[("bmlama53", "nasca"), "paper"] == 0.7701
    assert found.loc[("bmlama53", "nasca"), "n"] == len(ISO1) - 1


def test_predict(run: Path, tmp_path: Path) -> None:
    printed("predict", run, "--output", tmp_path)
    estimates = pd.read_csv(tmp_path / "estimates.csv")
    japanese = estimates[estimates["language"] == "jpn_Jpan"]
    assert set(japanese["benchmark"]) == {"m_mmlu", "arc", "xnli"}, "these lack Japanese"


def test_leaderboard(run: Path, results: dict[str, Any], tmp_path: Path) -> None:
    printed("leaderboard", run, "--output", tmp_path)
    (row,) = pd.read_csv(tmp_path / "leaderboard.csv").to_dict("records")
    assert row["nasca"] == pytest.approx(results["groups"]["neuronxa_flores_core"]["nasca,none"])
    assert row["n_languages"] == len(FLORES_CORE)
    assert sorted(row["benchmarks"].split("; ")) == sorted(BENCHMARKS)


def test_report(run: Path, results: dict[str, Any], tmp_path: Path) -> None:
    printed("report", run, "--paper", "--output", tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "published: NASCA 0.8312, NAVCA 0.8191, MEXA 0.8291" in page
    for benchmark in BENCHMARKS:
        assert benchmark in page
    signature = results["configs"]["neuronxa_flores_fra_Latn"]["metadata"]["signature"]
    assert signature.split("|nas")[0] in page.replace("<wbr>", "")
    assert list((tmp_path / "pictures").glob("*.svg"))


def test_a_report_of_transfer(run: Path, tmp_path: Path) -> None:
    options = ("--relative", "--benchmarks", "bmlama53,xnli", "--paper")
    printed("report", run, *options, "--output", tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for published in ("NASCA 0.9326", "NASCA 0.7701"):
        assert f"published: {published}" in page
    assert "belebele, acc relative" not in page


def test_reproduce_ends_with_all_of_these(run: Path, tmp_path: Path) -> None:
    (file,) = run.glob("results_*.json")
    found, there = str(file), ["--output", str(tmp_path)]
    transfer = ["--relative", "--benchmarks", "bmlama53,xnli", "--paper"]
    transfer += ["--output", str(tmp_path / "transfer")]
    commands, _ = conclusions(tmp_path, [file])
    assert commands == [
        ["correlate", found, "--paper", *there],
        ["predict", found, *there],
        ["rankc", found, *there],
        ["leaderboard", found, *there],
        ["retrieval", found, "--paper", *there],
        ["report", found, "--paper", *there],
        ["correlate", found, *transfer],
        ["report", found, *transfer],
    ]


def task_of(benchmark: str, code: str) -> str:
    return f"{benchmark}_{code if benchmark == 'belebele' else ISO1[code]}"
