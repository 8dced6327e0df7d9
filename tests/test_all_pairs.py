"""Every pair of languages, against scoring each pair by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.scoring import all_pairs
from neuronxa_task.scoring.alignment import retrieval
from neuronxa_task.scoring.all_pairs import LayerShape, VectorStore, score_all_pairs

LANGUAGES = ["a", "b", "c", "d", "e"]
LAYERS = [LayerShape("nasca", 24, 300), LayerShape("nasca", 24, 300), LayerShape("mexa", 8)]


def vectors() -> dict[str, list[torch.Tensor]]:
    """Five languages ever further from a common meaning; neuron states are whole numbers."""
    generator = torch.Generator().manual_seed(0)
    meaning = torch.randn(30, 24, generator=generator)
    by_language = {}
    for distance, language in enumerate(LANGUAGES, start=1):
        noise = [torch.randn(30, 24, generator=generator) for _ in range(3)]
        near = [meaning + 0.5 * distance * part for part in noise]
        states = [(layer * 20 + 100).clamp(0, 300).round() for layer in near[:2]]
        by_language[language] = [*states, near[2][:, :8].contiguous()]
    return by_language


def filled(folder: Path | None = None) -> VectorStore:
    store = VectorStore(LANGUAGES, 30, LAYERS, folder)
    for language, layers in vectors().items():
        store.add(language, iter(layers))
    return store


@pytest.mark.parametrize("block", [30, 60, 1000])
@pytest.mark.parametrize("budget", [0, 2**30])
def test_each_pair_scores_as_by_itself(
    block: int, budget: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(all_pairs, "BLOCK_SENTENCES", block)
    monkeypatch.setattr(all_pairs, "MEMORY_BUDGET", budget)
    with filled(tmp_path) as store:
        assert any(tmp_path.iterdir()) == (budget == 0)
        scores = score_all_pairs(store)
    assert not any(tmp_path.iterdir()), "nothing is left behind"
    given = vectors()
    for row, first in enumerate(LANGUAGES):
        for column, second in enumerate(LANGUAGES):
            neurons = retrieval(given[first][:2], given[second][:2]).score
            hidden = retrieval(given[first][2:], given[second][2:]).score
            assert scores["nasca"][row, column] == pytest.approx(neurons, abs=1e-12)
            assert scores["mexa"][row, column] == pytest.approx(hidden, abs=1e-12)
    assert 0 < scores["nasca"][0, 4] < scores["nasca"][0, 1] < 1


def test_whole_numbers_are_kept_in_two_bytes_if_they_fit() -> None:
    assert LayerShape("nasca", 4, 65535).dtype == np.uint16
    assert LayerShape("nasca", 4, 65536).dtype == np.float32
    assert LayerShape("mexa", 4).dtype == np.float32
    # 2 layers of 24 neurons in 2 bytes, 8 hidden values in 4, 30 sentences of 5 languages
    assert filled().bytes == (2 * 24 * 2 + 8 * 4) * 30 * 5


def test_a_disk_that_is_too_small_is_said_beforehand(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(all_pairs, "MEMORY_BUDGET", 0)
    layers = [LayerShape("navca", 10**6)] * 32
    with pytest.raises(NeuronXAError, match=r"keeps 2,598.4 GB .* GB free; set TMPDIR"):
        VectorStore(["x"] * 203, 100, layers, tmp_path)
    assert not any(tmp_path.iterdir())
