"""Predicting accuracy from alignment, against scipy, refitting and simulation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from commands import neuronxa
from made_results import ACCURACY, LANGUAGES, NASCA, full_run, navca
from scipy import stats

from neuronxa_task.analysis.bootstrap import Points, UndefinedCorrelation
from neuronxa_task.analysis.predict import (
    ESTIMATE_COLUMNS,
    FIT_COLUMNS,
    Predictions,
    predictions,
)
from neuronxa_task.analysis.regression import fit, left_out, left_out_mean
from neuronxa_task.analysis.selection import Choice
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
    assert line.error / np.sqrt(line.spread) == pytest.approx(expected.stderr)


def test_a_prediction_interval_by_hand() -> None:
    """x = 1…5, y = 2, 4, 5, 4, 5: ŷ = 2.2 + 0.6 x, Σe² = 2.4, so s = √0.8; t₀.₉₇₅,₃ = 3.18245.

    At x = 6: 5.8 ± 3.18245 · √0.8 · √(1 + 1/5 + 9/10).
    """
    line = fit(points_of([1, 2, 3, 4, 5], [2, 4, 5, 4, 5]))
    assert line.at(np.array([6.0])) == pytest.approx(5.8)
    assert line.reach(np.array([6.0])) == pytest.approx(3.18245 * np.sqrt(0.8 * 2.1), rel=1e-5)


def test_prediction_intervals_hold_new_languages_at_the_nominal_rate() -> None:
    """Of 2,000 new languages, 95% intervals hold 1,900; standard deviation 10."""
    draw = np.random.default_rng(3)
    held = 0
    for seed in range(2000):
        line = fit(random_points(9, seed))
        x = draw.uniform(size=1)
        y = 0.2 + 0.6 * x + draw.normal(0, 0.1, 1)
        held += int(abs(y - line.at(x))[0] <= line.reach(x)[0])
    assert 1860 <= held <= 1940


def test_leaving_out_is_refitting() -> None:
    points = random_points()
    line_errors, mean_errors = [], []
    for index in range(12):
        rest = np.arange(12) != index
        found = stats.linregress(points.x[rest], points.y[rest])
        predicted = found.intercept + found.slope * points.x[index]
        line_errors.append(points.y[index] - predicted)
        mean_errors.append(points.y[index] - points.y[rest].mean())
    for errors, expected in ((left_out(points), line_errors), (left_out_mean(points), mean_errors)):
        assert errors.rmse == pytest.approx(np.sqrt(np.mean(np.square(expected))))
        assert errors.mae == pytest.approx(np.mean(np.abs(expected)))


def test_a_real_relation_beats_the_mean_and_none_does_not() -> None:
    related = random_points(30)
    assert left_out(related).rmse < 0.7 * left_out_mean(related).rmse
    draw = np.random.default_rng(1)
    unrelated = Points(draw.uniform(size=30), draw.uniform(size=30), range(30))
    assert left_out(unrelated).rmse > 0.95 * left_out_mean(unrelated).rmse


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
        left_out(points)


# ---------------------------------------------------------------- the tables


def predicted(tmp_path: Path, *, score: str = "nasca", **choice: Any) -> Predictions:
    run = full_run().aligned("jpn_Jpan", 0.5).aligned("ace_Latn", 0.01).aligned("swh_Latn", 0.95)
    results = read_results([run.write(tmp_path)])
    return predictions(results, Choice(**choice), score=score)


def test_languages_without_the_benchmark_are_estimated(tmp_path: Path) -> None:
    found = predicted(tmp_path)
    assert tuple(found.fits.columns) == FIT_COLUMNS
    assert tuple(found.estimates.columns) == ESTIMATE_COLUMNS
    rows = found.estimates.set_index("language")
    assert list(rows.index) == ["ace_Latn", "jpn_Jpan", "swh_Latn"]
    line = stats.linregress(NASCA, ACCURACY)
    japanese = rows.loc["jpn_Jpan"]
    assert japanese["name"] == "Japanese"
    assert japanese["estimate"] == pytest.approx(line.intercept + line.slope * 0.5)
    residuals = np.array(ACCURACY) - line.intercept - line.slope * np.array(NASCA)
    x = np.array(NASCA)
    reach = (
        stats.t.ppf(0.975, 4)
        * np.sqrt(np.sum(residuals**2) / 4)
        * np.sqrt(1 + 1 / 6 + (0.5 - x.mean()) ** 2 / np.sum((x - x.mean()) ** 2))
    )
    assert (japanese["low"], japanese["high"]) == pytest.approx(
        (japanese["estimate"] - reach, japanese["estimate"] + reach)
    )
    assert rows["note"].to_dict() == {
        "ace_Latn": "alignment outside the fitted range",
        "jpn_Jpan": "",
        "swh_Latn": "alignment outside the fitted range",
    }


def test_every_scores_error_stands_beside_the_means(tmp_path: Path) -> None:
    fits = predicted(tmp_path, score="mexa").fits.set_index("score")
    assert list(fits.index) == ["nasca", "navca", "mexa"]
    points = points_of(list(NASCA), list(ACCURACY))
    assert fits.loc["nasca", "rmse"] == pytest.approx(left_out(points).rmse)
    assert fits.loc["nasca", "baseline_mae"] == pytest.approx(left_out_mean(points).mae)
    for score, x in (("navca", list(map(navca, LANGUAGES, NASCA))), ("mexa", np.square(NASCA))):
        expected = left_out(points_of(list(x), list(ACCURACY))).rmse
        assert fits.loc[score, "rmse"] == pytest.approx(expected)


def test_estimates_outside_what_an_accuracy_can_be_are_marked_not_cut(tmp_path: Path) -> None:
    run = full_run(accuracy=[1.0, 0.85, 0.65, 0.5, 0.1, 0.0]).aligned("ace_Latn", 0.05)
    found = predictions(read_results([run.write(tmp_path)]), Choice(), score="nasca")
    (row,) = found.estimates.to_dict("records")
    assert row["estimate"] < 0
    assert row["note"] == "alignment outside the fitted range; estimate outside [0, 1]"


def test_relative_accuracy_may_pass_one(tmp_path: Path) -> None:
    found = predicted(tmp_path, relative=True)
    row = found.estimates.set_index("language").loc["swh_Latn"]
    assert row["estimate"] > 1 - 0.02
    assert row["note"] == "alignment outside the fitted range"


def test_a_score_no_better_than_the_mean_is_said(tmp_path: Path) -> None:
    run = full_run(accuracy=[0.5, 0.4, 0.5, 0.4, 0.5, 0.4])
    found = predictions(read_results([run.write(tmp_path)]), Choice(), score="nasca")
    assert found.notes == ("nasca predicts belebele of org/model no better than the mean does",)


def test_a_flat_score_is_a_row_with_its_reason(tmp_path: Path) -> None:
    run = full_run(nasca=[0.5] * 6).aligned("jpn_Jpan", 0.4)
    found = predictions(read_results([run.write(tmp_path)]), Choice(), score="nasca")
    assert found.fits["note"].tolist() == [
        "not defined: NASCA is the same, 0.5, for all 6 languages",
        "",
        "not defined: MEXA is the same, 0.25, for all 6 languages",
    ]
    assert found.estimates.empty


def test_a_language_measured_by_another_metric_is_not_estimated(tmp_path: Path) -> None:
    run = full_run().aligned("jpn_Jpan", 0.5).aligned("swh_Latn", 0.4)
    run.task("belebele_jpn_Jpan", {"acc_norm": 0.9})
    found = predictions(read_results([run.write(tmp_path)]), Choice(), score="nasca")
    assert found.estimates["language"].tolist() == ["swh_Latn"]
    assert found.notes[0] == "belebele of org/model has no acc in 1 of 8 languages: jpn_Jpan"


def test_a_model_without_the_score_has_no_estimates_and_a_reason(tmp_path: Path) -> None:
    lacking = full_run("lacking").aligned("jpn_Jpan", 0.5)
    for language in (*LANGUAGES, "jpn_Jpan"):
        lacking.without(f"neuronxa_flores_{language}", "nasca")
    lacking.write(tmp_path / "a")
    full_run("whole").aligned("jpn_Jpan", 0.5).write(tmp_path / "b")
    found = predictions(read_results([tmp_path]), Choice(), score="nasca")
    fits = found.fits.set_index(["model", "score"])
    assert fits.loc[("lacking", "nasca"), "note"].startswith("not defined: 0 languages")
    assert fits.loc[("lacking", "mexa"), "rmse"] == fits.loc[("whole", "mexa"), "rmse"]
    assert found.estimates["model"].tolist() == ["whole"]


def test_a_score_that_no_model_has_is_an_error(tmp_path: Path) -> None:
    run = full_run()
    for language in LANGUAGES:
        run.without(f"neuronxa_flores_{language}", "nasca")
    with pytest.raises(NeuronXAError, match="the results hold no nasca; found: navca, mexa"):
        predictions(read_results([run.write(tmp_path)]), Choice(), score="nasca")


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
    assert "none to estimate" in ended.output
    assert not (tmp_path / "out" / "estimates.csv").exists()
    assert len(LANGUAGES) == pd.read_csv(tmp_path / "out" / "prediction.csv")["n"].max()
