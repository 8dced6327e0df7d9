"""All pairs of languages in a run of the harness, against scoring each pair in Python."""

from __future__ import annotations

from itertools import compress
from pathlib import Path
from typing import Any

import pytest
from conftest import byte_tokenizer, tiny_llama
from runs import LANGUAGES, PIVOT, evaluate

from neuronxa_task import NeuronXAError, score
from neuronxa_task.scoring.uncertainty import subsets

pytestmark = pytest.mark.slow  # whole runs of the harness, in this process


@pytest.fixture(scope="module")
def run(model_folder: Path, made_up_tasks: Path) -> dict[str, Any]:
    return evaluate(model_folder, made_up_tasks, metadata={"pairs": True, "stability": True})


def recorded(run: dict[str, Any], language: str) -> dict[str, Any]:
    metadata: dict[str, Any] = run["configs"][f"made_up_{language}"]["metadata"]
    return metadata


def test_every_pair_equals_its_own_score(run: dict[str, Any], made_up_tasks: Path) -> None:
    folder = made_up_tasks.parent / "corpus"
    text = {
        name: (folder / f"{name}.txt").read_text(encoding="utf-8").splitlines()
        for name in LANGUAGES
    } | {"piv": PIVOT}
    model, tokenizer = tiny_llama(), byte_tokenizer()
    for language in LANGUAGES:
        pairs = recorded(run, language)["pairs"]
        for other in {*text} - {language}:
            alone = score(model, tokenizer, text[language], text[other])
            for name in ("nasca", "navca", "mexa"):
                assert pairs[name][other] == pytest.approx(getattr(alone, name), abs=1e-12)
        assert pairs["nasca"]["piv"] == pytest.approx(
            run["results"][f"made_up_{language}"]["nasca,none"]
        )


@pytest.mark.parametrize("language", ["middle", "far"])
def test_every_subset_equals_its_own_score(
    run: dict[str, Any], made_up_tasks: Path, language: str
) -> None:
    path = made_up_tasks.parent / "corpus" / f"{language}.txt"
    text = path.read_text(encoding="utf-8").splitlines()
    model, tokenizer = tiny_llama(), byte_tokenizer()
    stability = recorded(run, language)["stability"]
    for number, subset in enumerate(subsets(len(PIVOT), 10).T.bool().tolist()):
        alone = score(model, tokenizer, [*compress(PIVOT, subset)], [*compress(text, subset)])
        for name in ("nasca", "navca", "mexa"):
            assert stability[name][10][number] == pytest.approx(getattr(alone, name), abs=1e-12)
    assert len(set(stability["nasca"][10])) > 1


def test_nothing_else_changes(run: dict[str, Any], model_folder: Path, made_up_tasks: Path) -> None:
    plain = evaluate(model_folder, made_up_tasks, metadata={"max_batch_tokens": 30})
    for language in LANGUAGES:
        asked, not_asked = recorded(run, language), recorded(plain, language)
        assert asked["layers"] == not_asked["layers"]
        assert asked["signature"] == not_asked["signature"]
        assert set(asked["stability"]["nasca"]) == {10, 11}
        assert "pairs" not in not_asked and "stability" not in not_asked


def test_results_of_all_pairs_are_kept_as_a_whole(
    run: dict[str, Any], model_folder: Path, made_up_tasks: Path, tmp_path: Path
) -> None:
    settings = {"pairs": True, "stability": True}
    for _ in range(2):
        again = evaluate(
            model_folder, made_up_tasks, metadata=settings, use_cache=str(tmp_path / "cache")
        )
        for language in LANGUAGES:
            assert recorded(again, language)["pairs"] == recorded(run, language)["pairs"]


def test_text_of_several_pivots_is_refused(
    model_folder: Path, made_up_tasks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from neuronxa_task.task import NeuronXATask

    load = NeuronXATask._load

    def changed(self: NeuronXATask, language: str) -> None:
        load(self, language)
        if language == "far":
            self.documents[0] = {**self.documents[0], "pivot": "another sentence"}

    monkeypatch.setattr(NeuronXATask, "_load", changed)
    with pytest.raises(NeuronXAError, match="different piv sentences; use neuronxa_flores"):
        evaluate(model_folder, made_up_tasks, metadata={"pairs": True})
