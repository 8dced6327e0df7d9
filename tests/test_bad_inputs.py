"""Bad settings, models and results, and Ctrl-C, through the real commands: one line each."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from commands import neuronxa
from conftest import byte_tokenizer, sentences, tiny_llama, translated
from made_results import MadeRun, full_run
from runs import ENVIRONMENT, OWN_TASKS_ONLY, PIVOT, command_here, layers_of, to
from transformers import (
    MambaConfig,
    MambaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from neuronxa_task import NeuronXAError
from neuronxa_task.own_text import make_tasks
from neuronxa_task.settings import Settings
from neuronxa_task.task import NeuronXATask

pytestmark = pytest.mark.slow


def one_line(text: str) -> str:
    """The error of a run, which is its last line, without a traceback."""
    assert "Traceback" not in text
    line = text.strip().splitlines()[-1]
    assert line.startswith("neuronxa: error: ")
    return line


# ---------------------------------------------------------------- settings

WRONG_TYPES: dict[str, list[Any]] = {
    "num_sentences": ["", "many", 1, 0, -1, 2.5, True, None, [100], {}],
    "pivot": [1, None, ["eng_Latn", 2], {}, True],
    "sample": ["", "last", -1, 1.5, True, None, [1], {}],
    "split": [1, None, [], {}],
    **{name: ["", "yes", 1, None, []] for name in ("stability", "pairs")},
    "max_batch_tokens": ["", "many", 0, -1, 1.5, True, [1], {}],
    "dataset": [1, True, [], {}],
    **{name: ["", "gates", 1, None, True, ["gate"], {}] for name in ("nas_site", "nav_site")},
    **{name: ["", "none", 1, None, ["mean"], {}] for name in ("pooling", "expert_values", "side")},
}


@pytest.mark.parametrize("name", [field.name for field in fields(Settings)])
def test_every_setting_refuses_every_wrong_value(name: str) -> None:
    for value in WRONG_TYPES[name]:
        with pytest.raises(NeuronXAError, match=rf"{name} is .*(expected|at least)") as refused:
            of_task({name: value})
        assert "\n" not in str(refused.value) and len(str(refused.value)) < 300


def of_task(metadata: dict[str, Any]) -> Settings:
    """Settings as a task reads them, whatever the function wants beside the metadata."""
    with mock.patch.object(NeuronXATask, "download"):
        return NeuronXATask({"task": "made_up", "metadata": metadata}).settings


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("num_sentence", "num_sentences"),
        ("nas_sites", "nas_site"),
        ("nav-site", "nav_site"),
        ("poolings", "pooling"),
        ("pivotts", "pivot"),
    ],
)
def test_near_misses_name_what_was_meant(key: str, meant: str) -> None:
    with pytest.raises(NeuronXAError, match=f"unknown metadata key '{key}'.*{meant}"):
        of_task({key: "x"})


# ---------------------------------------------------------------- models and runs


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bad")
    text = root / "text"
    text.mkdir()
    for code, lines in {"piv": PIVOT, "far": translated(PIVOT, 0.4)}.items():
        (text / f"{code}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    make_tasks(text, "made_up", "piv", root / "tasks")
    return root / "tasks"


def saved(
    folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None = None
) -> Path:
    model.save_pretrained(folder)
    (tokenizer or byte_tokenizer()).save_pretrained(folder)
    return folder


def without_layers(folder: Path) -> Path:
    return saved(folder, tiny_llama(num_hidden_layers=0))


def without_neurons(folder: Path) -> Path:
    config = MambaConfig(vocab_size=258, hidden_size=16, num_hidden_layers=2, state_size=4)
    return saved(folder, MambaForCausalLM(config))


def of_nan(folder: Path) -> Path:
    model = tiny_llama()
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight.fill_(float("nan"))
    return saved(folder, model)


def without_tokenizer(folder: Path) -> Path:
    tiny_llama().save_pretrained(folder)
    return folder


def with_small_vocabulary(folder: Path) -> Path:
    return saved(folder, tiny_llama(vocab_size=60))


def with_silent_tokenizer(folder: Path) -> Path:
    tokenizer = byte_tokenizer()
    from tokenizers import normalizers

    tokenizer.backend_tokenizer.normalizer = normalizers.Replace(
        __import__("tokenizers").Regex(".*"), ""
    )
    return saved(folder, tiny_llama(), tokenizer)


MODELS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no layers": (without_layers, "layer"),
    "no feed-forward neurons": (without_neurons, "feed-forward"),
    "weights that are NaN": (of_nan, "NaN or infinite"),
    "a vocabulary that is too small": (
        with_small_vocabulary,
        "the tokenizer does not fit",
    ),
    "a tokenizer that returns no tokens": (
        with_silent_tokenizer,
        "gives no tokens for the sentence",
    ),
}


def options(model: Path, tasks: Path, *more: str) -> tuple[str, ...]:
    return (
        *("--model", "hf", "--model_args", f"pretrained={model}", "--device", "cpu"),
        *("--tasks", "made_up", "--include_path", str(tasks), "--batch_size", "1", *more),
    )


@pytest.mark.parametrize("case", MODELS)
def test_models_that_cannot_be_scored(case: str, tmp_path: Path, tasks: Path) -> None:
    make, message = MODELS[case]
    run = command_here(tmp_path / "out", *options(make(tmp_path / "model"), tasks))
    assert run.code == 1 and run.results is None
    assert message in one_line(run.stderr)
    assert not (tmp_path / "out").exists(), "nothing partial is left"


def test_models_that_can(tmp_path: Path, tasks: Path) -> None:
    """Four tokens at most, and no pad token: sentences are cut, and padding is masked."""
    tokenizer = byte_tokenizer()
    assert tokenizer.pad_token is None
    model = saved(tmp_path / "model", tiny_llama(max_position_embeddings=4), tokenizer)
    run = command_here(tmp_path / "out", *options(model, tasks))
    assert run.code == 0, run.stderr
    assert run.results is not None


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--metadata", '{"pivot": "deu_Latn"}'), "has no language 'deu_Latn'; it has: far, piv"),
        (("--metadata", '{"num_sentences": 99}'), "99 were asked for (num_sentences)"),
        (("--metadata", '{"split": "nope"}'), "has no split 'nope'"),
        (("--metadata", '{"dataset": "/nowhere"}'), "/nowhere does not exist"),
        (("--metadata", '{"dataset": "no.csv"}'), "no.csv does not exist"),
        (("--metadata", '{"dataset": "nobody/nothing"}'), "check the name and the network"),
        (("--limit", "1"), "at least 2"),
    ],
)
def test_runs_that_cannot_be(
    more: tuple[str, ...], message: str, tmp_path: Path, tasks: Path, model_folder: Path
) -> None:
    run = command_here(tmp_path / "out", *options(model_folder, tasks, *more))
    assert run.code == 1 and run.results is None
    assert message in one_line(run.stderr)


def test_an_output_that_cannot_be_written_ends_the_run_before_the_work(
    tmp_path: Path, tasks: Path, model_folder: Path
) -> None:
    """The harness itself scores everything, then warns, and exits with 0."""
    (tmp_path / "taken").write_text("a file")
    with mock.patch("neuronxa_task.scoring.scorer.answer", side_effect=AssertionError):
        run = command_here(tmp_path / "taken" / "out", *options(model_folder, tasks))
    assert run.code == 1
    assert "--output_path is" in one_line(run.stderr) and "is a file" in run.stderr


# ---------------------------------------------------------------- result files


def written(content: object) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        text = content if isinstance(content, str) else json.dumps(content)
        (root / "results_1.json").write_text(text, encoding="utf-8")
        return root / "results_1.json"

    return make


WHOLE = json.dumps(full_run().content)
RESULTS: dict[str, Callable[[Path], Path]] = {
    "missing": lambda root: root / "results_0.json",
    "empty": written(""),
    "truncated": written(WHOLE[: len(WHOLE) // 2]),
    "a list": written([1, 2]),
    "of another program": written({"scores": {"nasca": 1}}),
    "no results": written({"results": [], "configs": {}}),
    "values of text": written({"results": {"xnli_fr": "high"}, "config": {}, "date": 1}),
    "an empty folder": lambda root: root,
    "only alignment": lambda root: MadeRun().aligned("fra_Latn", 0.5).write(root),
}


@pytest.mark.parametrize("case", RESULTS)
def test_results_that_cannot_be_correlated(case: str, tmp_path: Path) -> None:
    """What was written by an earlier call stays."""
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "correlations.csv").write_text("earlier")
    (tmp_path / "results").mkdir()
    source = RESULTS[case](tmp_path / "results")
    done = neuronxa("correlate", source, "--output", tmp_path / "tables")
    assert done.code == 1 and len(one_line(done.errors)) < 600
    assert [path.read_text() for path in (tmp_path / "tables").iterdir()] == ["earlier"]


# ---------------------------------------------------------------- Ctrl-C


def test_interrupted_command_keeps_what_was_done(
    tmp_path: Path, model_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The real command is stopped once a language is scored; called again, it goes on."""
    text = tmp_path / "text"
    text.mkdir()
    for code in "abcdefghi":
        lines = [f"{sentence} {code}" for sentence in sentences(100, seed=3)]
        (text / f"{code}aa.txt").write_text("\n".join(lines), encoding="utf-8")
    make_tasks(text, "made_up", "aaa", tmp_path / "tasks")
    cache = tmp_path / "cache"
    arguments = options(model_folder, tmp_path / "tasks", "--use_cache", str(cache / "kept"))
    cache.mkdir()
    process = subprocess.Popen(
        [sys.executable, *OWN_TASKS_ONLY, *arguments, *to(tmp_path / "out")],
        env=os.environ | ENVIRONMENT,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    while process.poll() is None and not languages_in(cache):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    kept = languages_in(cache)
    assert process.returncode == 130, errors
    assert errors.strip().splitlines()[-1] == (
        "neuronxa: stopped; the same command continues after the finished languages"
    )
    assert "Traceback" not in errors and not (tmp_path / "out").exists()
    assert 1 <= kept < 8, errors
    again = command_here(tmp_path / "out", *arguments)
    assert again.code == 0, again.stderr
    assert again.results is not None and len(layers_of(again.results)) == 8
    totals = set(re.findall(r"requests: +0%.*?/(\d+) \[", again.stderr))
    assert totals == {str(900 - 100 * kept)}, "finished languages are not computed again"


def languages_in(cache: Path) -> int:
    """Languages that a run has stored so far."""
    count = 0
    for path in cache.glob("*.db"):
        try:
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
                count += database.execute("SELECT count(*) FROM unnamed").fetchone()[0]
        except sqlite3.OperationalError:
            continue  # not made yet, or in the middle of a write
    return count


def test_interrupted_command_line(tmp_path: Path) -> None:
    with mock.patch("neuronxa_task.own_text.make_tasks", side_effect=KeyboardInterrupt):
        done = neuronxa("tasks", tmp_path, "--name", "mine", "--output", tmp_path / "out")
    assert done.code == 130
    assert done.errors.strip() == "neuronxa: stopped; the same command starts over"
    assert shutil.which("neuronxa", path=str(Path(sys.executable).parent)), "the command is there"
