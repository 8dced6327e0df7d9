"""`neuronxa stability`: scores against the number of sentence pairs that they are made from.

With the setting `stability`, the result file has, for each language, the scores of 20 random
subsets of its pairs at each of several sizes. Subset k of a size holds the same sentences in all
languages with the same number of pairs.

The band at sizes below n is the middle 95 % of the 20 subsets. Subsets of one sample share pairs,
so near n their spread goes to 0, whatever the sample. Therefore the band at n itself is the score's
own bootstrap interval over pairs, if there is one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronxa_task.analysis.stability_curves import MEANS, Curve, Floats, Key
from neuronxa_task.errors import one_of

if TYPE_CHECKING:
    import pandas as pd

STAYS = 0.95
"""Least mean Kendall's tau with the full ranking for which a ranking counts as stable."""
MIN_LANGUAGES = 3
OVER_LANGUAGES = "mean"
SUBSETS_BAND, INTERVAL_BAND = "subsets", "bootstrap"

COLUMNS: Mapping[str, str] = {
    "model": "name of the model",
    "alignment": "alignment benchmark",
    "score": "nasca, navca or mexa",
    "language": "FLORES code; `mean` for the mean over the languages",
    "n": "sentence pairs",
    "value": "the score: below the last n, the mean of the subsets'",
    "low": "lower end of the band",
    "high": "upper end of the band",
    "band": "`subsets`: the middle 95 % of random subsets, too narrow near the last n; "
    "`bootstrap`: the score's interval over pairs, of means over languages the mean of their ends",
    "tau": "mean Kendall's tau-b between each subset's ranking of the languages and that of all "
    "pairs; of the mean over languages only",
    "ranking_stays_from": "the smallest n from which tau is always at least 0.95",
}


@dataclass(frozen=True, eq=False)
class Stability:
    """What `neuronxa stability` finds.

    Attributes:
        table: in `COLUMNS`: of each model, benchmark and score a row per size for each language,
            and for the mean over those languages that have the same number of pairs.
        notes: remarks for the reader.
    """

    table: pd.DataFrame
    notes: tuple[str, ...]


def stability(curves: Mapping[Key, Mapping[str, Curve]]) -> Stability:
    """Scores against n with their bands, and from which n the ranking of languages is stable.

    Args:
        curves: of each model, benchmark and language, by score; at least one.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    notes: dict[str, None] = {}
    groups: dict[tuple[str, str, str], dict[str, Curve]] = {}
    for (model, benchmark, language), by_score in curves.items():
        for score in MEANS:
            if score in by_score:
                groups.setdefault((model, benchmark, score), {})[language] = by_score[score]
    for (model, benchmark, score), by_language in groups.items():
        chosen = _of_equal_pairs(by_language)
        if others := [code for code in by_language if code not in chosen]:
            pairs = next(iter(chosen.values())).pairs
            notes[
                f"{benchmark} of {model}: mean and ranking are over the {len(chosen)} languages of "
                f"{pairs} pairs, without {one_of(others, at_most=5)}"
            ] = None
        made = [*_mean_rows(chosen)]
        made += [row for code, curve in by_language.items() for row in _rows(code, curve)]
        rows += [{"model": model, "alignment": benchmark, "score": score} | row for row in made]
    notes[
        "bands are the middle 95 % of 20 random subsets, which share pairs with each other and so "
        "are too narrow near the last n; at the last n they are the bootstrap interval over pairs"
    ] = None
    notes[
        "a ranking is stable from n pairs if mean Kendall's tau with the ranking by all pairs is "
        f"at least {STAYS} at n and at every larger size; the subsets are part of these pairs, so "
        "another sample may need more"
    ] = None
    return Stability(pd.DataFrame(rows, columns=list(COLUMNS)), tuple(notes))


def _of_equal_pairs(by_language: Mapping[str, Curve]) -> dict[str, Curve]:
    """The languages of the most common number of pairs, whose subsets are the same sentences."""
    counts = Counter(tuple(curve.by_size) for curve in by_language.values())
    sizes = max(counts, key=lambda sizes: (counts[sizes], sizes))
    return {code: curve for code, curve in by_language.items() if tuple(curve.by_size) == sizes}


def _rows(language: str, curve: Curve) -> Iterator[dict[str, Any]]:
    for size, scores in curve.by_size.items():
        band = _band(scores) if size < curve.pairs else curve.interval
        yield _row(language, size, float(scores.mean()), band, is_last=size == curve.pairs)


def _mean_rows(by_language: Mapping[str, Curve]) -> Iterator[dict[str, Any]]:
    """The rows of the mean over languages, with tau."""
    curves = list(by_language.values())
    pairs = curves[0].pairs
    taus = {size: ranking_tau(curves, size) for size in curves[0].by_size}
    stays = stays_from(taus)
    for size, tau in taus.items():
        scores = np.stack([curve.by_size[size] for curve in curves])
        ends = [curve.interval for curve in curves if curve.interval is not None]
        if size < pairs:
            band: tuple[float, float] | None = _band(scores.mean(axis=0))
        else:
            whole = len(ends) == len(curves)
            band = (fmean(e[0] for e in ends), fmean(e[1] for e in ends)) if whole else None
        row = _row(OVER_LANGUAGES, size, float(scores.mean()), band, is_last=size == pairs)
        yield row | {"tau": tau, "ranking_stays_from": stays}


def _row(
    language: str, size: int, value: float, band: tuple[float, float] | None, *, is_last: bool
) -> dict[str, Any]:
    row: dict[str, Any] = {"language": language, "n": size, "value": value}
    if band is None:
        return row
    kind = INTERVAL_BAND if is_last else SUBSETS_BAND
    return row | {"low": band[0], "high": band[1], "band": kind}


def _band(scores: Floats) -> tuple[float, float]:
    low, high = np.quantile(scores, [0.025, 0.975])
    return float(low), float(high)


def ranking_tau(curves: Sequence[Curve], size: int) -> float | None:
    """Kendall's tau-b between a subset's ranking of languages and that of all pairs, on average.

    A subset in which all languages have the same score ranks nothing, and counts as 0.

    Args:
        curves: of one score, a curve per language, all of the same sizes.
        size: of the subsets.

    Returns:
        `None` where there are fewer than three languages, or all their full scores are the same.
    """
    from scipy.stats import kendalltau

    full = np.array([curve.by_size[curve.pairs][0] for curve in curves])
    if len(full) < MIN_LANGUAGES or np.ptp(full) < 1e-12:
        return None
    scores = np.stack([curve.by_size[size] for curve in curves], axis=1)  # [subsets, languages]
    scores = scores.round(12)  # means of equal shares differ in their last bit
    taus = [float(kendalltau(subset, full.round(12)).statistic) for subset in scores]
    return fmean(0.0 if math.isnan(tau) else tau for tau in taus)


def stays_from(taus: Mapping[int, float | None]) -> int | None:
    """The smallest size from which tau is always at least 0.95; `None` if there is no ranking.

    >>> stays_from({10: 0.96, 20: 0.94, 50: 0.97, 100: 1.0})
    50
    """
    least = None
    for size in sorted(taus, reverse=True):
        tau = taus[size]
        if tau is None or tau < STAYS:
            break
        least = size
    return least


def sizes_of(rows: Iterable[Mapping[str, Any]]) -> list[int]:
    """The sizes of some rows of the table, rising."""
    return sorted({int(row["n"]) for row in rows})
