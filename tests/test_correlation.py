"""Statistics against scipy, published examples and planted relations; `neuronxa correlate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from commands import neuronxa
from made_results import ACCURACY, LANGUAGES, NASCA, MadeRun, full_run, navca
from scipy import stats

from neuronxa_task.analysis.bootstrap import Bootstrap, Points, UndefinedCorrelation, resampled
from neuronxa_task.analysis.correlate import (
    COLUMNS,
    COMPARISON_COLUMNS,
    MEAN,
    PER_MODEL,
    POOLED,
    Correlations,
    correlations,
)
from neuronxa_task.analysis.dependent import compare, steiger, williams
from neuronxa_task.analysis.pairing import pair
from neuronxa_task.analysis.published import BEST_SINGLE, PUBLISHED
from neuronxa_task.analysis.selection import Choice
from neuronxa_task.analysis.statistics import (
    METHODS,
    correlate,
    correlation_of,
    fisher_interval,
    fisher_mean,
    mean_correlation,
)
from neuronxa_task.errors import NeuronXAError
from neuronxa_task.results import Results, read_results

SCIPY = {"pearson": stats.pearsonr, "spearman": stats.spearmanr, "kendall": stats.kendalltau}
FEW = Bootstrap(resamples=400)


def random_points(n: int, seed: int = 0, slope: float = 1.0, *, ties: bool = False) -> Points:
    draw = np.random.default_rng(seed)
    x = draw.normal(size=n)
    y = slope * x + draw.normal(size=n)
    if ties:
        x, y = x.round(), y.round()
    return Points(x, y, range(n))


# ---------------------------------------------------------------- coefficients and intervals


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("ties", [False, True])
def test_coefficients_and_p_are_scipys(method: str, ties: bool) -> None:
    points = random_points(25, ties=ties)
    found, expected = correlate(points, method, FEW), SCIPY[method](points.x, points.y)
    assert (found.r, found.p, found.n) == (expected.statistic, expected.pvalue, 25)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("ties", [False, True])
def test_every_resample_is_what_scipy_computes_of_the_drawn_points(method: str, ties: bool) -> None:
    points = random_points(9, seed=4, ties=ties)
    draws = np.random.default_rng(5).multinomial(9, np.full(9, 1 / 9), size=200)
    expected = [
        SCIPY[method](np.repeat(points.x, draw), np.repeat(points.y, draw)).statistic
        for draw in draws
    ]
    found = resampled([points], method, Bootstrap(resamples=200, seed=5))[0]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_percentile_interval_is_near_scipys_own_bootstrap() -> None:
    points = random_points(40, seed=1)
    expected = stats.bootstrap(
        (points.x, points.y),
        lambda x, y, axis: stats.pearsonr(x, y, axis=axis).statistic,
        paired=True,
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    found = correlate(points, "pearson").bootstrap
    assert found is not None
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.01)


def test_pearsons_fisher_interval_is_scipys() -> None:
    points = random_points(12)
    expected = stats.pearsonr(points.x, points.y).confidence_interval(0.95)
    found = correlate(points, "pearson", FEW).fisher
    assert found is not None
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_a_published_fisher_interval() -> None:
    """r = 0.5 of 12 points: −0.104 to 0.835 (Biostatistics For Dummies, chapter 15, p. 205)."""
    found = fisher_interval(0.5, 12, "pearson")
    assert found is not None
    # The book rounds z to three digits on the way.
    assert (found.low, found.high) == pytest.approx((-0.104, 0.835), abs=0.001)


def test_rank_intervals_have_their_own_standard_errors() -> None:
    """By hand: z ± 1.95996 √((1 + r²/2) / (n − 3)), and √(0.437 / (n − 4)), r = 0.5, n = 28."""
    spearman, kendall = (fisher_interval(0.5, 28, method) for method in ("spearman", "kendall"))
    assert spearman is not None
    assert kendall is not None
    z = np.arctanh(0.5)
    assert np.arctanh(spearman.high) - z == pytest.approx(1.959964 * np.sqrt(1.125 / 25))
    assert z - np.arctanh(kendall.low) == pytest.approx(1.959964 * np.sqrt(0.437 / 24))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_intervals_hold_a_planted_correlation_at_about_the_nominal_rate(
    method: str, rho: float
) -> None:
    """Of 300 samples of 40 bivariate normal points, 95% intervals hold ρ in about 285.

    In the population Spearman's is 6/π asin(ρ/2), Kendall's 2/π asin(ρ). The binomial standard
    deviation of the share is 1.3%; bootstrap intervals of 40 points hold somewhat less than named.
    """
    truth = {
        "pearson": rho,
        "spearman": 6 / np.pi * np.arcsin(rho / 2),
        "kendall": 2 / np.pi * np.arcsin(rho),
    }[method]
    draw = np.random.default_rng(7)
    held = {"fisher": 0, "bootstrap": 0}
    for seed in range(300):
        x, noise = draw.normal(size=(2, 40))
        y = rho * x + np.sqrt(1 - rho**2) * noise
        found = correlate(Points(x, y, range(40)), method, Bootstrap(300, seed))
        for kind in held:
            interval = getattr(found, kind)
            held[kind] += interval.low <= truth <= interval.high
    assert 0.91 <= held["fisher"] / 300 <= 0.985
    assert 0.90 <= held["bootstrap"] / 300 <= 0.985


def test_the_seed_decides_the_bootstrap() -> None:
    points = random_points(10)
    first, again, other = (correlate(points, "pearson", Bootstrap(300, seed)) for seed in (0, 0, 1))
    assert first == again
    assert first.bootstrap != other.bootstrap


# ---------------------------------------------------------------- where there is none


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        ([1, 2], [1, 2], "2 languages; at least 3"),
        ([1, 1, 1], [1, 2, 3], "NASCA is the same, 1, for all 3 languages"),
        ([1, 2, 3], [0.1 + 0.2, 0.3, 0.3], "acc is the same, 0.3, for all 3 languages"),
        ([0, 0, 0], [1, 2, 3], "NASCA is the same, 0"),
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_undefined_correlations_say_why(
    x: list[float], y: list[float], reason: str, method: str
) -> None:
    points = Points(np.array(x, float), np.array(y, float), range(len(x)), ("NASCA", "acc"))
    with pytest.raises(UndefinedCorrelation, match=reason):
        correlate(points, method, FEW)


def test_resamples_without_a_correlation_are_left_out_and_counted() -> None:
    """With three points, 3 of the 27 equally likely resamples draw a single one."""
    points = Points(np.array([1.0, 2, 4]), np.array([1.0, 3, 2]), "abc")
    found = correlate(points, "pearson", Bootstrap(resamples=9000))
    assert found.undefined_resamples == pytest.approx(1000, abs=100)
    assert found.bootstrap is not None
    assert (found.bootstrap.low, found.bootstrap.high) == pytest.approx((-1, 1))
    assert found.fisher is None  # n - 3 = 0


def test_a_perfect_correlation_has_no_fisher_interval() -> None:
    points = Points(np.arange(6.0), 0.1 + 0.3 * np.arange(6.0), range(6))
    found = correlate(points, "pearson", FEW)
    assert found.r == pytest.approx(1)
    assert found.fisher is None


def test_an_unknown_method_is_an_error() -> None:
    with pytest.raises(
        NeuronXAError, match="'cosine'; expected one of: pearson, spearman, kendall"
    ):
        correlate(random_points(5), "cosine")


# ---------------------------------------------------------------- means of correlations


def test_the_mean_of_several_models_is_a_t_test_of_their_z() -> None:
    samples = [random_points(12, seed) for seed in range(4)]
    found = mean_correlation([[points] for points in samples], "pearson", FEW)
    z = [np.arctanh(stats.pearsonr(points.x, points.y).statistic) for points in samples]
    test = stats.ttest_1samp(z, 0.0)
    reach = stats.t.interval(0.95, 3, np.mean(z), stats.sem(z))
    assert found.fisher is not None
    assert found.r == pytest.approx(np.tanh(np.mean(z)))
    assert found.p == pytest.approx(test.pvalue)
    assert (found.fisher.low, found.fisher.high) == pytest.approx(tuple(np.tanh(reach)))
    assert found.n == 12


def test_means_over_benchmarks_come_before_those_over_models() -> None:
    groups = [[random_points(9, seed), random_points(9, seed + 10)] for seed in range(3)]
    found = mean_correlation(groups, "spearman", FEW)
    z = [np.mean([np.arctanh(correlation_of(each, "spearman")) for each in g]) for g in groups]
    assert found.r == pytest.approx(np.tanh(np.mean(z)))
    assert found.p == pytest.approx(stats.ttest_1samp(z, 0.0).pvalue)


def test_a_mean_within_one_model_has_a_bootstrap_interval_only() -> None:
    found = mean_correlation([[random_points(9, 1), random_points(9, 2)]], "pearson", FEW)
    assert (found.p, found.fisher) == (None, None)
    assert found.bootstrap is not None
    assert found.bootstrap.low < found.r < found.bootstrap.high


def test_languages_are_drawn_alike_for_all_models() -> None:
    """Of a model beside itself, each resample's mean is its own correlation."""
    points = random_points(9, 4)
    twice = mean_correlation([[points], [points]], "pearson", FEW)
    once = correlate(points, "pearson", FEW)
    assert once.bootstrap is not None
    assert twice.bootstrap is not None
    assert twice.bootstrap.low == pytest.approx(once.bootstrap.low)
    assert (twice.p, twice.fisher) == (None, None)  # no spread between the models


def test_exact_resamples_of_a_mean_count_as_one() -> None:
    """Of 6 languages in nearly the same order many resamples have Spearman's 1 in a model."""
    x = np.arange(6.0)
    swapped = [
        Points(x, np.array(y, float), range(6)) for y in ([1, 0, 2, 3, 4, 5], [0, 1, 2, 3, 5, 4])
    ]
    found = mean_correlation([[points] for points in swapped], "spearman", FEW)
    assert found.bootstrap is not None
    assert found.bootstrap.high == 1
    assert found.undefined_resamples < 10


def test_the_mean_of_perfect_correlations_is_undefined() -> None:
    line = Points(np.arange(4.0), np.arange(4.0), range(4))
    with pytest.raises(UndefinedCorrelation, match="exactly 1"):
        mean_correlation([[line], [random_points(4)]], "pearson", FEW)
    with pytest.raises(UndefinedCorrelation, match="exactly 1"):
        fisher_mean([0.5, 1.0])
    assert fisher_mean([1.0]) == 1.0


# ---------------------------------------------------------------- dependent correlations


@pytest.mark.parametrize(
    ("test", "r", "n", "statistic", "p"),
    [
        # Silver, Hittner and May 2006, Applied Psychological Measurement 30:152-153 (DEPCOR).
        (steiger, (0.3, 0.4, 0.5), 100, -1.0718, 0.2838),
        (williams, (0.3, 0.4, 0.5), 100, -1.0767, 0.2843),
        # Steiger 1980, p. 249, case A, computes with two digits less and prints -0.8913.
        (steiger, (0.4, 0.5, 0.1), 103, -0.8887, None),
        (williams, (0.4, 0.5, 0.1), 103, -0.8913, None),
    ],
)
def test_published_examples_of_dependent_correlations(
    test: Any, r: tuple[float, float, float], n: int, statistic: float, p: float | None
) -> None:
    found = test(*r, n)
    assert round(found.statistic, 4) == statistic
    assert p is None or round(found.p, 4) == p


def test_scores_that_determine_each_other_with_accuracy_cannot_be_compared() -> None:
    """y = (a − b) / √2 of uncorrelated a and b: no residual is left, and the mean r is 0."""
    with pytest.raises(UndefinedCorrelation, match="determine the other score exactly"):
        williams(np.sqrt(0.5), -np.sqrt(0.5), -1e-16, 10)


@pytest.mark.parametrize("test", [steiger, williams])
def test_equal_correlations_do_not_differ(test: Any) -> None:
    assert test(0.5, 0.5, 0.3, 20).statistic == 0
    assert test(0.5, 0.5, 0.3, 20).p == 1
    assert test(0.6, 0.5, 0.3, 20).statistic == -test(0.5, 0.6, 0.3, 20).statistic


@pytest.mark.parametrize("test", [steiger, williams])
def test_dependent_tests_keep_their_level(test: Any) -> None:
    """Two equally good scores: p < 0.05 in about 5% of samples."""
    draw = np.random.default_rng(11)
    n, samples = 25, 2000
    y, first, second = draw.normal(size=(3, samples, n))
    scores = [(y + noise).T for noise in (first, second)]
    columns = [y.T, *scores]
    r = [[np.corrcoef([c[:, k] for c in columns])] for k in range(samples)]
    rejected = sum(test(m[0, 1], m[0, 2], m[1, 2], n).p < 0.05 for (m,) in r)
    assert 0.035 <= rejected / samples <= 0.065


def test_comparing_two_scores_uses_their_own_correlation() -> None:
    draw = np.random.default_rng(2)
    y = draw.normal(size=15)
    first, second = (Points(y + draw.normal(size=15), y, range(15)) for _ in range(2))
    found = compare(first, second, FEW)
    r = [np.corrcoef(a, b)[0, 1] for a, b in ((first.x, y), (second.x, y), (first.x, second.x))]
    assert (found.first, found.second, found.between) == pytest.approx(tuple(r))
    assert found.steiger == steiger(*map(float, (found.first, found.second, found.between)), 15)
    assert found.bootstrap is not None
    assert found.bootstrap.low < found.first - found.second < found.bootstrap.high


def test_scores_that_are_the_same_cannot_be_compared() -> None:
    points = random_points(8)
    with pytest.raises(UndefinedCorrelation, match="exactly 1"):
        compare(points, points, FEW)
    with pytest.raises(UndefinedCorrelation, match="3 languages; at least 4"):
        steiger(0.1, 0.2, 0.3, 3)
    with pytest.raises(NeuronXAError, match="not of the same languages"):
        compare(points, random_points(8, seed=9), FEW)


# ---------------------------------------------------------------- pairing


def read(*runs: MadeRun, folder: Path, **options: Any) -> Results:
    for number, run in enumerate(runs):
        run.write(folder / str(number))
    return read_results([folder], **options)


def test_pairs_are_by_language_without_the_pivot(tmp_path: Path) -> None:
    run = full_run().aligned("jpn_Jpan", 0.6).task("belebele_tha_Thai", {"acc": 0.4})
    (pairing,), notes = pair(read(run, folder=tmp_path), Choice())
    assert list(pairing.table.index) == sorted(LANGUAGES)
    assert pairing.table.loc["zho_Hans"].to_dict() == pytest.approx(
        {"nasca": 0.7, "navca": navca("zho_Hans", 0.7), "mexa": 0.49, "accuracy": 0.75}
    )
    assert list(pairing.unpaired.index) == ["jpn_Jpan"]
    assert notes == []


def test_the_pivot_can_be_included(tmp_path: Path) -> None:
    (pairing,), _ = pair(read(full_run(), folder=tmp_path), Choice(include_pivot=True))
    assert pairing.table.loc["eng_Latn"].to_dict() == {
        **dict.fromkeys(("nasca", "navca", "mexa"), 1.0),
        "accuracy": 0.9,
    }


def test_relative_accuracy_is_divided_by_the_pivots(tmp_path: Path) -> None:
    (pairing,), _ = pair(read(full_run(), folder=tmp_path), Choice(relative=True))
    expected = dict(zip(LANGUAGES, np.array(ACCURACY) / 0.9, strict=True))
    assert pairing.table["accuracy"].to_dict() == pytest.approx(expected)


def aligned(**scores: float) -> MadeRun:
    """A run of alignment in these languages."""
    run = MadeRun()
    for language, score in scores.items():
        run.aligned(language, score)
    return run


@pytest.mark.parametrize(
    ("run", "choice", "message"),
    [
        (
            full_run(pivot_accuracy=None),
            Choice(relative=True),
            r"belebele of org/model left out: no accuracy in the pivot eng_Latn.*arb_Arab, deu_",
        ),
        (full_run(pivot_accuracy=0.0), Choice(relative=True), "accuracy 0 in the pivot eng_Latn"),
        (full_run(), Choice(benchmarks=["xnli"]), "no results of 'xnli'; found: belebele"),
        (full_run(), Choice(alignment=["x"]), "no results of 'x'; found: neuronxa_flores"),
        (full_run(), Choice(scores=["bleu"]), "scores are 'bleu'; expected some of: nasca"),
        (full_run(), Choice(scores=[]), "scores are none; expected some of: nasca"),
        (aligned(fra_Latn=0.5), Choice(), "the results hold alignment only"),
        (MadeRun().task("xnli_fr", {"acc": 0.5}), Choice(), "lm_eval --tasks neuronxa_flores_core"),
        (
            aligned(fra_Latn=0.5, deu_Latn=0.4).task("xnli_fr", {"acc": 0.5}),
            Choice(),
            r"in 3 languages other than the pivot; found alignment: neuronxa_flores of org/model "
            r"in deu_Latn, fra_Latn; accuracy: xnli of org/model in fra_Latn",
        ),
        (
            full_run().aligned("jpn_Jpan", 0.5, facts={"pool": "mean"}),
            Choice(),
            "use different settings",
        ),
    ],
)
def test_what_cannot_be_paired_is_a_clear_error(
    tmp_path: Path, run: MadeRun, choice: Choice, message: str
) -> None:
    with pytest.raises(NeuronXAError, match=message):
        pair(read(run, folder=tmp_path), choice)


def test_models_with_one_side_and_short_benchmarks_are_noted(tmp_path: Path) -> None:
    runs = (
        full_run().task("xnli_fr", {"acc": 0.5}),
        MadeRun("aligned").aligned("fra_Latn", 0.5),
        MadeRun("measured").task("belebele_fra_Latn", {"acc": 0.5}),
    )
    pairings, notes = pair(read(*runs, folder=tmp_path), Choice())
    assert [pairing.benchmark for pairing in pairings] == ["belebele"]
    assert notes == [
        "not correlated, as only 1 languages have both: neuronxa_flores and xnli of org/model",
        "left out, as they have alignment, no accuracy: aligned",
        "left out, as they have accuracy, no alignment: measured",
    ]


def test_another_metric_is_taken_where_the_wanted_one_is_missing(tmp_path: Path) -> None:
    run = full_run()
    for language in LANGUAGES:
        run.task(f"mmlu_prox_{language}", {"exact_match,custom-extract": 0.1, "f1": 0.2})
    pairings, notes = pair(read(run, folder=tmp_path), Choice())
    assert {each.benchmark: each.metric for each in pairings} == {
        "belebele": "acc",
        "mmlu_prox": "exact_match,custom-extract",
    }
    assert notes == ["mmlu_prox has no acc; exact_match,custom-extract is taken"]
    pairings, _ = pair(read_results([tmp_path]), Choice(metric="f1", benchmarks=["mmlu_prox"]))
    assert pairings[0].metric == "f1"


def test_a_benchmark_without_the_pivot_hides_no_other(tmp_path: Path) -> None:
    run = full_run()
    for language, accuracy in zip(LANGUAGES, ACCURACY, strict=True):
        run.task(f"arc_{language}", {"acc": accuracy})
    (pairing,), (note,) = pair(read(run, folder=tmp_path), Choice(relative=True))
    assert pairing.benchmark == "belebele"
    assert note.startswith(
        "neuronxa_flores and arc of org/model left out: no accuracy in the pivot eng_Latn"
    )


# ---------------------------------------------------------------- what is missing


def test_a_language_without_one_score_counts_for_the_others(tmp_path: Path) -> None:
    run = full_run().without("neuronxa_flores_fra_Latn", "navca")
    found = correlations(read(run, folder=tmp_path), Choice(), methods=["pearson"], bootstrap=FEW)
    rows = found.table.set_index("score")
    assert rows["n"].to_dict() == {"nasca": 6, "navca": 5, "mexa": 6}
    assert rows.loc["nasca", "r"] == pytest.approx(stats.pearsonr(NASCA, ACCURACY).statistic)
    others = list(map(navca, LANGUAGES[1:], NASCA[1:]))
    assert rows.loc["navca", "r"] == pytest.approx(stats.pearsonr(others, ACCURACY[1:]).statistic)
    compared = found.comparisons.set_index(["first", "second"])
    assert compared["n"].to_dict() == {
        ("nasca", "navca"): 5,
        ("nasca", "mexa"): 6,
        ("navca", "mexa"): 5,
    }
    r_of_five = stats.pearsonr(NASCA[1:], ACCURACY[1:]).statistic
    assert compared.loc[("nasca", "navca"), "r_first"] == pytest.approx(r_of_five)
    assert found.notes[0] == "neuronxa_flores of org/model has no navca in 1 of 6 languages: " + (
        "fra_Latn"
    )


def test_a_model_without_a_score_hides_it_for_no_other(tmp_path: Path) -> None:
    lacking = full_run("a")
    for language in LANGUAGES:
        lacking.without(f"neuronxa_flores_{language}", "nasca")
    runs = lacking, full_run("b"), full_run("c", accuracy=ACCURACY[::-1])
    found = correlations(read(*runs, folder=tmp_path), Choice(), methods=["pearson"], bootstrap=FEW)
    nasca = rows_of(found, score="nasca").set_index(["kind", "model"])
    assert nasca.loc[(PER_MODEL, "a"), "note"] == "not defined: a has no nasca"
    assert nasca.loc[PER_MODEL, "r"].notna().to_dict() == {"a": False, "b": True, "c": True}
    z = [np.arctanh(stats.pearsonr(NASCA, y).statistic) for y in (ACCURACY, ACCURACY[::-1])]
    mean = nasca.loc[(MEAN, "")]
    assert (mean["models"], mean["note"]) == (2, "without a: no nasca")
    assert mean["r"] == pytest.approx(np.tanh(np.mean(z)))
    assert rows_of(found, score="mexa", kind=MEAN)["models"].tolist() == [3]
    assert found.notes[0].startswith("neuronxa_flores of a has no nasca in 6 of 6 languages")
    # Of two models only one is left: no mean over models.
    two = correlations(
        read_results([tmp_path / "0", tmp_path / "1"]), Choice(), methods=["pearson"], bootstrap=FEW
    )
    (mean,) = rows_of(two, score="nasca", kind=MEAN).to_dict("records")
    assert mean["note"] == "not defined: a has no nasca"


def test_languages_without_the_metric_are_counted(tmp_path: Path) -> None:
    run = full_run()
    run.content["results"]["belebele_fra_Latn"].pop("acc,none")
    run.content["results"]["belebele_fra_Latn"]["acc_norm,none"] = 0.9
    other = MadeRun("other").aligned("fra_Latn", 0.5)
    other.task("belebele_fra_Latn", {"acc_norm": 0.9})
    (pairing,), notes = pair(read(run, other, folder=tmp_path), Choice())
    assert "fra_Latn" not in pairing.table.index
    assert pairing.unpaired.empty, "it was measured"
    assert notes == [
        "belebele of org/model has no acc in 1 of 7 languages: fra_Latn",
        "belebele of other has no acc in 1 of 1 languages: fra_Latn",
        "not correlated, as only 0 languages have both: neuronxa_flores and belebele of other",
        "left out, as they have alignment, no accuracy: other",
    ]


# ---------------------------------------------------------------- the table


@pytest.fixture
def three_models(tmp_path: Path) -> Results:
    """Three models, each on two benchmarks."""
    runs = []
    for seed, name in enumerate(("a", "b", "c")):
        draw = np.random.default_rng(seed)
        run = full_run(name, accuracy=np.array(ACCURACY) + draw.normal(0, 0.05, 6))
        for language, accuracy in zip(LANGUAGES, ACCURACY, strict=True):
            run.task(f"xnli_{language}", {"acc": accuracy + draw.normal(0, 0.1)})
        runs.append(run)
    return read(*runs, folder=tmp_path)


def rows_of(found: Correlations, **where: object) -> pd.DataFrame:
    rows = found.table
    for column, wanted in where.items():
        rows = rows[rows[column] == wanted]
    return rows


def test_the_table_has_every_correlation(three_models: Results) -> None:
    found = correlations(three_models, Choice(), bootstrap=FEW)
    assert tuple(found.table.columns) == COLUMNS
    assert tuple(found.comparisons.columns) == COMPARISON_COLUMNS
    counts = found.table.groupby(["benchmark", "kind"]).size().to_dict()
    each = 3 * 3  # scores, methods
    assert counts == {
        **{(name, PER_MODEL): 3 * each for name in ("belebele", "xnli", "belebele, xnli")},
        **{(name, MEAN): each for name in ("belebele", "xnli", "belebele, xnli")},
        **{(name, POOLED): each for name in ("belebele", "xnli")},
    }
    assert len(found.comparisons) == 3 * 2 * 3  # models, benchmarks, pairs of scores
    assert rows_of(found, method="pearson")["r"].notna().all()
    assert "not adjusted" in found.notes[-1]


def test_rows_are_scipys_correlations_of_the_results(three_models: Results) -> None:
    found = correlations(three_models, Choice(), methods=["pearson"], bootstrap=FEW)
    table = three_models.table
    languages = list(LANGUAGES)
    r = {}
    for model in "abc":
        own = table[table["model"] == model].pivot_table(
            index="language", columns=["benchmark", "metric"], values="value"
        )
        x = own["neuronxa_flores", "mexa"].loc[languages]
        for benchmark in ("belebele", "xnli"):
            r[model, benchmark] = stats.pearsonr(x, own[benchmark, "acc"].loc[languages]).statistic
    for (model, benchmark), expected in r.items():
        (row,) = rows_of(found, model=model, benchmark=benchmark, score="mexa").to_dict("records")
        assert row["r"] == pytest.approx(expected)
        assert row["n"] == 6
    (mean,) = rows_of(found, kind=MEAN, benchmark="xnli", score="mexa")["r"]
    assert mean == pytest.approx(np.tanh(np.mean([np.arctanh(r[m, "xnli"]) for m in "abc"])))
    (both,) = rows_of(found, model="b", benchmark="belebele, xnli", score="mexa")["r"]
    z = [np.arctanh(r["b", benchmark]) for benchmark in ("belebele", "xnli")]
    assert both == pytest.approx(np.tanh(np.mean(z)))


def test_pooled_points_are_those_of_all_models(three_models: Results) -> None:
    found = correlations(three_models, Choice(), methods=["pearson"], bootstrap=FEW)
    (row,) = rows_of(found, kind=POOLED, benchmark="xnli", score="nasca").to_dict("records")
    y = [
        three_models.table.query(
            "model == @model and benchmark == 'xnli' and language == @language"
        )["value"].item()
        for model in "abc"
        for language in LANGUAGES
    ]
    assert row["r"] == pytest.approx(stats.pearsonr(NASCA * 3, y).statistic)
    assert (row["n"], row["models"]) == (18, 3)


def test_pooled_points_of_a_language_are_not_taken_for_independent(tmp_path: Path) -> None:
    """Of the same model three times, the interval is that of the model once; there is no p."""
    once, thrice = (
        correlations(
            read(*(full_run(name) for name in names), folder=tmp_path / names),
            Choice(),
            bootstrap=FEW,
        )
        for names in ("a", "abc")
    )
    pooled = rows_of(thrice, kind=POOLED)
    ends = ["bootstrap_low", "bootstrap_high"]
    np.testing.assert_allclose(pooled[ends], once.table[ends])
    assert pooled[["p", "fisher_low", "fisher_high"]].isna().all(axis=None)
    assert once.table.query("method == 'pearson'")["p"].notna().all()
    assert any("not independent: no p" in note for note in thrice.notes)
    assert not any("not independent" in note for note in once.notes)


def test_undefined_rows_say_why_and_hide_no_others(tmp_path: Path) -> None:
    runs = full_run("flat", nasca=[0.5] * 6), full_run("good"), full_run("fine", nasca=NASCA[::-1])
    found = correlations(read(*runs, folder=tmp_path), Choice(), bootstrap=FEW)
    flat = rows_of(found, model="flat", score="nasca")
    assert set(flat["note"]) == {"not defined: NASCA is the same, 0.5, for all 6 languages"}
    assert flat["r"].isna().all()
    assert rows_of(found, model="good")["r"].notna().all()
    assert set(rows_of(found, kind=MEAN, score="nasca")["note"]) == {
        "not defined: NASCA is the same, 0.5, for all 6 languages"
    }
    assert "correlations are not defined; `note` says why" in found.notes[0]


def test_mixed_pivots_are_correlated_apart(tmp_path: Path) -> None:
    first, second = full_run("first"), MadeRun("second")
    for language, score, accuracy in zip(LANGUAGES, NASCA, ACCURACY, strict=True):
        second.aligned(language, score, facts={"pivot": "deu_Latn"})
        second.task(f"belebele_{language}", {"acc": accuracy})
    found = correlations(
        read(first, second, folder=tmp_path), Choice(allow_mixed=True), bootstrap=FEW
    )
    assert set(found.table["kind"]) == {PER_MODEL}
    assert rows_of(found, model="second")["n"].unique().tolist() == [5]
    assert found.notes[0].startswith("mixed settings: neuronxa_flores has pivot:eng_Latn")


def test_the_papers_figures_are_those_of_design() -> None:
    figures = {benchmarks: found.scores for benchmarks, found in PUBLISHED.items()}
    assert figures == {
        ("xnli",): {"mexa": 0.8370, "nasca": 0.9326, "navca": 0.8937},
        ("bmlama53",): {"mexa": 0.7463, "nasca": 0.7701, "navca": 0.8065},
        ("arc", "belebele", "m_mmlu"): {"mexa": 0.8291, "nasca": 0.8312, "navca": 0.8191},
    }
    assert BEST_SINGLE == {"arc": 0.9867, "m_mmlu": 0.9859, "belebele": 0.9796, "xnli": 0.9639}


def test_the_papers_figures_stand_beside_the_same_of_ours(tmp_path: Path) -> None:
    run = full_run(benchmark="xnli")
    for language, accuracy in zip((*LANGUAGES, "eng_Latn"), (*ACCURACY, 0.9), strict=True):
        for benchmark in ("arc", "belebele", "m_mmlu"):
            run.task(f"{benchmark}_{language}", {"acc": accuracy**2})
    results = read(run, folder=tmp_path)

    def papers(choice: Choice) -> dict[tuple[str, str], float]:
        table = correlations(results, choice, bootstrap=FEW, paper=True).table.dropna(
            subset=["paper"]
        )
        assert set(table["method"]) == {"pearson"}
        return {(row.benchmark, row.score): row.paper for row in table.itertuples()}

    scores = ("nasca", "mexa")
    assert papers(Choice(scores, relative=True)) == {
        ("xnli", "nasca"): 0.9326,
        ("xnli", "mexa"): 0.8370,
    }
    three = {
        ("arc, belebele, m_mmlu", "nasca"): 0.8312,
        ("arc, belebele, m_mmlu", "mexa"): 0.8291,
    }
    assert papers(Choice(scores, benchmarks=["arc", "belebele", "m_mmlu"])) == three
    assert papers(Choice(scores)) == three, "with XNLI among the results, too"


def test_the_mean_over_the_papers_benchmarks_is_of_these_alone(tmp_path: Path) -> None:
    run = full_run(benchmark="xnli")
    draw = np.random.default_rng(3)
    accuracies = {name: draw.uniform(size=6) for name in ("arc", "belebele", "m_mmlu")}
    for name, values in accuracies.items():
        for language, accuracy in zip(LANGUAGES, values, strict=True):
            run.task(f"{name}_{language}", {"acc": accuracy})
    results = read(run, folder=tmp_path)
    found = correlations(results, Choice(), methods=["pearson"], bootstrap=FEW, paper=True)
    (row,) = rows_of(found, score="nasca", benchmark="arc, belebele, m_mmlu")["r"]
    z = [np.arctanh(stats.pearsonr(NASCA, values).statistic) for values in accuracies.values()]
    assert row == pytest.approx(np.tanh(np.mean(z)))
    plain = correlations(results, Choice(), methods=["pearson"], bootstrap=FEW)
    assert set(plain.table["benchmark"]) == {
        *("arc", "belebele", "m_mmlu", "xnli", "arc, belebele, m_mmlu, xnli")
    }


# ---------------------------------------------------------------- the command


def test_the_command_prints_and_writes_tables(tmp_path: Path) -> None:
    name = "org/<b>|model_1</b>"
    full_run(name).write(tmp_path / "in")
    out = tmp_path / "out"
    ended = neuronxa("correlate", tmp_path / "in", "--paper", "--output", out, "--resamples", 200)
    assert ended.code == 0, ended.errors
    assert "neuronxa_flores with belebele acc, org/<b>|model_1</b>" in ended.output
    assert "NASCA  pearson" in ended.output
    assert "Steiger Z" in ended.output
    assert "bmlama53 of transferability" in ended.output
    assert {path.name for path in out.iterdir()} == {
        f"{table}.{ending}"
        for table in ("correlation", "comparison")
        for ending in ("csv", "json", "md", "tex")
    }
    table = pd.read_csv(out / "correlation.csv")
    assert tuple(table.columns) == COLUMNS
    row = table.query("score == 'nasca' and method == 'pearson'").iloc[0]
    assert row["r"] == pytest.approx(stats.pearsonr(NASCA, ACCURACY).statistic)
    records = json.loads((out / "correlation.json").read_text(encoding="utf-8"))
    assert records[0]["model"] == name
    assert records[0]["r"] == pytest.approx(row["r"])
    markdown = (out / "correlation.md").read_text(encoding="utf-8").splitlines()
    assert markdown[0].startswith("| model | alignment | benchmark | score |")
    assert markdown[2].startswith(r"| org/&lt;b&gt;\|model\_1&lt;/b&gt; | neuronxa\_flores |")
    latex = (out / "correlation.tex").read_text(encoding="utf-8")
    assert r"\toprule" in latex
    assert r"model\_1" in latex


def test_the_commands_options_reach_the_table(tmp_path: Path) -> None:
    run = full_run().task("mine_fr", {"f1": 0.1}).task("mine_de", {"f1": 0.3})
    run.task("mine_zh", {"f1": 0.2}).write(tmp_path / "in")
    ended = neuronxa(
        *("correlate", tmp_path / "in", "--scores", "mexa_max", "--methods", "kendall"),
        *("--pattern", "mine=mine_{lang}", "--benchmarks", "mine", "--metric", "f1"),
        *("--output", tmp_path / "out", "--resamples", 200),
    )
    assert ended.code == 0, ended.errors
    (row,) = pd.read_csv(tmp_path / "out" / "correlation.csv").to_dict("records")
    assert (row["benchmark"], row["metric"], row["score"]) == ("mine", "f1", "mexa_max")
    assert (row["method"], row["n"]) == ("kendall", 3)
    # By language: 0.1 French, 0.3 German, 0.2 Chinese; MEXA falls in that order.
    assert row["r"] == pytest.approx(-1 / 3)
    assert not (tmp_path / "out" / "comparison.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing"], "does not exist"),
        (["in", "--methods", "cosine"], "methods are 'cosine'; expected some of: pearson"),
        (["in", "--pattern", "x"], "expected NAME=TASK"),
        (["in", "--scores", "bleu"], "scores are 'bleu'"),
        (["in", "--scores", ""], "scores are none; expected some of: nasca"),
        (["in", "--methods", ""], "methods are none; expected some of: pearson"),
        (["a\x1b[2J.json"], "a\\x1b[2J.json does not exist"),
        (["in", "--output", "in/file"], "cannot be written"),
    ],
)
def test_the_commands_errors_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    full_run().write(Path("in"))
    Path("in/file").write_text("", encoding="utf-8")
    ended = neuronxa("correlate", *arguments)
    assert ended.code == 1
    assert ended.errors.startswith("neuronxa: error: ")
    assert message in ended.errors
    assert ended.errors.count("\n") == 1
    assert ended.errors.strip().isprintable()


def test_a_method_given_twice_is_one_row(tmp_path: Path) -> None:
    found = correlations(
        read(full_run(), folder=tmp_path), Choice(), methods=["kendall"] * 2, bootstrap=FEW
    )
    assert found.table["score"].tolist() == ["nasca", "navca", "mexa"]


def test_a_negative_seed_is_refused(tmp_path: Path) -> None:
    ended = neuronxa("correlate", full_run().write(tmp_path), "--seed", -1)
    assert ended.code == 2
    assert "Invalid value for '--seed'" in ended.errors
