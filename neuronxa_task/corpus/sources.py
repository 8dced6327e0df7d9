"""Open a corpus: a table, a folder of texts, or a data set."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import neuronxa_task
from neuronxa_task.corpus import files
from neuronxa_task.corpus.hub import load_data_set
from neuronxa_task.corpus.parallel import Corpus
from neuronxa_task.corpus.tables import TABLE_ENDINGS, read_table
from neuronxa_task.corpus.text_folders import (
    SPLITS,
    folders_with_text,
    has_data_files,
    read_folder,
)
from neuronxa_task.errors import NeuronXAError, one_of

PACKAGED = "neuronxa_task/"
"""Prefix of the data shipped with this package."""

WHOLE = ("devtest", "test", "all")
"""Splits of the packaged tasks, for which data without splits is read as a whole."""


@lru_cache(maxsize=256)
def load(dataset: str, configuration: str | None, split: str, revision: str | None) -> Corpus:
    """Open a corpus: a table file, a folder of text files, or a data set.

    Args:
        dataset: path of a table or folder, or a hub name.
        configuration: configuration of the data set, if it has any (`fra-eng` in Tatoeba).
        split: split of the data; in FLORES' layout of folders, the subfolder and file ending.
        revision: commit of a hub data set.

    Raises:
        NeuronXAError: the data cannot be read, or the split is unknown.
    """
    path = Path(dataset).expanduser()
    if dataset.startswith(PACKAGED):
        path = Path(neuronxa_task.__file__).parent / dataset.removeprefix(PACKAGED)
    try:
        if (corpus := _local(path, split)) is not None:
            return corpus
    except OSError as error:
        raise NeuronXAError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        if isinstance(error, NeuronXAError):
            raise
        raise NeuronXAError(f"{dataset!r} is not a path: {error}") from error
    names_a_path = (
        dataset.startswith(("/", "./", "../", "~")) or files.ending(path) in TABLE_ENDINGS
    )
    if names_a_path and not path.is_dir():
        raise NeuronXAError(f"{dataset} does not exist; expected a table or a folder of texts")
    return load_data_set(dataset, configuration, split, revision)


def _local(path: Path, split: str) -> Corpus | None:
    """The table or text at a path; `None` if the path has neither, but perhaps a data set."""
    if path.is_file():
        return _of_split(read_table(path), split)
    if path.is_dir():
        if texts := read_folder(path, split):
            return _of_split(texts, split)
        if not has_data_files(path):
            raise _no_text(path, split)
    elif os.path.lexists(path):
        raise NeuronXAError(
            f"{path} is neither a file nor a folder: it is a broken or circular link, or a device"
        )
    return None


def _of_split(corpus: Corpus, split: str) -> Corpus:
    if corpus.has_splits or split in WHOLE:
        return corpus
    raise NeuronXAError(
        f"{corpus.name} has no split {split!r}: it is not divided into splits; leave `split` out"
    )


def _no_text(folder: Path, split: str) -> NeuronXAError:
    inner = folders_with_text(folder)
    if set(inner) & set(SPLITS):
        return NeuronXAError(f"{folder} has no split {split!r}; it has: {one_of(inner)}")
    if inner:
        return NeuronXAError(
            f"name a folder inside {folder}, which holds no text itself: {one_of(inner)}"
        )
    return NeuronXAError(
        f"{folder} holds no text; expected one file per language (eng_Latn.txt, corpus.en), a "
        "table with one column per language, or a data set"
    )
