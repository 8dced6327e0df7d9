"""Tables and pictures of scores against the number of sentence pairs, as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neuronxa_task.analysis.stability import OVER_LANGUAGES, Stability, sizes_of
from neuronxa_task.tables import number, records, screen

if TYPE_CHECKING:
    import pandas as pd

CURVES_ON_SCREEN = 3


def shown_curves(table: pd.DataFrame) -> pd.DataFrame:
    """The mean over languages: a row per model, benchmark and n, a column per score."""
    import pandas as pd

    rows: dict[tuple[Any, ...], dict[str, str]] = {}
    for row in _means(table):
        key = (row["model"], row["alignment"], row["n"])
        line = rows.setdefault(
            key, {"model": row["model"], "alignment": row["alignment"], "n": str(row["n"])}
        )
        score = row["score"].upper()
        ends = f" [{number(row['low'], 2)}, {number(row['high'], 2)}]" if number(row["low"]) else ""
        line[score] = f"{number(row['value'], 2)}{ends}"
        line[f"tau {score}"] = number(row["tau"], 2) or "–"
    made: pd.DataFrame = pd.DataFrame(list(rows.values())).fillna("–")
    return made


def shown_rankings(table: pd.DataFrame) -> pd.DataFrame:
    """From which n the ranking of languages is stable: a row per model and benchmark."""
    import pandas as pd

    rows: dict[tuple[str, str], dict[str, str]] = {}
    languages = table[table["language"] != OVER_LANGUAGES]
    counts = languages.groupby(["model", "alignment"])["language"].nunique()
    for row in _means(table):
        key = (row["model"], row["alignment"])
        line = rows.setdefault(
            key,
            {
                "model": row["model"],
                "alignment": row["alignment"],
                "languages": str(counts[key]),
                "pairs": str(max(sizes_of(_means(table, *key)))),
            },
        )
        stays = row["ranking_stays_from"]
        line[row["score"].upper()] = "no ranking" if stays != stays or not stays else f"{stays:.0f}"
    made: pd.DataFrame = pd.DataFrame(list(rows.values())).fillna("–")
    return made


def _means(table: pd.DataFrame, model: str = "", alignment: str = "") -> list[dict[str, Any]]:
    chosen = table[table["language"] == OVER_LANGUAGES]
    if model:
        chosen = chosen[(chosen["model"] == model) & (chosen["alignment"] == alignment)]
    return records(chosen)


def summary_text(results: Stability) -> str:
    """What fits a screen: from which n rankings are stable, and the curves if there are few."""
    rankings = shown_rankings(results.table)
    lines = ["The ranking of languages is stable from this many sentence pairs on:"]
    lines.append(screen(rankings, rows=10, more="--output FOLDER", indent="  "))
    if len(rankings) <= CURVES_ON_SCREEN:
        curves = shown_curves(results.table)
        if len(rankings) == 1:
            curves = curves.drop(columns=["model", "alignment"])
        elif rankings["alignment"].nunique() == 1:
            curves = curves.drop(columns="alignment")
        lines += ["", "Mean over languages [band], and Kendall's tau with the ranking by all:"]
        lines.append(screen(curves, rows=15, more="--output FOLDER", indent="  "))
    return "\n".join(lines)
