"""RankC: does a model know the same facts in two languages? (Qi et al. 2023)

The metric does not ask which candidate is true. It compares how the model ranks a fact's candidates
in one language with how it ranks them in another, and weighs the top of the rankings most.

Paper: https://aclanthology.org/2023.emnlp-main.658/, section 3, equations 1 to 3.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import combinations, groupby
from operator import attrgetter
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from neuronxa_task.errors import NeuronXAError, one_of
from neuronxa_task.results.files import ResultFile, read_files
from neuronxa_task.results.model_names import model_arguments, model_name

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

END = 20
"""Pairs that are shown of either end of a long list."""

RESULTS, SAMPLES = "results_", "samples_bmlama53_"
MEASURES = ("tokens", "characters", "sum")
Facts = Mapping[int, "NDArray[np.intp]"]
"""Ranks of the candidates of each fact, by its row in the data."""


class Pair(NamedTuple):
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


def ranks(scores: ArrayLike) -> NDArray[np.intp]:
    """Rank of each candidate from 0, the highest score; of equal ones, the earlier is better.

    >>> ranks([-3.0, -1.0, -2.0, -1.0]).tolist()
    [3, 0, 2, 1]
    """
    return np.argsort(np.argsort(-np.asarray(scores), kind="stable"))


def rankc(
    paths: Sequence[Path], languages: Sequence[str] | None = None, by: str = "tokens"
) -> tuple[list[Pair], list[str]]:
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
        raise NeuronXAError(f"--by is {by!r}; expected one of: {one_of(MEASURES)}")
    pairs = []
    newest, notes = _newest_samples(paths)
    for model, files in newest.items():
        chosen = sorted(files) if languages is None else list(dict.fromkeys(languages))
        if missing := [language for language in chosen if language not in files]:
            raise NeuronXAError(
                f"{model} has no logged samples of bmlama53 in {one_of(missing)}; it has: "
                f"{one_of(sorted(files))}"
            )
        if len(chosen) < 2:
            raise NeuronXAError(
                f"RankC compares languages; {model} has samples in {one_of(chosen)} alone"
            )
        facts = {language: _read(*files[language], by) for language in chosen}
        for first, second in combinations(chosen, 2):
            values = _compare(facts[first], facts[second], f"{model}, {first} and {second}")
            unshared = len(facts[first].keys() ^ facts[second].keys())
            mean = float(values.mean())
            pairs.append(Pair(model, first, second, mean, len(values), unshared))
    return pairs, notes


def summary(pairs: Sequence[Pair]) -> str:
    """Each model's pairs as text, the most consistent first; of many, the two ends; their mean."""
    lines = []
    for model, of_model in groupby(pairs, key=attrgetter("model")):
        listed = sorted(of_model, key=attrgetter("rankc"), reverse=True)
        rows = [
            f"{pair.first + ' ' + pair.second:<12}{pair.rankc:>8.3f}{pair.facts:>8}"
            f"{pair.left_out:>10}"
            for pair in listed
        ]
        if (hidden := len(rows) - 2 * END) > 0:
            rows[END:-END] = [f"… {hidden} more, which --output writes to a file"]
        lines += [
            *(model, f"{'languages':<12}{'RankC':>8}{'facts':>8}{'left out':>10}", *rows),
            *(f"{'mean':<12}{fmean(pair.rankc for pair in listed):>8.3f}", ""),
        ]
    return "\n".join(lines[:-1])


def table(pairs: Sequence[Pair]) -> pd.DataFrame:
    """The pairs, a column per attribute."""
    import pandas as pd

    made: pd.DataFrame = pd.DataFrame(pairs, columns=list(Pair._fields))
    return made


def shown(pairs: Sequence[Pair]) -> pd.DataFrame:
    """`table` with its numbers as text."""
    import pandas as pd

    rows = [{**pair._asdict(), "rankc": f"{pair.rankc:.3f}"} for pair in pairs]
    made: pd.DataFrame = pd.DataFrame(rows).astype(str)
    return made


def _newest_samples(
    paths: Sequence[Path],
) -> tuple[dict[str, dict[str, tuple[Path, ResultFile]]], list[str]]:
    """Files of samples by model and language; the harness dates them as their result file."""
    found: dict[str, dict[str, tuple[Path, ResultFile]]] = {}
    files, notes = read_files(paths)
    replaced = 0
    for file in files:
        date = file.path.stem.removeprefix(RESULTS)
        for path in sorted(file.path.parent.glob(f"{SAMPLES}*_{date}.jsonl")):
            language = path.stem.removeprefix(SAMPLES).removesuffix(f"_{date}")
            of_model = found.setdefault(model_name(file), {})
            replaced += language in of_model
            of_model[language] = path, file
    if not found:
        raise NeuronXAError(
            f"{one_of(paths)}: no files {SAMPLES}*.jsonl beside the result files; run lm_eval with "
            "--tasks bmlama53 --log_samples"
        )
    if replaced:
        notes.append(f"{replaced} files of samples replaced by newer runs of the same model")
    return found, notes


def _read(path: Path, run: ResultFile, by: str) -> Facts:
    """The ranks of every fact's candidates in a file of samples."""
    lengths = _lengths_by(by, run)
    facts = {}
    for number, line in _lines(path):
        try:
            sample = json.loads(line)
            row, sentences = int(sample["doc"]["row"]), list(sample["doc"]["sentences"])
            scores = [float(score) for score, _ in sample["filtered_resps"]]
            if len(scores) != len(sentences):
                raise ValueError(f"{len(scores)} answers for {len(sentences)} sentences")
            counts = lengths(sentences)
            if 0 in counts:
                raise ValueError(f"a sentence of no {by}")
        except (ValueError, TypeError, LookupError) as error:
            raise NeuronXAError(
                f"line {number} of {path} is no sample of bmlama53 ({error!r}); was the run or the "
                "copy cut short?"
            ) from error
        means = np.array(scores) / counts
        if np.isnan(means).any():
            raise NeuronXAError(f"line {number} of {path}: a log-probability is NaN")
        facts[row] = ranks(means)
    return facts


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8") as lines:
            yield from enumerate(lines, start=1)
    except OSError as error:
        raise NeuronXAError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise NeuronXAError(f"{path} is no file of samples: {error}") from error


Lengths = Callable[[list[str]], list[int]]


def _lengths_by(measure: str, run: ResultFile) -> Lengths:
    """What the log-probabilities of sentences are divided by."""
    if measure == "sum":
        return lambda texts: [1 for _ in texts]
    if measure == "characters":
        return lambda texts: [len(text) for text in texts]
    arguments = model_arguments(run.part("config").get("model_args"))
    names = (arguments.get(key) for key in ("tokenizer", "pretrained"))
    name = next((name for name in names if name not in (None, "", "None")), None)
    try:
        if name is None:
            raise ValueError("its model_args name none")
        return _tokens(name, arguments.get("revision", "main"))
    except (OSError, ValueError) as error:
        raise NeuronXAError(
            f"{run.path}: its tokenizer {name!r} cannot be loaded to count tokens "
            f"({' '.join(str(error).split())}); rank with --by characters instead"
        ) from error


@cache
def _tokens(name: str, revision: str) -> Lengths:
    """Counts the tokens of sentences; loading a tokenizer takes seconds."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(name, revision=revision)
    return lambda texts: list(map(len, tokenizer(texts, add_special_tokens=False)["input_ids"]))


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
