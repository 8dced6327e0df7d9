"""The stock `lm_eval` and `neuronxa` commands, as users run them, in one process and in several."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean
from typing import Any

import hub
import pytest
import torch
from conftest import byte_tokenizer, sentences, tiny_llama, translated
from lm_eval.tasks import TaskManager
from runs import (
    LANGUAGES,
    OWN_TASKS_ONLY,
    STOCK,
    CommandRun,
    command,
    command_here,
    layers_of,
    signature_of,
    to,
    write_text,
    written,
)

from neuronxa_task import score
from neuronxa_task.languages import FLORES_TARGETS, TATOEBA_CORE
from neuronxa_task.own_text import make_tasks
from neuronxa_task.task_configs import folder, write_configs

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parent
SPLIT_DOCUMENTS = str(TESTS / "split_documents.py")
ACCELERATE = ("-m", "accelerate.commands.launch", "--cpu", "--num_processes")
# accelerate 1.15 starts one process for `--cpu`, whatever the number; torchrun starts them all.
TORCHRUN = ("-m", "torch.distributed.run", "--nproc_per_node")


def options(model: Path, tasks: str, *more: str) -> tuple[str, ...]:
    return (
        *("--model", "hf", "--model_args", f"pretrained={model}", "--device", "cpu"),
        *("--tasks", tasks, "--batch_size", "auto", *more),
    )


def test_the_harness_has_the_tasks() -> None:
    listed = TaskManager(include_path=str(folder()), include_defaults=False).all_tasks
    for name in (
        *("neuronxa_flores", "neuronxa_flores_core", "neuronxa_flores_fra_Latn"),
        *("neuronxa_tatoeba", "neuronxa_tatoeba_core", "neuronxa_tatoeba_fra"),
        *("neuronxa_phrasebook", "neuronxa_phrasebook_fra_Latn"),
        *("phrasebook_translation", "phrasebook_translation_fra_Latn"),
    ):
        assert name in listed


@pytest.mark.skipif(not hub.TATOEBA_SOURCE.is_dir(), reason="the real Tatoeba pairs are not here")
def test_tatoeba_under_its_hub_name(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.write_tatoeba(tmp_path, {code: hub.read_tatoeba(code) for code in TATOEBA_CORE})
    monkeypatch.chdir(tmp_path)
    arguments = options(model_folder, "neuronxa_tatoeba_core", "--include_path", str(folder()))
    run = command_here(tmp_path, *arguments)
    assert run.code == 0, run.stderr
    assert run.results is not None
    assert "neuronxa_tatoeba_core" in run.results["groups"]
    assert "|neuronxa_tatoeba_core|" in run.stdout
    for code in TATOEBA_CORE:
        target, english = (side[:100] for side in hub.read_tatoeba(code))
        found = score(tiny_llama(), byte_tokenizer(), english, target)
        task = f"neuronxa_tatoeba_{code}"
        assert layers_of(run.results)[task] == found.layers()
        assert signature_of(run.results, task)["n"] == "100"


def test_all_of_flores_under_its_hub_name(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    english = sentences(110)
    columns = {"eng_Latn": english} | {
        code: translated(english, place / len(FLORES_TARGETS), seed=place)
        for place, code in enumerate(FLORES_TARGETS)
    }
    assert len(columns) == 204
    hub.write_flores(tmp_path, columns)
    chosen = json.dumps({"num_sentences": 12, "split": "dev"})
    monkeypatch.chdir(tmp_path)
    arguments = options(model_folder, "neuronxa_flores", "--include_path", str(folder()))
    run = command_here(tmp_path, *arguments, "--metadata", chosen)
    assert run.code == 0, run.stderr
    assert run.results is not None
    values = [
        run.results["results"][f"neuronxa_flores_{code}"]["nasca,none"] for code in FLORES_TARGETS
    ]
    group = run.results["groups"]["neuronxa_flores"]
    assert group["nasca,none"] == pytest.approx(mean(values))
    near, far = mean(values[:50]), mean(values[-50:])
    assert near > far + 0.1, "languages further from the pivot are aligned less"
    assert signature_of(run.results, "neuronxa_flores_zul_Latn")["split"] == "dev"


# ---------------------------------------------------------------- several processes


@pytest.fixture(scope="module")
def alone(
    model_folder: Path, made_up_tasks: Path, tmp_path_factory: pytest.TempPathFactory
) -> CommandRun:
    run = command_here(tmp_path_factory.mktemp("alone"), *own_text(model_folder, made_up_tasks))
    assert run.code == 0, run.stderr
    return run


def own_text(model: Path, tasks: Path, *more: str) -> tuple[str, ...]:
    return options(model, "made_up", "--include_path", str(tasks), *more)


def same_scores(run: CommandRun, results: dict[str, Any] | None, alone: CommandRun) -> None:
    """`results`, which are of the run, are those of one process alone."""
    assert results is not None, run.stderr
    assert alone.results is not None, alone.stderr
    first, second = results, alone.results
    for task, row in first["results"].items():
        # The harness adds the pairs up rank by rank, so a mean may differ in its last bit.
        expected = second["results"][task]
        assert {key: value for key, value in row.items() if isinstance(value, float)} == (
            pytest.approx({k: v for k, v in expected.items() if isinstance(v, float)}, abs=1e-12)
        )
    assert layers_of(first) == layers_of(second)
    for language in LANGUAGES:
        signatures = [signature_of(found, f"made_up_{language}") for found in (first, second)]
        assert signatures[0] == signatures[1]
        own, other = (
            found["configs"][f"made_up_{language}"]["metadata"] for found in (first, second)
        )
        for key in ("aligned_layers", "pivot_hash"):
            assert own[key] == other[key]


def passed(run: CommandRun) -> list[int]:
    """Sentences that the first process passed through the model, from its progress bars."""
    bars = re.findall(r"neuron_alignment requests: +0%.*?/(\d+) \[", run.stderr)
    return [int(total) for total in bars]


def test_accelerate_scores_as_the_plain_command(
    alone: CommandRun, model_folder: Path, made_up_tasks: Path, tmp_path: Path
) -> None:
    arguments = own_text(model_folder, made_up_tasks)
    run = command(tmp_path, *arguments, launcher=(*ACCELERATE, "2", *OWN_TASKS_ONLY))
    assert run.code == 0, run.stderr
    same_scores(run, run.results, alone)


def test_three_processes_score_as_one_and_end_together(
    alone: CommandRun, model_folder: Path, made_up_tasks: Path, tmp_path: Path
) -> None:
    """Uneven shares of 11 pairs; more processes than pairs; documents that the harness splits.

    Last, one share has a sentence whose activations are NaN.
    """
    model = tiny_llama()
    with torch.no_grad():
        model.get_input_embeddings().weight[byte_tokenizer()("%")["input_ids"][-1]] = float("nan")
    shutil.copytree(model_folder, tmp_path / "model")
    model.save_pretrained(tmp_path / "model")
    corpus = write_text(tmp_path / "corpus")
    far = (corpus / "far.txt").read_text(encoding="utf-8").splitlines()
    (corpus / "far.txt").write_text("\n".join([*far[:4], "5 %", *far[5:]]), encoding="utf-8")
    make_tasks(corpus, "made_up", "piv", tmp_path / "tasks")
    arguments = own_text(model_folder, made_up_tasks)
    limited = (*arguments, "--limit", "2", "--log_samples")
    run = command(
        tmp_path / "ended",
        *(*arguments, *to(tmp_path / "whole")),
        *("--then", *STOCK, *limited, *to(tmp_path / "two")),
        *("--then", SPLIT_DOCUMENTS, *arguments, *to(tmp_path / "split")),
        *("--then", *STOCK, *own_text(tmp_path / "model", tmp_path / "tasks")),
        launcher=(*TORCHRUN, "3", *OWN_TASKS_ONLY),
    )
    two_alone = command_here(tmp_path / "two_alone", *limited)
    assert two_alone.results is not None, two_alone.stderr
    assert signature_of(two_alone.results, "made_up_near")["n"] == "2"
    same_scores(run, written(tmp_path / "two"), two_alone)
    for name in ("whole", "split"):
        same_scores(run, written(tmp_path / name), alone)
    whole, _, split, *_ = passed(run)
    assert [whole] < passed(alone) > [split], "each process encodes its own share"
    assert run.code != 0
    assert run.results is None
    # The launcher may end the other processes before they have said the same.
    message = "neuronxa: error: neuron activation of layer 1 is NaN or infinite for the sentence"
    assert f"{message} '5 %'" in run.stderr
    assert "Connection closed" not in run.stderr, "the other processes were left waiting"


def test_two_machines_score_as_one_or_say_that_they_cannot(
    alone: CommandRun, model_folder: Path, made_up_tasks: Path, tmp_path: Path
) -> None:
    """Each of torchrun's agents takes the other for another machine.

    The harness counts processes by machine where it splits the documents.
    """
    arguments = own_text(model_folder, made_up_tasks)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = ("--master_addr", "127.0.0.1", "--master_port", str(free.getsockname()[1]))

    def agent(number: int) -> CommandRun:
        whole = to(tmp_path / f"whole{number}")
        return command(
            tmp_path / f"split{number}",
            *(*arguments, *whole, "--then", SPLIT_DOCUMENTS, *arguments),
            launcher=(
                *(*TORCHRUN, "1", "--nnodes", "2", "--node_rank", str(number), *address),
                *OWN_TASKS_ONLY,
            ),
        )

    with ThreadPoolExecutor() as machines:
        runs = list(machines.map(agent, range(2)))
    for number, run in enumerate(runs):
        same_scores(run, written(tmp_path / f"whole{number}"), alone)
        assert run.code != 0 and run.results is None
    shared, *_ = passed(runs[0])
    assert [shared] < passed(alone), "each process encodes its own share"
    message = "neuronxa: error: lm_eval cannot share documents between the GPUs of several machines"
    assert message in runs[1].stderr


# ---------------------------------------------------------------- mistakes


def ends_with_one_line(run: CommandRun, message: str) -> None:
    assert run.code != 0
    assert run.results is None
    assert "Traceback" not in run.stderr
    last = run.stderr.rstrip().splitlines()[-1]
    assert last.startswith("neuronxa: error: ") and message in last


def test_a_mistake_ends_with_one_line(
    model_folder: Path, made_up_tasks: Path, tmp_path: Path
) -> None:
    pivot, key = (
        own_text(model_folder, made_up_tasks, "--metadata", json.dumps(metadata))
        for metadata in ({"pivot": "nowhere"}, {"num_sentence": 5})
    )
    run = command(tmp_path, *pivot, launcher=OWN_TASKS_ONLY)
    ends_with_one_line(run, "has no language 'nowhere'; it has: far, middle, near, piv")
    ends_with_one_line(command_here(tmp_path, *key), "unknown metadata key 'num_sentence'")


# ---------------------------------------------------------------- the neuronxa command


def neuronxa(
    *arguments: str, python_options: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    executable = shutil.which("neuronxa", path=str(Path(sys.executable).parent))
    assert executable is not None, "the package is not installed in this environment"
    return subprocess.run(
        [sys.executable, *python_options, executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("subcommand", [[], ["demo"], ["tasks"]])
def test_help_shows_an_example_without_loading_a_framework(subcommand: list[str]) -> None:
    done = neuronxa(*subcommand, "--help", python_options=("-X", "importtime"))
    assert done.returncode == 0
    assert "Example: neuronxa" in done.stdout or "lm_eval --model hf" in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "neuronxa_task.cli" in imported
    assert not imported & {"torch", "transformers", "datasets", "lm_eval", "pandas", "scipy"}


def test_own_text_becomes_tasks(tmp_path: Path, model_folder: Path) -> None:
    source = write_text(tmp_path / "corpus")
    arguments = ("--name", "mine", "--pivot", "piv", "--output", str(tmp_path / "tasks"))
    done = neuronxa("tasks", str(source), *arguments)
    assert done.returncode == 0, done.stderr
    assert "11 sentence pairs of piv and 3 languages" in done.stdout
    assert "--tasks mine" in done.stdout
    assert neuronxa("task-path").stdout == f"{folder()}\n"
    written = {path.name for path in (tmp_path / "tasks").iterdir()}
    expected = {
        "_mine_yaml",
        "mine.yaml",
        "neuronxa.py",
        *(f"mine_{language}.yaml" for language in LANGUAGES),
    }
    assert written == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("no pivot", "has no text of the pivot 'piv'; it has: far, middle, near"),
        ("unequal", "not parallel: piv has 11 sentences and far has 10"),
        ("empty", "sentence 4 of near is empty"),
        ("missing", "does not exist"),
        ("name", "--name is 'a/b'"),
        ("few", "--num-sentences is 1; at least 2"),
        ("language", "no language 'elsewhere'"),
    ],
)
def test_text_with_mistakes_is_refused_in_one_line(
    change: str, message: str, tmp_path: Path
) -> None:
    source = write_text(tmp_path / "corpus")
    name, more = "mine", []
    if change == "no pivot":
        (source / "piv.txt").unlink()
    elif change == "unequal":
        lines = (source / "far.txt").read_text(encoding="utf-8").splitlines()
        (source / "far.txt").write_text("\n".join(lines[:-1]), encoding="utf-8")
    elif change == "empty":
        lines = (source / "near.txt").read_text(encoding="utf-8").splitlines()
        (source / "near.txt").write_text("\n".join([*lines[:3], " ", *lines[4:]]), encoding="utf-8")
    elif change == "missing":
        source = tmp_path / "nothing"
    elif change == "name":
        name = "a/b"
    elif change == "few":
        more = ["--num-sentences", "1"]
    else:
        more = ["--languages", "near,elsewhere"]
    output = tmp_path / "tasks"
    done = neuronxa(
        *("tasks", str(source), "--name", name, "--pivot", "piv", "--output", str(output), *more)
    )
    assert done.returncode == 1
    assert done.stderr.startswith("neuronxa: error: ") and message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not output.exists(), "nothing is written of text with mistakes"


# ---------------------------------------------------------------- task files


def test_task_files_are_what_their_script_writes(tmp_path: Path) -> None:
    write_configs.main(tmp_path)

    def files(root: Path) -> dict[str, str]:
        return {
            str(path.relative_to(root)): path.read_text(encoding="utf-8")
            for path in root.rglob("*")
            if path.is_file() and path.parent != root and "__pycache__" not in path.parts
        }

    assert files(tmp_path) == files(folder())
