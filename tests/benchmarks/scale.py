"""Whole runs of the command over 10, 50 and 203 languages: time and peak memory.

Run: python tests/benchmarks/scale.py (on Linux). Every run is a process of its own. The model has
few features but many neurons, so that 203 languages take minutes although the states of each are
79 MB. The text is made up, in FLORES's schema.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from measure import forget_peak, memory, seconds
from record import record

TESTS = Path(__file__).parents[1]
COUNTS = (10, 50, 203)
PAIRS = 100
TIMES = "NEURONXA_BENCHMARK_TIMES"
"""Environment variable: a file into which a run of this script writes its times."""

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "LMEVAL_LOG_LEVEL": "ERROR",
    # glibc then returns what is freed; otherwise fragments hide what is in use.
    "MALLOC_MMAP_THRESHOLD_": str(2**20),
}


def run_command() -> None:
    """`lm_eval`, noting when the model first runs, for how long, and the memory from there on."""
    from lm_eval.__main__ import cli_evaluate
    from lm_eval.models.huggingface import HFLM

    from neuronxa_task.scoring import encoder

    started, noted = time.perf_counter(), {"model": 0.0}
    encode, loglikelihood = vars(encoder)["encode"], HFLM.loglikelihood

    def at_first() -> None:
        if "start" not in noted:
            noted["start"] = time.perf_counter() - started
            forget_peak()  # start-up may have the highest of all

    def timed_encode(*arguments: object, **options: object) -> object:
        at_first()
        before = time.perf_counter()
        states = encode(*arguments, **options)
        noted["model"] += time.perf_counter() - before
        return states

    def noted_loglikelihood(*arguments: object, **options: object) -> object:
        at_first()
        return loglikelihood(*arguments, **options)

    setattr(encoder, "encode", timed_encode)  # noqa: B010
    HFLM.loglikelihood = noted_loglikelihood
    cli_evaluate()
    noted["wall"] = time.perf_counter() - started
    noted["peak"] = memory("VmHWM")
    Path(os.environ[TIMES]).write_text(json.dumps(noted), encoding="utf-8")


def command(folder: Path, tasks: str, *arguments: str) -> dict[str, float]:
    """Times in seconds, and memory in MiB, of a run in a process of its own."""
    times = folder / "times.json"
    subprocess.run(
        [
            *(sys.executable, __file__, "--model", "hf", "--tasks", tasks, "--device", "cpu"),
            *("--model_args", f"pretrained={folder / 'model'}", "--batch_size", "32"),
            *("--output_path", str(folder / "out"), *arguments),
        ],
        cwd=folder,
        env=os.environ | ENVIRONMENT | {TIMES: str(times)},
        check=True,
        capture_output=True,
    )
    noted: dict[str, float] = json.loads(times.read_text(encoding="utf-8"))
    return noted


def prepare(folder: Path) -> list[str]:
    """Write a model and 203 languages in FLORES's schema; returns the languages' codes."""
    sys.path.insert(0, str(TESTS))
    from conftest import SYLLABLES, byte_tokenizer, tiny_llama
    from hub import write_flores

    from neuronxa_task.languages.codes import FLORES_CODES

    model = tiny_llama(
        hidden_size=64, intermediate_size=12_288, num_hidden_layers=8, max_position_embeddings=256
    )
    model.save_pretrained(folder / "model")
    byte_tokenizer().save_pretrained(folder / "model")
    draw = random.Random(0)
    pivot = [" ".join(draw.choices(SYLLABLES, k=draw.randint(3, 6))) for _ in range(PAIRS)]
    codes = list(FLORES_CODES)
    write_flores(
        folder, {code: [f"{line} {code} {n}" for n, line in enumerate(pivot)] for code in codes}
    )
    return [code for code in codes if code != "eng_Latn"]


def runs(folder: Path) -> dict[str, float]:
    """Whole runs over more and more languages, all pairs, and a stock task for comparison."""
    codes = prepare(folder)

    def tasks(count: int) -> str:
        return ",".join(f"neuronxa_flores_{code}" for code in codes[:count])

    stock = command(folder, "phrasebook_translation_fra_Latn", "--limit", "1")
    figures = {"start-up of a stock task, s": stock["start"]}
    for count in COUNTS:
        name = "neuronxa_flores" if count == max(COUNTS) else tasks(count)
        noted = command(folder, name)
        figures |= {
            f"{count} languages: wall time, s": noted["wall"],
            f"{count} languages: outside the model, s": noted["wall"] - noted["model"],
            f"{count} languages: start-up beyond the stock task's, s": noted["start"]
            - stock["start"],
            f"{count} languages: peak memory of the process, MiB": noted["peak"],
        }
        print(count, noted, flush=True)
    few = command(folder, tasks(20))
    metadata = json.dumps({"pairs": True})
    all_pairs = command(folder, tasks(20), "--metadata", metadata)
    figures["20 languages, all pairs / pivot only, wall time"] = all_pairs["wall"] / few["wall"]
    return figures


def scoring() -> dict[str, float]:
    """Scoring L = 32, n = 100, F = 14,336 beside bare float64 matrix products of this size."""
    from neuronxa_task.scoring.alignment import retrieval

    layers, pairs, width = 32, 100, 14_336
    draw = torch.Generator().manual_seed(0)
    pivot, target = (torch.randn(layers, pairs, width, generator=draw) for _ in range(2))
    double = pivot.double(), target.double()

    def products() -> None:
        for p, t in zip(*double, strict=True):
            p @ t.T

    def scored() -> None:
        retrieval(list(pivot), list(target))

    ratios = [seconds(scored) / seconds(products) for _ in range(7)]
    return {"scoring 32 layers / float64 matrix products": statistics.median(ratios)}


def main() -> None:
    """Measure, print and record."""
    figures = scoring()
    print(figures, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        figures |= runs(Path(folder))
    record("scale", f"The whole command, {PAIRS} pairs per language, a model of 8 layers", figures)


if __name__ == "__main__":
    if TIMES in os.environ:
        run_command()
    else:
        main()
