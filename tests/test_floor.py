"""`neuronxa floor`: a copy with random weights, scored as the model is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from commands import neuronxa
from conftest import byte_tokenizer, tiny_llama
from made_results import MadeRun
from runs import ENVIRONMENT, OWN_TASKS_ONLY, PIVOT, evaluate, layers_of, written
from transformers import AutoConfig, AutoModelForCausalLM

import neuronxa_task.floor
from neuronxa_task import Alignment, NeuronXAError, score
from neuronxa_task.random_weights import RandomWeights
from neuronxa_task.results import read_results

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose weights are not those of any seed."""
    made = tmp_path_factory.mktemp("trained")
    model = tiny_llama()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    model.save_pretrained(made)
    byte_tokenizer().save_pretrained(made)
    return made


def expected(folder: Path, tasks: Path, language: str, seed: int) -> Alignment:
    text = (tasks.parent / "corpus" / f"{language}.txt").read_text(encoding="utf-8")
    torch.manual_seed(seed)
    copy = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    return score(copy, byte_tokenizer(), PIVOT, text.splitlines())


def test_the_command_scores_a_random_copy(
    folder: Path, made_up_tasks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_on_own_tasks(module: str, arguments: list[str], environment: dict[str, str]) -> int:
        command = [sys.executable, OWN_TASKS_ONLY[0], "-m", module, *arguments]
        return subprocess.run(
            command, env={**os.environ, **ENVIRONMENT, **environment}, check=False, timeout=300
        ).returncode

    monkeypatch.setattr(neuronxa_task.floor, "run_module", run_on_own_tasks)
    out = tmp_path / "out"
    ended = neuronxa(
        *("floor", folder, "--include_path", made_up_tasks, "--tasks", "made_up"),
        *("--seed", 3, "--device", "cpu", "--output", out),
    )
    assert ended.code == 0, ended.errors
    results = written(out)
    assert results is not None
    table = pd.read_csv(out / "floor.csv").set_index("language")
    for language, code in {"near": "near", "middle": "middle", "far": "far_Latn"}.items():
        alone = expected(folder, made_up_tasks, language, seed=3)
        assert layers_of(results)[f"made_up_{language}"] == alone.layers()
        row = table.loc[code]
        scores = (row["nasca"], row["navca"], row["mexa"], row["surface"])
        assert scores == pytest.approx((alone.nasca, alone.navca, alone.mexa, alone.surface))
        assert f"{alone.nasca:.3f}" in ended.output
    assert f"{table['nasca'].mean():.3f}" in ended.output
    assert "its score is not a sign of alignment" in ended.output
    assert f"lm_eval --model hf --model_args pretrained={folder} --tasks made_up" in ended.output
    read = read_results([out])
    assert set(read.table["model"]) == {f"{folder} [random_weights=3]"}
    (again,) = read.commands.values()
    assert again.startswith("python -m neuronxa_task.random_weights --model hf-random")


def test_it_is_not_the_model_and_another_seed_is_another_copy(
    folder: Path, made_up_tasks: Path
) -> None:
    names = ["made_up_far"]
    own = evaluate(folder, made_up_tasks, names)
    copies = [
        evaluate(
            folder, made_up_tasks, names, model="hf-random", model_args={"random_weights": seed}
        )
        for seed in (0, 1, 1)
    ]
    own_layers, *of_copies = map(layers_of, (own, *copies))
    assert of_copies[1] == of_copies[2]
    assert own_layers != of_copies[0] != of_copies[1]


def test_precision_is_the_models_or_as_asked(folder: Path) -> None:
    def dtype(**arguments: Any) -> torch.dtype:
        lm = RandomWeights(str(folder), device="cpu", random_weights=0, **arguments)
        found: torch.dtype = lm.model.dtype
        return found

    assert dtype() is torch.float32
    assert dtype(dtype="bfloat16") is torch.bfloat16
    with pytest.raises(NeuronXAError, match="dtype is 'half-ish'; expected auto, or a dtype of"):
        dtype(dtype="half-ish")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"peft": "org/adapter"}, "has no peft; leave it out of --model_args"),
        ({"pretrained": "/nowhere/at/all"}, "the configuration of /nowhere/at/all cannot be"),
    ],
)
def test_what_cannot_be_copied(folder: Path, arguments: dict[str, str], message: str) -> None:
    with pytest.raises(NeuronXAError, match=message):
        RandomWeights(**({"pretrained": str(folder), "random_weights": 0} | arguments))


def test_a_run_without_neuronxa_tasks_is_named(tmp_path: Path) -> None:
    path = MadeRun().task("belebele_fra_Latn", {"acc": 0.3}).write(tmp_path)
    with pytest.raises(NeuronXAError, match="no NeuronXA task was run; name some with --tasks"):
        neuronxa_task.floor.floor_table(path)
