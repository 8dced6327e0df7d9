"""RankC: does a model know the same facts in two languages? (Qi et al. 2023)

RankC ignores which candidate is true. It compares how the model ranks a fact's candidates in two
languages, with most weight on the top of the rankings.

Paper: https://aclanthology.org/2023.emnlp-main.658/, section 3, equations 1 to 3.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations, groupby
from operator import attrgetter
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from neuronxa_task.bmlama53.samples import Facts, newest_samples, read_ranks
from neuronxa_task.errors import NeuronXAError, did_you_mean, one_of

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

ENDS = 8
"""Pairs shown at each end of a long list."""

MEASURES = ("tokens", "characters", "sum")


class LanguagePair(NamedTuple):
    """RankC of a model in two languages.

    Attributes:
        first: a language, as in the tasks' names.
        second: the other language; RankC is symmetric.
        rankc: mean consistency over facts, in (0, 1].
        facts: number of facts ranked in both languages.
        left_out: number of facts ranked in only one of them.
    """

    model: str
    first: str
    second: str
    rankc: float
    facts: int
    left_out: int


def consistency(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """How alike two rankings of the same candidates are: 1 if equal, and always above 0.

    With N candidates, P@j the fraction of the first ranking's top j that is in the second's top j,
    and weights that fall with the rank j,

        w_j = exp(N - j) / sum_k exp(N - k),    consistency = sum_j w_j P@j.

    Unrelated rankings have sum_j w_j j / N on average: 0.158 for ten candidates. A candidate counts
    in P@j from the rank at which both rankings include it, so the sum is taken over candidates.

    Args:
        first: `[..., N]`, rank of each candidate; 0 is the best.
        second: `[..., N]`, the ranks in the other language.

    Returns:
        `[...]`, one value per fact.

    >>> consistency([0, 1, 2], [0, 1, 2]).item()
    1.0
    >>> consistency([0, 1], [1, 0]).round(4).item()  # w_1 0 + w_2 2/2 = 1 / (e + 1)
    0.2689
    """
    worse = np.maximum(first, second)
    j = np.arange(1, worse.shape[-1] + 1)
    weights = np.exp(-j.astype(float))
    weights /= weights.sum()
    from_rank_on = np.cumsum((weights / j)[::-1])[::-1]
    return np.asarray(from_rank_on[worse].sum(axis=-1))


def rankc(
    paths: Sequence[Path], languages: Sequence[str] | None = None, by: str = "tokens"
) -> tuple[list[LanguagePair], list[str]]:
    """RankC of every pair of languages, from the harness's logged samples of BMLAMA-53.

    Args:
        paths: result files of `lm_eval --tasks bmlama53 --log_samples --output_path DIR`, with
            their samples in the same folder, or folders of such files at any depth. The newest run
            of each model and language is used.
        languages: codes as in the tasks' names; `None` for all that have samples.
        by: how sentences are ranked: by mean log-probability over `tokens` (the paper) or
            `characters` (the task's `acc_norm`), or by its `sum` (the task's `acc`). The harness
            does not log tokens, so the model's tokenizer is loaded to count them.

    Returns:
        The pairs, and notes on files that were left out or replaced.

    Raises:
        NeuronXAError: no samples, fewer than two languages, samples of different data, or a
            tokenizer that cannot be loaded.
    """
    if by not in MEASURES:
        raise NeuronXAError(
            f"--by is {by!r}; expected one of: {one_of(MEASURES)}" + did_you_mean(by, MEASURES)
        )
    pairs = []
    newest, notes = newest_samples(paths)
    for model, files in newest.items():
        chosen = sorted(files) if languages is None else list(dict.fromkeys(languages))
        if missing := [language for language in chosen if language not in files]:
            raise NeuronXAError(
                f"{model} has no logged samples of bmlama53 in {one_of(missing)}; it has: "
                f"{one_of(sorted(files))}" + did_you_mean(missing[0], sorted(files))
            )
        if len(chosen) < 2:
            raise NeuronXAError(
                f"RankC compares two languages; {model} has samples only in {one_of(chosen)}"
            )
        facts = {language: read_ranks(*files[language], by) for language in chosen}
        for first, second in combinations(chosen, 2):
            values = _compare(facts[first], facts[second], f"{model}, {first} and {second}")
            in_one = len(facts[first].keys() ^ facts[second].keys())
            mean = float(values.mean())
            pairs.append(LanguagePair(model, first, second, mean, len(values), in_one))
    return pairs, notes


def summary(pairs: Sequence[LanguagePair]) -> str:
    """A table per model, most consistent pair first, and the mean; long tables show both ends."""
    lines = []
    for model, of_model in groupby(pairs, key=attrgetter("model")):
        listed = sorted(of_model, key=attrgetter("rankc"), reverse=True)
        rows = [
            f"{pair.first + ' ' + pair.second:<12}{pair.rankc:>8.3f}{pair.facts:>8}"
            f"{pair.left_out:>10}"
            for pair in listed
        ]
        if (hidden := len(rows) - 2 * ENDS) > 0:
            rows[ENDS:-ENDS] = [f"… {hidden} more; --output writes all of them to a file"]
        lines += [
            *(model, f"{'languages':<12}{'RankC':>8}{'facts':>8}{'left out':>10}", *rows),
            *(f"{'mean':<12}{fmean(pair.rankc for pair in listed):>8.3f}", ""),
        ]
    return "\n".join(lines[:-1])


def table(pairs: Sequence[LanguagePair]) -> pd.DataFrame:
    """The pairs as a table, one column per attribute of `LanguagePair`."""
    import pandas as pd

    columns: pd.DataFrame = pd.DataFrame(pairs, columns=list(LanguagePair._fields))
    return columns


def shown(pairs: Sequence[LanguagePair]) -> pd.DataFrame:
    """`table` with RankC rounded to three digits, as text."""
    made = table(pairs)
    made["rankc"] = made["rankc"].map("{:.3f}".format)
    texts: pd.DataFrame = made.astype(str)
    return texts


def _compare(first: Facts, second: Facts, what: str) -> NDArray[np.float64]:
    """Consistency of every fact in both languages; facts with equally many candidates at once."""
    of_size: dict[int, list[int]] = defaultdict(list)
    for row in sorted(first.keys() & second.keys()):
        if len(first[row]) != len(second[row]):
            raise NeuronXAError(
                f"{what}: fact {row} has {len(first[row])} and {len(second[row])} candidates; were "
                "the samples made from different data?"
            )
        of_size[len(first[row])].append(row)
    if not of_size:
        raise NeuronXAError(f"{what} have no fact in common")
    return np.concatenate(
        [
            consistency([first[row] for row in rows], [second[row] for row in rows])
            for rows in of_size.values()
        ]
    )
