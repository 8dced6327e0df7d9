"""Folders with one file per language: MEXA's, FLORES', FLORES+', NTREX', Moses' and LASER's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from neuronxa_task.corpus import files
from neuronxa_task.corpus.language_names import (
    language_at_the_end,
    language_code,
    pair_of,
)
from neuronxa_task.corpus.parallel import Corpus, PairedCorpus
from neuronxa_task.corpus.tables import TABLE_ENDINGS, read_columns
from neuronxa_task.errors import NeuronXAError, one_of

DATA_SET_ENDINGS = (*TABLE_ENDINGS, ".arrow")
NOT_TEXT = (
    *(*DATA_SET_ENDINGS, ".md", ".py", ".yaml", ".yml", ".pdf", ".html", ".xml", ".log"),
    *(".pkl", ".pickle", ".pt", ".pth", ".bin", ".npy", ".npz", ".safetensors", ".db"),
    *files.OTHER_ARCHIVES,
)
NOTES = frozenset("readme license licence notice copying changelog citation authors about".split())
SPLITS = ("dev", "devtest", "test", "train", "validation", "valid", "val")
TEXT_COLUMNS = ("text", "sentence")
"""Column of the sentences if each language has its own table, as in FLORES+."""


def read_folder(folder: Path, split: str) -> Corpus | None:
    """Read a folder of text files or of one table per language.

    In FLORES' layout (`devtest/eng_Latn.devtest`), `folder` may also be the parent of the split.

    Returns:
        The corpus; `None` if the folder has no text (it may still be a data set).

    Raises:
        NeuronXAError: the folder cannot be read, has no such split, or has several files per
            language.
    """
    for candidate in (folder / split, folder):
        if candidate.is_dir():
            entries = sorted(_entries(candidate))
            names = {path.name for path in entries}
            # A compressed copy next to a file is the same text.
            entries = [
                path
                for path in entries
                if (inside := files.name_inside(path)) == path.name or inside not in names
            ]
            for reader in (_texts, _tables):
                if corpus := reader(folder.resolve().name, split, entries):
                    return replace(corpus, has_splits=corpus.has_splits or candidate != folder)
    return None


def folders_with_text(folder: Path) -> list[str]:
    """Names of the subfolders with text, which may be splits."""
    return [
        inner.name for inner in sorted(_entries(folder)) if inner.is_dir() and _holds_text(inner)
    ]


def _holds_text(folder: Path) -> bool:
    try:
        return read_folder(folder, folder.name) is not None
    except NeuronXAError:
        return False


def has_data_files(folder: Path) -> bool:
    """Whether a folder has files of a data set, at any depth."""
    return any(files.ending(path) in DATA_SET_ENDINGS for path in folder.rglob("*"))


def _entries(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise NeuronXAError(f"{folder} cannot be read: {error.strerror}") from error


# ---------------------------------------------------------------- plain text


def _texts(name: str, split: str, entries: Sequence[Path]) -> Corpus | None:
    """Read one text file per language, named by its start (before the first dot) or its end.

    Only files with the most frequent ending count, so that notes next to the corpus are ignored; so
    is a single text file next to a data set.
    """
    texts = [path for path in entries if path.is_file() and files.ending(path) not in NOT_TEXT]
    has_data_set = any(files.ending(path) in DATA_SET_ENDINGS for path in entries)
    by_start, by_end = _by_start(texts, split), _by_end(texts)
    known = [language for language in by_start if language_code(language) is not None]
    file_of = by_start if len(known) >= len(by_end) else by_end
    if not file_of or (len(file_of) == 1 and has_data_set):
        return None
    used = {path for paths in file_of.values() for path in paths}
    if file_of is by_end and (paired := _paired(name, split, used)):
        corpus = paired
    elif all(len(paths) == 1 for paths in file_of.values()):
        if file_of is by_start and (kind := _ending(next(iter(used)))) in SPLITS and kind != split:
            raise NeuronXAError(
                f"{name} has no split {split!r}; its files are of: "
                f"{one_of(sorted({_ending(path) for path in texts} & set(SPLITS)))}"
            )
        corpus = _corpus(name, split, {code: path for code, (path,) in file_of.items()})
        corpus = replace(corpus, has_splits=file_of is by_start and kind == split)
    else:
        corpus = _of_split(name, split, file_of)
    return replace(corpus, not_read=_other_names(entries, used))


def _other_names(entries: Iterable[Path], used: set[Path]) -> tuple[str, ...]:
    return tuple(path.name for path in entries if path not in used)


def _ending(path: Path) -> str:
    return files.name_inside(path).partition(".")[2]


def _by_start(texts: Iterable[Path], split: str) -> dict[str, list[Path]]:
    """Files by their name before the first dot, with the split's ending or the most frequent."""
    endings: dict[str, dict[str, list[Path]]] = {}
    for path in texts:
        language, _, ending = files.name_inside(path).partition(".")
        if language and ending and language.lower() not in NOTES:
            endings.setdefault(ending, {}).setdefault(_code(language), []).append(path)
    most = max(endings, key=lambda ending: len(endings[ending]), default="")
    return endings.get(split if len(endings.get(split, ())) > 1 else most, {})


def _by_end(texts: Iterable[Path]) -> dict[str, list[Path]]:
    """Files by the language at the end of their name, with the most frequent ending."""
    endings: dict[str, dict[str, list[Path]]] = {}
    for path in texts:
        if parts := language_at_the_end(files.name_inside(path)):
            endings.setdefault(parts[2], {}).setdefault(_code(parts[1]), []).append(path)
    return max(endings.values(), key=len, default={})


def _code(language: str) -> str:
    return language_code(language) or language


def _paired(name: str, split: str, paths: Iterable[Path]) -> Corpus | None:
    """Pairs of files, such as `tatoeba.fra-eng.fra` and `tatoeba.fra-eng.eng`; else `None`."""
    pairs: dict[tuple[str, str], dict[str, Path]] = {}
    for path in sorted(paths):
        parts = language_at_the_end(files.name_inside(path))
        if parts is None or (pair := pair_of(parts[0])) is None or parts[1] not in pair:
            return None
        pairs.setdefault(pair, {})[parts[1]] = path
    by_pair = {
        frozenset(pair): _corpus(name, split, file_of)
        for pair, file_of in pairs.items()
        if set(file_of) == set(pair)
    }

    def read(language: str) -> Sequence[str]:
        raise NeuronXAError(f"{name} has a text of {language} for each pair; name the pair")

    languages = tuple(dict.fromkeys(language for pair in pairs for language in pair))
    return PairedCorpus(name, "local", split, languages, read, by_pair=by_pair)


def _of_split(name: str, split: str, file_of: dict[str, list[Path]]) -> Corpus:
    """The split's files among files such as `train.en`, `train.fr`, `test.en`, `test.fr`."""
    return replace(_corpus(name, split, _files_of_split(name, split, file_of)), has_splits=True)


def _files_of_split(name: str, split: str, file_of: dict[str, list[Path]]) -> dict[str, Path]:
    stems: dict[str, dict[str, Path]] = {}
    for language, paths in file_of.items():
        for path in paths:
            stems.setdefault(_stem(path), {})[language] = path
    if split not in stems:
        raise NeuronXAError(
            f"{name} has several files per language and no split {split!r}; the files' names begin "
            f"with: {one_of(sorted(stems))}. Name one with --split, or keep each in its own folder"
        )
    return stems[split]


def _stem(path: Path) -> str:
    """The part of a file's name before its language."""
    base = files.name_inside(path)
    base = base.removesuffix(Path(base).suffix) if files.ending(path) in TABLE_ENDINGS else base
    parts = language_at_the_end(base)
    return parts[0] if parts else ""


def _corpus(name: str, split: str, file_of: dict[str, Path]) -> Corpus:
    return Corpus(name, "local", split, tuple(file_of), lambda language: _lines(file_of[language]))


@lru_cache(maxsize=512)
def _lines(path: Path) -> tuple[str, ...]:
    # Only \n ends a sentence: str.splitlines would also cut at U+2028 and form feeds.
    lines = files.read_text(path).replace("\r\n", "\n").split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    return tuple(lines)


# ---------------------------------------------------------------- a table per language


def _tables(name: str, split: str, entries: Sequence[Path]) -> Corpus | None:
    """Read one table per language with a column of text, as in FLORES+ (`eng_Latn.jsonl`)."""
    file_of: dict[str, list[Path]] = {}
    for path in entries:
        if files.ending(path) in TABLE_ENDINGS and path.is_file():
            base = Path(files.name_inside(path)).stem
            at_the_end = language_at_the_end(base)
            code = language_code(at_the_end[1] if at_the_end else base)
            if code is not None:
                file_of.setdefault(code, []).append(path)
    if len(file_of) < 2 or _text_of(next(iter(file_of.values()))[0]) is None:
        return None
    is_split = any(len(paths) > 1 for paths in file_of.values())
    of_split = (
        _files_of_split(name, split, file_of)
        if is_split
        else {code: path for code, (path,) in file_of.items()}
    )

    def read(language: str) -> Sequence[object]:
        sentences = _text_of(of_split[language])
        if sentences is None:
            raise NeuronXAError(
                f"{of_split[language]} has no column of text; expected: {one_of(TEXT_COLUMNS)}"
            )
        return sentences

    return Corpus(
        *(name, "local", split, tuple(of_split), read),
        not_read=_other_names(entries, set(of_split.values())),
        has_splits=is_split,
    )


@lru_cache(maxsize=512)
def _text_of(path: Path) -> Sequence[object] | None:
    columns = read_columns(path)
    index = next((columns.names.index(n) for n in TEXT_COLUMNS if n in columns.names), None)
    return None if index is None else columns.cells[index]
