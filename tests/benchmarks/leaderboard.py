"""A leaderboard of 1,000 models in 203 languages: time and peak memory, and of adding one model.

Run: python tests/benchmarks/leaderboard.py. The result files are made up. Each measurement is a
process of its own, since a process's peak memory never falls again.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from record import record

TESTS = Path(__file__).parents[1]


def write_models(folder: Path, models: range, languages: list[str]) -> None:
    """A result file for each model: 32 layers, all languages, and a benchmark in them."""
    sys.path.insert(0, str(TESTS))
    from made_results import write_run

    for number in models:
        path = folder / f"model-{number}" / "results_1.json"
        write_run(
            path, f"org/model-{number}", languages, {"belebele": languages}, layers=32, seed=number
        )


def measured(*arguments: str) -> dict[str, float]:
    """Seconds and peak MiB of `neuronxa` with these arguments, in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "command", *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    cost: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return cost


def run_command(arguments: list[str]) -> None:
    """Run the command, then print its time and peak memory."""
    from neuronxa_task.cli import app

    start = time.perf_counter()
    app(arguments, standalone_mode=False)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": time.perf_counter() - start, "peak": peak}))


def main(models: Annotated[int, typer.Option(help="Result files.")] = 1000) -> None:
    """Measure and record."""
    from neuronxa_task.languages.codes import FLORES_CODES

    languages = list(FLORES_CODES)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_models(folder / "first", range(models), languages)
        write_models(folder / "added", range(models, models + 1), languages)
        board = folder / "board"
        whole = measured("leaderboard", str(folder / "first"), "--output", str(board))
        added = measured("leaderboard", str(folder / "added"), "--add-to", str(board))
        rows = (board / "leaderboard.csv").read_text(encoding="utf-8").count("org/model-")
        assert rows == models + 1, f"{rows} models on the board"
    record(
        "leaderboard",
        f"`neuronxa leaderboard`, {models:,} models x {len(languages)} languages and Belebele",
        {
            "all models, s": whole["seconds"],
            "all models, peak memory, MiB": whole["peak"],
            "one more model, s": added["seconds"],
            "one more model, peak memory, MiB": added["peak"],
        },
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["command"]:
        run_command(sys.argv[2:])
    else:
        typer.run(main)
