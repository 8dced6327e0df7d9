"""Read the harness's logged samples of BMLAMA-53: how a model ranks each fact's candidates."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from neuronxa_task.errors import NeuronXAError, one_of
from neuronxa_task.results.files import ResultFile, date_in_name, read_files
from neuronxa_task.results.model_names import model_arguments, model_name

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

SAMPLES = "samples_bmlama53_"
"""Start of the file names, followed by the language and the date of the result file."""

Facts = Mapping[int, "NDArray[np.intp]"]
"""Ranks of the candidates of each fact, by its row in the data."""


def candidate_ranks(scores: ArrayLike) -> NDArray[np.intp]:
    """Rank of each candidate; 0 has the highest score, and ties go to the earlier candidate.

    >>> candidate_ranks([-3.0, -1.0, -2.0, -1.0]).tolist()
    [3, 0, 2, 1]
    """
    return np.argsort(np.argsort(-np.asarray(scores), kind="stable"))


def newest_samples(
    paths: Sequence[Path],
) -> tuple[dict[str, dict[str, tuple[Path, ResultFile]]], list[str]]:
    """Newest files of samples by model and language, with their result files, and notes.

    The harness gives both kinds of files the same date.

    Raises:
        NeuronXAError: there are no samples.
    """
    samples: dict[str, dict[str, tuple[Path, ResultFile]]] = {}
    files, notes = read_files(paths)
    replaced = 0
    for file in files:
        date = date_in_name(file.path)
        for path in sorted(file.path.parent.glob(f"{SAMPLES}*_{date}.jsonl")) if date else ():
            language = path.stem.removeprefix(SAMPLES).removesuffix(f"_{date}")
            of_model = samples.setdefault(model_name(file), {})
            replaced += language in of_model
            of_model[language] = path, file
    if not samples:
        raise NeuronXAError(
            f"{one_of(paths)}: no files {SAMPLES}*.jsonl next to the result files; run lm_eval "
            "with --tasks bmlama53 --log_samples"
        )
    if replaced:
        notes.append(f"{replaced} files of samples replaced by newer runs of the same model")
    return samples, notes


def read_ranks(path: Path, run: ResultFile, by: str) -> Facts:
    """Rank the candidates of every fact in a file of samples.

    Args:
        path: file of samples.
        run: its result file, which names the tokenizer.
        by: how sentences are ranked; see `neuronxa_task.bmlama53.rankc.rankc`.

    Raises:
        NeuronXAError: the file or the tokenizer cannot be read.
    """
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
                raise ValueError(f"a sentence has no {by}")
        except (ValueError, TypeError, LookupError) as error:
            raise NeuronXAError(
                f"line {number} of {path} is not a sample of bmlama53 ({error!r}); was the run "
                "or the copy cut short?"
            ) from error
        means = np.array(scores) / counts
        if np.isnan(means).any():
            raise NeuronXAError(f"line {number} of {path}: a log-probability is NaN")
        facts[row] = candidate_ranks(means)
    return facts


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8") as lines:
            yield from enumerate(lines, start=1)
    except OSError as error:
        raise NeuronXAError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise NeuronXAError(f"{path} is not a file of samples: {error}") from error


Lengths = Callable[[list[str]], list[int]]


def _lengths_by(measure: str, run: ResultFile) -> Lengths:
    """The function that gives the divisors of sentences' log-probabilities."""
    if measure == "sum":
        return lambda texts: [1 for _ in texts]
    if measure == "characters":
        return lambda texts: [len(text) for text in texts]
    arguments = model_arguments(run.part("config").get("model_args"))
    names = (arguments.get(key) for key in ("tokenizer", "pretrained"))
    name = next((name for name in names if name not in (None, "", "None")), None)
    try:
        if name is None:
            raise ValueError("model_args name no model")
        return _tokens(name, arguments.get("revision", "main"))
    except (OSError, ValueError) as error:
        raise NeuronXAError(
            f"{run.path}: its tokenizer {name!r} cannot be loaded to count tokens "
            f"({' '.join(str(error).split())}); rank with --by characters instead"
        ) from error


@cache
def _tokens(name: str, revision: str) -> Lengths:
    """Count the tokens of sentences; cached because loading a tokenizer takes seconds."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(name, revision=revision)
    return lambda texts: list(map(len, tokenizer(texts, add_special_tokens=False)["input_ids"]))
