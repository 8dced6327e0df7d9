"""What a correlation shows, as one word and as sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neuronxa_task.analysis.fisher import MIN_INTERVAL
from neuronxa_task.analysis.points import Interval
from neuronxa_task.tables import number, p_value

LEVEL = 0.05
POSITIVE, NEGATIVE, CANNOT_TELL = "positive", "negative", "cannot tell"
MOSTLY = 0.5
"""If at most this fraction of languages is above chance, a caution comes first."""


def verdict(r: float, p: float | None, *intervals: Interval | None) -> str:
    """`positive`, `negative`, or `cannot tell`.

    A direction is claimed only if p over languages is below 5 % and all given intervals exclude 0.
    Without any interval (fewer than 5 languages) there is no claim.

    >>> verdict(0.65, 0.55), verdict(0.9, 0.001, Interval(0.5, 0.97))
    ('cannot tell', 'positive')
    """
    known = [interval for interval in intervals if interval is not None]
    if p is None or p >= LEVEL or not known:
        return CANNOT_TELL
    if not all(interval.excludes_zero() for interval in known):
        return CANNOT_TELL
    return POSITIVE if r > 0 else NEGATIVE


def sentences(row: Mapping[str, Any]) -> list[str]:
    """Say in up to four sentences what a row of the correlation table shows.

    Args:
        row: a row with an `r`, of one model or a mean over models.
    """
    n, score, accuracy = int(row["n"]), str(row["score"]).upper(), _accuracy(row)
    told = []
    above = row["share_above_chance"]
    at_chance = above is not None and above == above and above <= MOSTLY
    if at_chance:
        told.append(_at_chance(row))
    if row["verdict"] == CANNOT_TELL:
        few = f"; at least {MIN_INTERVAL} are needed" if n < MIN_INTERVAL else ""
        told.append(
            f"These {n} languages cannot tell whether {accuracy} goes with {score}{few}: "
            f"{_figures(row)}."
        )
        return told
    order = "higher" if row["verdict"] == POSITIVE else "lower"
    told.append(
        f"Over {n} languages, {accuracy} is {order} where {score} is higher: {_figures(row)}."
    )
    if row["models"] > 1:
        count = int(row["models_agreeing"])
        told.append(f"The same holds for {count} of {int(row['models'])} models on their own.")
    if not at_chance and (sentence := _above_chance(row)):
        told.append(sentence)
    return told


def given_surface(row: Mapping[str, Any]) -> list[str]:
    """A sentence on r given the surface baseline; none without a claim or a baseline."""
    if row["verdict"] == CANNOT_TELL or not (r := number(row["surface_r"], 2)):
        return []
    if number(row["surface_low"]):
        low, high = number(row["surface_low"], 2), number(row["surface_high"], 2)
        figures = f"partial r = {r} ({low} to {high}, n = {int(row['surface_n'])})"
    else:
        figures = f"mean partial r = {r}"
    return [f"Given the share of pairs that find each other by shared tokens alone, {figures}."]


def _accuracy(row: Mapping[str, Any]) -> str:
    benchmarks = str(row["benchmark"]).split(", ")
    if len(benchmarks) > 1:
        return f"accuracy (mean over {len(benchmarks)} benchmarks)"
    return f"accuracy ({benchmarks[0]})"


def _is_mean(row: Mapping[str, Any]) -> bool:
    """Whether a row is a mean of correlations over models or benchmarks."""
    return bool(row["models"] > 1 or ", " in str(row["benchmark"]))


def _figures(row: Mapping[str, Any]) -> str:
    what = "mean r" if _is_mean(row) else "r"
    if row["models"] > 1:
        what += f" of {int(row['models'])} models"
    parts = [f"{what} = {number(row['r'], 2)}"]
    if number(row["low"]):
        parts.append(f"95 % interval {number(row['low'], 2)} to {number(row['high'], 2)}")
    else:
        parts.append("no interval")
    if p := p_value(row["p_languages"]):
        parts.append(f"p {p}" if p.startswith("<") else f"p = {p}")
    return ", ".join(parts)


def _at_chance(row: Mapping[str, Any]) -> str:
    if _is_mean(row):
        where = f"{100 * (1 - row['share_above_chance']):.0f} % of the accuracies are"
    else:
        n, above = int(row["n"]), int(row["n_above_chance"])
        where = f"the accuracies of {n - above} of {n} languages are"
    rest = _above_chance(row) or "Too few are above chance to correlate those alone."
    return f"Caution: {where} not above chance; they differ by little more than noise. {rest}"


def _above_chance(row: Mapping[str, Any]) -> str:
    """A sentence on the languages above chance; empty if all are, or too few."""
    r = number(row["r_above_chance"], 2)
    if not r or row["share_above_chance"] == 1:
        return ""
    if _is_mean(row):
        return f"Over the languages above chance alone, mean r = {r}."
    ends = ""
    if number(row["above_chance_low"]):
        low, high = number(row["above_chance_low"], 2), number(row["above_chance_high"], 2)
        ends = f" ({low} to {high})"
    return f"Over the {int(row['n_above_chance'])} languages above chance alone, r = {r}{ends}."
