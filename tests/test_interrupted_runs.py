"""Runs that are killed, their caches, and what those may never answer for."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from conftest import byte_tokenizer, sentences, tiny_llama, translated
from lm_eval.models.huggingface import HFLM
from runs import command_here, evaluate, layers_of, signature_of

from neuronxa_task.own_text import make_tasks
from neuronxa_task.scoring import encoder

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("NEURONXA_KILLS", "3"))
"""SIGKILLs of the run over ten languages."""
NAMES = [f"lang_{letter}" for letter in "abcdefghij"]


@pytest.fixture(scope="module")
def many_tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Task files of a text in ten languages."""
    root = tmp_path_factory.mktemp("many")
    corpus, pivot = root / "corpus", sentences(12, seed=5)
    corpus.mkdir()
    for place, name in enumerate(["piv", *NAMES]):
        lines = translated(pivot, place / 12, seed=place)
        (corpus / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    make_tasks(corpus, "many", "piv", root / "tasks")
    return root / "tasks"


def measured(results: dict[str, Any]) -> str:
    """What a run says of its tasks: scores, layers, signatures."""
    metadata = {task: config["metadata"] for task, config in results["configs"].items()}
    return json.dumps([results["results"], metadata], sort_keys=True, default=str)


# ---------------------------------------------------------------- models that share a cache


def adapted(change: Any) -> Any:
    torch.manual_seed(3)
    config = peft.LoraConfig(
        r=4, lora_alpha=64, target_modules=["gate_proj", "q_proj"], init_lora_weights=False
    )
    model = peft.get_peft_model(tiny_llama(), config, adapter_name="a")
    model.add_adapter("b", config)
    change(model)
    return model.eval()


def scaled(model: Any) -> None:
    for module in model.modules():
        if hasattr(module, "set_scale"):
            module.set_scale("a", 0.01)


def silenced() -> Any:
    model: Any = tiny_llama()
    for layer in model.model.layers:
        layer.mlp.gate_proj.register_forward_hook(
            lambda _, __, output: output.index_fill(-1, torch.arange(0, 48, 3), 0)
        )
    return model


def amplified() -> Any:
    model: Any = tiny_llama()
    with torch.no_grad():
        model.model.layers[0].mlp.down_proj.weight[:, 17:19] *= 60
    return model


MODELS = {
    "plain": tiny_llama,
    "adapter a": lambda: adapted(lambda model: None),
    "adapter b": lambda: adapted(lambda model: model.set_adapter("b")),
    "adapter off": lambda: adapted(lambda model: model.base_model.disable_adapter_layers()),
    "adapter scaled": lambda: adapted(scaled),
    "epsilon": lambda: tiny_llama(rms_norm_eps=0.5),
    "rotation": lambda: tiny_llama(rope_parameters={"rope_theta": 2.0, "rope_type": "default"}),
    "activation": lambda: tiny_llama(hidden_act="relu"),
    "neurons off by a hook": silenced,
    "two neurons edited": amplified,
}


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sentences in every call of `encode`."""
    calls: list[int] = []
    encode = vars(encoder)["encode"]

    def counted(body: Any, sites: Any, ids: Any, **options: Any) -> Any:
        calls.append(len(ids))
        return encode(body, sites, ids, **options)

    monkeypatch.setattr(encoder, "encode", counted)
    return calls


def test_a_cache_never_answers_for_another_model(
    encoded: list[int], made_up_tasks: Path, tmp_path: Path
) -> None:
    def run(model: Any) -> dict[str, Any]:
        encoded.clear()
        lm = HFLM(pretrained=model, tokenizer=byte_tokenizer(), batch_size=8, device="cpu")
        options = {"model": lm, "use_cache": str(tmp_path / "cache"), "bootstrap_iters": 0}
        return evaluate(tmp_path, made_up_tasks, ["made_up_far"], **options)

    profiles, signatures = {}, {}
    for name, model in MODELS.items():
        results = run(model())
        assert encoded, f"{name} was not computed"
        profiles[name] = json.dumps(layers_of(results))
        facts = signature_of(results, "made_up_far")
        signatures[name] = facts["model"], facts.get("hooks")
    # Without its adapters a model computes as before, but is not known to.
    assert profiles.pop("adapter off") == profiles["plain"]
    assert len(set(profiles.values())) == len(profiles)
    assert len(set(signatures.values())) == len(signatures)
    run(tiny_llama())
    assert not encoded
    run(silenced())
    assert encoded, "code that no fingerprint sees is computed anew"


def test_a_cache_never_answers_for_other_batches_or_fewer_scores(
    encoded: list[int], model_folder: Path, made_up_tasks: Path, tmp_path: Path
) -> None:
    def run(**metadata: Any) -> dict[str, Any]:
        encoded.clear()
        cache = str(tmp_path / "cache")
        return evaluate(model_folder, made_up_tasks, use_cache=cache, metadata=metadata)

    run()
    assert encoded
    run()
    assert not encoded
    run(max_batch_tokens=40)
    assert encoded
    with_pairs = run(pairs=True)
    assert encoded, "scores of all pairs were not in the first run"
    assert measured(run(pairs=True)) == measured(with_pairs) and not encoded


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("damage", ["text", "cut", "overwritten"])
def test_a_damaged_cache_is_one_line(
    damage: str, model_folder: Path, made_up_tasks: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    file = Path(f"{cache}_rank0.db")
    command = (
        *("--model", "hf", "--model_args", f"pretrained={model_folder}", "--device", "cpu"),
        *("--tasks", "made_up_far", "--include_path", str(made_up_tasks)),
        *("--use_cache", str(cache), "--batch_size", "8"),
    )
    evaluate(model_folder, made_up_tasks, ["made_up_far"], use_cache=str(cache))
    good = file.read_bytes()
    file.write_bytes(
        {
            "text": b"no database" * 400,
            "cut": good[: len(good) // 2],
            "overwritten": good[:4096] + b"\xff" * (len(good) - 4096),
        }[damage]
    )
    run = command_here(tmp_path / "out", *command)
    assert run.code == 1 and run.results is None
    line = run.stderr.strip().splitlines()[-1]
    assert line.startswith(f"neuronxa: error: {cache}_rank") and "; delete it" in line
    assert "Traceback" not in run.stderr
    file.unlink()
    assert command_here(tmp_path / "out", *command).code == 0


# ---------------------------------------------------------------- SIGKILL


def test_a_killed_run_goes_on_where_it_was(
    encoded: list[int], model_folder: Path, many_tasks: Path, tmp_path: Path
) -> None:
    def run(cache: Path | None) -> dict[str, Any]:
        options = {"use_cache": cache and str(cache)}
        return evaluate(model_folder, many_tasks, ["many"], **options)

    run(None)
    started = time.monotonic()
    plain = measured(run(None))
    seconds, draw, interrupted = time.monotonic() - started, random.Random(7), 0
    for attempt in range(KILLS):
        cache, out = tmp_path / f"cache{attempt}", tmp_path / f"{attempt}.json"
        child = os.fork()  # starting Python and the harness would take longer than the run
        if child == 0:
            try:
                out.write_text(measured(run(cache)))
            finally:
                os._exit(0)
        while not Path(f"{cache}_rank0.db").exists():
            time.sleep(0.01)
        time.sleep(draw.uniform(0, seconds))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        interrupted += not out.exists()
        encoded.clear()
        assert measured(run(cache)) == plain
        encoded.clear()
        run(cache)
        assert not encoded
    assert interrupted, "every run had ended before it was killed"
