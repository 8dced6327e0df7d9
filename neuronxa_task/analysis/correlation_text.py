"""Tables of correlations, as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuronxa_task.analysis.correlate import Correlations
from neuronxa_task.tables import (
    interval,
    number,
    p_value,
    records,
    text,
    without_empty,
)

if TYPE_CHECKING:
    import pandas as pd


def shown_correlations(table: pd.DataFrame) -> pd.DataFrame:
    """A table of correlations with its numbers as text and without what is nowhere filled."""
    import pandas as pd

    rows = [
        {
            "model": row["model"] or f"{row['kind']} ({row['models']})",
            "alignment": row["alignment"],
            "benchmark": row["benchmark"],
            "score": row["score"].upper(),
            "method": row["method"],
            "r": number(row["r"]),
            "p": p_value(row["p"]),
            "n": number(row["n"], 0),
            "95% Fisher": interval(row["fisher_low"], row["fisher_high"]),
            "95% bootstrap": interval(row["bootstrap_low"], row["bootstrap_high"]),
            "paper": number(row["paper"], 4),
            "note": row["note"],
        }
        for row in records(table)
    ]
    return without_empty(pd.DataFrame(rows), ["paper", "note"])


def shown_comparisons(table: pd.DataFrame) -> pd.DataFrame:
    """A table of comparisons with its numbers as text and without what is nowhere filled."""
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
            "Z: p": p_value(row["steiger_p"]),
            "Williams t": number(row["williams_t"], 2),
            "t: p": p_value(row["williams_p"]),
            "note": row["note"],
        }
        for row in records(table)
    ]
    return without_empty(pd.DataFrame(rows), ["note"])


def correlations_text(found: Correlations) -> str:
    """Everything `neuronxa correlate` found, for the screen: a block per pair of benchmarks."""
    sides = ["alignment", "benchmark", "metric", "relative"]
    blocks = [
        f"{_heading(rows)}\n{_body(shown_correlations(rows))}"
        for _, rows in found.table.groupby(sides, sort=False)
    ]
    blocks += [
        f"Scores compared: {_heading(rows)}\n{_body(shown_comparisons(rows))}"
        for _, rows in found.comparisons.groupby(sides, sort=False)
    ]
    return "\n\n".join(blocks)


def _heading(rows: pd.DataFrame) -> str:
    row = rows.iloc[0]
    relative = " relative to the pivot's" if row["relative"] else ""
    only = f", {row['model']}" if rows["model"].nunique() == 1 else ""
    return f"{row['alignment']} with {row['benchmark']} {row['metric']}{relative}{only}"


def _body(shown: pd.DataFrame) -> str:
    """The rows without what the heading says."""
    said = ["alignment", "benchmark", *(["model"] if shown["model"].nunique() == 1 else [])]
    return text(shown.drop(columns=said), indent="  ")
