"""Data sets on the Hugging Face hub, or in local folders of the same form."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from neuronxa_task.corpus.parallel import Corpus
from neuronxa_task.errors import NeuronXAError, one_of


def load_data_set(
    dataset: str, configuration: str | None, split: str, revision: str | None
) -> Corpus:
    """Load a data set by its hub name or folder.

    Raises:
        NeuronXAError: it cannot be loaded, or has no such split.
    """
    import datasets

    folder = Path(dataset).expanduser()
    is_local = folder.is_dir()
    try:
        with offline_if_asked():
            splits = datasets.load_dataset(
                str(folder) if is_local else dataset,
                configuration,
                revision=revision,
                cache_dir=_cache_of_local_folder(folder) if is_local else None,
            )
    except Exception as error:  # data set loaders may raise anything
        reason = " ".join(f"{error}".split()) or type(error).__name__
        what = f"data set {dataset!r}{f' ({configuration})' if configuration else ''}"
        raise NeuronXAError(
            f"{what} cannot be loaded: {reason} -- "
            + (
                "expected text files, a table, or a data set as `datasets` reads it"
                if is_local
                else "check the name and the network, or name a local folder or another data set "
                'with --metadata \'{"dataset": "..."}\''
            )
        ) from error
    if split not in splits:
        raise NeuronXAError(f"{dataset} has no split {split!r}; it has: {one_of(splits)}")
    table = splits[split]
    texts = {
        name: getattr(kind, "dtype", None) in ("string", "large_string")
        for name, kind in table.features.items()
    }
    column_of = _columns_by_language([name for name in texts if texts[name]], configuration)
    return Corpus(
        name=dataset,
        revision="local" if is_local else revision or "main",
        split=split,
        languages=tuple(column_of),
        read=lambda language: table[column_of[language]][:],
        refused={name: "contains no text" for name in texts if not texts[name]},
        is_table=True,
        has_splits=True,
    )


@contextmanager
def offline_if_asked() -> Iterator[None]:
    """Make HF_DATASETS_OFFLINE also keep huggingface_hub off the network.

    Without HF_HUB_OFFLINE it would still ask the hub for a list of agents.
    """
    import datasets
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or datasets.config.HF_HUB_OFFLINE
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _cache_of_local_folder(folder: Path) -> str:
    """A cache folder for the current content of a local folder.

    `datasets` names its cache of a local folder by the folder's last name and its card. Another
    folder of that name, or the same one with new text, would give the old sentences.
    """
    import datasets

    digest = hashlib.sha256()
    for path in sorted(path for path in folder.resolve().rglob("*") if path.is_file()):
        state = path.stat()
        digest.update(f"{path} {state.st_size} {state.st_mtime_ns}\n".encode())
    return str(Path(datasets.config.HF_DATASETS_CACHE) / f"neuronxa-{digest.hexdigest()[:16]}")


def _columns_by_language(columns: Sequence[str], configuration: str | None) -> dict[str, str]:
    """Columns by language, as MTEB names them: by column, or by configuration `fra-eng`."""
    if configuration and {"sentence1", "sentence2"} <= set(columns):
        first, _, second = configuration.partition("-")
        return {first: "sentence1", second: "sentence2"}
    return {column: column for column in columns}
