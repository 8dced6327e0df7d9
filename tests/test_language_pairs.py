"""`neuronxa pairs`: the matrix, its order, its pictures."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from commands import neuronxa
from made_results import MadeRun, signature
from scipy.cluster.hierarchy import cophenet
from scipy.spatial.distance import squareform

from neuronxa_task.analysis.language_pairs import pair_matrices
from neuronxa_task.results import read_results

NEAR = {
    frozenset(("fra_Latn", "ita_Latn")): 0.8,
    frozenset(("eng_Latn", "fra_Latn")): 0.6,
    frozenset(("eng_Latn", "ita_Latn")): 0.6,
    frozenset(("hin_Deva", "eng_Latn")): 0.2,
}
LANGUAGES = ("fra_Latn", "ita_Latn", "hin_Deva", "eng_Latn")


def value(first: str, second: str) -> float:
    return NEAR.get(frozenset((first, second)), 0.1)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    run = MadeRun()
    for language in LANGUAGES[:3]:
        pairs = {other: value(language, other) for other in LANGUAGES if other != language}
        run.task(
            f"neuronxa_flores_{language}",
            {"nasca": 0.5},
            metadata={"target": language, "signature": signature(), "pairs": {"nasca": pairs}},
        )
    run.write(tmp_path / "runs")
    return tmp_path / "runs"


def test_the_matrix_is_whole_and_ordered_by_similarity(runs: Path) -> None:
    ((matrix,), notes) = pair_matrices(read_results([runs]), ["nasca"])
    assert notes == []
    for first in LANGUAGES:
        for second in LANGUAGES:
            expected = 1 if first == second else value(first, second)
            assert matrix.values.loc[first, second] == expected
    order = list(matrix.values.index)
    assert abs(order.index("fra_Latn") - order.index("ita_Latn")) == 1
    assert order.index("hin_Deva") in (0, 3)
    # Average linkage: French and Italian at 0.2, English at 0.4, Hindi at the mean of the rest.
    assert sorted(set(cophenet(matrix.links).round(6))) == [0.2, 0.4, 0.866667]
    assert squareform(cophenet(matrix.links)).shape == (4, 4)


def test_the_command_writes_every_pair_once_and_a_picture(runs: Path, tmp_path: Path) -> None:
    ended = neuronxa("pairs", runs, "--output", tmp_path / "out")
    assert ended.code == 0, ended.errors
    assert "best  fra_Latn–ita_Latn 0.800" in ended.output.replace(
        "ita_Latn–fra_Latn", "fra_Latn–ita_Latn"
    )
    table = pd.read_csv(tmp_path / "out" / "pairs.csv")
    assert len(table) == 6
    assert table["value"].is_monotonic_decreasing
    pictures = {path.suffix for path in (tmp_path / "out").glob("pairs-*-nasca.*")}
    assert pictures == {".svg", ".png"}


def test_results_without_pairs_say_what_to_run(tmp_path: Path) -> None:
    MadeRun().aligned("fra_Latn", 0.5).write(tmp_path)
    ended = neuronxa("pairs", tmp_path)
    assert ended.code == 1
    assert """--metadata '{"pairs": true}'""" in ended.errors
