"""Alignment of every pair of languages, from stored sentence vectors.

A run scores one language after the other against the pivot and discards its vectors. For all pairs,
the vectors of all languages are kept in memory or, above a budget, in memory-mapped files.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.scoring.similarity import cosine, inner_products

MEMORY_BUDGET = 2 * 1024**3
"""Bytes of vectors to keep in memory; more than these go to files."""

BLOCK_SENTENCES = 1000
"""Sentences on each side of a block of language pairs that is compared at a time."""


@dataclass(frozen=True)
class LayerShape:
    """One layer of one representation.

    Attributes:
        score: the score it belongs to: `nasca`, `navca` or `mexa`.
        features: number of neurons, or the hidden size.
        largest: the largest possible value if all values are integers, else `None`.
    """

    score: str
    features: int
    largest: int | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest type that holds the vectors exactly."""
        is_small = self.largest is not None and self.largest <= np.iinfo(np.uint16).max
        return np.dtype(np.uint16 if is_small else np.float32)


class VectorStore:
    """Sentence vectors of several languages, layer by layer; a context manager.

    Args:
        languages: names of the languages.
        sentences: number n of sentences per language.
        layers: the layers, in the order in which `add` receives them.
        folder: folder for files, if memory is not enough; the temporary folder by default.

    Raises:
        NeuronXAError: the disk is too small.
    """

    def __init__(
        self,
        languages: Sequence[str],
        sentences: int,
        layers: Sequence[LayerShape],
        folder: Path | None = None,
    ) -> None:
        self.languages, self.sentences, self.layers = tuple(languages), sentences, tuple(layers)
        self._row = {language: row for row, language in enumerate(languages)}
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        if self.bytes > MEMORY_BUDGET:
            root = folder or Path(tempfile.gettempdir())
            free = shutil.disk_usage(root).free
            if self.bytes > free:
                raise NeuronXAError(
                    f"pairs: true keeps {_gigabytes(self.bytes)} of sentence vectors, and {root} "
                    f"has {_gigabytes(free)} free; set TMPDIR to a larger disk, or score fewer "
                    "languages or sentences (num_sentences)"
                )
            self._folder = tempfile.TemporaryDirectory(prefix="neuronxa-pairs-", dir=root)
        self._vectors = [self._empty(index) for index in range(len(self.layers))]

    @property
    def bytes(self) -> int:
        """Size of all vectors in bytes."""
        per_sentence = sum(layer.features * layer.dtype.itemsize for layer in self.layers)
        return int(per_sentence * self.sentences * len(self.languages))

    @property
    def steps(self) -> int:
        """What `score_all_pairs` reports as progress: language pairs times layers."""
        blocks = list(_blocks(len(self.languages), self.block))
        sizes: list[int] = [block.stop - block.start for block in blocks]
        pairs = sum(a * b for i, a in enumerate(sizes) for b in sizes[i:])
        return pairs * len(self.layers)

    @property
    def block(self) -> int:
        """Number of languages on each side of a block of comparisons."""
        return max(1, BLOCK_SENTENCES // self.sentences)

    def _empty(self, index: int) -> NDArray[Any]:
        layer = self.layers[index]
        shape = (len(self.languages), self.sentences, layer.features)
        if self._folder is None:
            return np.zeros(shape, layer.dtype)
        return np.memmap(Path(self._folder.name) / f"{index}.bin", layer.dtype, "w+", shape=shape)

    def add(self, language: str, vectors: Iterator[Tensor]) -> None:
        """Store a language's vectors, `[n, features]` for each layer."""
        for kept, layer in zip(self._vectors, vectors, strict=True):
            kept[self._row[language]] = layer.cpu().numpy()

    def layer(self, index: int, languages: slice) -> Tensor:
        """`[languages · n, features]` float32: a layer's vectors for consecutive languages."""
        vectors = self._vectors[index][languages].astype(np.float32)
        return torch.from_numpy(vectors.reshape(-1, self.layers[index].features))

    def __enter__(self) -> VectorStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._vectors = []
        if self._folder is not None:
            self._folder.cleanup()


def score_all_pairs(
    store: VectorStore, progress: Callable[[int], object] = lambda count: None
) -> Mapping[str, NDArray[np.float64]]:
    """Score every pair of languages, as `neuronxa_task.score` scores one pair.

    Args:
        store: vectors of all languages, with parallel sentences.
        progress: called after each block with the number of language pairs done in one layer.

    Returns:
        By score, `[languages, languages]`: fraction of weakly aligned sentence pairs, mean over
        layers. Symmetric; the diagonal is 1 if the sentences are distinct.
    """
    languages = len(store.languages)
    depth = dict.fromkeys((layer.score for layer in store.layers), 0)
    totals = {score: np.zeros((languages, languages)) for score in depth}
    blocks = list(_blocks(languages, store.block))
    for index, layer in enumerate(store.layers):
        depth[layer.score] += 1
        for number, rows in enumerate(blocks):
            of_rows = store.layer(index, rows)
            for columns in blocks[number:]:
                of_columns = of_rows if columns == rows else store.layer(index, columns)
                aligned = _aligned(of_rows, of_columns, store.sentences).numpy()
                totals[layer.score][rows, columns] += aligned
                if columns != rows:
                    totals[layer.score][columns, rows] += aligned.T
                progress(aligned.size)
    return {score: total / depth[score] for score, total in totals.items()}


def _aligned(rows: Tensor, columns: Tensor, n: int) -> Tensor:
    """`[a, b]` float64: fraction of aligned pairs, for a languages with b languages."""
    similarity = cosine(inner_products(rows, columns))
    # [a, b, n, n]: row sentence k of one language, column sentence j of the other
    similarity = similarity.view(len(rows) // n, n, len(columns) // n, n).transpose(1, 2)
    own = similarity.diagonal(dim1=2, dim2=3)
    others = similarity.clone()
    others.diagonal(dim1=2, dim2=3).fill_(-torch.inf)
    is_aligned = (own > others.amax(dim=3)) & (own > others.amax(dim=2))
    return is_aligned.double().mean(dim=2)


def _blocks(languages: int, size: int) -> Iterator[slice]:
    for start in range(0, languages, size):
        yield slice(start, min(start + size, languages))


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB"
