"""BMLAMA-53, facts in 53 languages (Qi et al. 2023), as documents of stock multiple choice.

A fact is a sentence with a gap, `Paris is the capital of <mask>.`, and candidates to fill it. As in
the authors' code for causal models, each candidate is put into the gap and the whole sentence is
scored, preceded only by the beginning-of-sentence token. The most likely sentence is the answer.
The harness reports the sum of the log-probabilities (`acc`) and their mean over characters
(`acc_norm`). The authors use the mean over tokens, to which `acc_norm` is closer.

Paper: https://aclanthology.org/2023.emnlp-main.658/; data and code (Apache-2.0):
https://github.com/Betswish/Cross-Lingual-Consistency
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterable, Mapping, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from neuronxa_task.corpus.hub import offline_if_asked
from neuronxa_task.errors import NeuronXAError

if TYPE_CHECKING:
    from datasets import DatasetDict

log = logging.getLogger(__name__)

LANGUAGES: tuple[str, ...] = tuple(
    """
    af ar az be bg bn ca ceb cs cy da de el en es et eu fa fi fr ga gl he hi hr hu hy id it ja ka ko
    la lt lv ms nl pl pt ro ru sk sl sq sr sv ta th tr uk ur vi zh
    """.split()
)
"""Language codes of the data: ISO 639-1, and `ceb`, which has no such code."""

COMMIT = "13c9d46c8a11e9f7798a6e6ec8bc5efa98a9e448"
FOLDER = (
    f"https://raw.githubusercontent.com/Betswish/Cross-Lingual-Consistency/{COMMIT}"
    "/1_easyrun/BMLAMA53"
)
COLUMNS = ("Prompt", "Ans", "Candidate Ans")
MASK = "<mask>"
SEPARATOR = ", "


class Document(TypedDict):
    """One fact: `sentences[answer]` is true.

    Attributes:
        row: index in the data, from 0; equal rows are the same fact in all languages.
        sentences: the prompt with each candidate in the gap, in the data's order.
        answer: index of the true sentence.
    """

    row: int
    sentences: list[str]
    answer: int


def load(
    language: str,
    bmlama53: str = FOLDER,
    left_out: MutableMapping[str, int] | None = None,
    **_: Any,
) -> DatasetDict:
    """Load one language as the split `test`; the tasks' `custom_dataset`.

    Args:
        language: one of `LANGUAGES`.
        bmlama53: folder or URL of the data's files (`fr.tsv` and so on). The harness passes it on
            from `--metadata '{"bmlama53": "my_folder"}'`.
        left_out: part of the task's metadata, filled with the number of rows left out by reason;
            the harness writes the metadata to its result file.

    Raises:
        NeuronXAError: the data cannot be read, or a file has another format.
    """
    from datasets import Dataset, DatasetDict

    source = f"{bmlama53}/{language}.tsv"
    documents, without_choice = to_documents(_read(source), source)
    log.warning("%s: %d facts; rows left out: %s", source, len(documents), without_choice)
    if left_out is not None:
        left_out.update(without_choice)
    return DatasetDict(test=Dataset.from_list(list(map(dict, documents))))


def to_documents(
    rows: Iterable[Mapping[str, str]], source: str
) -> tuple[list[Document], dict[str, int]]:
    """Turn rows into documents, and count the rows without a choice to make, by reason.

    >>> rows = [
    ...     {"Prompt": "Snow is <mask>.", "Ans": "white", "Candidate Ans": "black, white"},
    ...     {"Prompt": "Grass is <mask>.", "Ans": "green", "Candidate Ans": "green"},
    ... ]
    >>> documents, left_out = to_documents(rows, "en.tsv")
    >>> documents
    [{'row': 0, 'sentences': ['Snow is black.', 'Snow is white.'], 'answer': 1}]
    >>> left_out
    {'single_candidate': 1, 'answer_no_candidate': 0}

    Raises:
        NeuronXAError: a prompt has no gap, or no row is left.
    """
    documents = []
    left_out = {"single_candidate": 0, "answer_no_candidate": 0}
    for number, row in enumerate(rows):
        candidates = row["Candidate Ans"].split(SEPARATOR)
        if MASK not in row["Prompt"]:
            raise NeuronXAError(
                f"{source}: the prompt of row {number + 1} has no {MASK}: {row['Prompt']!r}"
            )
        if len(candidates) == 1:
            left_out["single_candidate"] += 1
        elif row["Ans"] not in candidates:
            left_out["answer_no_candidate"] += 1
        else:
            sentences = [row["Prompt"].replace(MASK, word) for word in candidates]
            answer = candidates.index(row["Ans"])
            documents.append(Document(row=number, sentences=sentences, answer=answer))
    if not documents:
        raise NeuronXAError(f"{source} has no row with a choice to make; left out: {left_out}")
    return documents, left_out


def _read(source: str) -> list[dict[str, str]]:
    """Read the rows of a file or a URL; URLs are downloaded once and cached."""
    import datasets

    # A commit does not change, so no etags are needed and the cached file works offline.
    downloads = datasets.DownloadManager(
        download_config=datasets.DownloadConfig(use_etag=False, disable_tqdm=True)
    )
    try:
        with offline_if_asked():
            path = downloads.download(source if "://" in source else str(Path(source).expanduser()))
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file, delimiter="\t", restval="")
            if missing := [name for name in COLUMNS if name not in (table.fieldnames or ())]:
                raise ValueError(f"there is no column {missing[0]!r}")
            return list(table)
    except (OSError, ValueError, csv.Error) as error:
        reason = " ".join(str(error).split())
        raise NeuronXAError(
            f"{source} cannot be read: {reason} -- expected tab-separated text with the columns "
            f"{', '.join(COLUMNS)}; without a network, give a folder of such files with --metadata "
            '\'{"bmlama53": "my_folder"}\''
        ) from error
