"""Predicting accuracy from alignment, against scipy, refitting and simulation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from commands import neuronxa
from made_results import ACCURACY, LANGUAGES, NASCA, full_run, navca
from scipy import optimize, stats
from scipy.special import expit

from neuronxa_task.analysis.points import Points, UndefinedCorrelation
from neuronxa_task.analysis.predict import (
    ESTIMATE_COLUMNS,
    FIT_COLUMNS,
    Predictions,
    predictions,
)
from neuronxa_task.analysis.regression import fit, leave_one_out, leave_one_out_mean
from neuronxa_task.analysis.selection import Selection
from neuronxa_task.errors import NeuronXAError
from neuronxa_task.results import read_results


def random_points(n: int = 12, seed: int = 0) -> Points:
    draw = np.random.default_rng(seed)
    x = draw.uniform(size=n)
    return Points(x, 0.2 + 0.6 * x + draw.normal(0, 0.1, n), range(n), ("NASCA", "acc"))


def points_of(x: list[float], y: list[float]) -> Points:
    return Points(np.array(x, float), np.array(y, float), "abcdefgh"[: len(x)], ("NASCA", "acc"))


# ---------------------------------------------------------------- the line


def test_the_line_is_scipys() -> None:
    points = random_points()
    line, expected = fit(points), stats.linregress(points.x, points.y)
    assert line.slope == pytest.approx(expected.slope)
    assert line.intercept == pytest.approx(expected.intercept)
    assert line.r_squared == pytest.approx(expected.rvalue**2)
    # The slope's standard error is s / √Σ(x − x̄)².
    assert line.error * np.sqrt(line.inverse[1, 1]) == pytest.approx(expected.stderr)


def test_a_prediction_interval_by_hand() -> None:
    """x = 1…5, y = 2, 4, 5, 4, 5: ŷ = 2.2 + 0.6 x, Σe² = 2.4, so s = √0.8; t₀.₉₇₅,₃ = 3.18245.

    At x = 6: 5.8 ± 3.18245 · √0.8 · √(1 + 1/5 + 9/10).
    """
    line = fit(points_of([1, 2, 3, 4, 5], [2, 4, 5, 4, 5]))
    assert line.at(np.array([6.0])) == pytest.approx(5.8)
    assert line.half_width(np.array([6.0])) == pytest.approx(3.18245 * np.sqrt(0.8 * 2.1), rel=1e-5)


@pytest.mark.slow
def test_prediction_intervals_hold_new_languages_at_the_nominal_rate() -> None:
    """Of 2,000 new languages, 95% intervals hold 1,900; standard deviation 10."""
    draw = np.random.default_rng(3)
    held = 0
    for seed in range(2000):
        line = fit(random_points(9, seed))
        x = draw.uniform(size=1)
        y = 0.2 + 0.6 * x + draw.normal(0, 0.1, 1)
        held += int(abs(y - line.at(x))[0] <= line.half_width(x)[0])
    assert 1860 <= held <= 1940


BOUNDS = [(None, None), (0.25, 1.0)]


def refitted(x: Any, y: Any, new: float, floor: float | None, ceiling: float | None) -> float:
    """The estimate at `new`, by scipy."""
    if floor is None or ceiling is None:
        line = stats.linregress(x, y)
        return float(line.intercept + line.slope * new)

    def curve(at: Any, intercept: float, slope: float) -> Any:
        return floor + (ceiling - floor) * expit(intercept + slope * np.asarray(at))

    found, _ = optimize.curve_fit(curve, x, y, p0=(0.0, 1.0), maxfev=20_000, ftol=1e-14, xtol=1e-14)
    return float(curve(new, *found))


@pytest.mark.parametrize(("floor", "ceiling"), BOUNDS)
def test_leaving_out_is_refitting(floor: float | None, ceiling: float | None) -> None:
    points = random_points()
    groups = [index // 2 for index in range(12)]
    for of_each, groups_given in ((list(range(12)), None), (groups, groups)):
        curve_errors, mean_errors = [], []
        for index in range(12):
            rest = np.array(of_each) != of_each[index]
            estimate = refitted(points.x[rest], points.y[rest], points.x[index], floor, ceiling)
            curve_errors.append(points.y[index] - estimate)
            mean_errors.append(points.y[index] - points.y[rest].mean())
        for errors, expected in (
            (leave_one_out(points, floor, ceiling, groups_given), curve_errors),
            (leave_one_out_mean(points, groups_given), mean_errors),
        ):
            assert errors.rmse == pytest.approx(np.sqrt(np.mean(np.square(expected))), rel=1e-4)
            assert errors.mae == pytest.approx(np.mean(np.abs(expected)), rel=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_the_bounded_curve_is_scipys(seed: int) -> None:
    points = random_points(15, seed)
    curve = fit(points, 0.25, 1.0)
    at = np.array([0.0, 0.3, 1.0])
    expected = [refitted(points.x, points.y, new, 0.25, 1.0) for new in at]
    assert curve.at(at) == pytest.approx(expected, abs=1e-5)


def test_no_estimate_leaves_the_bounds() -> None:
    """Accuracies at chance but for a few, and some below it: alignment far outside the fit."""
    draw = np.random.default_rng(5)
    x = np.append(draw.uniform(0, 0.2, 20), [0.8, 0.9, 0.95])
    y = np.append(0.25 + draw.normal(0, 0.02, 20), [0.9, 0.95, 1.0])
    curve = fit(Points(x, y, range(23)), 0.25, 1.0)
    estimates = curve.at(np.linspace(-5, 5, 101))
    assert np.all((estimates >= 0.25) & (estimates <= 1.0))
    assert np.all(np.diff(estimates) >= 0)
    assert curve.r_squared > 0.95
    assert np.isfinite(curve.half_width(np.array([0.0, 5.0]))).all()


@pytest.mark.slow
def test_bounded_prediction_intervals_hold_new_languages_at_about_the_nominal_rate() -> None:
    """Of 1,000 new languages, 95% intervals hold 950; standard deviation 7."""
    draw = np.random.default_rng(3)
    held = 0
    for _ in range(1000):
        x = draw.uniform(size=21)
        y = 0.25 + 0.75 * expit(-3 + 5 * x) + draw.normal(0, 0.05, 21)
        curve = fit(Points(x[1:], y[1:], range(20)), 0.25, 1.0)
        held += int(abs(y[0] - curve.at(x[:1]))[0] <= curve.half_width(x[:1])[0])
    assert 925 <= held <= 975


def test_a_real_relation_beats_the_mean_and_none_does_not() -> None:
    related = random_points(30)
    assert leave_one_out(related).rmse < 0.7 * leave_one_out_mean(related).rmse
    draw = np.random.default_rng(1)
    unrelated = Points(draw.uniform(size=30), draw.uniform(size=30), range(30))
    assert leave_one_out(unrelated).rmse > 0.95 * leave_one_out_mean(unrelated).rmse


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        (points_of([1, 2], [1, 2]), "2 languages; at least 3"),
        (points_of([2, 2, 2], [1, 2, 3]), "NASCA is the same, 2, for all 3"),
        (points_of([1, 2, 3], [0, 0, 0]), "acc is the same, 0, for all 3"),
        (points_of([0, 0, 0, 1], [1, 2, 3, 4]), "without d, NASCA is the same for all other"),
    ],
)
def test_without_a_line_there_is_a_reason(points: Points, reason: str) -> None:
    with pytest.raises(UndefinedCorrelation, match=reason):
        leave_one_out(points)


# ---------------------------------------------------------------- the tables


def predicted(tmp_path: Path, *, score: str = "nasca", **choice: Any) -> Predictions:
    run = full_run().aligned("jpn_Jpan", 0.5).aligned("ace_Latn", 0.01).aligned("swh_Latn", 0.95)
    results = read_results([run.write(tmp_path)])
    return predictions(results, Selection(**choice), score=score)


def test_languages_without_the_benchmark_are_estimated(tmp_path: Path) -> None:
    found = predicted(tmp_path)
    assert tuple(found.fits.columns) == FIT_COLUMNS
    assert tuple(found.estimates.columns) == ESTIMATE_COLUMNS
    rows = found.estimates.set_index("language")
    assert list(rows.index) == ["ace_Latn", "jpn_Jpan", "swh_Latn"]
    japanese = rows.loc["jpn_Jpan"]
    assert japanese["name"] == "Japanese"
    assert japanese["estimate"] == pytest.approx(
        refitted(NASCA, ACCURACY, 0.5, 0.25, 1.0), abs=1e-5
    )
    half_width = fit(points_of(list(NASCA), list(ACCURACY)), 0.25, 1.0).half_width(np.array([0.5]))
    assert (japanese["low"], japanese["high"]) == pytest.approx(
        (japanese["estimate"] - half_width[0], japanese["estimate"] + half_width[0])
    )
    # Belebele's pivot has 0.9, and the best layer is 0.05 above the mean.
    assert japanese["mexa_estimate"] == pytest.approx(0.55 * 0.9)
    assert rows.loc["ace_Latn", "low"] == 0.25
    assert rows["note"].to_dict() == {
        "ace_Latn": "alignment outside the fitted range; may be at chance",
        "jpn_Jpan": "",
        "swh_Latn": "alignment outside the fitted range",
    }


def test_every_scores_error_stands_beside_the_means(tmp_path: Path) -> None:
    fits = predicted(tmp_path, score="mexa").fits.set_index("score")
    assert list(fits.index) == ["nasca", "navca", "mexa"]
    points = points_of(list(NASCA), list(ACCURACY))
    assert fits.loc["nasca", "rmse"] == pytest.approx(leave_one_out(points, 0.25, 1.0).rmse)
    assert fits.loc["nasca", "baseline_mae"] == pytest.approx(leave_one_out_mean(points).mae)
    for score, x in (("navca", list(map(navca, LANGUAGES, NASCA))), ("mexa", np.square(NASCA))):
        expected = leave_one_out(points_of(list(x), list(ACCURACY)), 0.25, 1.0).rmse
        assert fits.loc[score, "rmse"] == pytest.approx(expected)


def test_mexas_estimate_is_alignment_times_the_pivots_accuracy(tmp_path: Path) -> None:
    """The mean over layers for ARC, the best layer for Belebele; by hand."""
    for benchmark, more in (("arc", 0.0), ("belebele", 0.05)):
        run = full_run(benchmark=benchmark)
        found = predictions(
            read_results([run.write(tmp_path / benchmark)]), Selection(), score="nasca"
        )
        errors = np.array(ACCURACY) - 0.9 * (np.array(NASCA) + more)
        row = found.fits.set_index("score").loc["nasca"]
        assert row["mexa_estimate_rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)))
        assert row["mexa_estimate_mae"] == pytest.approx(np.mean(np.abs(errors)))
    without = full_run(pivot_accuracy=None).aligned("jpn_Jpan", 0.5)
    found = predictions(read_results([without.write(tmp_path / "x")]), Selection(), score="nasca")
    assert found.fits["mexa_estimate_rmse"].isna().all()
    assert found.estimates["mexa_estimate"].isna().all()


def test_families_are_left_out_whole(tmp_path: Path) -> None:
    """French, German, Russian and Hindi are one family; Chinese and Arabic are others."""
    found = predictions(read_results([full_run().write(tmp_path)]), Selection(), score="nasca")
    points = points_of(list(NASCA), list(ACCURACY))
    expected = leave_one_out(points, 0.25, 1.0, ["ie", "ie", "st", "ie", "aa", "ie"])
    row = found.fits.set_index("score").loc["nasca"]
    assert row["family_rmse"] == pytest.approx(expected.rmse)
    assert row["families"] == 3


def test_a_metric_in_percent_has_bounds_in_percent(tmp_path: Path) -> None:
    run = full_run(accuracy=[85.0, 80.0, 75.0, 60.0, 45.0, 30.0], pivot_accuracy=90.0)
    run.aligned("ace_Latn", 0.0).aligned("jpn_Jpan", 1.0)
    found = predictions(read_results([run.write(tmp_path)]), Selection(), score="nasca")
    rows = found.estimates.set_index("language")
    assert 25 <= rows.loc["ace_Latn", "low"] <= rows.loc["ace_Latn", "estimate"] < 45
    assert 80 < rows.loc["jpn_Jpan", "estimate"] <= rows.loc["jpn_Jpan", "high"] <= 100


def test_a_metric_without_bounds_is_fitted_by_a_line(tmp_path: Path) -> None:
    run = full_run().aligned("jpn_Jpan", 0.5)
    for language, nasca in zip(LANGUAGES, NASCA, strict=True):
        run.task(f"mine_{language}", {"perplexity": 300 - 200 * nasca + len(language)})
    results = read_results([run.write(tmp_path)], patterns=["mine=mine_{lang}"])
    choice = Selection(benchmarks=["mine"], metric="perplexity")
    found = predictions(results, choice, score="nasca")
    assert found.estimates["estimate"].tolist() == pytest.approx([208.0])
    assert found.fits["floor"].isna().all()


def test_a_score_no_better_than_the_mean_is_said(tmp_path: Path) -> None:
    run = full_run(accuracy=[0.5, 0.4, 0.5, 0.4, 0.5, 0.4])
    found = predictions(read_results([run.write(tmp_path)]), Selection(), score="nasca")
    assert found.notes == ("nasca predicts no better than the mean does: belebele of org/model",)


def test_a_flat_score_is_a_row_with_its_reason(tmp_path: Path) -> None:
    run = full_run(nasca=[0.5] * 6).aligned("jpn_Jpan", 0.4)
    found = predictions(read_results([run.write(tmp_path)]), Selection(), score="nasca")
    assert found.fits["note"].tolist() == [
        "not defined: NASCA is the same, 0.5, for all 6 languages",
        "",
        "not defined: MEXA is the same, 0.25, for all 6 languages",
    ]
    assert found.estimates.empty


def test_a_language_measured_by_another_metric_is_not_estimated(tmp_path: Path) -> None:
    run = full_run().aligned("jpn_Jpan", 0.5).aligned("swh_Latn", 0.4)
    run.task("belebele_jpn_Jpan", {"acc_norm": 0.9})
    found = predictions(read_results([run.write(tmp_path)]), Selection(), score="nasca")
    assert found.estimates["language"].tolist() == ["swh_Latn"]
    assert found.notes[0] == "belebele of org/model has no acc in 1 of 8 languages: jpn_Jpan"


def test_a_model_without_the_score_has_no_estimates_and_a_reason(tmp_path: Path) -> None:
    lacking = full_run("lacking").aligned("jpn_Jpan", 0.5)
    for language in (*LANGUAGES, "jpn_Jpan"):
        lacking.without(f"neuronxa_flores_{language}", "nasca")
    lacking.write(tmp_path / "a")
    full_run("whole").aligned("jpn_Jpan", 0.5).write(tmp_path / "b")
    found = predictions(read_results([tmp_path]), Selection(), score="nasca")
    fits = found.fits.set_index(["model", "score"])
    assert fits.loc[("lacking", "nasca"), "note"].startswith("not defined: 0 languages")
    assert fits.loc[("lacking", "mexa"), "rmse"] == fits.loc[("whole", "mexa"), "rmse"]
    assert found.estimates["model"].tolist() == ["whole"]


def test_a_score_that_no_model_has_is_an_error(tmp_path: Path) -> None:
    run = full_run()
    for language in LANGUAGES:
        run.without(f"neuronxa_flores_{language}", "nasca")
    with pytest.raises(NeuronXAError, match="the results hold no nasca; found: navca, mexa"):
        predictions(read_results([run.write(tmp_path)]), Selection(), score="nasca")


def test_an_unknown_score_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NeuronXAError, match="score is 'nasca_max'; expected one of: nasca, navca"):
        predicted(tmp_path, score="nasca_max")


# ---------------------------------------------------------------- the command


def test_the_command(tmp_path: Path) -> None:
    full_run().aligned("jpn_Jpan", 0.5).write(tmp_path / "in")
    ended = neuronxa("predict", tmp_path / "in", "--score", "mexa", "--output", tmp_path / "out")
    assert ended.code == 0, ended.errors
    assert "Estimates from MEXA for languages without the benchmark:" in ended.output
    assert "jpn_Jpan  Japanese" in ended.output
    assert len(pd.read_csv(tmp_path / "out" / "prediction.csv")) == 3
    (row,) = pd.read_json(tmp_path / "out" / "estimates.json").to_dict("records")
    assert (row["language"], row["score"]) == ("jpn_Jpan", "mexa")
    assert row["low"] < row["estimate"] < row["high"]


def test_the_command_says_when_there_is_nothing_to_estimate(tmp_path: Path) -> None:
    full_run().write(tmp_path / "in")
    ended = neuronxa("predict", tmp_path / "in", "--output", tmp_path / "out")
    assert ended.code == 0, ended.errors
    assert "there is nothing to estimate" in ended.output
    assert not (tmp_path / "out" / "estimates.csv").exists()
    assert len(LANGUAGES) == pd.read_csv(tmp_path / "out" / "prediction.csv")["n"].max()
