"""What this package needs of its dependencies, tried in every corner of the version matrix."""

from __future__ import annotations

import csv
import importlib
import json
import pkgutil
from pathlib import Path

import pytest
from commands import neuronxa

import neuronxa_task

DEMO = Path(__file__).parents[1] / "results" / "demo"
RUNS = DEMO / "runs"
NUMBERS = ("r", "fisher_low", "fisher_high")


def test_every_module_imports() -> None:
    found = pkgutil.walk_packages(neuronxa_task.__path__, "neuronxa_task.")
    names = [module.name for module in found if not module.name.endswith("__main__")]
    assert len(names) > 100
    for name in names:
        if name != "neuronxa_task.scoring.pooling_kernels":  # Triton's, which only GPUs need
            importlib.import_module(name)


def test_the_help_names_the_commands() -> None:
    ended = neuronxa("--help")
    assert ended.code == 0 and "correlate" in ended.output and "report" in ended.output


def test_correlations_are_as_with_every_other_version(tmp_path: Path) -> None:
    ended = neuronxa("correlate", RUNS, "--paper", "--output", tmp_path)
    assert ended.code == 0, ended.errors
    expected = json.loads((DEMO / "correlation.json").read_text(encoding="utf-8"))
    computed = json.loads((tmp_path / "correlation.json").read_text(encoding="utf-8"))
    assert len(computed) == len(expected) >= 9
    for row, reference in zip(computed, expected, strict=True):
        assert [row[key] for key in ("score", "method", "n")] == [
            reference[key] for key in ("score", "method", "n")
        ]
        assert [row[key] for key in NUMBERS] == pytest.approx(
            [reference[key] for key in NUMBERS], abs=1e-6
        )


@pytest.mark.slow
def test_the_report_has_its_charts_and_table(tmp_path: Path) -> None:
    ended = neuronxa("report", RUNS, "--output", tmp_path)
    assert ended.code == 0, ended.errors
    assert "Hindi" in (tmp_path / "report.html").read_text(encoding="utf-8")
    drawn = list((tmp_path / "pictures").iterdir())
    assert {path.suffix for path in drawn} == {".png", ".svg"}
    assert len(drawn) >= 8 and all(path.stat().st_size > 5000 for path in drawn)
    with (tmp_path / "languages.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) >= 9
