"""`neuronxa predict`: accuracy from alignment, per model and benchmark, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronxa_task.analysis.bootstrap import UndefinedCorrelation
from neuronxa_task.analysis.pairing import Pairing, pair
from neuronxa_task.analysis.regression import fit, left_out, left_out_mean
from neuronxa_task.analysis.selection import Choice
from neuronxa_task.errors import NeuronXAError, one_of
from neuronxa_task.languages import language
from neuronxa_task.results import Results
from neuronxa_task.tables import interval, number, records, without_empty

if TYPE_CHECKING:
    import pandas as pd

FIT_COLUMNS = (
    *("model", "alignment", "pivot", "benchmark", "metric", "relative", "score", "n"),
    *("intercept", "slope", "r_squared", "rmse", "mae", "baseline_rmse", "baseline_mae", "note"),
)
ESTIMATE_COLUMNS = (
    *("model", "alignment", "pivot", "benchmark", "metric", "relative", "score", "language"),
    *("name", "alignment_score", "estimate", "low", "high", "note"),
)


@dataclass(frozen=True, eq=False)
class Predictions:
    """What `neuronxa predict` finds.

    Attributes:
        fits: one row per model, benchmark and score, in `FIT_COLUMNS`: the line, and the errors of
            leaving one language out, of the line and of the mean-only baseline.
        estimates: one row per language that has alignment and was not measured, in
            `ESTIMATE_COLUMNS`.
        notes: what the reader has to know.
    """

    fits: pd.DataFrame
    estimates: pd.DataFrame
    notes: tuple[str, ...]


def predictions(
    results: Results, choice: Choice, *, score: str, confidence: float = 0.95
) -> Predictions:
    """Fit accuracy over alignment and estimate it where there is no benchmark.

    Args:
        results: what was read.
        choice: what is set beside each other; a line is fitted for each of its scores.
        score: the one that the estimates are made from.
        confidence: of the prediction intervals.

    Raises:
        NeuronXAError: as of `neuronxa_task.analysis.pairing.pair`, or `score` is not among the
            scores.
    """
    import pandas as pd

    if score not in choice.scores:
        raise NeuronXAError(f"score is {score!r}; expected one of: {one_of(choice.scores)}")
    pairings, notes = pair(results, choice)
    if score not in pairings[0].scores:
        raise NeuronXAError(f"the results hold no {score}; found: {one_of(pairings[0].scores)}")
    shared = {"relative": choice.relative}
    fits = [shared | _fit(pairing, each) for pairing in pairings for each in pairing.scores]
    estimates = [
        shared | row
        for pairing in pairings
        for row in _estimates(pairing, score, confidence, relative=choice.relative)
    ]
    table = pd.DataFrame(fits, columns=list(FIT_COLUMNS))
    notes += [
        f"{score} predicts {row['benchmark']} of {row['model']} no better than the mean does"
        for row in records(table)
        if row["score"] == score and row["rmse"] >= row["baseline_rmse"]
    ]
    return Predictions(table, pd.DataFrame(estimates, columns=list(ESTIMATE_COLUMNS)), tuple(notes))


def _fit(pairing: Pairing, score: str) -> dict[str, Any]:
    points = pairing.points(score)
    row = {**pairing.names, "score": score, "note": "", "n": len(points.x)}
    try:
        line, errors, baseline = fit(points), left_out(points), left_out_mean(points)
    except UndefinedCorrelation as reason:
        return row | {"note": f"not defined: {reason}"}
    return row | {
        "intercept": line.intercept,
        "slope": line.slope,
        "r_squared": line.r_squared,
        "rmse": errors.rmse,
        "mae": errors.mae,
        "baseline_rmse": baseline.rmse,
        "baseline_mae": baseline.mae,
    }


def _estimates(
    pairing: Pairing, score: str, confidence: float, *, relative: bool
) -> Iterator[dict[str, Any]]:
    points = pairing.points(score)
    try:
        line = fit(points)
    except UndefinedCorrelation:
        return  # the row of the fit says why
    unpaired = pairing.unpaired[score].dropna()
    x = unpaired.to_numpy(np.float64)
    estimates, reaches = line.at(x), line.reach(x, confidence)
    for code, value, estimate, reach in zip(unpaired.index, x, estimates, reaches, strict=True):
        remarks = []
        if not points.x.min() <= value <= points.x.max():
            remarks.append("alignment outside the fitted range")
        if not relative and not 0 <= estimate <= 1:
            remarks.append("estimate outside [0, 1]")
        yield pairing.names | {
            "score": score,
            "language": code,
            "name": language(code).name,
            "alignment_score": value,
            "estimate": estimate,
            "low": estimate - reach,
            "high": estimate + reach,
            "note": "; ".join(remarks),
        }


def shown_fits(table: pd.DataFrame) -> pd.DataFrame:
    """The fits with their numbers as text."""
    import pandas as pd

    rows = [
        {
            "model": row["model"],
            "alignment": row["alignment"],
            "benchmark": row["benchmark"],
            "score": row["score"].upper(),
            "n": str(row["n"]),
            "line": _line(row),
            "R²": number(row["r_squared"]),
            "RMSE": number(row["rmse"]),
            "RMSE of mean": number(row["baseline_rmse"]),
            "MAE": number(row["mae"]),
            "MAE of mean": number(row["baseline_mae"]),
            "note": row["note"],
        }
        for row in records(table)
    ]
    return without_empty(pd.DataFrame(rows), ["note"])


def _line(row: Mapping[str, Any]) -> str:
    intercept, slope = number(row["intercept"]), number(row["slope"])
    return f"{intercept} + {slope} · score" if slope else ""


def shown_estimates(table: pd.DataFrame) -> pd.DataFrame:
    """The estimates with their numbers as text."""
    import pandas as pd

    rows = [
        {
            "model": row["model"],
            "benchmark": row["benchmark"],
            "language": row["language"],
            "name": row["name"],
            row["score"].upper(): number(row["alignment_score"]),
            "estimate": number(row["estimate"]),
            "95% prediction": interval(row["low"], row["high"]),
            "note": row["note"],
        }
        for row in records(table)
    ]
    return without_empty(pd.DataFrame(rows), ["note"])
