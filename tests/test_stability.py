"""`neuronxa stability`: curves of scores over numbers of pairs, made up and scored."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from commands import neuronxa
from made_results import MadeRun, signature
from pdf import needs_pdflatex, overfull

from neuronxa_task.analysis.stability import ranking_tau, stability, stays_from
from neuronxa_task.analysis.stability_curves import Curve
from neuronxa_task.scoring.uncertainty import subset_sizes, subsets

NO_PICTURES = ("--picture-formats", "none")
SIZES = (10, 20, 50, 100)
SKILLS = {"fra_Latn": 0.9, "deu_Latn": 0.8, "rus_Cyrl": 0.6, "hin_Deva": 0.3, "jpn_Jpan": 0.2}


def aligned_pairs(skill: float, pairs: int, seed: int) -> np.ndarray:
    """Which of the pairs are aligned: independent draws, of which exactly the share is known."""
    return np.random.default_rng(seed).permutation(np.arange(pairs) < round(skill * pairs))


def curve_of(aligned: np.ndarray) -> dict[str, list[float]]:
    """Scores of the subsets that scoring draws, were pairs aligned whatever their rivals."""
    hits = torch.tensor(aligned, dtype=torch.float64)
    return {
        str(size): (hits @ subsets(len(aligned), size).double() / size).tolist()
        for size in subset_sizes(len(aligned))
    }


def run_of(model: str, pairs: int = 100, *, date: float = 1_750_000_000.0) -> MadeRun:
    run = MadeRun(model, date)
    for number, (language, skill) in enumerate(SKILLS.items()):
        aligned = aligned_pairs(skill, pairs, number)
        run.aligned(language, float(aligned.mean()), facts={"n": str(pairs)})
        metadata = run.content["configs"][f"neuronxa_flores_{language}"]["metadata"]
        metadata["stability"] = {score: curve_of(aligned) for score in ("nasca", "mexa")}
        metadata["intervals"] = {"nasca": [skill - 0.05, skill + 0.05]}
    return run


def tau_b(first: np.ndarray, second: np.ndarray) -> float:
    """Kendall's tau-b by its definition, pair by pair."""
    agree, ties_first, ties_second, total = 0, 0, 0, 0
    for i, j in combinations(range(len(first)), 2):
        a, b = np.sign(first[i] - first[j]), np.sign(second[i] - second[j])
        agree, total = agree + a * b, total + 1
        ties_first, ties_second = ties_first + (a == 0), ties_second + (b == 0)
    spread = np.sqrt(float((total - ties_first) * (total - ties_second)))
    return float(agree / spread) if spread else 0.0


def test_the_mean_over_languages_with_its_band_and_the_rankings_tau(tmp_path: Path) -> None:
    run_of("org/model").write(tmp_path / "in")
    ended = neuronxa("stability", tmp_path / "in", "--output", tmp_path / "out")
    assert ended.code == 0, ended.errors
    table = pd.read_csv(tmp_path / "out" / "stability.csv")
    curves = {
        code: curve_of(aligned_pairs(s, 100, k)) for k, (code, s) in enumerate(SKILLS.items())
    }
    scores = {size: np.array([of[str(size)] for of in curves.values()]) for size in SIZES}
    mean = table[(table["language"] == "mean") & (table["score"] == "nasca")].set_index("n")
    assert list(mean.index) == list(SIZES)
    for size in SIZES:
        of_subsets = scores[size].mean(axis=0)
        assert mean.loc[size, "value"] == pytest.approx(of_subsets.mean())
        taus = [tau_b(subset, scores[100][:, 0]) for subset in scores[size].T]
        assert mean.loc[size, "tau"] == pytest.approx(np.mean(taus))
        if size < 100:
            assert mean.loc[size, "low"] == pytest.approx(np.quantile(of_subsets, 0.025))
            assert mean.loc[size, "band"] == "subsets"
    assert mean.loc[100, ["low", "high"]].tolist() == pytest.approx(
        [np.mean(list(SKILLS.values())) - 0.05, np.mean(list(SKILLS.values())) + 0.05]
    )
    assert mean.loc[100, "band"] == "bootstrap"
    expected = min(n for n in SIZES if (mean.loc[n:, "tau"] >= 0.95).all())
    assert set(mean["ranking_stays_from"]) == {expected}
    # MEXA has no interval in the file: none is made up.
    mexa = table[(table["language"] == "mean") & (table["score"] == "mexa")].set_index("n")
    assert np.isnan(mexa.loc[100, "low"])
    french = table[(table["language"] == "fra_Latn") & (table["score"] == "nasca")]
    assert french["value"].tolist() == pytest.approx(
        [np.mean(curves["fra_Latn"][str(n)]) for n in SIZES]
    )
    assert len(ended.output.splitlines()) <= 25
    assert max(map(len, ended.output.split("\nnote")[0].splitlines())) <= 100


def test_languages_of_other_numbers_of_pairs_are_not_in_the_ranking() -> None:
    curves = {
        ("m", "corpus", code): {"nasca": Curve({10: np.full(20, s), n: np.full(20, s)}, None)}
        for code, s, n in (("a", 0.1, 50), ("b", 0.2, 50), ("c", 0.3, 50), ("d", 0.9, 40))
    }
    found = stability(curves)
    mean = found.table[found.table["language"] == "mean"]
    assert mean["value"].tolist() == pytest.approx([0.2, 0.2])
    assert found.notes[0].endswith("over the 3 languages of 50 pairs, without d")


def test_what_ranks_nothing_has_no_tau() -> None:
    same = [Curve({10: np.full(20, 0.5), 20: np.full(20, 0.5)}, None)] * 4
    assert ranking_tau(same, 10) is None
    assert ranking_tau(same[:2], 10) is None
    flat = [Curve({10: np.zeros(20), 20: np.full(20, s)}, None) for s in (0.1, 0.2, 0.3)]
    assert ranking_tau(flat, 10) == 0.0
    assert ranking_tau(flat, 20) == 1.0
    assert stays_from({10: 0.0, 20: 1.0}) == 20
    assert stays_from({10: None, 20: None}) is None


def test_the_newest_run_counts_and_damaged_curves_are_named(tmp_path: Path) -> None:
    run_of("m").write(tmp_path / "old")
    newer = run_of("m", date=1_760_000_000.0)
    metadata = newer.content["configs"]["neuronxa_flores_fra_Latn"]["metadata"]
    metadata["stability"] = {"nasca": {"10": [0.0] * 20, "100": [0.0] * 20}}
    german = newer.content["configs"]["neuronxa_flores_deu_Latn"]["metadata"]
    german["stability"] = {"nasca": [3]}
    newer.write(tmp_path / "new")
    ended = neuronxa("stability", tmp_path, "--output", tmp_path / "out", *NO_PICTURES)
    assert ended.code == 0, ended.errors
    table = pd.read_csv(tmp_path / "out" / "stability.csv")
    full = table[(table["score"] == "nasca") & (table["n"] == 100)]
    nasca = full.set_index("language")["value"]
    assert nasca["fra_Latn"] == 0
    assert "deu_Latn" not in nasca, "an older run does not stand in for a damaged one"
    assert "1 damaged curves left out: m neuronxa_flores deu_Latn" in ended.output


def test_without_curves_the_setting_is_named(tmp_path: Path) -> None:
    MadeRun("m").aligned("fra_Latn", 0.5).write(tmp_path)
    ended = neuronxa("stability", tmp_path)
    assert ended.code == 1
    assert """--metadata '{"stability": true}'""" in ended.errors
    run_of("m").write(tmp_path / "more")
    other = neuronxa("stability", tmp_path, "--alignment", "neuronxa_flore")
    assert "found: neuronxa_flores; did you mean 'neuronxa_flores'?" in other.errors


def test_mixed_settings_are_refused(tmp_path: Path) -> None:
    run_of("a").write(tmp_path / "a")
    other = run_of("b")
    for config in other.content["configs"].values():
        config["metadata"]["signature"] = signature(pool="mean", model="b")
    other.write(tmp_path / "b")
    ended = neuronxa("stability", tmp_path)
    assert ended.code == 1
    assert "pool:mean" in ended.errors
    assert neuronxa("stability", tmp_path, "--allow-mixed-signatures").code == 0


def test_one_of_a_run_s_pivots(tmp_path: Path) -> None:
    run = run_of("org/model")
    for config in run.content["configs"].values():
        metadata = config["metadata"]
        metadata["pivots"] = {
            "deu_Latn": {
                "nasca": 0.25,
                "stability": {"nasca": {"10": [0.25] * 20, "100": [0.25] * 20}},
                "signature": metadata["signature"].replace("eng_Latn", "deu_Latn"),
            }
        }
    run.write(tmp_path / "in")
    first = neuronxa("stability", tmp_path / "in")
    assert first.code == 0 and "see also --pivot deu_Latn" in first.words
    chosen = ("--pivot", "deu_Latn", "--output", tmp_path / "out", *NO_PICTURES)
    assert neuronxa("stability", tmp_path / "in", *chosen).code == 0
    assert set(pd.read_csv(tmp_path / "out" / "stability.csv")["value"]) == {0.25}
    missing = neuronxa("stability", tmp_path / "in", "--pivot", "fra_Latn")
    assert missing.code == 1
    assert "pivot 'fra_Latn'; --pivot can be: deu_Latn, eng_Latn" in missing.errors


@pytest.mark.slow
def test_every_score_and_benchmark_has_a_picture(tmp_path: Path) -> None:
    for model in ("org/one", "org/two"):
        run_of(model).write(tmp_path / model)
    ended = neuronxa("stability", tmp_path / "org", "--output", tmp_path / "out")
    assert ended.code == 0, ended.errors
    names = sorted(path.name for path in (tmp_path / "out" / "pictures").iterdir())
    stems = ["stability-neuronxa-flores-mexa", "stability-neuronxa-flores-nasca"]
    assert names == [f"{stem}.{kind}" for stem in stems for kind in ("png", "svg")]
    picture = (tmp_path / "out" / "pictures" / names[-1]).read_text(encoding="utf-8")
    assert picture.count('id="line-') == 2


@pytest.mark.slow
@needs_pdflatex
def test_the_tables_compile(tmp_path: Path) -> None:
    for number in range(12):
        run_of(f"organisation/some_model-{number}").write(tmp_path / f"in{number}")
    ended = neuronxa("stability", tmp_path, "--output", tmp_path / "out", *NO_PICTURES)
    assert ended.code == 0, ended.errors
    assert overfull(*sorted((tmp_path / "out").glob("*.tex"))) == []
