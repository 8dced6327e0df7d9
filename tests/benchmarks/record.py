"""Keep the figures of the benchmarks: a JSON file for each, and one table of all of them."""

from __future__ import annotations

import datetime
import json
import os
import platform
from pathlib import Path

import torch
import transformers

FOLDER = Path(__file__).parents[2] / "results" / "benchmarks"
HEAD = """# Benchmarks

Written by `make benchmark`; the sources are in `tests/benchmarks/`. Ratios are of times in one run,
taken in turns, since the machines are slow and shared.
"""


def record(name: str, title: str, figures: dict[str, float]) -> None:
    """Print `figures`, write `results/benchmarks/<name>.json` and the table of all files anew.

    Args:
        name: of the file.
        title: what was run, for the table.
        figures: by what they say, with their unit.
    """
    for what, value in figures.items():
        print(f"{what:60s} {value:10.4g}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    content = {
        "title": title,
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "machine": {
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        },
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "figures": {what: float(f"{value:.4g}") for what, value in figures.items()},
    }
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    parts = [HEAD]
    for file in sorted(FOLDER.glob("*.json")):
        parts.append(table(json.loads(file.read_text(encoding="utf-8"))))
    (FOLDER / "README.md").write_text("\n".join(parts), encoding="utf-8")


def table(content: dict[str, object]) -> str:
    """One benchmark in Markdown."""
    machine, figures = content["machine"], content["figures"]
    assert isinstance(machine, dict) and isinstance(figures, dict)
    where = machine["gpu"] or f"{machine['cores']} CPU cores"
    rows = "\n".join(f"| {what} | {value:g} |" for what, value in figures.items())
    return (
        f"## {content['title']}\n\n{content['date']}, {where}, torch {content['torch']}, "
        f"transformers {content['transformers']}\n\n| | |\n| --- | ---: |\n{rows}\n"
    )
