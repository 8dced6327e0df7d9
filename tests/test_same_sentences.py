"""Models compared on the same sentences: the paired bootstrap, from the record to the page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_results import write_run
from scipy.stats import bootstrap
from test_report import html_of

from neuronxa_task.analysis.points import Floats
from neuronxa_task.analysis.same_sentences import WIDER, sentence_differences
from neuronxa_task.analysis.selection import Selection
from neuronxa_task.errors import NeuronXAError
from neuronxa_task.languages import FLORES_CORE
from neuronxa_task.report.content import Content
from neuronxa_task.report.same_sentences import SentenceTest, sentence_tests, told
from neuronxa_task.results import read_results

pytestmark = pytest.mark.slow

TATOEBA = "neuronxa_tatoeba"


def test_the_bootstrap_is_that_of_scipy() -> None:
    differences = np.random.default_rng(3).normal(0.02, 0.2, size=80)
    (ours,) = sentence_differences([differences[:, None]])
    theirs = bootstrap(
        (differences,), np.mean, n_resamples=20_000, method="percentile", rng=1
    ).confidence_interval
    assert ours.mean == pytest.approx(differences.mean())
    assert ours.interval.low == pytest.approx(
        ours.mean + WIDER * (theirs.low - ours.mean), abs=0.003
    )
    assert ours.interval.high == pytest.approx(
        ours.mean + WIDER * (theirs.high - ours.mean), abs=0.003
    )


def test_groups_are_drawn_on_their_own() -> None:
    """The variance of a sum of independent means is the sum of their variances."""
    draw = np.random.default_rng(1)
    groups = [draw.normal(0, 0.1, size=(n, 1)) for n in (50, 100, 200)]
    (found,) = sentence_differences(groups)
    error = sum(group.var() / len(group) for group in groups) ** 0.5
    half_width = (found.interval.high - found.interval.low) / 2
    assert half_width == pytest.approx(1.96 * WIDER * error, rel=0.06)


def test_equal_models_and_few_differing_sentences_are_no_evidence() -> None:
    same, few = np.zeros((100, 1)), np.zeros((100, 1))
    few[:4] = 1.0
    (equal,) = sentence_differences([same])
    assert (equal.mean, equal.interval.low, equal.interval.high, equal.p) == (0, 0, 0, 1)
    (found,) = sentence_differences([few])
    assert found.p >= 2 * 0.5**4
    with pytest.raises(ValueError, match="at least 20"):
        sentence_differences([np.zeros((19, 1))])


def drawn(chance: np.random.Generator, n: int) -> Floats:
    """`[n]`, difference of two models in three languages, from vectors of sentences."""
    meaning = chance.normal(size=(n, 16)) + 1
    difference = np.zeros(n)
    for sign, noise in ((1, 0.8), (-1, 0.9)):
        pivot = 0.9 * meaning + 0.44 * chance.normal(size=(n, 16))
        for _ in range(3):
            target = pivot + noise * chance.normal(size=(n, 16))
            cosines = unit(pivot) @ unit(target).T
            own = np.diag(cosines).copy()
            np.fill_diagonal(cosines, -1)
            difference += sign * ((own > cosines.max(axis=0)) & (own > cosines.max(axis=1))) / 3
    return difference


def unit(vectors: Floats) -> Floats:
    """Vectors of length 1."""
    made: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return made


def test_intervals_hold_for_further_sentences_whose_rivals_differ_too() -> None:
    """95 % of 500 samples, with a standard deviation of 1 %."""
    chance = np.random.default_rng(0)
    samples = np.stack([drawn(chance, 40) for _ in range(500)], axis=1)
    found = sentence_differences([samples])
    truth = samples.mean()
    holds = np.mean([one.interval.low <= truth <= one.interval.high for one in found])
    assert 0.92 <= holds <= 0.98


def two_models(folder: Path, *, text: str = "neuronxa_flores", **options: Any) -> Content:
    """Models of which the first is better aligned in every language."""
    skills = [0.9 - 0.08 * number for number in range(len(FLORES_CORE))]
    for seed, (model, factor) in enumerate((("org/strong", 1.0), ("org/weak", 0.7))):
        own = [factor * skill for skill in skills]
        path = folder / f"results_{seed}.json"
        write_run(path, model, FLORES_CORE, seed=seed, skills=own, text=text, pairs=True, **options)
    return Content(read_results([folder]), Selection())


def by_hand(content: Content, folder: Path, score: str) -> float:
    """The difference of the two models' means over languages and pairs."""
    means = []
    for file in sorted(folder.glob("*.json")):
        configs = json.loads(file.read_text(encoding="utf-8"))["configs"].values()
        of_languages = [
            np.mean(list(bytes.fromhex(each["metadata"]["aligned_layers"][score])))
            / len(each["metadata"]["layers"][score])
            for each in configs
        ]
        means.append(np.mean(of_languages))
    return float(means[0] - means[1])


def test_the_page_tells_which_model_is_higher(tmp_path: Path) -> None:
    content = two_models(tmp_path)
    tests = sentence_tests(content)
    assert [test.score for test in tests] == ["nasca", "navca", "mexa"]
    for test in tests:
        assert (test.first, test.second) == ("org/strong", "org/weak")
        assert (test.languages, test.sentences, test.is_shared) == (9, 100, True)
        assert test.difference.mean == pytest.approx(by_hand(content, tmp_path, test.score))
        assert test.is_clear and test.p == pytest.approx(3 / 2001)
    (sentence,) = told(content, tests)
    assert sentence.startswith("strong is higher in NASCA than weak by 0.")
    assert sentence.endswith("; mean over 9 languages, paired over 100 sentences).")
    page = html_of(content.results)
    assert "On the same sentences" in page and sentence in page


def test_a_difference_within_chance_is_not_claimed(tmp_path: Path) -> None:
    content = two_models(tmp_path)
    (test, *_) = sentence_tests(content)
    unclear = SentenceTest(**(vars(test) | {"p": 0.2}))
    (sentence,) = told(content, [unclear])
    assert sentence.startswith("strong and weak: cannot tell which is higher in NASCA (difference")


def test_sentences_of_their_own_in_each_language_are_drawn_on_their_own(tmp_path: Path) -> None:
    narrow = sentence_tests(two_models(tmp_path / "shared"))[0]
    content = two_models(tmp_path / "own", text=TATOEBA)
    for file in (tmp_path / "own").glob("*.json"):
        run = json.loads(file.read_text(encoding="utf-8"))
        for name, config in run["configs"].items():
            config["metadata"]["pivot_hash"] = name
        file.write_text(json.dumps(run), encoding="utf-8")
    content = Content(read_results([tmp_path / "own"]), Selection())
    test = sentence_tests(content)[0]
    assert not test.is_shared and test.difference.mean == pytest.approx(narrow.difference.mean)
    assert "paired over 100 sentences of each language" in told(content, [test])[0]


@pytest.mark.parametrize(
    "change",
    [
        {"aligned_layers": None},
        {"aligned_layers": {"nasca": "00", "navca": None, "mexa": None}, "layers": {}},
        {"signature": "pivot:eng_Latn|data_hash:ffffffff"},
    ],
    ids=["earlier versions", "damaged", "other sentences"],
)
def test_without_a_common_record_there_is_no_section(
    tmp_path: Path, change: dict[str, object]
) -> None:
    two_models(tmp_path)
    path = tmp_path / "results_1.json"
    run = json.loads(path.read_text(encoding="utf-8"))
    for config in run["configs"].values():
        config["metadata"] |= change
    path.write_text(json.dumps(run), encoding="utf-8")
    results = read_results([tmp_path])
    try:
        content = Content(results, Selection())
    except NeuronXAError:  # other sentences are refused, unless they are asked for
        content = Content(results, Selection(allow_mixed=True))
    assert sentence_tests(content) == []
    assert told(content, []) == []
    if "signature" not in change:
        assert "On the same sentences" not in html_of(results)
    if "layers" in change:
        assert any("its aligned_layers" in note for note in results.notes)


def test_a_record_that_contradicts_the_scores_is_left_out(tmp_path: Path) -> None:
    two_models(tmp_path)
    path = tmp_path / "results_0.json"
    run = json.loads(path.read_text(encoding="utf-8"))
    for config in run["configs"].values():
        config["metadata"]["aligned_layers"]["nasca"] = "01" * 100
    path.write_text(json.dumps(run), encoding="utf-8")
    results = read_results([tmp_path])
    assert any("its aligned_layers" in note for note in results.notes)
    assert sentence_tests(Content(results, Selection())) == []
