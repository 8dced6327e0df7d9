"""Predictions as text: tables to print and the summary on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neuronxa_task.analysis.predict import Predictions
from neuronxa_task.latex import best_within
from neuronxa_task.tables import (
    SHORT_NAMES,
    interval,
    number,
    records,
    screen,
    text,
    without_empty,
    wrapped,
)

if TYPE_CHECKING:
    import pandas as pd

SUMMARY_ROWS = 8
SHOWN_ESTIMATES = 6
ERRORS = {
    "rmse": "RMSE",
    "baseline_rmse": "of mean",
    "family_rmse": "by family",
    "family_baseline_rmse": "of mean ",
    "mexa_estimate_rmse": "MEXA's estimate",
}
"""Columns of errors, and their headings in the summary."""


def shown_fits(table: pd.DataFrame) -> pd.DataFrame:
    """The table of fits with numbers as text."""
    import pandas as pd

    rows = [
        {
            "model": row["model"],
            "alignment": row["alignment"],
            "benchmark": row["benchmark"],
            "score": row["score"].upper(),
            "n": str(row["n"]),
            "R²": number(row["r_squared"]),
            "RMSE": number(row["rmse"]),
            "RMSE of mean": number(row["baseline_rmse"]),
            "MAE": number(row["mae"]),
            "MAE of mean": number(row["baseline_mae"]),
            "RMSE by family": number(row["family_rmse"]),
            "of mean by family": number(row["family_baseline_rmse"]),
            "RMSE of MEXA's estimate": number(row["mexa_estimate_rmse"]),
            "note": row["note"],
        }
        for row in records(table)
    ]
    return without_empty(pd.DataFrame(rows), ["RMSE of MEXA's estimate", "note"])


def best_fits(shown: pd.DataFrame) -> set[tuple[int, int]]:
    """Row and column of the best score's numbers for each model and benchmark."""
    by = ["model", "alignment", "benchmark"]
    errors = ["RMSE", "MAE", "RMSE by family"]
    return best_within(shown, by, ["R²"]) | best_within(shown, by, errors, lowest=True)


def shown_estimates(table: pd.DataFrame) -> pd.DataFrame:
    """The table of estimates with numbers as text."""
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
            "MEXA's estimate": number(row["mexa_estimate"]),
            "note": row["note"],
        }
        for row in records(table)
    ]
    return without_empty(pd.DataFrame(rows), ["MEXA's estimate", "note"])


def full_text(predictions: Predictions, score: str) -> str:
    """All fits and estimates as text."""
    parts = [
        f"Fits, one language or one family left out:\n{text(shown_fits(predictions.fits), '  ')}"
    ]
    if len(predictions.estimates):
        parts.append(_estimates(predictions.estimates, score, at_most=len(predictions.estimates)))
    return "\n\n".join(parts)


def summary_text(predictions: Predictions, score: str) -> str:
    """A summary for one screen: errors by benchmark, and the estimates if they are few."""
    import pandas as pd

    fits = predictions.fits[predictions.fits["score"] == score]
    defined = fits[fits["rmse"].notna()]
    if defined.empty:
        reason = str(fits["note"].iloc[0]).removeprefix("not defined: ")
        return wrapped(f"No prediction from {score.upper()} is defined: {reason}.")
    rows = [
        _summary_row(str(text_name), str(benchmark), rows)
        for (text_name, benchmark), rows in defined.groupby(["alignment", "benchmark"], sort=False)
    ]
    table: pd.DataFrame = pd.DataFrame(rows)
    if table["alignment"].nunique() == 1:
        table = table.drop(columns="alignment")
    lines = [
        *map(wrapped, _verdict(defined, score)),
        "",
        "Errors (RMSE) of predicting a language that is left out, alone or with its family:",
        screen(table, rows=SUMMARY_ROWS, more="--full", indent="  ", lengths=SHORT_NAMES),
        "",
        _estimates(predictions.estimates, score, at_most=SHOWN_ESTIMATES)
        if len(predictions.estimates)
        else "All languages with alignment have the benchmark, so there is nothing to estimate.",
    ]
    return "\n".join(lines)


def _summary_row(alignment: str, benchmark: str, rows: pd.DataFrame) -> dict[str, Any]:
    """Errors of a benchmark, the mean over its models."""
    models = rows["model"].nunique()
    line: dict[str, Any] = {"benchmark": benchmark, "alignment": alignment}
    line["models"] = str(models) if models > 1 else str(rows["model"].iloc[0])
    line["n"] = number(rows["n"].max(), 0)
    return line | {title: number(rows[name].mean()) or "–" for name, title in ERRORS.items()}


def _verdict(fits: pd.DataFrame, score: str) -> list[str]:
    """Say how often a score predicts better than the mean of the other languages."""
    cases = "models and benchmarks" if len(fits) > 1 else "model and benchmark"
    better = int((fits["rmse"] < fits["baseline_rmse"]).sum())
    lines = [
        f"{score.upper()} predicts a left-out language better than the mean of the others in "
        f"{better} of {len(fits)} {cases}."
    ]
    by_family = fits[fits["family_rmse"].notna()]
    if len(by_family):
        better = int((by_family["family_rmse"] < by_family["family_baseline_rmse"]).sum())
        lines.append(f"With its whole language family left out, in {better} of {len(by_family)}.")
    return lines


def _estimates(table: pd.DataFrame, score: str, *, at_most: int) -> str:
    languages = table["language"].nunique()
    title = f"Estimates from {score.upper()} for languages without the benchmark"
    if len(table) > at_most:
        return wrapped(f"{title}: {len(table)}, of {languages} languages.")
    return f"{title}:\n{text(shown_estimates(table), indent='  ')}"
