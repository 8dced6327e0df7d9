"""`neuronxa retrieval`: means over directions, layers and languages, in that order."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest
from commands import neuronxa
from made_results import MadeRun

from neuronxa_task.analysis.retrieval import retrieval_of

PROFILE = {
    "nas_from_pivot": [0.2, 0.6, math.nan],
    "nas_to_pivot": [0.4, 0.8, math.nan],
    "nav_from_pivot": [0.1, 0.0, 0.2],
    "nav_to_pivot": [0.1, 0.2, 0.2],
    "emb_from_pivot": [0.0, 0.5, 0.1, 0.0],
    "emb_to_pivot": [0.2, 0.7, 0.1, 0.0],
}


def test_a_language_s_shares() -> None:
    """(0.3 + 0.7) / 2, (0.1 + 0.1 + 0.2) / 3 and (0.1 + 0.6 + 0.1 + 0) / 4, by hand."""
    assert retrieval_of(PROFILE) == pytest.approx(
        {
            "nas_mean": 0.5,
            "nas_best": 0.7,
            "nav_mean": 0.4 / 3,
            "nav_best": 0.2,
            "emb_mean": 0.2,
            "emb_best": 0.6,
        }
    )
    assert retrieval_of({name: PROFILE[name] for name in ("nas_from_pivot", "nas_to_pivot")}) == {}


def run_of(shares: dict[str, float]) -> MadeRun:
    """A model with the same share at every layer; by hidden states half of it."""
    run = MadeRun("org/model")
    for code, share in shares.items():
        run.aligned(code, share)
        layers = run.content["configs"][f"neuronxa_flores_{code}"]["metadata"]["layers"]
        for name, value, depth in (("nas", share, 2), ("nav", share, 2), ("emb", share / 2, 3)):
            for direction in ("from", "to"):
                layers[f"{name}_{direction}_pivot"] = [value] * depth
    return run


def test_head_and_tail_languages_beside_the_paper_s(tmp_path: Path) -> None:
    """French is of class 5 and Polish of 4; Swahili is of class 2; acm_Arab has no class."""
    run_of({"fra_Latn": 0.9, "pol_Latn": 0.7, "swh_Latn": 0.2, "acm_Arab": 0.4}).write(tmp_path)
    ended = neuronxa("retrieval", tmp_path, "--paper", "--output", tmp_path / "out")
    assert ended.code == 0, ended.errors
    table = pd.read_csv(tmp_path / "out" / "retrieval.csv").set_index("languages")
    assert table["n_languages"].to_dict() == {"head": 2, "tail": 1, "all": 4}
    assert table["nas_mean"].to_dict() == pytest.approx({"head": 0.8, "tail": 0.2, "all": 0.55})
    assert table["emb_best"].to_dict() == pytest.approx({"head": 0.4, "tail": 0.1, "all": 0.275})
    assert "in neither head nor tail (no known class): acm_Arab" in ended.words
    assert "Tatoeba, head: states 0.5778, hidden states 0.1686" in ended.words
    assert "retrieval.csv, retrieval.json, retrieval.md, retrieval.tex" in ended.words


def test_a_language_without_layers_is_named(tmp_path: Path) -> None:
    run = run_of({"fra_Latn": 0.9, "deu_Latn": 0.5}).aligned("spa_Latn", 0.8)
    run.write(tmp_path)
    ended = neuronxa("retrieval", tmp_path)
    assert "left out, without values by layer: spa_Latn of org/model" in ended.words
    assert "2 head" in ended.words
    assert "all" not in ended.words.split("note")[0], "all are the head languages"


def test_results_without_any_layers(tmp_path: Path) -> None:
    MadeRun("org/model").aligned("fra_Latn", 0.9).write(tmp_path)
    ended = neuronxa("retrieval", tmp_path)
    assert ended.code == 1
    assert "have no per-layer retrieval" in ended.errors


def test_different_samples_are_not_mixed(tmp_path: Path) -> None:
    run = run_of({"fra_Latn": 0.9, "deu_Latn": 0.5})
    metadata = run.content["configs"]["neuronxa_flores_deu_Latn"]["metadata"]
    metadata["signature"] = metadata["signature"].replace("|n:100", "|n:100|sample:1")
    path = run.write(tmp_path)
    assert "sample:1" in json.dumps(json.loads(path.read_text(encoding="utf-8")))
    refused = neuronxa("retrieval", tmp_path)
    assert refused.code == 1
    assert "sample:first" in refused.errors
    allowed = neuronxa("retrieval", tmp_path, "--allow-mixed-signatures")
    assert allowed.code == 0
