"""The rivals of each sentence pair, which keep it from being aligned, layer by layer.

A *pair* k is a pivot sentence and its translation. Its *rivals* are the pairs with a sentence that
is at least as near to one of the two as they are to each other. A pair is weakly aligned within any
set of pairs without its rivals, so retrieval, resamples and subsets all follow from the rivals.
Results do not depend on the order of the pairs.

If several processes score together, each has some of the target sentences (data parallel) or some
of the features (tensor parallel). `Combine` defines what they exchange. Every process gets the same
rivals as a single process would.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import torch
from torch import Tensor

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.scoring.similarity import InnerProducts, cosine, inner_products, workspace

EXCHANGED_BYTES = 2**25
"""Processes exchange as many layers of similarities at a time as fit into this size."""


@dataclass(frozen=True, eq=False)
class Rivals:
    """The rivals of every pair at one layer.

    Attributes:
        targets: `[n, n]` bool; `[k, j]` is true if translation j is at least as near to pivot
            sentence k as its own translation (a row of the similarity matrix).
        pivots: `[n, n]` bool; `[k, i]` is true if pivot sentence i is at least as near to
            translation k as its own pivot sentence (a column).
    """

    targets: Tensor
    pivots: Tensor

    @property
    def from_pivot(self) -> Tensor:
        """`[n]` bool: whether the pivot sentence's strictly nearest target is its translation."""
        return ~self.targets.any(dim=1)

    @property
    def to_pivot(self) -> Tensor:
        """`[n]` bool: whether the translation's strictly nearest pivot sentence is its own."""
        return ~self.pivots.any(dim=1)

    @property
    def either(self) -> Tensor:
        """`[n, n]` bool: rivals in at least one direction."""
        return self.targets | self.pivots


def _same_products(products: InnerProducts) -> InnerProducts:
    return products


def _same_tensor(tensor: Tensor) -> Tensor:
    return tensor


@dataclass(frozen=True)
class Combine:
    """What processes that score together exchange; nothing by default, for one process.

    Attributes:
        sum: adds inner products over processes with different features.
        maximum: elementwise maximum of a tensor over processes with different targets.
    """

    sum: Callable[[InnerProducts], InnerProducts] = _same_products
    maximum: Callable[[Tensor], Tensor] = _same_tensor


def rivals_by_layer(
    pivot: Iterable[Tensor],
    target: Iterable[Tensor],
    *,
    pairs: Sequence[int] | None = None,
    pivot_sentences: Sequence[Hashable] | None = None,
    target_sentences: Sequence[Hashable] | None = None,
    combine: Combine = Combine(),
) -> Iterator[Rivals]:
    """The rivals of every pair at each layer, by cosine similarity of sentence vectors.

    Args:
        pivot: for each layer, `[n, features]` vectors of the n pivot sentences.
        target: for each layer, `[m, features]` vectors of those m of their n translations that this
            process has.
        pairs: `[m]`, pair of each target vector; all n pairs in order by default.
        pivot_sentences: the n pivot sentences, or names of them. Equal sentences are always each
            other's rivals, even if different processes rounded their vectors differently.
        target_sentences: the n translations, or names of them.
        combine: what processes that score together exchange.

    Yields:
        The rivals at each layer.

    Raises:
        NeuronXAError: fewer than two pairs, different numbers of layers, or shapes that do not
            match.
    """
    equal_pivots, equal_targets = _equal(pivot_sentences), _equal(target_sentences)
    for similarities in _in_blocks(_similarities(pivot, target, pairs, combine)):
        n = similarities.shape[1]
        rows = torch.arange(n) if pairs is None else torch.tensor(pairs, dtype=torch.long)
        columns = torch.arange(len(rows))
        own = similarities.new_full((len(similarities), n), -torch.inf)
        own[:, rows] = similarities[:, rows, columns]
        own = combine.maximum(own)
        both = torch.zeros((2, len(similarities), n, n), dtype=torch.uint8)
        targets, pivots = both
        targets[:, :, rows] = (similarities >= own[:, :, None]).to(torch.uint8)
        pivots[:, rows] = (similarities >= own[:, None, rows]).mT.to(torch.uint8)
        targets, pivots = combine.maximum(both).bool()
        for layer_targets, layer_pivots in zip(targets, pivots, strict=True):
            yield Rivals(
                (layer_targets | equal_targets).fill_diagonal_(False),
                (layer_pivots | equal_pivots).fill_diagonal_(False),
            )


def _similarities(
    pivot: Iterable[Tensor], target: Iterable[Tensor], pairs: Sequence[int] | None, combine: Combine
) -> Iterator[Tensor]:
    """`[n, m]` float64 similarities at each layer."""
    buffer = None
    for pivot_layer, target_layer in zip_longest(pivot, target):
        if pivot_layer is None or target_layer is None:
            raise NeuronXAError(
                "pivot and target vectors have different numbers of layers; expected the same"
            )
        n, m = len(pivot_layer), len(target_layer)
        if n < 2:
            raise NeuronXAError(
                "alignment of a single sentence pair is undefined: a pair is aligned if it is "
                "closer than every other pair; give at least 2 pairs"
            )
        if m != (n if pairs is None else len(pairs)):
            raise NeuronXAError(
                f"{n} pivot vectors and {m} target vectors; expected the same number of each"
            )
        if buffer is None:
            buffer = workspace(pivot_layer, target_layer)
        yield cosine(combine.sum(inner_products(pivot_layer, target_layer, buffer))).cpu()


def _in_blocks(layers: Iterator[Tensor]) -> Iterator[Tensor]:
    """Stack consecutive layers to `[layers, n, m]`, in equal blocks for any m."""
    block: list[Tensor] = []
    for layer in layers:
        block.append(layer)
        if (len(block) + 1) * len(layer) ** 2 * layer.element_size() > EXCHANGED_BYTES:
            yield torch.stack(block)
            block = []
    if block:
        yield torch.stack(block)


def _equal(sentences: Sequence[Hashable] | None) -> Tensor:
    """`[n, n]` bool: whether the sentences of two pairs are equal; a scalar false without names."""
    if sentences is None:
        return torch.tensor(False)
    number: dict[Hashable, int] = {}
    numbers = torch.tensor([number.setdefault(s, len(number)) for s in sentences])
    return numbers[:, None] == numbers
