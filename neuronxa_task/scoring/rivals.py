"""Which pairs keep which from being aligned, layer by layer. Pure tensor maths.

A *pair* k is a pivot sentence and its translation. Its *rivals* are the pairs with a sentence that
is at least as near to one of its two as they are to each other. A pair is weakly aligned among any
set of pairs that holds none of its rivals: retrieval, resamples and subsets of the pairs all follow
from them. Results do not depend on the order of the pairs.

Where several processes score together, each holds some of the target sentences (data parallel) or
some of the features (tensor parallel). `Combine` says what they exchange; every process gets the
rivals that a single one would find.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import torch
from torch import Tensor

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.scoring.similarity import InnerProducts, cosine, inner_products

EXCHANGED_BYTES = 2**25
"""Similarities of as many layers as fit in here are exchanged at a time."""


@dataclass(frozen=True, eq=False)
class Rivals:
    """The rivals of every pair, at one layer.

    Attributes:
        targets: `[n, n]` bool: at `[k, j]`, translation j is at least as near to pivot sentence k
            as its own translation is (row of the similarity matrix).
        pivots: `[n, n]` bool: at `[k, i]`, pivot sentence i is at least as near to translation k as
            its own pivot sentence is (column).
    """

    targets: Tensor
    pivots: Tensor

    @property
    def from_pivot(self) -> Tensor:
        """`[n]` bool: the translation is the pivot sentence's strictly nearest target sentence."""
        return ~self.targets.any(dim=1)

    @property
    def to_pivot(self) -> Tensor:
        """`[n]` bool: the pivot sentence is the translation's strictly nearest pivot sentence."""
        return ~self.pivots.any(dim=1)

    @property
    def either(self) -> Tensor:
        """`[n, n]` bool: rivals in either direction."""
        return self.targets | self.pivots


def _same_products(products: InnerProducts) -> InnerProducts:
    return products


def _same_tensor(tensor: Tensor) -> Tensor:
    return tensor


@dataclass(frozen=True)
class Combine:
    """What processes that score together exchange; by default there is one process.

    Attributes:
        sum: adds up inner products over processes that hold different features each.
        maximum: elementwise maximum of a tensor over processes that hold different targets each.
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
        pivot: per layer, `[n, features]` vectors of the n pivot sentences.
        target: per layer, `[m, features]` vectors of this process's m of their n translations.
        pairs: `[m]`, the pair of each target vector; all n in order by default.
        pivot_sentences: n names. Equal sentences are each other's rivals, also where processes
            that computed them apart rounded them differently.
        target_sentences: likewise n names of all translations.
        combine: what processes that score together exchange.

    Raises:
        NeuronXAError: fewer than two pairs, unequal numbers of layers, or shapes that do not fit.
    """
    equal_pivots, equal_targets = _equal(pivot_sentences), _equal(target_sentences)
    for similarities in _in_blocks(_similarities(pivot, target, pairs, combine)):
        n = similarities.shape[1]
        rows = torch.arange(n) if pairs is None else torch.tensor(pairs, dtype=torch.long)
        columns = torch.arange(len(rows))
        own = similarities.new_full((len(similarities), n), -torch.inf)
        own[:, rows] = similarities[:, rows, columns]
        own = combine.maximum(own)
        found = torch.zeros((2, len(similarities), n, n), dtype=torch.uint8)
        targets, pivots = found
        targets[:, :, rows] = (similarities >= own[:, :, None]).to(torch.uint8)
        pivots[:, rows] = (similarities >= own[:, None, rows]).mT.to(torch.uint8)
        targets, pivots = combine.maximum(found).bool()
        for layer_targets, layer_pivots in zip(targets, pivots, strict=True):
            yield Rivals(
                (layer_targets | equal_targets).fill_diagonal_(False),
                (layer_pivots | equal_pivots).fill_diagonal_(False),
            )


def _similarities(
    pivot: Iterable[Tensor], target: Iterable[Tensor], pairs: Sequence[int] | None, combine: Combine
) -> Iterator[Tensor]:
    """`[n, m]` float64 for each layer."""
    for pivot_layer, target_layer in zip_longest(pivot, target):
        if pivot_layer is None or target_layer is None:
            raise NeuronXAError(
                "pivot and target vectors have different numbers of layers; expected as many"
            )
        n, m = len(pivot_layer), len(target_layer)
        if n < 2:
            raise NeuronXAError(
                "alignment of a single sentence pair is undefined: a pair is aligned when it is "
                "closer than every other pair; give at least 2 pairs"
            )
        if m != (n if pairs is None else len(pairs)):
            raise NeuronXAError(f"{n} pivot vectors and {m} target vectors; expected them parallel")
        yield cosine(combine.sum(inner_products(pivot_layer, target_layer))).cpu()


def _in_blocks(layers: Iterator[Tensor]) -> Iterator[Tensor]:
    """Consecutive layers together, `[layers, n, m]`; the same ones whatever m is."""
    block: list[Tensor] = []
    for layer in layers:
        block.append(layer)
        if (len(block) + 1) * len(layer) ** 2 * layer.element_size() > EXCHANGED_BYTES:
            yield torch.stack(block)
            block = []
    if block:
        yield torch.stack(block)


def _equal(sentences: Sequence[Hashable] | None) -> Tensor:
    """`[n, n]` bool: the sentences of two pairs are equal; `[]` if they have no names."""
    if sentences is None:
        return torch.tensor(False)
    number: dict[Hashable, int] = {}
    numbers = torch.tensor([number.setdefault(s, len(number)) for s in sentences])
    return numbers[:, None] == numbers
