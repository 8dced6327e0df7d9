"""Statistics against scipy, published examples and planted relations; `neuronxa correlate`."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from commands import neuronxa
from made_results import ACCURACY, LANGUAGES, NASCA, MadeRun, full_run, navca
from scipy import stats
from statsmodels.stats.multitest import multipletests

from neuronxa_task.analysis.bootstrap import Bootstrap, Resampler
from neuronxa_task.analysis.correlate import (
    COLUMNS,
    COMPARISON_COLUMNS,
    Correlations,
    correlation_table,
)
from neuronxa_task.analysis.correlation_rows import MEAN, PER_MODEL, POOLED
from neuronxa_task.analysis.dependent import compare, steiger
from neuronxa_task.analysis.fisher import fisher_interval, fisher_mean
from neuronxa_task.analysis.pairing import pair
from neuronxa_task.analysis.points import Points, UndefinedCorrelation
from neuronxa_task.analysis.selection import Selection
from neuronxa_task.analysis.statistics import (
    METHODS,
    coefficient,
    correlate,
    mean_correlation,
    pooled_correlation,
)
from neuronxa_task.errors import NeuronXAError
from neuronxa_task.languages import FLORES_TARGETS
from neuronxa_task.languages.families import family
from neuronxa_task.results import Results, read_results

SCIPY = {"pearson": stats.pearsonr, "spearman": stats.spearmanr, "kendall": stats.kendalltau}
FEW = Bootstrap(resamples=400)


def few() -> Resampler:
    return Resampler(FEW)


def correlations(results: Results, choice: Selection, **options: Any) -> Correlations:
    """The whole way from results, as the command goes it."""
    joins, notes = pair(results, choice)
    found = correlation_table(joins, choice, **options)
    return replace(found, notes=(*notes, *found.notes))


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
@pytest.mark.parametrize("n", [25, 40])
def test_coefficients_and_p_are_scipys(method: str, ties: bool, n: int) -> None:
    points = random_points(n, ties=ties, slope=0.3)
    found, expected = correlate(points, method, few()), SCIPY[method](points.x, points.y)
    assert (found.r, found.n) == (expected.statistic, n)
    by_permutation = n < 30 and (method == "spearman" or (method == "kendall" and ties))
    # 9,999 permutations: a standard deviation of 0.005 at most; scipy's is an approximation there.
    assert found.p == pytest.approx(expected.pvalue, abs=0.02 if by_permutation else 1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("ties", [False, True])
def test_every_resample_is_what_scipy_computes_of_the_drawn_points(method: str, ties: bool) -> None:
    points = random_points(9, seed=4, ties=ties)
    draws = np.random.default_rng(5).multinomial(9, np.full(9, 1 / 9), size=200)
    expected = [
        SCIPY[method](np.repeat(points.x, draw), np.repeat(points.y, draw)).statistic
        for draw in draws
    ]
    found = Resampler(Bootstrap(resamples=200, seed=5)).resampled([points], method)[0][0]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def in_order(x: list[float], y: list[float]) -> Points:
    return Points(np.array(x, float), np.array(y, float), range(len(x)))


@pytest.mark.parametrize("method", ["spearman", "kendall"])
@pytest.mark.parametrize("y", [[1, 2, 3], [1, 2, 3, 4], [2, 1, 4, 3, 5], [1, 1, 2, 3, 3, 4]])
def test_rank_tests_of_few_languages_are_exact(method: str, y: list[float]) -> None:
    """Against scipy's permutation test, which goes through all orders, too."""
    x = [float(index) for index in range(len(y))]

    def size(values: Any) -> float:
        return float(abs(SCIPY[method](values, y).statistic))

    exact = stats.permutation_test(
        (x,), size, permutation_type="pairings", alternative="greater", n_resamples=np.inf
    )
    assert correlate(in_order(x, y), method, few()).p == pytest.approx(exact.pvalue)


def test_three_languages_in_perfect_order_prove_nothing() -> None:
    """Two of the six orders are as extreme."""
    for method in ("spearman", "kendall"):
        assert correlate(in_order([1, 2, 4], [1, 2, 3]), method, few()).p == pytest.approx(1 / 3)


@pytest.mark.parametrize("method", METHODS)
def test_the_bca_interval_is_scipys(method: str) -> None:
    """Ends of two sets of 3,000 resamples differ by about 0.01."""
    points = random_points(20, seed=1)
    coefficients: dict[str, Any] = {
        "pearson": lambda x, y: stats.pearsonr(x, y, axis=-1).statistic,
        "spearman": np.vectorize(
            lambda x, y: stats.spearmanr(x, y).statistic, signature="(n),(n)->()"
        ),
        "kendall": np.vectorize(
            lambda x, y: stats.kendalltau(x, y).statistic, signature="(n),(n)->()"
        ),
    }
    one = coefficients[method]
    draws = 3000 if method == "pearson" else 1500
    expected = stats.bootstrap(
        (points.x, points.y),
        lambda x, y, axis=-1: one(x, y),
        paired=True,
        vectorized=True,
        n_resamples=draws,
        method="BCa",
        rng=np.random.default_rng(0),
    ).confidence_interval
    found = correlate(points, method, Resampler(Bootstrap(4000))).bootstrap
    assert found is not None
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.03)


def test_leaving_one_out_is_computing_without_it() -> None:
    points = random_points(8, seed=3)
    expected = [
        stats.pearsonr(np.delete(points.x, index), np.delete(points.y, index)).statistic
        for index in range(8)
    ]
    found = correlate(points, "pearson", few()).leave_one_out
    assert found is not None
    assert (found.low, found.high) == pytest.approx((min(expected), max(expected)))


@pytest.mark.slow
def test_families_are_drawn_whole() -> None:
    """Against scipy's bootstrap of the families' numbers."""
    codes = FLORES_TARGETS[:60]
    draw = np.random.default_rng(6)
    names = sorted({family(code) for code in codes})
    shared = dict(zip(names, draw.normal(size=len(names)), strict=True))
    x = np.array([shared[family(code)] for code in codes]) + draw.normal(size=60)
    y = np.array([shared[family(code)] for code in codes]) + draw.normal(size=60)
    members = [[k for k, code in enumerate(codes) if family(code) == name] for name in names]

    def r(drawn: Any) -> float:
        kept = np.concatenate([members[int(number)] for number in drawn])
        return float(stats.pearsonr(x[kept], y[kept]).statistic)

    expected = stats.bootstrap(
        (np.arange(len(names)),), r, vectorized=False, n_resamples=2000, method="BCa", rng=0
    ).confidence_interval
    found = correlate(Points(x, y, codes), "pearson", Resampler(Bootstrap(4000)))
    assert found.families == len(names) >= 10
    assert found.of_families is not None
    ends = found.of_families.low, found.of_families.high
    assert ends == pytest.approx((expected.low, expected.high), abs=0.04)
    assert found.bootstrap is not None
    assert ends[1] - ends[0] > found.bootstrap.high - found.bootstrap.low


def test_pearsons_fisher_interval_is_scipys() -> None:
    points = random_points(12)
    expected = stats.pearsonr(points.x, points.y).confidence_interval(0.95)
    found = correlate(points, "pearson", few()).fisher
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


def test_the_seed_decides_the_bootstrap() -> None:
    points = random_points(20)
    first, again, other = (
        correlate(points, "pearson", Resampler(Bootstrap(300, seed))) for seed in (0, 0, 1)
    )
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
        correlate(points, method, few())


def test_too_many_resamples_without_a_correlation_leave_no_interval() -> None:
    """One language differs: (14/15)^15, 36 % of the resamples, do not draw it."""
    points = Points(np.arange(15.0), np.append(np.zeros(14), 1.0), range(15))
    found = correlate(points, "pearson", Resampler(Bootstrap(2000)))
    assert found.undefined_resamples == pytest.approx(0.355 * 2000, abs=80)
    assert found.bootstrap is None
    assert found.interval == found.fisher


@pytest.mark.parametrize("n", [3, 4])
@pytest.mark.parametrize("method", METHODS)
def test_fewer_than_five_languages_have_no_interval(n: int, method: str) -> None:
    found = correlate(random_points(n), method, few())
    assert (found.fisher, found.bootstrap, found.interval) == (None, None, None)


def test_a_perfect_correlation_has_no_fisher_interval() -> None:
    points = Points(np.arange(6.0), 0.1 + 0.3 * np.arange(6.0), range(6))
    found = correlate(points, "pearson", few())
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
    found = mean_correlation([[points] for points in samples], "pearson", few())
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
    found = mean_correlation(groups, "spearman", few())
    z = [np.mean([np.arctanh(coefficient(each, "spearman")) for each in g]) for g in groups]
    assert found.r == pytest.approx(np.tanh(np.mean(z)))
    assert found.p == pytest.approx(stats.ttest_1samp(z, 0.0).pvalue)


def test_a_mean_within_one_model_speaks_of_languages_only() -> None:
    found = mean_correlation([[random_points(9, 1), random_points(9, 2)]], "pearson", few())
    assert (found.p, found.fisher) == (None, None)
    # Nine languages: Fisher's interval with the error of one of the two.
    assert found.interval == fisher_interval(found.r, 9, "pearson")
    assert found.p_languages is not None


def test_languages_are_drawn_and_permuted_alike_for_all_models() -> None:
    """Of a model beside itself, each resample's mean is its own correlation."""
    points = random_points(20, 4, slope=0.3)
    twice = mean_correlation([[points], [points]], "pearson", few())
    once = correlate(points, "pearson", few())
    assert twice.interval == once.interval
    assert (twice.p, twice.fisher) == (None, None)  # no spread between the models
    assert once.p is not None
    assert twice.p_languages == pytest.approx(once.p, abs=0.03)


def test_permuting_goes_through_all_orders_of_few_languages() -> None:
    samples = [in_order([1, 2, 3, 5], [1, 3, 2, 4]), in_order([2, 1, 3, 4], [0, 1, 3, 9])]

    def mean_r(order: Any) -> float:
        return float(
            np.mean([stats.pearsonr(each.x[list(order)], each.y).statistic for each in samples])
        )

    observed = abs(mean_r(range(4)))
    extreme = [abs(mean_r(order)) >= observed - 1e-9 for order in permutations(range(4))]
    found = mean_correlation([[each] for each in samples], "pearson", few())
    assert found.p_languages == pytest.approx(np.mean(extreme))


def test_one_perfect_correlation_does_not_blank_the_mean() -> None:
    line = Points(np.arange(6.0), np.arange(6.0), range(6))
    other = random_points(6)
    found = mean_correlation([[line], [other]], "pearson", few())
    assert found.r == pytest.approx((1 + stats.pearsonr(other.x, other.y).statistic) / 2)
    assert fisher_mean([0.5, 1.0]) == 0.75
    assert fisher_mean([1.0]) == 1.0


# ---------------------------------------------------------------- dependent correlations


@pytest.mark.parametrize(
    ("r", "n", "statistic", "p"),
    [
        # Silver, Hittner and May 2006, Applied Psychological Measurement 30:152-153 (DEPCOR).
        ((0.3, 0.4, 0.5), 100, -1.0718, 0.2838),
        # Steiger 1980, p. 249, case A, computes with two digits less and prints -0.8913.
        ((0.4, 0.5, 0.1), 103, -0.8887, None),
    ],
)
def test_published_examples_of_dependent_correlations(
    r: tuple[float, float, float], n: int, statistic: float, p: float | None
) -> None:
    found = steiger(*r, n)
    assert round(found.statistic, 4) == statistic
    assert p is None or round(found.p, 4) == p


def test_equal_correlations_do_not_differ() -> None:
    assert steiger(0.5, 0.5, 0.3, 20).statistic == 0
    assert steiger(0.5, 0.5, 0.3, 20).p == 1
    assert steiger(0.6, 0.5, 0.3, 20).statistic == -steiger(0.5, 0.6, 0.3, 20).statistic


@pytest.mark.slow
@pytest.mark.parametrize("n", [9, 25])
def test_steigers_test_keeps_its_level(n: int) -> None:
    """Two equally good scores: p < 0.05 in about 5% of samples; standard deviation 0.5%."""
    draw = np.random.default_rng(11)
    samples = 2000
    y, first, second = draw.normal(size=(3, samples, n))
    rejected = 0
    for k in range(samples):
        r = np.corrcoef([y[k], y[k] + first[k], y[k] + second[k]])
        rejected += steiger(r[0, 1], r[0, 2], r[1, 2], n).p < 0.05
    assert 0.03 <= rejected / samples <= 0.065


def test_comparing_two_scores_uses_their_own_correlation() -> None:
    draw = np.random.default_rng(2)
    y = draw.normal(size=15)
    first, second = (Points(y + draw.normal(size=15), y, range(15)) for _ in range(2))
    found = compare(first, second, few())
    r = [np.corrcoef(a, b)[0, 1] for a, b in ((first.x, y), (second.x, y), (first.x, second.x))]
    assert (found.first, found.second, found.between) == pytest.approx(tuple(r))
    assert found.steiger == steiger(found.first, found.second, found.between, 15)
    assert found.bootstrap is not None
    assert found.bootstrap.low < found.first - found.second < found.bootstrap.high


def test_scores_that_are_the_same_cannot_be_compared() -> None:
    points = random_points(8)
    with pytest.raises(UndefinedCorrelation, match="exactly 1"):
        compare(points, points, few())
    with pytest.raises(UndefinedCorrelation, match="3 languages; at least 5"):
        steiger(0.1, 0.2, 0.3, 3)
    with pytest.raises(NeuronXAError, match="different languages or accuracies"):
        compare(points, random_points(8, seed=9), few())


# ---------------------------------------------------------------- pairing


def read(*runs: MadeRun, folder: Path, **options: Any) -> Results:
    for number, run in enumerate(runs):
        run.write(folder / str(number))
    return read_results([folder], **options)


def test_pairs_are_by_language_without_the_pivot(tmp_path: Path) -> None:
    run = full_run().aligned("jpn_Jpan", 0.6).task("belebele_tha_Thai", {"acc": 0.4})
    (pairing,), notes = pair(read(run, folder=tmp_path), Selection())
    assert list(pairing.table.index) == sorted(LANGUAGES)
    assert pairing.table.drop(columns="surface").loc["zho_Hans"].to_dict() == pytest.approx(
        {"nasca": 0.7, "navca": navca("zho_Hans", 0.7), "mexa": 0.49, "accuracy": 0.75}
        | {"stderr": 0.01, "above_chance": True}
    )
    assert list(pairing.unpaired.index) == ["jpn_Jpan"]
    assert notes == []


def test_the_pivot_can_be_included(tmp_path: Path) -> None:
    (pairing,), _ = pair(read(full_run(), folder=tmp_path), Selection(include_pivot=True))
    assert pairing.table.drop(columns="surface").loc["eng_Latn"].to_dict() == {
        **dict.fromkeys(("nasca", "navca", "mexa"), 1.0),
        "accuracy": 0.9,
        "stderr": 0.01,
        "above_chance": True,
    }


def test_relative_accuracy_is_above_chance_of_the_pivots(tmp_path: Path) -> None:
    (pairing,), _ = pair(read(full_run(), folder=tmp_path), Selection(relative=True))
    expected = (np.array(ACCURACY) - 0.25) / (0.9 - 0.25)
    assert pairing.table["accuracy"].to_dict() == pytest.approx(
        dict(zip(LANGUAGES, expected, strict=True))
    )
    assert pairing.table["stderr"].to_list() == pytest.approx([0.01 / 0.65] * 6)
    assert (pairing.bounds.floor, pairing.bounds.ceiling) == pytest.approx((0, 0.75 / 0.65))


def test_without_a_chance_level_relative_accuracy_is_a_quotient(tmp_path: Path) -> None:
    run = full_run(benchmark="bmlama53")
    (pairing,), _ = pair(read(run, folder=tmp_path), Selection(relative=True))
    assert pairing.table.loc["hin_Deva", "accuracy"] == pytest.approx(0.3 / 0.9)


def test_accuracy_is_corrected_for_chance(tmp_path: Path) -> None:
    run = full_run(accuracy=[0.85, 0.2, 0.25, 0.266, 0.267, 1.0])
    results = read(run, folder=tmp_path)
    (pairing,), _ = pair(results, Selection(chance_corrected=True))
    assert pairing.table.loc["fra_Latn", "accuracy"] == pytest.approx(0.6 / 0.75)
    above = pairing.table["above_chance"]
    # A standard error of 0.01, one-sided: from 0.25 + 0.016449 on.
    assert set(above.index[above]) == {"fra_Latn", "arb_Arab", "hin_Deva"}
    (pairing,), _ = pair(results, Selection(chance={"belebele": 0.1}))
    assert pairing.table["above_chance"].all()
    assert pairing.bounds.chance == 0.1


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
            Selection(relative=True),
            r"belebele of org/model left out: no accuracy in the pivot eng_Latn.*arb_Arab, deu_",
        ),
        (
            full_run(pivot_accuracy=0.0),
            Selection(relative=True),
            "accuracy 0 in the pivot eng_Latn is not above",
        ),
        (full_run(), Selection(benchmarks=["xnli"]), "no results of 'xnli'; found: belebele"),
        (full_run(), Selection(alignment=["x"]), "no results of 'x'; found: neuronxa_flores"),
        (full_run(), Selection(scores=["bleu"]), "scores are 'bleu'; expected some of: nasca"),
        (full_run(), Selection(scores=[]), "scores are none; expected some of: nasca"),
        (aligned(fra_Latn=0.5), Selection(), "the results hold alignment only"),
        (
            MadeRun().task("xnli_fr", {"acc": 0.5}),
            Selection(),
            "lm_eval --tasks neuronxa_flores_core",
        ),
        (
            aligned(fra_Latn=0.5, deu_Latn=0.4).task("xnli_fr", {"acc": 0.5}),
            Selection(),
            r"in 3 languages other than the pivot; found alignment: neuronxa_flores of org/model "
            r"in deu_Latn, fra_Latn; accuracy: xnli of org/model in fra_Latn",
        ),
        (
            full_run().aligned("jpn_Jpan", 0.5, facts={"pool": "mean"}),
            Selection(),
            "use different settings",
        ),
    ],
)
def test_what_cannot_be_paired_is_a_clear_error(
    tmp_path: Path, run: MadeRun, choice: Selection, message: str
) -> None:
    with pytest.raises(NeuronXAError, match=message):
        pair(read(run, folder=tmp_path), choice)


def test_models_with_one_side_and_short_benchmarks_are_noted(tmp_path: Path) -> None:
    runs = (
        full_run().task("xnli_fr", {"acc": 0.5}),
        MadeRun("aligned").aligned("fra_Latn", 0.5),
        MadeRun("measured").task("belebele_fra_Latn", {"acc": 0.5}),
    )
    pairings, notes = pair(read(*runs, folder=tmp_path), Selection())
    assert [pairing.benchmark for pairing in pairings] == ["belebele"]
    assert notes == [
        "not correlated, as only 1 languages have both: neuronxa_flores and xnli of org/model",
        "left out, as they have alignment but no accuracy: aligned",
        "left out, as they have accuracy but no alignment: measured",
    ]


def test_another_metric_is_taken_where_the_wanted_one_is_missing(tmp_path: Path) -> None:
    run = full_run()
    for language in LANGUAGES:
        run.task(f"mmlu_prox_{language}", {"exact_match,custom-extract": 0.1, "f1": 0.2})
    pairings, notes = pair(read(run, folder=tmp_path), Selection())
    assert {each.benchmark: each.metric for each in pairings} == {
        "belebele": "acc",
        "mmlu_prox": "exact_match,custom-extract",
    }
    assert notes == ["mmlu_prox has no acc; exact_match,custom-extract is used"]
    pairings, _ = pair(read_results([tmp_path]), Selection(metric="f1", benchmarks=["mmlu_prox"]))
    assert pairings[0].metric == "f1"


def test_a_benchmark_without_the_pivot_hides_no_other(tmp_path: Path) -> None:
    run = full_run()
    for language, accuracy in zip(LANGUAGES, ACCURACY, strict=True):
        run.task(f"arc_{language}", {"acc": accuracy})
    (pairing,), (note,) = pair(read(run, folder=tmp_path), Selection(relative=True))
    assert pairing.benchmark == "belebele"
    assert note.startswith(
        "neuronxa_flores and arc of org/model left out: no accuracy in the pivot eng_Latn"
    )


# ---------------------------------------------------------------- what is missing


def test_a_language_without_one_score_counts_for_the_others(tmp_path: Path) -> None:
    run = full_run().without("neuronxa_flores_fra_Latn", "navca")
    found = correlations(
        read(run, folder=tmp_path), Selection(), methods=["pearson"], bootstrap=FEW
    )
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
    found = correlations(
        read(*runs, folder=tmp_path), Selection(), methods=["pearson"], bootstrap=FEW
    )
    nasca = rows_of(found, score="nasca").set_index(["kind", "model"])
    assert nasca.loc[(PER_MODEL, "a"), "note"] == "not defined: a has no nasca"
    assert nasca.loc[PER_MODEL, "r"].notna().to_dict() == {"a": False, "b": True, "c": True}
    z = [np.arctanh(stats.pearsonr(NASCA, y).statistic) for y in (ACCURACY, ACCURACY[::-1])]
    mean = nasca.loc[(MEAN, "")]
    assert (mean["models"], mean["note"]) == (2, "without a (a has no nasca)")
    assert mean["r"] == pytest.approx(np.tanh(np.mean(z)))
    assert rows_of(found, score="mexa", kind=MEAN)["models"].tolist() == [3]
    assert found.notes[0].startswith("neuronxa_flores of a has no nasca in 6 of 6 languages")
    # Of two models only one is left: no mean over models.
    two = correlations(
        read_results([tmp_path / "0", tmp_path / "1"]),
        Selection(),
        methods=["pearson"],
        bootstrap=FEW,
    )
    (mean,) = rows_of(two, score="nasca", kind=MEAN).to_dict("records")
    assert mean["note"] == "not defined: a has no nasca"


def test_languages_without_the_metric_are_counted(tmp_path: Path) -> None:
    run = full_run()
    run.content["results"]["belebele_fra_Latn"].pop("acc,none")
    run.content["results"]["belebele_fra_Latn"]["acc_norm,none"] = 0.9
    other = MadeRun("other").aligned("fra_Latn", 0.5)
    other.task("belebele_fra_Latn", {"acc_norm": 0.9})
    (pairing,), notes = pair(read(run, other, folder=tmp_path), Selection())
    assert "fra_Latn" not in pairing.table.index
    assert pairing.unpaired.empty, "it was measured"
    assert notes == [
        "belebele of org/model has no acc in 1 of 7 languages: fra_Latn",
        "belebele of other has no acc in 1 of 1 languages: fra_Latn",
        "not correlated, as only 0 languages have both: neuronxa_flores and belebele of other",
        "left out, as they have alignment but no accuracy: other",
    ]


# ---------------------------------------------------------------- the table


@pytest.fixture
def three_models(tmp_path: Path) -> Results:
    """Three models, each on two benchmarks."""
    runs = []
    for seed, name in enumerate(("a", "b", "c")):
        draw = np.random.default_rng(seed)
        run = full_run(name, accuracy=(np.array(ACCURACY) + draw.normal(0, 0.05, 6)).tolist())
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
    found = correlations(three_models, Selection(), bootstrap=FEW)
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
    for (_, _), rows in found.table.groupby(["kind", "method"]):
        tested = rows.dropna(subset="p_languages")
        if len(tested):
            adjusted = multipletests(tested["p_languages"], method="holm")[1]
            np.testing.assert_allclose(tested["p_holm"].astype(float), adjusted)


def test_rows_are_scipys_correlations_of_the_results(three_models: Results) -> None:
    found = correlations(three_models, Selection(), methods=["pearson"], bootstrap=FEW)
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
    found = correlations(three_models, Selection(), methods=["pearson"], bootstrap=FEW)
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


def test_a_pooled_interval_draws_models_and_languages() -> None:
    """Models that differ in level: the pooled r depends on which models there are."""
    draw = np.random.default_rng(8)
    samples = []
    for level in draw.normal(0, 2, 8):
        x = draw.normal(size=30)
        samples.append(Points(x + level, 0.5 * x - level + draw.normal(size=30), range(30)))
    found = pooled_correlation(samples, "pearson", few())
    assert (found.p, found.fisher, found.n) == (None, None, 240)
    counts = np.random.default_rng(0).multinomial(30, np.full(30, 1 / 30), 400)
    languages_alone = [
        stats.pearsonr(
            np.concatenate([np.repeat(each.x, count) for each in samples]),
            np.concatenate([np.repeat(each.y, count) for each in samples]),
        ).statistic
        for count in counts
    ]
    assert found.interval is not None
    width = found.interval.high - found.interval.low
    assert width > 2 * np.ptp(np.quantile(languages_alone, [0.025, 0.975]))
    assert pooled_correlation(samples[:4], "pearson", few()).interval is None


def test_undefined_rows_say_why_and_hide_no_others(tmp_path: Path) -> None:
    runs = full_run("flat", nasca=[0.5] * 6), full_run("good"), full_run("fine", nasca=NASCA[::-1])
    found = correlations(read(*runs, folder=tmp_path), Selection(), bootstrap=FEW)
    flat = rows_of(found, model="flat", score="nasca")
    assert set(flat["note"]) == {"not defined: NASCA is the same, 0.5, for all 6 languages"}
    assert flat["r"].isna().all()
    assert rows_of(found, model="good")["r"].notna().all()
    mean = rows_of(found, kind=MEAN, score="nasca", method="pearson").iloc[0]
    assert mean["note"] == "without flat (NASCA is the same, 0.5, for all 6 languages)"
    assert mean["models"] == 2
    z = np.arctanh([stats.pearsonr(x, ACCURACY).statistic for x in (NASCA, NASCA[::-1])])
    assert mean["r"] == pytest.approx(np.tanh(z.mean()))
    assert "correlations are undefined; `note` says why" in found.notes[0]


def test_mixed_pivots_are_correlated_apart(tmp_path: Path) -> None:
    first, second = full_run("first"), MadeRun("second")
    for language, score, accuracy in zip(LANGUAGES, NASCA, ACCURACY, strict=True):
        second.aligned(language, score, facts={"pivot": "deu_Latn"})
        second.task(f"belebele_{language}", {"acc": accuracy})
    found = correlations(
        read(first, second, folder=tmp_path), Selection(allow_mixed=True), bootstrap=FEW
    )
    assert set(found.table["kind"]) == {PER_MODEL}
    assert rows_of(found, model="second")["n"].unique().tolist() == [5]
    assert found.notes[0].startswith("mixed settings: neuronxa_flores has pivot:eng_Latn")


def test_the_papers_figures_stand_beside_the_same_of_ours(tmp_path: Path) -> None:
    run = full_run(benchmark="xnli")
    for language, accuracy in zip((*LANGUAGES, "eng_Latn"), (*ACCURACY, 0.9), strict=True):
        for benchmark in ("arc", "belebele", "m_mmlu"):
            run.task(f"{benchmark}_{language}", {"acc": accuracy**2})
    results = read(run, folder=tmp_path)

    def papers(choice: Selection) -> dict[tuple[str, str], float]:
        table = correlations(results, choice, bootstrap=FEW, paper=True).table.dropna(
            subset=["paper"]
        )
        assert set(table["method"]) == {"pearson"}
        return {(row.benchmark, row.score): row.paper for row in table.itertuples()}

    scores = ("nasca", "mexa")
    assert papers(Selection(scores, relative=True)) == {
        ("xnli", "nasca"): 0.9326,
        ("xnli", "mexa"): 0.8370,
    }
    three = {
        ("arc, belebele, m_mmlu", "nasca"): 0.8312,
        ("arc, belebele, m_mmlu", "mexa"): 0.8291,
    }
    assert papers(Selection(scores, benchmarks=["arc", "belebele", "m_mmlu"])) == three
    assert papers(Selection(scores)) == three, "with XNLI among the results, too"


def test_the_mean_over_the_papers_benchmarks_is_of_these_alone(tmp_path: Path) -> None:
    run = full_run(benchmark="xnli")
    draw = np.random.default_rng(3)
    accuracies = {name: draw.uniform(size=6) for name in ("arc", "belebele", "m_mmlu")}
    for name, values in accuracies.items():
        for language, accuracy in zip(LANGUAGES, values, strict=True):
            run.task(f"{name}_{language}", {"acc": accuracy})
    results = read(run, folder=tmp_path)
    found = correlations(results, Selection(), methods=["pearson"], bootstrap=FEW, paper=True)
    (row,) = rows_of(found, score="nasca", benchmark="arc, belebele, m_mmlu")["r"]
    z = [np.arctanh(stats.pearsonr(NASCA, values).statistic) for values in accuracies.values()]
    assert row == pytest.approx(np.tanh(np.mean(z)))
    plain = correlations(results, Selection(), methods=["pearson"], bootstrap=FEW)
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
    assert "Over 6 languages, accuracy (belebele) is higher where NASCA is higher" in ended.output
    assert "bmlama53 of transferability" in ended.output
    assert {path.name for path in out.iterdir()} == {
        f"{table}.{ending}"
        for table in ("correlation", "comparison")
        for ending in ("csv", "json", "md", "tex")
    } | {"correlation_full.tex"}
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
    assert r"model\_1" in latex.replace(r"\allowbreak{}", "")


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
        read(full_run(), folder=tmp_path), Selection(), methods=["kendall"] * 2, bootstrap=FEW
    )
    assert found.table["score"].tolist() == ["nasca", "navca", "mexa"]


def test_a_negative_seed_is_refused(tmp_path: Path) -> None:
    ended = neuronxa("correlate", full_run().write(tmp_path), "--seed", -1)
    assert ended.code == 2
    assert "Invalid value for '--seed'" in ended.errors
