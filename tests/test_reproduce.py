"""`neuronxa reproduce`: what a study says, what is run, what is not run again."""

from __future__ import annotations

import json
import math
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from commands import neuronxa

from neuronxa_task import NeuronXAError
from neuronxa_task.demo import MODEL_DIR
from neuronxa_task.study import reproduce
from neuronxa_task.study.config import Study, read_study
from neuronxa_task.study.reproduce import COMMAND, RUNS

RESULTS = Path(__file__).parents[1] / "results"


def write(folder: Path, **study: Any) -> Path:
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study), encoding="utf-8")
    return path


def read(folder: Path, **study: Any) -> Study:
    return read_study(write(folder, **study))


# ---------------------------------------------------------------- the study


def test_every_model_runs_every_entry(tmp_path: Path) -> None:
    study = read(
        tmp_path,
        models=["some/base", {"name": "some/base", "model_args": {"revision": "v2", "x": [1]}}],
        tasks=["neuronxa_flores", {"tasks": ["m_mmlu", "xnli"], "num_fewshot": 5, "limit": 0.5}],
        batch_size=4,
        metadata={"pivot": "fra_Latn"},
        device="cpu",
    )
    assert study.output == tmp_path / "study", "named like its file"
    assert study.tasks == ["neuronxa_flores", "m_mmlu", "xnli"]
    common = "--batch_size 4{}--metadata pivot=fra_Latn --device cpu"
    base, revised = "pretrained=some/base", {"pretrained": "some/base", "revision": "v2", "x": [1]}
    assert [run.command for run in study.runs] == [
        f"lm_eval --model hf --model_args {model} --tasks {tasks} {settings}"
        for model in (base, shlex.quote(json.dumps(revised)))
        for tasks, settings in (
            ("neuronxa_flores", common.format(" ")),
            ("m_mmlu,xnli", common.format(" --num_fewshot 5 --limit 0.5 ")),
        )
    ]
    folders = [run.folder for run in study.runs]
    assert folders[1] == Path("some__base") / "m_mmlu+1"
    assert len(set(folders)) == 4


@pytest.mark.parametrize(
    "arguments",
    [
        {"dtype": "float32", "parallelize": True, "max": 5, "share": 5e-5},
        {"a": "x,y=z"},
        {"revision": "2"},
        {"text": "None"},
        {"nothing": None},
        {"list": [1, "b"]},
        {"path": "./a folder"},
    ],
    ids=str,
)
def test_the_harness_reads_the_same_arguments(arguments: dict[str, Any], tmp_path: Path) -> None:
    from lm_eval._cli.harness import HarnessCLI

    model = {"name": "/path/to/model", "model_args": arguments}
    study = read(tmp_path, models=[model], tasks=["xnli"], metadata=arguments, log_samples=True)
    parsed = HarnessCLI()._parser.parse_args(["run", *study.runs[0].arguments])
    assert parsed.model_args == {"pretrained": "/path/to/model", **arguments}
    assert parsed.metadata == arguments
    assert (parsed.tasks, parsed.batch_size, parsed.log_samples) == (["xnli"], "auto", True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": None}, "models is None; expected a list of one or more"),
        ({"tasks": []}, r"tasks is \[\]; expected a list"),
        ({"modles": ["m"]}, "unknown key 'modles'; expected: models, tasks, output, batch_size"),
        ({"models": [{"path": "m"}]}, "models: unknown key 'path'; expected: name, model_args"),
        ({"models": [{"model_args": {}}]}, "models: name is None; expected a hub name or a path"),
        ({"models": [{"name": "m", "model_args": "a=b"}]}, "model_args of m is 'a=b'; expected"),
        ({"models": ["m", "m"]}, "models: m is listed twice"),
        ({"tasks": ["xnli", {"tasks": ["arc", "xnli"]}]}, "tasks: xnli is listed twice"),
        ({"tasks": [{"tasks": ["xnli"], "shots": 3}]}, "tasks: unknown key 'shots'"),
        ({"tasks": [{"tasks": 3}]}, "tasks is 3; expected a name or a list of names"),
        ({"tasks": [3]}, "tasks: 3; expected a mapping with the keys tasks, batch_size"),
        ({"batch_size": "big"}, "batch_size is 'big'; expected a whole number of 1 or more, or"),
        ({"num_fewshot": -1}, "num_fewshot is -1; expected a whole number of 0 or more"),
        ({"num_fewshot": True}, "num_fewshot is True"),
        ({"limit": 0}, "limit is 0; expected a number of documents"),
        ({"limit": math.inf}, "limit is inf; expected a number of documents"),
        ({"metadata": {"day": date(2026, 1, 1)}}, "metadata is .*; expected a mapping.* of text"),
        (
            {"models": [{"name": "m", "model_args": {"day": date(2026, 1, 1)}}]},
            "model_args of m is .*; expected a mapping",
        ),
        ({"metadata": "pivot"}, "metadata is 'pivot'; expected a mapping"),
        ({"tasks": [{"tasks": "xnli", "log_samples": 1}]}, "log_samples is 1; expected true or"),
        ({"output": 3}, "output is 3; expected a folder"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, dict) else "",
)
def test_a_study_with_mistakes(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(NeuronXAError, match=message) as caught:
        read(tmp_path, **{"models": ["m"], "tasks": ["xnli"], **change})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["models: [", "just text", ""])
def test_a_file_that_is_no_study(text: str, tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    with pytest.raises(NeuronXAError, match=r"study\.yaml cannot be read: No such file"):
        read_study(path)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(NeuronXAError, match=r"study\.yaml(: .*expected a mapping| is not YAML)"):
        read_study(path)


@pytest.mark.parametrize(("name", "runs"), [("demo", 2), ("paper", 56)])
def test_the_studies_of_the_repository(
    name: str, runs: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reproduce.reproduce(Path(shutil.copy(RESULTS / f"{name}.yaml", tmp_path)), dry_run=True)
    printed = capsys.readouterr().out
    assert printed.count("$ lm_eval --model hf") == runs, "every task is one of the harness"
    assert printed.count(f"--output_path {tmp_path / name / RUNS}") == runs
    assert not (tmp_path / name).exists()


def test_unknown_tasks_are_named(tmp_path: Path) -> None:
    path = write(tmp_path, models=["m"], tasks=["neuronxa_phrasbook"])
    with pytest.raises(NeuronXAError, match=r"'neuronxa_phrasbook'.*neuronxa_phrasebook"):
        reproduce.reproduce(path)


# ---------------------------------------------------------------- what is run


class Harness:
    """Stands in for the harness's process: some models fail, others leave a result file."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.concluded: list[Path] = []
        self.fails: tuple[str, ...] = ()
        self.writes = '{"results": {}, "configs": {}, "config": {}, "date": 1.0}'

    def __call__(self, command: Sequence[str], **_: Any) -> subprocess.CompletedProcess[str]:
        assert command[:3] == [sys.executable, "-m", "lm_eval"]
        path = Path(command[command.index("--output_path") + 1])
        self.calls.append("/".join(path.parts[-3:-1]))
        if self.calls[-1] in self.fails:
            return subprocess.CompletedProcess(command, returncode=3)
        path.parent.mkdir(parents=True, exist_ok=True)
        dated = path.with_name(f"results_2026-01-01T00-00-{len(self.calls):02}.json")
        dated.write_text(self.writes, encoding="utf-8")
        return subprocess.CompletedProcess(command, returncode=0)

    def conclusions(self, _: Path, files: Sequence[Path]) -> list[list[str]]:
        self.concluded = list(files)
        return []


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch) -> Harness:
    stand_in = Harness()
    monkeypatch.setattr(subprocess, "run", stand_in)
    monkeypatch.setattr(reproduce, "conclusions", stand_in.conclusions)
    return stand_in


TWO_BY_TWO = {"models": ["a", "b"], "tasks": ["xnli", "belebele"]}


def test_what_is_done_is_not_run_again(
    harness: Harness, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, **TWO_BY_TWO)
    reproduce.reproduce(path)
    assert harness.calls == ["a/xnli", "a/belebele", "b/xnli", "b/belebele"]
    capsys.readouterr()
    reproduce.reproduce(path)
    assert len(harness.calls) == 4
    assert capsys.readouterr().out.count("done before: ") == 4
    reproduce.reproduce(write(tmp_path, **TWO_BY_TWO, limit=5))
    assert len(harness.calls) == 8, "other settings are other results"


def test_a_failed_run_does_not_stop_the_others(harness: Harness, tmp_path: Path) -> None:
    path = write(tmp_path, **TWO_BY_TWO)
    harness.fails = ("a/belebele",)
    with pytest.raises(
        NeuronXAError, match=r"1 of 4 commands failed.*pretrained=a --tasks belebele"
    ):
        reproduce.reproduce(path)
    assert len(harness.calls) == 4
    harness.fails = ()
    reproduce.reproduce(path)
    assert harness.calls[4:] == ["a/belebele"]


def test_conclusions_are_of_the_study_s_own_runs(harness: Harness, tmp_path: Path) -> None:
    reproduce.reproduce(write(tmp_path, **TWO_BY_TWO))
    assert len(harness.concluded) == 4
    runs = tmp_path / "study" / RUNS
    reproduce.reproduce(write(tmp_path, models=["b"], tasks=["xnli"]))
    assert [path.parent for path in harness.concluded] == [runs / "b" / "xnli"]
    harness.fails, harness.concluded = ("b/xnli",), []
    with pytest.raises(NeuronXAError, match="1 of 1 commands failed"):
        reproduce.reproduce(write(tmp_path, models=["b"], tasks=["xnli"], limit=5))
    assert list((runs / "b" / "xnli").glob("results_*.json"))
    assert harness.concluded == [], "what is there is of other settings"


@pytest.mark.parametrize("damage", ["killed before the end", "result file gone", "truncated"])
def test_half_a_run_is_run_again(harness: Harness, damage: str, tmp_path: Path) -> None:
    path = write(tmp_path, models=["a"], tasks=["xnli"])
    reproduce.reproduce(path)
    folder = tmp_path / "study" / RUNS / "a" / "xnli"
    (result,) = folder.glob("results_*.json")
    if damage == "killed before the end":
        (folder / COMMAND).unlink()
    elif damage == "result file gone":
        result.unlink()
    else:
        result.write_text(harness.writes[:20], encoding="utf-8")
    reproduce.reproduce(path)
    assert harness.calls == ["a/xnli", "a/xnli"]


def test_no_result_file_is_a_failure(harness: Harness, tmp_path: Path) -> None:
    folder = tmp_path / "study" / RUNS / "a" / "xnli"
    folder.mkdir(parents=True)
    (folder / "results_2026-01-01T00-00-01.json").touch()  # so that none is new
    with pytest.raises(NeuronXAError, match="1 of 1 commands failed"):
        reproduce.reproduce(write(tmp_path, models=["a"], tasks=["xnli"]))


# ---------------------------------------------------------------- for real


class OneHarness:
    """Runs the harness in a process of its own, but for models that are nowhere, which fail.

    The commands that follow from its results run in this process, as they import the same again.
    """

    def __init__(self) -> None:
        self.run = subprocess.run
        self.concluded: list[list[str]] = []

    def __call__(self, command: list[str], **options: Any) -> subprocess.CompletedProcess[Any]:
        module, arguments = command[2], command[3:]
        if module == "neuronxa_task.cli":
            self.concluded.append(arguments)
            return subprocess.CompletedProcess(command, neuronxa(*arguments).code)
        if "nowhere" in " ".join(arguments):
            return subprocess.CompletedProcess(command, returncode=1)
        return self.run(command, capture_output=True, text=True, timeout=200, **options)


def test_a_study_from_models_to_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    languages = ("fra_Latn", "deu_Latn", "arb_Arab", "hin_Deva")
    groups = ("neuronxa_phrasebook", "phrasebook_translation")
    models = [
        {"name": str(tmp_path / "nowhere"), "model_args": {"dtype": "float32"}},
        {"name": str(MODEL_DIR), "model_args": {"dtype": "float32"}},
    ]
    tasks = [f"{group}_{language}" for group in groups for language in languages]
    study = {"tasks": [{"tasks": tasks, "limit": 10}], "batch_size": 32, "device": "cpu"}
    harness = OneHarness()
    monkeypatch.setattr(subprocess, "run", harness)
    with pytest.raises(NeuronXAError, match=r"1 of 7 commands failed.*nowhere"):
        reproduce.reproduce(write(tmp_path, models=models, **study))
    assert [name for name, *_ in harness.concluded] == [
        *("correlate", "predict", "leaderboard", "retrieval", "report")
    ]
    made = tmp_path / "study"
    for name in ("correlation.csv", "correlation.md", "prediction.csv", "report.html"):
        assert (made / name).stat().st_size > 0, "what ran is not lost"
    (row,) = pd.read_csv(made / "leaderboard.csv").to_dict("records")
    assert (row["n_languages"], row["benchmarks"]) == (4, "phrasebook_translation")
    correlation = pd.read_csv(made / "correlation.csv").query("method == 'pearson'")
    assert set(correlation["score"]) == {"nasca", "navca", "mexa"}
    assert correlation["r"].between(-1, 1).all()
    (result,) = made.rglob("results_*.json")

    capsys.readouterr()
    monkeypatch.setattr(reproduce, "conclusions", lambda *_: [])
    reproduce.reproduce(write(tmp_path, models=models[1:], **study))
    assert f"[1/1] done before: {result}" in capsys.readouterr().out
    assert list(made.rglob("results_*.json")) == [result]


def test_the_results_in_the_repository_follow_from_their_runs(tmp_path: Path) -> None:
    """`conclusions` of the committed runs, written elsewhere, are the committed files."""
    committed = RESULTS / "demo"
    files = sorted((committed / RUNS).rglob("results_*.json"))
    for arguments in reproduce.conclusions(tmp_path, files):
        ended = neuronxa(*arguments)
        assert ended.code == 0, ended.errors
    made = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    kept = {path.relative_to(committed) for path in committed.rglob("*") if path.is_file()}
    assert made == {path for path in kept if path.parts[0] != RUNS}
    for name in ("correlation", "comparison", "prediction", "leaderboard", "retrieval"):
        tables = (pd.read_csv(folder / f"{name}.csv") for folder in (tmp_path, committed))
        pd.testing.assert_frame_equal(*tables, rtol=1e-6)
    assert _page(tmp_path / "report.html") == _page(committed / "report.html")


def test_the_real_models_tables_follow_from_their_runs(tmp_path: Path) -> None:
    """Tables only: the page and its pictures are drawn by the same code as the demo's."""
    studies = [runs.parent for runs in sorted(RESULTS.glob(f"real*/{RUNS}"))]
    assert studies
    for study in studies:
        files = sorted((study / RUNS).rglob("results_*.json"))
        for name, *arguments in reproduce.conclusions(tmp_path / study.name, files):
            if name == "report":
                continue
            assert neuronxa(name, *arguments).code == 0
            made = (folder / f"{name}.csv" for folder in (tmp_path / study.name, study))
            pd.testing.assert_frame_equal(*map(pd.read_csv, made), rtol=1e-6)


def test_results_in_the_repository_hold_no_sentences() -> None:
    """Tatoeba's text is not ours: no logged samples, which would quote it."""
    assert not list(RESULTS.rglob("samples_*"))


def _page(path: Path) -> str:
    """A report's text without the places of its result files, and numbers to three digits."""
    text = re.sub(r'<p class="quiet">[^<]*results_', "results_", path.read_text(encoding="utf-8"))
    return re.sub(r"\d+\.\d+", lambda number: f"{float(number[0]):.3g}", text)
