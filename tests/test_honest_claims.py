"""Chance, data size and noise: against other packages, and through the commands.

Each kind of input from the field that misled a command stands here as made-up results.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pingouin
import pytest
from commands import Ended, neuronxa
from made_results import ACCURACY, LANGUAGES, NASCA, MadeRun, full_run, write_run
from scipy import stats
from statsmodels.regression.linear_model import OLS

from neuronxa_task.analysis.adjust import noise_corrected
from neuronxa_task.analysis.chance import CHANCE, above_chance, bounds, parse_chance
from neuronxa_task.analysis.kernels import KERNELS
from neuronxa_task.analysis.paired import paired_difference
from neuronxa_task.analysis.partial import covariates, given_surface, partial_correlation
from neuronxa_task.analysis.points import Points, UndefinedCorrelation
from neuronxa_task.errors import NeuronXAError
from neuronxa_task.languages import FLORES_CODES, FLORES_TARGETS, TATOEBA_TARGETS, to_flores
from neuronxa_task.languages.families import FAMILIES, family

# ---------------------------------------------------------------- beyond the size of the data


@pytest.mark.parametrize("method", ["pearson", "spearman"])
@pytest.mark.parametrize("n", [12, 60])
def test_partial_correlations_are_pingouins(method: str, n: int) -> None:
    codes = FLORES_TARGETS[:n]
    given = covariates(codes)
    draw = np.random.default_rng(n)
    x = given[:, 0] / 5 + draw.normal(0, 0.5, n)
    y = x + given[:, 0] / 3 + 0.4 * given[:, 2] + draw.normal(0, 0.5, n)
    found = partial_correlation(Points(x, y, codes), given, method)
    table = pd.DataFrame({"x": x, "y": y, "level": given[:, 0]})
    table = table.assign(unknown=given[:, 1], latin=given[:, 2])
    names = [name for name in ("level", "unknown", "latin") if table[name].nunique() > 1]
    assert found.covariates == len(names)
    (expected,) = pingouin.partial_corr(table, "x", "y", names, method=method).to_dict("records")
    p = expected.get("p_val", expected.get("p-val"))
    assert (found.r, found.p) == pytest.approx((expected["r"], p), rel=1e-6)


def test_the_partial_test_is_that_of_a_regression() -> None:
    """Against statsmodels: the t of alignment beside the covariates, and its p."""
    codes = FLORES_TARGETS[:50]
    given = covariates(codes)
    draw = np.random.default_rng(1)
    x, y = draw.normal(size=(2, 50))
    y += 0.4 * x + 0.3 * given[:, 0]
    found = partial_correlation(Points(x, y, codes), given, "pearson")
    expected = OLS(y, np.column_stack([np.ones(50), x, given])).fit()
    assert found.p == pytest.approx(expected.pvalues[1])


def test_alignment_that_follows_the_data_tells_nothing_more() -> None:
    codes = FLORES_TARGETS[:100]
    given = covariates(codes)
    draw = np.random.default_rng(2)
    x, y = (given[:, 0] + draw.normal(0, 0.5, 100) for _ in range(2))
    assert stats.pearsonr(x, y).pvalue < 1e-6
    assert partial_correlation(Points(x, y, codes), given, "pearson").p > 0.05


def test_too_few_languages_have_no_partial_correlation() -> None:
    codes = ["fra_Latn", "deu_Latn", "arb_Arab", "hin_Deva", "swh_Latn", "zho_Hans"]
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(2, 6))
    with pytest.raises(UndefinedCorrelation, match="6 languages are too few for 2 covariates"):
        partial_correlation(Points(x, y, codes), covariates(codes), "pearson")


def test_every_language_has_one_family() -> None:
    codes = " ".join(FAMILIES.values()).split()
    assert len(codes) == len(set(codes))
    for code in (*FLORES_CODES, *map(to_flores, TATOEBA_TARGETS)):
        assert family(code) in FAMILIES
    # Relatives that their scripts or places do not show.
    for one, other in (
        ("hun_Latn", "fin_Latn"),
        ("mlt_Latn", "amh_Ethi"),
        ("plt_Latn", "mri_Latn"),
        ("sin_Sinh", "gle_Latn"),
        ("vie_Latn", "sat_Olck"),
    ):
        assert family(one) == family(other)
    assert len({family(code) for code in ("kat_Geor", "hye_Armn", "tur_Latn", "eus_Latn")}) == 4


# ---------------------------------------------------------------- beyond shared tokens


def with_surface(
    folder: Path, known: int, *, model: str = "org/model", seed: int = 4
) -> pd.DataFrame:
    """Write a run over 30 languages whose surface baseline, of some, explains a part."""
    draw = np.random.default_rng(seed)
    run, rows = MadeRun(model), []
    for number, language in enumerate(FLORES_TARGETS[:30]):
        surface = round(0.5 * draw.random(), 3)
        nasca = round(surface + 0.4 * draw.random(), 3)
        accuracy = round(0.3 + 0.5 * nasca + 0.3 * surface + draw.normal(0, 0.03), 3)
        run.aligned(language, nasca).task(f"belebele_{language}", {"acc": accuracy})
        if number < known:
            metadata = run.content["configs"][f"neuronxa_flores_{language}"]["metadata"]
            metadata["surface"] = surface
            rows.append((nasca, accuracy, surface))
    run.write(folder, f"{model.replace('/', '-')}.json")
    table: pd.DataFrame = pd.DataFrame(rows, columns=["nasca", "accuracy", "surface"])
    return table


def test_correlations_given_the_surface_are_pingouins(tmp_path: Path) -> None:
    table = with_surface(tmp_path / "in", known=26)
    printed = correlate(tmp_path / "in", "--output", tmp_path / "out").output
    rows = pd.read_csv(tmp_path / "out" / "correlation.csv").query("score == 'nasca'")
    for method in ("pearson", "spearman"):
        (row,) = rows[rows["method"] == method].to_dict("records")
        (expected,) = pingouin.partial_corr(
            table, "nasca", "accuracy", "surface", method=method
        ).to_dict("records")
        p = expected.get("p_val", expected.get("p-val"))
        assert (row["surface_r"], row["surface_p"]) == pytest.approx((expected["r"], p), rel=1e-6)
        assert (row["n"], row["surface_n"]) == (30, 26)
    (pearson,) = rows[rows["method"] == "pearson"].to_dict("records")
    z, half = np.arctanh(pearson["surface_r"]), 1.959964 / np.sqrt(26 - 1 - 3)
    ends = pearson["surface_low"], pearson["surface_high"]
    assert ends == pytest.approx((np.tanh(z - half), np.tanh(z + half)), abs=1e-6)
    assert rows[rows["method"] == "kendall"]["surface_r"].isna().all()
    assert (
        "Given the share of pairs that find each other by shared tokens alone, partial r = "
        f"{pearson['surface_r']:.2f} ({ends[0]:.2f} to {ends[1]:.2f}, n = 26)."
    ) in " ".join(printed.split())
    shown = (tmp_path / "out" / "correlation.md").read_text(encoding="utf-8").replace("\\", "")
    assert f"{pearson['surface_r']:.3f} [{ends[0]:.3f}, {ends[1]:.3f}]" in shown


def test_given_the_surface_of_several_models_is_their_mean(tmp_path: Path) -> None:
    tables = [with_surface(tmp_path / "in", 30, model=f"org/{n}", seed=n) for n in range(3)]
    printed = correlate(tmp_path / "in", "--output", tmp_path / "out").output
    rows = pd.read_csv(tmp_path / "out" / "correlation.csv")
    kind, method, score = (rows[name] for name in ("kind", "method", "score"))
    (row,) = rows[
        (kind == "mean over models") & (method == "pearson") & (score == "nasca")
    ].to_dict("records")
    each = [pingouin.partial_corr(t, "nasca", "accuracy", "surface")["r"].iloc[0] for t in tables]
    assert row["surface_r"] == pytest.approx(np.tanh(np.mean(np.arctanh(each))), rel=1e-6)
    assert np.isnan(row["surface_low"]) and np.isnan(row["surface_p"])
    assert f"shared tokens alone, mean partial r = {row['surface_r']:.2f}." in printed


@pytest.mark.parametrize("known", [0, 5])
def test_few_surface_baselines_give_nothing(tmp_path: Path, known: int) -> None:
    with_surface(tmp_path / "in", known)
    printed = correlate(tmp_path / "in", "--full", "--output", tmp_path / "out").output
    assert pd.read_csv(tmp_path / "out" / "correlation.csv")["surface_r"].isna().all()
    assert "shared tokens" not in printed and "given surface" not in printed


def test_a_surface_that_is_the_same_everywhere_is_no_covariate() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 9))
    points = Points(x, y, FLORES_TARGETS[:9], surface=np.full(9, 0.25))
    with pytest.raises(UndefinedCorrelation, match="surface baseline is the same for all"):
        given_surface(points, "pearson")


# ---------------------------------------------------------------- noise


def test_correcting_for_noise_finds_the_correlation_of_exact_accuracies() -> None:
    draw = np.random.default_rng(4)
    x, noise = draw.normal(size=(2, 4000))
    y = 0.8 * x + 0.6 * noise
    measured = y + draw.normal(0, 1.0, 4000)
    points = Points(x, measured, range(4000), errors=np.ones(4000))
    found = noise_corrected(points, float(stats.pearsonr(x, measured).statistic))
    assert found["reliability"] == pytest.approx(0.5, abs=0.03)
    assert found["r_noise_corrected"] == pytest.approx(0.8, abs=0.03)


def test_errors_that_explain_everything_leave_nothing_to_correct() -> None:
    y = np.array([0.24, 0.26, 0.25, 0.27])
    assert noise_corrected(Points(y, y, range(4), errors=np.full(4, 0.05)), 1.0) == {}
    assert noise_corrected(Points(y, y, range(4), errors=np.full(4, np.nan)), 1.0) == {}


# ---------------------------------------------------------------- chance


def test_reliability_is_of_the_sample_s_variance() -> None:
    x, y = np.array([0.1, 0.2, 0.3, 0.5]), np.array([0.2, 0.6, 0.4, 0.8])
    errors = np.array([0.1, 0.2, 0.1, 0.0])
    # Mean square of the errors 0.06 / 4; squares about the mean 0.5 add up to 0.2, of 3 degrees.
    reliability = 1 - 0.015 / (0.2 / 3)
    corrected = noise_corrected(Points(x, y, range(4), errors=errors), 0.5)
    assert corrected["reliability"] == pytest.approx(reliability)
    assert corrected["r_noise_corrected"] == pytest.approx(0.5 / reliability**0.5)
    at_most_one = noise_corrected(Points(x, y, range(4), errors=errors), 0.95)
    assert at_most_one["r_noise_corrected"] == 1.0


@pytest.mark.parametrize(
    "differences", [[1, 2, 3, 4, 5], [1, -2, 2, 0, 3, -1, 0], [-1, -1, 2], [2] * 9 + [-1] * 4]
)
def test_the_signed_rank_test_is_exact_with_ties_and_zeros(differences: list[int]) -> None:
    first = 0.3 + 0.1 * np.array(differences)
    test = paired_difference(first, np.full(len(differences), 0.3))
    unequal = np.array([value for value in differences if value])
    ranks = stats.rankdata(np.abs(unequal))
    center = ranks.sum() / 2
    signs = np.array(list(product((0, 1), repeat=len(unequal))))
    distances = np.abs(signs @ ranks - center)
    observed = abs(ranks[unequal > 0].sum() - center)
    assert test.p == pytest.approx(np.mean(distances >= observed - 1e-9))
    assert test.mean == pytest.approx(0.1 * np.mean(differences))
    assert (test.n, test.higher) == (len(differences), sum(value > 0 for value in differences))


def test_many_languages_are_tested_as_by_scipy_and_none_that_differs_is_no_evidence() -> None:
    draw = np.random.default_rng(0)
    first, second = draw.random(30), draw.random(30)
    expected = stats.wilcoxon(first - second).pvalue
    assert paired_difference(first, second).p == pytest.approx(expected)
    assert paired_difference(first, first).p == 1.0


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_coefficients_of_resamples_are_those_of_the_drawn_points(offset: float) -> None:
    draw = np.random.default_rng(1)
    x, y = offset + draw.random(9), draw.random(9)
    x[1], y[3] = x[0], y[2]
    counts = draw.multinomial(9, [1 / 9] * 9, size=20).astype(float)
    counts[0] = [5, 4, *[0] * 7]  # x does not vary
    counts[1] = [0, 0, 5, 0, 0, 0, 0, 0, 4]
    points = Points(x, y, range(9))
    references: dict[str, Callable[[Any, Any], float]] = {
        "pearson": lambda x, y: np.corrcoef(x, y)[0, 1],
        "spearman": lambda x, y: stats.spearmanr(x, y).statistic,
        "kendall": lambda x, y: stats.kendalltau(x, y).statistic,
    }
    for method, reference in references.items():
        coefficients = KERNELS[method](points)(counts)
        assert np.isnan(coefficients[0])
        for count, coefficient in zip(counts[1:], coefficients[1:], strict=True):
            drawn = np.repeat(np.arange(9), count.astype(int))
            assert coefficient == pytest.approx(reference(x[drawn], y[drawn]), abs=1e-6)


def test_above_chance_is_a_one_sided_test() -> None:
    """Of guesses among four on 200 questions, about 5 % are above chance; of 0.5 nearly all."""
    draw = np.random.default_rng(3)
    limits = bounds("belebele", "acc", [1.0])
    for rate, low, high in ((0.25, 0.02, 0.07), (0.5, 0.99, 1.0)):
        values = draw.binomial(200, rate, 3000) / 200
        errors = np.sqrt(values * (1 - values) / 199)
        for stderrs in (errors, np.full(3000, np.nan)):
            above = above_chance(values, stderrs, np.full(3000, 200.0), limits)
            assert low <= above.mean() <= high


def test_bounds_know_percent_and_what_has_none() -> None:
    assert bounds("belebele", "acc", [30.0, 41.0]).chance == 25
    assert bounds("flores", "bleu", [3.0]).ceiling == 100
    assert bounds("lambada", "perplexity", [80.0]).ceiling is None
    assert bounds("mine", "acc", [0.3], {"mine": 0.5}).floor == 0.5
    assert bounds("mgsm_direct", "exact_match,none", [0.3]).chance is None
    assert all(0 < level <= 0.5 for level in CHANCE.values())


@pytest.mark.parametrize("given", ["belebele", "belebele=", "=0.5", "b=1", "b=-0.1", "b=1/0"])
def test_a_chance_level_that_is_none_is_an_error(given: str) -> None:
    with pytest.raises(NeuronXAError, match="expected BENCHMARK=LEVEL"):
        parse_chance([given])


# ---------------------------------------------------------------- through the command


def correlate(folder: Path, *options: object) -> Ended:
    ended = neuronxa("correlate", folder, "--resamples", 200, *options)
    assert ended.code == 0, ended.errors
    return ended


def small(languages: int) -> MadeRun:
    run = MadeRun()
    values = zip(LANGUAGES, (0.3, 0.9, 0.5, 0.6), (0.4, 0.6, 0.7, 0.45), strict=False)
    for language, nasca, accuracy in list(values)[:languages]:
        run.aligned(language, nasca).task(f"belebele_{language}", {"acc": accuracy})
    return run


@pytest.mark.parametrize("languages", [3, 4])
def test_three_or_four_languages_cannot_tell(tmp_path: Path, languages: int) -> None:
    small(languages).write(tmp_path)
    printed = correlate(tmp_path, "--output", tmp_path / "out").words
    assert printed.startswith(
        f"These {languages} languages cannot tell whether accuracy (belebele) goes with NASCA; at "
        "least 5 are needed: r = "
    )
    table = pd.read_csv(tmp_path / "out" / "correlation.csv")
    assert set(table["verdict"]) == {"cannot tell"}
    assert table[["low", "high", "fisher_low", "bootstrap_low"]].isna().all(axis=None)
    assert (table.loc[table["method"] == "spearman", "p"] >= 1 / 12).all()


def test_accuracies_at_chance_are_said_before_anything_else(tmp_path: Path) -> None:
    """One language above chance makes a high r, and the others none."""
    draw = np.random.default_rng(9)
    run = MadeRun()
    for number, language in enumerate(FLORES_TARGETS[:29]):
        nasca, accuracy = (0.9, 0.8) if number == 0 else (0.2 * draw.random(), 0.25)
        accuracy += draw.normal(0, 0.005)
        run.aligned(language, nasca).task(f"belebele_{language}", {"acc": accuracy})
    run.write(tmp_path / "in")
    printed = correlate(tmp_path / "in", "--output", tmp_path / "out").words
    assert printed.startswith("Caution: the accuracies of 28 of 29 languages are not above chance")
    assert "Too few are above chance to correlate those alone." in printed
    row = pd.read_csv(tmp_path / "out" / "correlation.csv").iloc[0]
    assert row["r"] > 0.8
    assert (row["n_above_chance"], row["chance"]) == (1, 0.25)
    assert np.isnan(row["r_above_chance"])
    assert "at chance in at least half of the languages: belebele of org/model" in printed
    easier = correlate(tmp_path / "in", "--chance", "belebele=0.1").words
    assert "Caution" not in easier


def test_a_wrong_chance_level_is_noticed(tmp_path: Path) -> None:
    full_run(benchmark="xcopa").write(tmp_path)
    assert (
        "note: xcopa of org/model is below chance, 0.5, in 2 of 6 languages; if that level is "
        "wrong, set it with --chance xcopa=LEVEL"
    ) in correlate(tmp_path).words


def test_the_correlation_above_chance_is_of_those_languages(tmp_path: Path) -> None:
    full_run(accuracy=[0.85, 0.8, 0.75, 0.6, 0.24, 0.25]).write(tmp_path / "in")
    correlate(tmp_path / "in", "--methods", "pearson", "--output", tmp_path / "out")
    row = pd.read_csv(tmp_path / "out" / "correlation.csv").iloc[0]
    expected = stats.pearsonr(NASCA[:4], [0.85, 0.8, 0.75, 0.6])
    assert row["n_above_chance"] == 4
    assert row["r_above_chance"] == pytest.approx(expected.statistic)
    assert row["p_above_chance"] == pytest.approx(expected.pvalue)


def test_correcting_for_chance_changes_no_correlation_within_a_model(tmp_path: Path) -> None:
    full_run().write(tmp_path / "in")
    tables = []
    for name, options in (("plain", ()), ("corrected", ("--chance-corrected",))):
        correlate(tmp_path / "in", *options, "--output", tmp_path / name)
        tables.append(pd.read_csv(tmp_path / name / "correlation.csv"))
    np.testing.assert_allclose(tables[0]["r"], tables[1]["r"])
    assert tables[1]["chance"].dropna().abs().max() < 1e-12
    ended = neuronxa("correlate", tmp_path / "in", "--chance-corrected", "--relative")
    assert "expected one of them" in ended.errors


def test_what_a_predict_only_run_writes_is_no_accuracy(tmp_path: Path) -> None:
    run = full_run()
    for language in LANGUAGES:
        run.task(f"mine_{language}", {"bypass": 999})
    run.write(tmp_path)
    printed = correlate(tmp_path, "--pattern", "mine=mine_{lang}").words
    assert "accuracy (mine)" not in printed
    assert "--predict_only measures nothing: mine_" in printed
    assert "belebele" in printed


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_the_same_accuracy_everywhere_says_why_there_is_nothing(
    tmp_path: Path, level: float
) -> None:
    full_run(accuracy=[level] * 6).write(tmp_path)
    assert correlate(tmp_path).words.startswith(
        f"No correlation is defined: acc is the same, {level:.0f}, for all 6 languages."
    )
    ended = neuronxa("predict", tmp_path)
    assert ended.words.startswith("No prediction from NASCA is defined: acc is the same")


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        ("correlate", ("--scores", "nacsa"), "did you mean 'nasca'?"),
        ("predict", ("--score", "mexxa"), "did you mean 'mexa'?"),
        ("correlate", ("--benchmarks", "belebel"), "did you mean 'belebele'?"),
        ("correlate", ("--metric", "f1"), "no benchmark has the metric 'f1'; found: acc"),
        ("correlate", ("--metric", "ac"), "did you mean 'acc'?"),
        ("leaderboard", ("--sort", "nasa"), "did you mean 'nasca'?"),
    ],
)
def test_misspelt_names_are_corrected(
    tmp_path: Path, command: str, options: tuple[str, ...], message: str
) -> None:
    full_run().write(tmp_path)
    ended = neuronxa(command, tmp_path, *options)
    assert ended.code == 1
    assert message in ended.errors
    assert ended.errors.count("\n") == 1


@pytest.mark.slow
def test_many_models_and_benchmarks_fit_a_screen(tmp_path: Path) -> None:
    codes = FLORES_TARGETS[:20]
    benchmarks = ("arc", "belebele", "hellaswag_x", "m_mmlu", "xnli", "xcopa")
    patterns = ("--pattern", "hellaswag_x=hellaswag_x_{lang}")
    for number in range(3):
        write_run(
            tmp_path / "in" / str(number) / "results_1.json",
            f"org/model-{number}",
            codes,
            dict.fromkeys(benchmarks, codes[:-5]),
            layers=3,
            seed=number,
        )
    for command in ("correlate", "predict"):
        ended = neuronxa(command, tmp_path / "in", *patterns)
        assert ended.code == 0, ended.errors
        lines = ended.output.splitlines()
        assert len(lines) <= 25 and max(map(len, lines)) <= 100
        assert "--full" in ended.words and "Next: `neuronxa report" in ended.words
    full = neuronxa("predict", tmp_path / "in", *patterns, "--full").output
    estimates = [line for line in full.splitlines() if codes[-1] in line]
    assert len(estimates) == 3 * 6


def test_means_say_whose_they_are(tmp_path: Path) -> None:
    for name, accuracy in (("a", ACCURACY), ("b", ACCURACY), ("c", [0.5, 0.6, 0.4, 0.6, 0.5, 0.6])):
        full_run(name, accuracy=accuracy).write(tmp_path / name)
    printed = correlate(tmp_path).words
    assert "mean r of 3 models = " in printed
    assert "mean of 3 models" in printed
    assert "in a mean over models, p_languages" in printed
