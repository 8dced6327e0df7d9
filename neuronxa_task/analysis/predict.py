"""`neuronxa predict`: tables of accuracy predicted from alignment, per model and benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronxa_task.analysis.pairing import AccuracyJoin, pair
from neuronxa_task.analysis.points import Points, UndefinedCorrelation
from neuronxa_task.analysis.regression import Errors, fit, leave_one_out, leave_one_out_mean
from neuronxa_task.analysis.selection import Selection
from neuronxa_task.errors import NeuronXAError, did_you_mean, one_of
from neuronxa_task.languages import language
from neuronxa_task.languages.families import family
from neuronxa_task.results import Results
from neuronxa_task.tables import records

if TYPE_CHECKING:
    import pandas as pd

BEST_LAYER = frozenset({"belebele"})
"""Benchmarks for which MEXA's estimate uses the best layer's alignment, not the mean."""

FIT_COLUMNS = (
    *("model", "alignment", "pivot", "benchmark", "metric", "relative", "score", "n"),
    *("intercept", "slope", "r_squared", "rmse", "mae", "baseline_rmse", "baseline_mae", "note"),
    *("floor", "ceiling", "families"),
    *("family_rmse", "family_mae", "family_baseline_rmse", "family_baseline_mae"),
    *("mexa_estimate_rmse", "mexa_estimate_mae", "chance_corrected"),
)
ESTIMATE_COLUMNS = (
    *("model", "alignment", "pivot", "benchmark", "metric", "relative", "score", "language"),
    *("name", "alignment_score", "estimate", "low", "high", "note"),
    *("mexa_estimate", "chance_corrected"),
)


@dataclass(frozen=True, eq=False)
class Predictions:
    """The tables of `neuronxa predict`.

    Attributes:
        fits: one row per model, benchmark and score, in `FIT_COLUMNS`: the curve
            (`neuronxa_task.analysis.regression.Curve`); leave-one-language-out errors of the curve
            and of the mean of the other languages (`baseline_*`); the same with a whole language
            family left out (`family_*`); and the errors of MEXA's estimate, which is not fitted:
            alignment times the pivot's accuracy, with the best layer's alignment for Belebele and
            the mean over layers for other benchmarks (Kargaran et al. 2024, arXiv 2410.05873, and
            the authors' page of estimates).
        estimates: one row per language with alignment but without accuracy, in
            `ESTIMATE_COLUMNS`. `low` and `high` are clipped to the bounds of the curve.
        notes: remarks for the reader.
    """

    fits: pd.DataFrame
    estimates: pd.DataFrame
    notes: tuple[str, ...]


def predictions(results: Results, choice: Selection, *, score: str) -> Predictions:
    """Fit accuracy as a function of alignment, and estimate it in languages without a benchmark.

    Args:
        results: the results to use.
        choice: which of them to join; a curve is fitted for each of its scores.
        score: the score that the estimates are made from.

    Raises:
        NeuronXAError: as in `neuronxa_task.analysis.pairing.pair`, or `score` is not one of the
            scores.
    """
    import pandas as pd

    if score not in choice.scores:
        raise NeuronXAError(
            f"score is {score!r}; expected one of: {one_of(choice.scores)}"
            + did_you_mean(score, choice.scores)
        )
    known = set(results.alignment["metric"])
    best_layers = [best for name in choice.scores if (best := f"{name}_max") in known]
    wider = replace(choice, scores=tuple(dict.fromkeys((*choice.scores, *best_layers))))
    joins, notes = pair(results, wider)
    scores = [name for name in joins[0].scores if name in choice.scores]
    if score not in scores:
        raise NeuronXAError(f"the results hold no {score}; found: {one_of(scores)}")
    scale = {"relative": choice.relative, "chance_corrected": choice.chance_corrected}
    fits = [scale | _fit(join, name) for join in joins for name in scores]
    estimates = [scale | row for join in joins for row in _estimates(join, score)]
    table = pd.DataFrame(fits, columns=list(FIT_COLUMNS))
    notes += _no_better(table, score)
    return Predictions(table, pd.DataFrame(estimates, columns=list(ESTIMATE_COLUMNS)), tuple(notes))


def _no_better(fits: pd.DataFrame, score: str) -> list[str]:
    """A note on models and benchmarks that a score predicts no better than the mean."""
    worse = [
        f"{row['benchmark']} of {row['model']}"
        for row in records(fits)
        if row["score"] == score and row["rmse"] >= row["baseline_rmse"]
    ]
    if not worse:
        return []
    return [f"{score} predicts no better than the mean does: {one_of(worse, at_most=4)}"]


def _fit(join: AccuracyJoin, score: str) -> dict[str, Any]:
    points, bounds = join.points(score), (join.bounds.floor, join.bounds.ceiling)
    row = {**join.names, "score": score, "note": "", "n": len(points.x)}
    try:
        curve, errors = fit(points, *bounds), leave_one_out(points, *bounds)
    except UndefinedCorrelation as reason:
        return row | {"note": f"not defined: {reason}"}
    return row | {
        "intercept": curve.intercept,
        "slope": curve.slope,
        "r_squared": curve.r_squared,
        "floor": curve.floor,
        "ceiling": curve.ceiling,
        **_errors("", errors),
        **_errors("baseline_", leave_one_out_mean(points)),
        **_by_family(points, *bounds),
        **_errors("mexa_estimate_", _error_of_mexas_estimate(join, score)),
    }


def _by_family(points: Points, floor: float | None, ceiling: float | None) -> dict[str, Any]:
    families = [family(str(label)) for label in points.labels]
    row: dict[str, Any] = {"families": len(set(families))}
    if len(set(families)) < 2:
        return row
    try:
        row |= _errors("family_", leave_one_out(points, floor, ceiling, families))
    except UndefinedCorrelation:
        return row
    return row | _errors("family_baseline_", leave_one_out_mean(points, families))


def _errors(name: str, errors: Errors | None) -> dict[str, float]:
    return {} if errors is None else {f"{name}rmse": errors.rmse, f"{name}mae": errors.mae}


def _mexas_score(join: AccuracyJoin, score: str) -> str | None:
    """The score that MEXA's estimate uses; `None` if it or the pivot was not measured."""
    base = score.removesuffix("_max")
    wanted = f"{base}_max" if join.benchmark in BEST_LAYER else base
    return wanted if wanted in join.scores and join.pivot_accuracy is not None else None


def _error_of_mexas_estimate(join: AccuracyJoin, score: str) -> Errors | None:
    wanted = _mexas_score(join, score)
    if wanted is None or join.pivot_accuracy is None:
        return None
    points = join.points(score) if wanted == score else join.points(wanted, score)
    return Errors.of(points.y - points.x * join.pivot_accuracy) if len(points.x) else None


def _estimates(join: AccuracyJoin, score: str) -> Iterator[dict[str, Any]]:
    points, bounds = join.points(score), join.bounds
    try:
        curve = fit(points, bounds.floor, bounds.ceiling)
    except UndefinedCorrelation:
        return  # the note of the fit says why
    unpaired = join.unpaired.dropna(subset=[score])
    x = unpaired[score].to_numpy(np.float64)
    estimates, half_widths = curve.at(x), curve.half_width(x)
    wanted = _mexas_score(join, score)
    for code, value, estimate, half_width in zip(
        unpaired.index, x, estimates, half_widths, strict=True
    ):
        low, high = estimate - half_width, estimate + half_width
        remarks = []
        if not points.x.min() <= value <= points.x.max():
            remarks.append("alignment outside the fitted range")
        if curve.floor is not None and curve.ceiling is not None:
            if bounds.chance is not None and low <= bounds.chance:
                remarks.append("may be at chance")
            low, high = max(low, curve.floor), min(high, curve.ceiling)
        row = join.names | {
            "score": score,
            "language": code,
            "name": language(code).name,
            "alignment_score": value,
            "estimate": estimate,
            "low": low,
            "high": high,
            "note": "; ".join(remarks),
        }
        if wanted is not None and join.pivot_accuracy is not None:
            row["mexa_estimate"] = unpaired.loc[code, wanted] * join.pivot_accuracy
        yield row
