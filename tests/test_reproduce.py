"""`neuronxa reproduce`: what a study says, what is run, what is not run again."""

from __future__ import annotations

import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from commands import neuronxa
from runs import ENVIRONMENT

from neuronxa_task import NeuronXAError
from neuronxa_task.demo import MODEL_DIR
from neuronxa_task.harness import run_module
from neuronxa_task.study import reproduce
from neuronxa_task.study.config import Study, read_study
from neuronxa_task.study.reproduce import FINISHED, RUNS

pytestmark = pytest.mark.slow

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
        models=[
            "some/base",
            {"name": "some/base", "model_args": {"revision": "v2", "x": [1]}, "batch_size": 1},
        ],
        tasks=["neuronxa_flores", {"tasks": ["m_mmlu", "xnli"], "num_fewshot": 5, "limit": 0.5}],
        batch_size=4,
        metadata={"pivot": "fra_Latn"},
    )
    assert study.output == tmp_path / "study", "named like its file"
    assert study.tasks == ["neuronxa_flores", "m_mmlu", "xnli"]
    base = {"model": "hf", "model_args": {"pretrained": "some/base"}}
    revised = {"model": "hf", "model_args": {"pretrained": "some/base", "revision": "v2", "x": [1]}}
    assert [run.config for run in study.runs] == [
        model | tasks | {"metadata": {"pivot": "fra_Latn"}}
        for model in (base | {"batch_size": 4}, revised | {"batch_size": 1})
        for tasks in (
            {"tasks": ["neuronxa_flores"]},
            {"tasks": ["m_mmlu", "xnli"], "num_fewshot": 5, "limit": 0.5},
        )
    ]
    folders = [run.folder for run in study.runs]
    assert folders[1] == Path("some__base") / "m_mmlu+1"
    assert len(set(folders)) == 4


def test_arguments_and_backends_may_be_said_for_all_models_and_for_one(tmp_path: Path) -> None:
    models = ["a", {"name": "b", "model_args": {"dtype": "float16"}}, {"name": "a", "model": "x"}]
    study = read(tmp_path, models=models, tasks=["xnli"], model_args={"dtype": "bfloat16"})
    assert [(run.model, run.config["model"], run.config["model_args"]) for run in study.runs] == [
        ("a", "hf", {"pretrained": "a", "dtype": "bfloat16"}),
        ("b__dtype=float16", "hf", {"pretrained": "b", "dtype": "float16"}),
        ("a__x", "x", {"pretrained": "a", "dtype": "bfloat16"}),
    ]


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
def test_the_harness_reads_the_same_settings(arguments: dict[str, Any], tmp_path: Path) -> None:
    from lm_eval._cli.harness import HarnessCLI
    from lm_eval.config.evaluate_config import EvaluatorConfig

    model = {"name": "/path/to/model", "model_args": arguments}
    study = read(tmp_path, models=[model], tasks=["xnli"], metadata={"a": 1}, log_samples=True)
    file = tmp_path / "config.yaml"
    file.write_text(reproduce._yaml(study.runs[0].config), encoding="utf-8")
    options = ["run", "--config", str(file), "--output_path", "somewhere"]
    config = EvaluatorConfig.from_cli(HarnessCLI()._parser.parse_args(options))
    assert config.model_args == {"pretrained": "/path/to/model", **arguments}
    assert config.metadata == config.model_args | {"a": 1}
    assert (config.tasks, config.batch_size, config.log_samples) == (["xnli"], "auto", True)
    assert config.output_path == "somewhere"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": None}, "models is None; expected a list of one or more"),
        ({"tasks": []}, r"tasks is \[\]; expected a list"),
        ({"modles": ["m"]}, "unknown key 'modles'; expected: models, .*; did you mean 'models'"),
        ({"models": [{"path": "m"}]}, "models: unknown key 'path'; expected: name, model, model_"),
        ({"output_path": "x"}, "unknown key 'output_path'"),
        ({"models": [{"model_args": {}}]}, "models: name is None; expected a hub name or a path"),
        ({"models": [{"name": "m", "model_args": "a=b"}]}, "model_args is 'a=b'; expected"),
        ({"models": ["m", "m"]}, "models: m is listed twice"),
        ({"tasks": ["xnli", {"tasks": ["arc", "xnli"]}]}, "tasks: xnli is listed twice"),
        ({"tasks": [{"tasks": ["xnli"], "shots": 3}]}, "tasks: unknown key 'shots'"),
        ({"tasks": [{"tasks": 3}]}, "tasks is 3; expected a name or a list of names"),
        ({"tasks": [3]}, "tasks: 3; expected a mapping with the keys tasks, model"),
        ({"tasks": [{"tasks": "xnli", "model_args": {"revision": "2"}}]}, "key 'model_args'"),
        ({"batch_size": "big"}, "batch_size is 'big'; expected a whole number, auto or auto:N"),
        ({"num_fewshot": -1}, "num_fewshot is -1; expected a whole number of 0 or more"),
        ({"num_fewshot": True}, "num_fewshot is True"),
        ({"limit": 0}, "limit is 0; expected a number above 0"),
        ({"limit": math.inf}, "limit is inf; expected a number"),
        ({"metadata": {"day": date(2026, 1, 1)}}, "metadata is .*; expected a mapping"),
        (
            {"models": [{"name": "m", "model_args": {"day": date(2026, 1, 1)}}]},
            "model_args is .*; expected a mapping",
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
    assert printed.count("$ lm_eval run --config") == runs, "every task is one of the harness"
    assert printed.count(f"--output_path {tmp_path / name / RUNS}") == runs
    assert not (tmp_path / name).exists()


def test_unknown_tasks_are_named(tmp_path: Path) -> None:
    path = write(tmp_path, models=["m"], tasks=["neuronxa_phrasbook"])
    with pytest.raises(NeuronXAError, match=r"'neuronxa_phrasbook'.*neuronxa_phrasebook"):
        reproduce.reproduce(path)


# ---------------------------------------------------------------- what is run


class Harness:
    """Stands in for the processes that are run: some models fail, others leave a result file."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.concluded: list[Path] = []
        self.fails: tuple[str, ...] = ()
        self.interrupted = ""
        self.writes = '{"results": {}, "configs": {}, "config": {}, "date": 1.0}'

    def __call__(self, module: str, arguments: Sequence[str]) -> int:
        assert (module, *arguments[:2]) == ("lm_eval", "run", "--config")
        path = Path(arguments[arguments.index("--output_path") + 1])
        assert Path(arguments[2]).parent == path.parent
        self.calls.append("/".join(path.parts[-3:-1]))
        if self.calls[-1] == self.interrupted:
            raise KeyboardInterrupt
        if self.calls[-1] in self.fails:
            return 3
        dated = path.with_name(f"results_2026-01-01T00-00-{len(self.calls):02}.json")
        dated.write_text(self.writes, encoding="utf-8")
        return 0

    def conclusions(self, _: Path, files: Sequence[Path]) -> tuple[list[list[str]], list[str]]:
        self.concluded = list(files)
        return [], []


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch) -> Harness:
    stand_in = Harness()
    monkeypatch.setattr(reproduce, "run_module", stand_in)
    monkeypatch.setattr(reproduce, "conclusions", stand_in.conclusions)
    return stand_in


TWO_BY_TWO: dict[str, Any] = {"models": ["a", "b"], "tasks": ["xnli", "belebele"]}


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


def test_a_failed_run_does_not_stop_the_others(
    harness: Harness, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, **TWO_BY_TWO)
    harness.fails = ("a/belebele", "b/xnli")
    with pytest.raises(NeuronXAError, match=r"^2 of 4 steps failed, as listed above; run .* again"):
        reproduce.reproduce(path)
    assert len(harness.calls) == 4
    listed = capsys.readouterr().out.split("Failed:\n")[1].splitlines()
    assert len(listed) == 2, "a line each"
    for line, folder in zip(listed, harness.fails, strict=True):
        assert f"{folder}/unfinished.yaml" in line and line.endswith("(exit code 3)")
    harness.fails = ()
    reproduce.reproduce(path)
    assert harness.calls[4:] == ["a/belebele", "b/xnli"]


def test_ctrl_c_says_how_to_go_on(harness: Harness, tmp_path: Path) -> None:
    path = write(tmp_path, **TWO_BY_TWO)
    harness.interrupted = "b/xnli"
    ended = neuronxa("reproduce", path)
    assert ended.code == 130
    assert ended.errors.strip().splitlines() == [
        "neuronxa: stopped; the same command continues after the finished runs"
    ]
    harness.interrupted = ""
    reproduce.reproduce(path)
    assert harness.calls == ["a/xnli", "a/belebele", "b/xnli", "b/xnli", "b/belebele"]


def test_ctrl_c_stops_the_harness_without_its_traceback(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    started = tmp_path / "started"
    (tmp_path / "slow.py").write_text(
        f"import pathlib, time\npathlib.Path({str(started)!r}).touch()\ntime.sleep(60)\n"
    )
    waiting = (
        "import sys; sys.argv[0] = 'neuronxa'; from neuronxa_task.harness import run_module\n"
        "try:\n    run_module('slow', [])\nexcept KeyboardInterrupt:\n    sys.exit(130)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", waiting],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        start_new_session=True,
    )
    while not started.exists():
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it, to all processes
    assert process.wait(timeout=30) == 130
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert capfd.readouterr().err == ""


def test_a_folder_that_cannot_be_written_to_is_said_before_the_work(
    harness: Harness, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        NeuronXAError, match=r"^output is .*file/x, but .*file is a file; expected a folder"
    ):
        reproduce.reproduce(write(tmp_path, **TWO_BY_TWO, output=str(tmp_path / "file" / "x")))
    assert harness.calls == []


def test_conclusions_are_of_the_study_s_own_runs(harness: Harness, tmp_path: Path) -> None:
    reproduce.reproduce(write(tmp_path, **TWO_BY_TWO))
    assert len(harness.concluded) == 4
    runs = tmp_path / "study" / RUNS
    reproduce.reproduce(write(tmp_path, models=["b"], tasks=["xnli"]))
    assert [path.parent for path in harness.concluded] == [runs / "b" / "xnli"]
    harness.fails, harness.concluded = ("b/xnli",), []
    with pytest.raises(NeuronXAError, match="1 of 1 steps failed"):
        reproduce.reproduce(write(tmp_path, models=["b"], tasks=["xnli"], limit=5))
    assert list((runs / "b" / "xnli").glob("results_*.json"))
    assert harness.concluded == [], "what is there is of other settings"


@pytest.mark.parametrize(
    "damage", ["killed before the end", "marker damaged", "result file gone", "truncated"]
)
def test_half_a_run_is_run_again(harness: Harness, damage: str, tmp_path: Path) -> None:
    path = write(tmp_path, models=["a"], tasks=["xnli"])
    reproduce.reproduce(path)
    folder = tmp_path / "study" / RUNS / "a" / "xnli"
    (result,) = folder.glob("results_*.json")
    if damage == "killed before the end":
        (folder / FINISHED).unlink()
    elif damage == "marker damaged":
        (folder / FINISHED).write_text("model: [", encoding="utf-8")
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
    with pytest.raises(NeuronXAError, match="1 of 1 steps failed"):
        reproduce.reproduce(write(tmp_path, models=["a"], tasks=["xnli"]))


@pytest.mark.parametrize(
    ("group", "commands", "skipped"),
    [
        (
            "neuronxa_phrasebook",
            ["leaderboard", "retrieval", "report"],
            ["correlate and predict, which need"],
        ),
        (
            "phrasebook_translation",
            [],
            ["correlate and predict, which need", "leaderboard and report, which need alignment"],
        ),
    ],
)
def test_what_cannot_be_computed_is_skipped_and_said(
    group: str, commands: list[str], skipped: list[str], tmp_path: Path
) -> None:
    (file,) = (RESULTS / "demo" / RUNS).glob(f"*/{group}/results_*.json")
    concluded, lines = reproduce.conclusions(tmp_path, [file])
    assert [name for name, *_ in concluded] == commands
    assert [line[: len(start)] for line, start in zip(lines, skipped, strict=True)] == skipped
    assert "at most 0 languages have both" in lines[0]


# ---------------------------------------------------------------- for real


class OneHarness:
    """Runs the harness in a process of its own, but for models that are nowhere, which fail.

    The commands that follow from its results run in this process, as they import the same again.
    """

    def __init__(self) -> None:
        self.concluded: list[list[str]] = []

    def __call__(self, module: str, arguments: list[str]) -> int:
        if module == "neuronxa_task":
            self.concluded.append(arguments)
            return neuronxa(*arguments).code
        if "nowhere" in arguments[2]:
            return 1
        return run_module(module, arguments, ENVIRONMENT)


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
    monkeypatch.setattr(reproduce, "run_module", harness)
    with pytest.raises(NeuronXAError, match=r"1 of 7 steps failed"):
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
    monkeypatch.setattr(reproduce, "conclusions", lambda *_: ([], []))
    reproduce.reproduce(write(tmp_path, models=models[1:], **study))
    assert f"[1/1] done before: {result}" in capsys.readouterr().out
    assert list(made.rglob("results_*.json")) == [result]


def test_the_results_in_the_repository_follow_from_their_runs(tmp_path: Path) -> None:
    """`conclusions` of the committed runs, written elsewhere, are the committed files."""
    committed = RESULTS / "demo"
    files = sorted((committed / RUNS).rglob("results_*.json"))
    commands, skipped = reproduce.conclusions(tmp_path, files)
    assert not skipped
    for arguments in commands:
        ended = neuronxa(*arguments)
        assert ended.code == 0, ended.errors
    made = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    kept = {path.relative_to(committed) for path in committed.rglob("*") if path.is_file()}
    assert made == {path for path in kept if path.parts[0] != RUNS}
    for name in ("correlation", "comparison", "prediction", "leaderboard", "retrieval"):
        now, before = (pd.read_csv(folder / f"{name}.csv") for folder in (tmp_path, committed))
        pd.testing.assert_frame_equal(now, before, rtol=1e-6)
    assert _page(tmp_path / "report.html") == _page(committed / "report.html")


def test_the_real_models_tables_follow_from_their_runs(tmp_path: Path) -> None:
    """Tables only: the page and its pictures are drawn by the same code as the demo's."""
    studies = [runs.parent for runs in sorted(RESULTS.glob(f"real*/{RUNS}"))]
    assert studies
    for study in studies:
        files = sorted((study / RUNS).rglob("results_*.json"))
        commands, _ = reproduce.conclusions(tmp_path / study.name, files)
        for name, *arguments in commands:
            if name == "report":
                continue
            assert neuronxa(name, *arguments).code == 0
            now, before = (
                pd.read_csv(folder / f"{name}.csv") for folder in (tmp_path / study.name, study)
            )
            pd.testing.assert_frame_equal(now, before, rtol=1e-6)


def test_results_in_the_repository_hold_no_sentences() -> None:
    """Tatoeba's text is not ours: no logged samples, which would quote it."""
    assert not list(RESULTS.rglob("samples_*"))


def _page(path: Path) -> str:
    """A report's text without the places of its result files, and numbers to three digits."""
    text = path.read_text(encoding="utf-8").replace(f"{RESULTS.parent}/", "")
    return re.sub(r"\d+\.\d+", lambda number: f"{float(number[0]):.3g}", text)
