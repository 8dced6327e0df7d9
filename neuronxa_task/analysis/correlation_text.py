"""Correlations as text: tables to print and the summary on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from neuronxa_task.analysis.correlate import Correlations
from neuronxa_task.analysis.correlation_rows import MEAN, PER_MODEL, POOLED
from neuronxa_task.analysis.verdict import given_surface, sentences
from neuronxa_task.tables import (
    SHORT_NAMES,
    interval,
    number,
    p_value,
    records,
    screen,
    text,
    without_empty,
    wrapped,
)

if TYPE_CHECKING:
    import pandas as pd

SUMMARY_METHOD = "pearson"
SUMMARY_ROWS = 9
SUMMARY_VERDICTS = 4
SHORT_INTERVAL = "[{low}, {high}]"


def shown_correlations(table: pd.DataFrame) -> pd.DataFrame:
    """The table of correlations with numbers as text, without empty columns."""
    import pandas as pd

    rows = [
        {
            "model": _whose(row),
            "alignment": row["alignment"],
            "benchmark": row["benchmark"],
            "score": row["score"].upper(),
            "method": row["method"],
            "r": number(row["r"]),
            "p": p_value(row["p"]),
            "p over languages": p_value(row["p_languages"]),
            "Holm": p_value(row["p_holm"]),
            "n": number(row["n"], 0),
            "95% Fisher": interval(row["fisher_low"], row["fisher_high"]),
            "95% bootstrap": interval(row["bootstrap_low"], row["bootstrap_high"]),
            "without one": interval(row["leave_one_out_low"], row["leave_one_out_high"]),
            "95% by family": interval(row["families_low"], row["families_high"]),
            "partial r": number(row["partial_r"]),
            "given surface": _given_surface(row),
            "above chance": _above_chance(row),
            "corrected for noise": number(row["r_noise_corrected"]),
            "paper": number(row["paper"], 4),
            "note": row["note"],
        }
        for row in records(table)
    ]
    optional = [
        "partial r",
        "given surface",
        "above chance",
        "corrected for noise",
        "paper",
        "note",
    ]
    return without_empty(pd.DataFrame(rows), optional)


def _whose(row: dict[str, Any]) -> str:
    if row["kind"] == PER_MODEL:
        return str(row["model"])
    what = "mean of" if row["kind"] == MEAN else "pooled:"
    return f"{what} {row['models']} models"


def _given_surface(row: dict[str, Any]) -> str:
    """r given the surface baseline, and its interval where there is one."""
    r = number(row["surface_r"])
    is_of_one = r and number(row["surface_low"])
    return f"{r} {interval(row['surface_low'], row['surface_high'])}" if is_of_one else r


def _above_chance(row: dict[str, Any]) -> str:
    """r over the languages above chance, and their number."""
    if not number(row["share_above_chance"]):
        return ""
    count = (
        number(row["n_above_chance"], 0)
        if row["models"] <= 1
        else f"{100 * row['share_above_chance']:.0f} %"
    )
    return f"{number(row['r_above_chance']) or '–'} ({count or '–'})"


def shown_comparisons(table: pd.DataFrame) -> pd.DataFrame:
    """The table of comparisons with numbers as text, without empty columns."""
    import pandas as pd

    rows = [
        {
            "model": row["model"],
            "alignment": row["alignment"],
            "benchmark": row["benchmark"],
            "scores": f"{row['first'].upper()} − {row['second'].upper()}",
            "r": f"{number(row['r_first'])} − {number(row['r_second'])}",
            "difference": number(row["difference"]),
            "n": number(row["n"], 0),
            "95% bootstrap": interval(row["bootstrap_low"], row["bootstrap_high"]),
            "Steiger Z": number(row["steiger_z"], 2),
            "p": p_value(row["steiger_p"]),
            "Holm": p_value(row["steiger_p_holm"]),
            "note": row["note"],
        }
        for row in records(table)
    ]
    return without_empty(pd.DataFrame(rows), ["note"])


def correlations_text(correlations: Correlations) -> str:
    """All tables of `neuronxa correlate`, one block per alignment benchmark and benchmark."""
    sides = ["alignment", "benchmark", "metric"]
    blocks = [
        f"{_heading(rows)}\n{_body(shown_correlations(rows))}"
        for _, rows in correlations.table.groupby(sides, sort=False)
    ]
    blocks += [
        f"Scores compared: {_heading(rows)}\n{_body(shown_comparisons(rows))}"
        for _, rows in correlations.comparisons.groupby(sides, sort=False)
    ]
    return "\n\n".join(blocks)


def _heading(rows: pd.DataFrame) -> str:
    row = rows.iloc[0]
    relative = " relative to the pivot's" if row["relative"] else ""
    if row.get("chance_corrected", False):
        relative = " corrected for chance"
    only = f", {row['model']}" if rows["model"].nunique() == 1 else ""
    return f"{row['alignment']} with {row['benchmark']} {row['metric']}{relative}{only}"


def _body(shown: pd.DataFrame) -> str:
    """The rows, without the columns that the heading covers."""
    in_heading = ["alignment", "benchmark", *(["model"] if shown["model"].nunique() == 1 else [])]
    return text(shown.drop(columns=in_heading), indent="  ")


def summary_text(correlations: Correlations) -> str:
    """A summary for one screen: verdicts, then Pearson's r, with means over models first."""
    method = SUMMARY_METHOD
    if method not in set(correlations.table["method"]):
        method = str(correlations.table["method"].iloc[0])
    rows = records(correlations.table[correlations.table["method"] == method])
    verdicts = [line for row in _main_rows(rows) for line in (*sentences(row), *given_surface(row))]
    if not verdicts:
        verdicts = [f"No correlation is defined: {rows[0]['note'].removeprefix('not defined: ')}."]
    lines = map(wrapped, verdicts[:SUMMARY_VERDICTS])
    groups = _summary_rows(rows)
    title = f"{method.title()}'s r over languages, with 95% intervals"
    table = screen(
        _by_score(groups), rows=SUMMARY_ROWS, more="--full", indent="  ", lengths=SHORT_NAMES
    )
    return "\n".join([*lines, "", f"{title}:", table])


def paper_table(table: pd.DataFrame) -> pd.DataFrame:
    """Pearson's correlations as a paper shows them: a row per model and benchmark, means first."""
    rows = records(table[table["method"] == SUMMARY_METHOD])
    return _by_score(_groups(rows)) if rows else table.iloc[:0]


def _main_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each parallel text, the first score's mean over most models and benchmarks."""
    chosen: dict[tuple[Any, Any], dict[str, Any]] = {}
    for row in rows:
        main = row["kind"] == MEAN or (row["kind"] == PER_MODEL and row["models"] == 1)
        if not main or row["r"] != row["r"] or row["r"] is None:
            continue
        key = (row["alignment"], row["pivot"])
        best = chosen.get(key)
        if best is None or (row["score"] == best["score"] and _breadth(row) > _breadth(best)):
            chosen[key] = row
    return list(chosen.values())


def _breadth(row: dict[str, Any]) -> tuple[int, int]:
    return int(row["models"]), len(str(row["benchmark"]).split(", "))


def _summary_rows(rows: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Of `_groups`, single models by their mean over benchmarks alone, where there is a mean."""
    groups = _groups(rows)
    if groups and groups[0][0]["kind"] == MEAN:
        most = max(_breadth(group[0])[1] for group in groups)
        groups = [
            group for group in groups if group[0]["kind"] == MEAN or _breadth(group[0])[1] == most
        ]
    return groups


def _groups(rows: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Rows grouped by model and benchmark, one per score; means first, then single models."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        if row["kind"] != POOLED:
            key = (row["kind"] == PER_MODEL, row["alignment"], row["pivot"], row["model"])
            groups.setdefault((*key, row["benchmark"]), []).append(row)
    ordered = sorted(groups, key=lambda key: (key[0], -len(key[4].split(", "))))
    return [groups[key] for key in ordered]


def _by_score(groups: Sequence[Sequence[dict[str, Any]]]) -> pd.DataFrame:
    """One row per group, with r and its interval in one column per score."""
    import pandas as pd

    texts = {row["alignment"] for rows in groups for row in rows}
    made = []
    for rows in groups:
        first = rows[0]
        benchmarks = first["benchmark"].split(", ")
        line = {
            "model": _whose(first),
            **({"alignment": first["alignment"]} if len(texts) > 1 else {}),
            "benchmark": benchmarks[0] if len(benchmarks) == 1 else f"mean of {len(benchmarks)}",
            "n": number(max((row["n"] for row in rows if row["n"] == row["n"]), default=None), 0),
        }
        for row in rows:
            ends = SHORT_INTERVAL.format(low=number(row["low"], 2), high=number(row["high"], 2))
            line[row["score"].upper()] = (
                f"{number(row['r'], 2) or '–'} {ends if number(row['low']) else '–'}"
            )
        made.append(line)
    table: pd.DataFrame = pd.DataFrame(made).fillna("–")
    return table
