"""RankC: does a model know the same facts in two languages? (Qi et al. 2023)

The metric does not ask which candidate is true. It compares how the model ranks a fact's candidates
in one language with how it ranks them in another, and weighs the top of the rankings most.

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
"""Pairs that are shown of either end of a long list."""

MEASURES = ("tokens", "characters", "sum")


class LanguagePair(NamedTuple):
    """RankC of a model in two languages.

    Attributes:
        model: its name.
        first: language, as in the tasks' names.
        second: the other one; the measure is symmetric.
        rankc: mean consistency of the facts, above 0 to 1.
        facts: how many are ranked in both languages.
        left_out: how many are ranked in one of them only.
    """

    model: str
    first: str
    second: str
    rankc: float
    facts: int
    left_out: int


def consistency(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """How alike two rankings of the same candidates are: 1 if equal, and never 0.

    With N candidates, P@j the share of the first ranking's j best that are among the second's j
    best, and weights that fall with the rank j,

        w_j = exp(N - j) / sum_k exp(N - k),    consistency = sum_j w_j P@j.

    Rankings that have nothing to do with each other reach sum_j w_j j / N on average: 0.158 of ten
    candidates. A candidate counts in P@j from the rank on at which both rankings have it, so the
    sum is taken candidate by candidate.

    Args:
        first: rank of each candidate from 0, the best, shape `[..., N]`.
        second: the same in the other language.

    Returns:
        One number per fact, shape `[...]`.

    >>> consistency([0, 1, 2], [0, 1, 2]).item()
    1.0
    >>> consistency([0, 1], [1, 0]).round(4).item()  # w_1 0 + w_2 2/2 = 1 / (e + 1)
    0.2689
    """
    both = np.maximum(first, second)
    j = np.arange(1, both.shape[-1] + 1)
    weights = np.exp(-j.astype(float))
    weights /= weights.sum()
    from_rank_on = np.cumsum((weights / j)[::-1])[::-1]
    return np.asarray(from_rank_on[both].sum(axis=-1))


def rankc(
    paths: Sequence[Path], languages: Sequence[str] | None = None, by: str = "tokens"
) -> tuple[list[LanguagePair], list[str]]:
    """RankC of every pair of languages, from the samples that the harness logged for BMLAMA-53.

    Args:
        paths: result files of `lm_eval --tasks bmlama53 --log_samples --output_path DIR`, with
            their samples beside them, and folders of such files at any depth. Of several runs of a
            model and language the newest is taken.
        languages: as in the tasks' names; all that are there for `None`.
        by: what ranks the candidates' sentences: the mean of the log-probability over their
            `tokens` (the paper) or `characters` (the task's `acc_norm`), or its `sum` (the task's
            `acc`). The harness does not log tokens; the model's tokenizer is loaded to count them.

    Returns:
        The pairs, and notes on files that were left out or replaced.

    Raises:
        NeuronXAError: no samples, fewer than two languages, samples that do not fit together, or
            a tokenizer that cannot be loaded.
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
                f"RankC compares languages; {model} has samples in {one_of(chosen)} alone"
            )
        facts = {language: read_ranks(*files[language], by) for language in chosen}
        for first, second in combinations(chosen, 2):
            values = _compare(facts[first], facts[second], f"{model}, {first} and {second}")
            unshared = len(facts[first].keys() ^ facts[second].keys())
            mean = float(values.mean())
            pairs.append(LanguagePair(model, first, second, mean, len(values), unshared))
    return pairs, notes


def summary(pairs: Sequence[LanguagePair]) -> str:
    """Each model's pairs as text, the most consistent first; of many, the two ends; their mean."""
    lines = []
    for model, of_model in groupby(pairs, key=attrgetter("model")):
        listed = sorted(of_model, key=attrgetter("rankc"), reverse=True)
        rows = [
            f"{pair.first + ' ' + pair.second:<12}{pair.rankc:>8.3f}{pair.facts:>8}"
            f"{pair.left_out:>10}"
            for pair in listed
        ]
        if (hidden := len(rows) - 2 * ENDS) > 0:
            rows[ENDS:-ENDS] = [f"… {hidden} more, which --output writes to a file"]
        lines += [
            *(model, f"{'languages':<12}{'RankC':>8}{'facts':>8}{'left out':>10}", *rows),
            *(f"{'mean':<12}{fmean(pair.rankc for pair in listed):>8.3f}", ""),
        ]
    return "\n".join(lines[:-1])


def table(pairs: Sequence[LanguagePair]) -> pd.DataFrame:
    """The pairs, a column per attribute."""
    import pandas as pd

    made: pd.DataFrame = pd.DataFrame(pairs, columns=list(LanguagePair._fields))
    return made


def shown(pairs: Sequence[LanguagePair]) -> pd.DataFrame:
    """`table` with its numbers as text."""
    import pandas as pd

    rows = [{**pair._asdict(), "rankc": f"{pair.rankc:.3f}"} for pair in pairs]
    made: pd.DataFrame = pd.DataFrame(rows).astype(str)
    return made


def _compare(first: Facts, second: Facts, what: str) -> NDArray[np.float64]:
    """The consistency of every fact that both languages have, facts of equal size together."""
    of_size: dict[int, list[int]] = defaultdict(list)
    for row in sorted(first.keys() & second.keys()):
        if len(first[row]) != len(second[row]):
            raise NeuronXAError(
                f"{what}: fact {row} has {len(first[row])} and {len(second[row])} candidates; were "
                "the samples made of different data?"
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
