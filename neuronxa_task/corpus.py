"""Parallel text: where it comes from, what is wrong with it, and the hash that names it.

Every source becomes a `Corpus`: named languages, each a column of sentences, line i parallel.
Sources: a Hugging Face data set (hub or local folder of the same shape), a folder with one text
file per language (MEXA's format, and FLORES' own `devtest/eng_Latn.devtest`), or a table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from neuronxa_task.errors import NeuronXAError, one_of
from neuronxa_task.sampling import FIRST, sampled_rows

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
DATA_SET_SUFFIXES = (*TABLE_SUFFIXES, ".arrow", ".json", ".gz", ".zst")
NOT_TEXT = (*DATA_SET_SUFFIXES, ".zip", ".xz", ".bz2", ".md", ".py", ".yaml", ".yml", ".pdf")
PACKAGED = "neuronxa_task/"
"""Prefix of the data that comes with this package."""


@dataclass(frozen=True)
class Corpus:
    """Parallel sentences in several languages, read column by column.

    Attributes:
        name: how the data is called in a signature.
        revision: commit of the data, or `local`.
        split: split that was read.
        languages: names of the columns.
        read: column name to its sentences, as stored.
    """

    name: str
    revision: str
    split: str
    languages: tuple[str, ...]
    read: Callable[[str], Sequence[Any]]

    def column(self, language: str) -> Sequence[Any]:
        """The sentences of one language, unchecked.

        Raises:
            NeuronXAError: there is no such language.
        """
        if language not in self.languages:
            raise NeuronXAError(
                f"{self.name} ({self.split}) has no language {language!r}; "
                f"it has: {one_of(self.languages)}"
            )
        return self.read(language)

    def pairs(
        self, pivot: str, target: str, count: int | None, sample: str | int = FIRST
    ) -> tuple[list[str], list[str]]:
        """`count` sentence pairs (all of them for `None`), checked.

        Args:
            pivot: language of the first sentences.
            target: language of the second.
            count: how many pairs.
            sample: `first`, or the seed of a random sample (`sampled_rows`).

        Raises:
            NeuronXAError: an unknown language, the pivot as its own target, columns of unequal
                length, fewer than `count` or than two pairs, or an empty sentence.
        """
        if pivot == target:
            raise NeuronXAError(
                f"pivot and target are both {pivot!r}; a language is perfectly aligned with itself"
            )
        columns = {language: self.column(language) for language in (pivot, target)}
        lengths = {language: len(column) for language, column in columns.items()}
        if lengths[pivot] != lengths[target]:
            raise NeuronXAError(
                f"{self.name} ({self.split}) is not parallel: {pivot} has {lengths[pivot]} "
                f"sentences and {target} has {lengths[target]}"
            )
        available = lengths[pivot]
        if available < (wanted := 2 if count is None else count):
            raise NeuronXAError(
                f"{self.name} ({self.split}) has {available} sentence pairs for {pivot}-{target}; "
                f"{wanted} were asked for (num_sentences)"
            )
        rows = sampled_rows(available, count, sample)
        return (
            _checked(self, pivot, columns[pivot], rows),
            _checked(self, target, columns[target], rows),
        )


def _checked(
    corpus: Corpus, language: str, column: Sequence[Any], rows: Sequence[int]
) -> list[str]:
    sentences = []
    for row in rows:
        sentence = column[row]
        if not isinstance(sentence, str) or not sentence.strip():
            found = "empty" if isinstance(sentence, str) else f"{sentence!r}, not text"
            raise NeuronXAError(
                f"{corpus.name} ({corpus.split}): sentence {row + 1} of {language} is {found}; "
                "an alignment score needs text on both sides of every pair"
            )
        sentences.append(sentence.strip())
    return sentences


def data_hash(pivot: Sequence[str], target: Sequence[str]) -> str:
    """Eight hex digits that name a list of sentence pairs, in their order.

    >>> data_hash(["good morning"], ["bonjour"])
    '616c602c'
    """
    digest = hashlib.sha256()
    for pair in zip(pivot, target, strict=True):
        digest.update("\t".join(pair).encode() + b"\n")
    return digest.hexdigest()[:8]


@lru_cache(maxsize=256)
def load(dataset: str, configuration: str | None, split: str, revision: str | None) -> Corpus:
    """Open a corpus by what `dataset` is: a table file, a folder of text files, or a data set.

    Args:
        dataset: path of a table or folder, or a hub name.
        configuration: the data set's configuration (`fra-eng` in the Tatoeba set), if it has any.
        split: for text folders, the subfolder and file ending of FLORES' layout, if there.
        revision: commit of a hub data set.

    Raises:
        NeuronXAError: nothing readable is there, or the split is unknown.
    """
    path = Path(dataset).expanduser()
    if dataset.startswith(PACKAGED):
        path = Path(__file__).parent / dataset.removeprefix(PACKAGED)
    if path.is_file():
        return read_table(path)
    if path.is_dir():
        files = text_files(path, split)
        if files:
            return _text_corpus(path, split, files)
    return _load_dataset(dataset, configuration, split, revision)


# ---------------------------------------------------------------- Hugging Face data sets


def _load_dataset(
    dataset: str, configuration: str | None, split: str, revision: str | None
) -> Corpus:
    import datasets

    folder = Path(dataset).expanduser()
    cache = _cache_of_local_folder(folder) if folder.is_dir() else None
    try:
        splits = datasets.load_dataset(
            str(folder) if cache else dataset, configuration, revision=revision, cache_dir=cache
        )
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = " ".join(str(error).split())
        raise NeuronXAError(
            f"data set {dataset!r}{f' ({configuration})' if configuration else ''} cannot be "
            f"loaded: {reason} -- check the name and the network, or name a local folder or "
            'another data set with --metadata \'{"dataset": "..."}\''
        ) from error
    if split not in splits:
        raise NeuronXAError(f"{dataset} has no split {split!r}; it has: {one_of(splits)}")
    table = splits[split]
    column_of = _columns_by_language(tuple(table.column_names), configuration)
    return Corpus(
        name=dataset,
        revision="local" if folder.is_dir() else revision or "main",
        split=split,
        languages=tuple(column_of),
        read=lambda language: table[column_of[language]][:],
    )


def _cache_of_local_folder(folder: Path) -> str:
    """A cache of this folder as it now is.

    `datasets` names its cache of a local folder by the folder's last name and its card, so another
    folder of that name, or the same one with new text, would be answered with the old sentences.
    """
    import datasets

    digest = hashlib.sha256()
    for path in sorted(path for path in folder.resolve().rglob("*") if path.is_file()):
        state = path.stat()
        digest.update(f"{path} {state.st_size} {state.st_mtime_ns}\n".encode())
    return str(Path(datasets.config.HF_DATASETS_CACHE) / f"neuronxa-{digest.hexdigest()[:16]}")


def _columns_by_language(columns: tuple[str, ...], configuration: str | None) -> dict[str, str]:
    """Languages as MTEB's bitext sets name them: by column, or by configuration `fra-eng`."""
    if configuration and {"sentence1", "sentence2"} <= set(columns):
        first, _, second = configuration.partition("-")
        return {first: "sentence1", second: "sentence2"}
    return {column: column for column in columns}


# ---------------------------------------------------------------- text folders


def text_files(folder: Path, split: str) -> dict[str, Path]:
    """One text file per language, by language; empty if the folder holds no such text.

    A file's language is its name before the first dot. Files of FLORES' layout
    (`devtest/eng_Latn.devtest`) are found from the folder above the split, too. Of several file
    endings the most frequent one is the corpus, so that notes beside it do not count; a single
    file beside a data set's own is a note, too.
    """
    for candidate in (folder / split, folder):
        if not candidate.is_dir():
            continue
        endings: dict[str, dict[str, Path]] = {}
        for path in sorted(candidate.iterdir()):
            language, _, ending = path.name.partition(".")
            if path.is_file() and language and ending and path.suffix not in NOT_TEXT:
                endings.setdefault(ending, {})[language] = path
        found = max(endings.values(), key=len, default={})
        beside_a_data_set = any(path.suffix in DATA_SET_SUFFIXES for path in candidate.iterdir())
        if len(found) > 1 or (found and not beside_a_data_set):
            return found
    return {}


def _text_corpus(folder: Path, split: str, files: dict[str, Path]) -> Corpus:
    return Corpus(
        folder.resolve().name,
        "local",
        split,
        tuple(files),
        lambda language: _lines(files[language]),
    )


@lru_cache(maxsize=512)
def _lines(path: Path) -> tuple[str, ...]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise NeuronXAError(
            f"{path} is not UTF-8 text ({error.reason} at byte {error.start})"
        ) from error
    # Only \n ends a sentence: str.splitlines would also cut at U+2028 and form feeds.
    lines = text.replace("\r\n", "\n").split("\n")
    return tuple(lines[:-1] if lines[-1] == "" else lines)


# ---------------------------------------------------------------- tables


def read_table(path: Path) -> Corpus:
    """A csv, tsv, jsonl or parquet file with one column per language.

    Raises:
        NeuronXAError: another kind of file, or one that pandas cannot read.
    """
    import pandas as pd

    readers: dict[str, Callable[[], pd.DataFrame]] = {
        ".csv": lambda: pd.read_csv(path, dtype=str, keep_default_na=False),
        ".tsv": lambda: pd.read_csv(path, dtype=str, keep_default_na=False, sep="\t", quoting=3),
        ".jsonl": lambda: pd.read_json(path, lines=True, dtype=False),
        ".parquet": lambda: pd.read_parquet(path),
    }
    if path.suffix not in readers:
        raise NeuronXAError(f"{path} is not a table; expected one of: {one_of(TABLE_SUFFIXES)}")
    try:
        table = readers[path.suffix]()
    except (ValueError, OSError) as error:
        raise NeuronXAError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(table.index, pd.RangeIndex):
        raise NeuronXAError(
            f"{path} has rows with more cells than its header, so the columns are not certain; "
            "expected one column per language, named in the first line"
        )
    columns = tuple(str(column) for column in table.columns)
    return Corpus(path.name, "local", "all", columns, lambda language: table[language].tolist())
