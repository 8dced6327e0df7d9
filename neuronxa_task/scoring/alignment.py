"""Alignment of parallel sentence vectors: similarity, retrieval, weak alignment. Pure tensor maths.

A *pair* k is a pivot sentence and its translation. Results do not depend on the order of the pairs:
equal vectors have equal similarities, to the bit, wherever they stand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.settings import SCORE_OF

BLOCK = 4096
"""Features that are in float64 at a time, so that they stay in the cache: twice as fast for wide
layers, and without memory for the millions of neurons that experts may have."""


class Products(NamedTuple):
    """Sums over the features of two sets of vectors, from which their cosines follow.

    Those of two halves of the features add up to those of the whole.

    Attributes:
        dot: `[n, m]` float64, dot product of every vector with every other.
        pivot: `[n]` float64, squared lengths of the one set.
        target: `[m]` float64, squared lengths of the other.
    """

    dot: Tensor
    pivot: Tensor
    target: Tensor


def products(pivot: Tensor, target: Tensor) -> Products:
    """Dot products and squared lengths; those of equal vectors are equal to the bit.

    Args:
        pivot: `[n, features]`, any dtype.
        target: `[m, features]`.

    Raises:
        NeuronXAError: the shapes do not fit.
    """
    if pivot.ndim != 2 or target.ndim != 2 or pivot.shape[1] != target.shape[1]:
        raise NeuronXAError(
            f"sentence vectors of shapes {list(pivot.shape)} and {list(target.shape)}; expected "
            "[n, features] and [m, features]"
        )
    target = target.to(pivot.device)
    dot = torch.zeros(len(pivot), len(target), dtype=torch.float64, device=pivot.device)
    of_pivot, of_target = dot.new_zeros(len(pivot)), dot.new_zeros(len(target))
    for start in range(0, pivot.shape[1], BLOCK):
        p, t = (vectors[:, start : start + BLOCK].double() for vectors in (pivot, target))
        dot += p @ t.T
        of_pivot += p.square().sum(dim=1)
        of_target += t.square().sum(dim=1)
    # A matrix product may round a row at its edge differently from an equal row inside.
    row, column = _first_equal(pivot, of_pivot), _first_equal(target, of_target)
    return Products(dot[row][:, column], of_pivot, of_target)


def cosine(sums: Products) -> Tensor:
    """Cosine of every pivot vector with every target vector.

    Returns:
        `[n, m]` float64. A zero vector has no direction and is near to nothing: its similarities
        are -inf.

    >>> cosine(products(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0], [0.0, 2.0]])))
    tensor([[0.7071, 0.0000]], dtype=torch.float64)
    """
    similarity: Tensor = sums.dot / (sums.pivot.sqrt()[:, None] * sums.target.sqrt())
    return similarity.masked_fill_((sums.pivot == 0)[:, None] | (sums.target == 0), -torch.inf)


def _first_equal(vectors: Tensor, squares: Tensor) -> Tensor:
    """`[n]` int64: for each vector the index of the first one equal to it."""
    first = torch.arange(len(vectors), device=vectors.device)
    if vectors.shape[1] == 0:
        return first
    _, group, size = torch.unique(squares, return_inverse=True, return_counts=True)
    for shared in torch.nonzero(size > 1).flatten():
        members = torch.nonzero(group == shared).flatten()
        for place, member in enumerate(members[1:], start=1):
            equal = (vectors[members[:place]] == vectors[member]).all(dim=1)
            if equal.any():
                first[member] = members[int(equal.nonzero()[0])]
    return first


@dataclass(frozen=True, eq=False)
class Retrieval:
    """Which pairs find each other, per layer, in one representation.

    Attributes:
        from_pivot: `[layers, pairs]` bool: the translation is the pivot sentence's strictly
            nearest target sentence (row of the similarity matrix).
        to_pivot: `[layers, pairs]` bool: the pivot sentence is the translation's strictly nearest
            pivot sentence (column).
    """

    from_pivot: Tensor
    to_pivot: Tensor

    @property
    def weak(self) -> Tensor:
        """`[layers, pairs]` bool: weak alignment, both at once (MEXA, arXiv 2410.05873, eq. 2)."""
        return self.from_pivot & self.to_pivot

    @property
    def by_layer(self) -> Tensor:
        """`[layers]` float64: share of weakly aligned pairs."""
        return self.weak.double().mean(dim=1)

    @property
    def score(self) -> float:
        """Mean over layers: NASCA, NAVCA or MEXA."""
        return float(self.weak.double().mean())

    @property
    def best(self) -> float:
        """The best layer's share."""
        return float(self.by_layer.max())


@dataclass(frozen=True, eq=False)
class Alignment:
    """Alignment of two languages in a model, in three representations.

    Attributes:
        nas: neuron activation states, L layers.
        nav: neuron activation values, L layers.
        emb: hidden states, L+1 (embeddings, then each layer): the MEXA baseline.
    """

    nas: Retrieval
    nav: Retrieval
    emb: Retrieval

    def __str__(self) -> str:
        return f"NASCA {self.nasca:.3f}, NAVCA {self.navca:.3f}, MEXA {self.mexa:.3f}"

    @property
    def nasca(self) -> float:
        """Neuron-activation-state cross-lingual alignment, 0 to 1."""
        return self.nas.score

    @property
    def navca(self) -> float:
        """Neuron-activation-value cross-lingual alignment, 0 to 1."""
        return self.nav.score

    @property
    def mexa(self) -> float:
        """MEXA (Kargaran et al. 2024) with mean over layers, 0 to 1."""
        return self.emb.score

    def metrics(self) -> dict[str, float]:
        """`nasca`, `navca`, `mexa` (mean over layers) and `…_max` (best layer), 0 to 1."""
        retrievals: Mapping[str, Retrieval] = {name: getattr(self, name) for name in SCORE_OF}
        return {SCORE_OF[name]: found.score for name, found in retrievals.items()} | {
            f"{SCORE_OF[name]}_max": found.best for name, found in retrievals.items()
        }

    def layers(self) -> dict[str, list[float]]:
        """Every layer's share: weak alignment by score name, and both halves by representation."""
        profile: dict[str, list[float]] = {}
        for name in SCORE_OF:
            profile |= layer_profile(name, getattr(self, name))
        return profile


def layer_profile(representation: str, retrieval: Retrieval) -> dict[str, list[float]]:
    """One representation's rows of a result file's `layers`: `[layers]` floats each, 0 to 1."""
    return {
        SCORE_OF[representation]: retrieval.by_layer.tolist(),
        f"{representation}_from_pivot": retrieval.from_pivot.double().mean(dim=1).tolist(),
        f"{representation}_to_pivot": retrieval.to_pivot.double().mean(dim=1).tolist(),
    }


def retrieval(
    pivot: Sequence[Tensor],
    target: Sequence[Tensor],
    *,
    summed: Callable[[Products], Products] = lambda part: part,
) -> Retrieval:
    """Retrieval in both directions at every layer.

    Args:
        pivot: per layer, `[n, features]` vectors of the pivot sentences.
        target: per layer, `[n, features]` vectors of their translations, in the same order.
        summed: adds up the products of all processes, where each holds a part of the features.

    Raises:
        NeuronXAError: fewer than two pairs, or shapes that do not fit.

    >>> eye = torch.eye(3)
    >>> retrieval([eye], [eye[[0, 2, 1]]]).by_layer
    tensor([0.3333], dtype=torch.float64)
    """
    if len(pivot) != len(target):
        raise NeuronXAError(
            f"{len(pivot)} layers of pivot vectors and {len(target)} of target vectors"
        )
    found = []
    for of_pivot, of_target in zip(pivot, target, strict=True):
        if len(of_pivot) != len(of_target):
            raise NeuronXAError(
                f"{len(of_pivot)} pivot vectors and {len(of_target)} target vectors; "
                "they must be parallel"
            )
        found.append(_found(cosine(summed(products(of_pivot, of_target)))))
    return Retrieval(*(torch.stack(halves) for halves in zip(*found, strict=True)))


def _found(similarity: Tensor) -> tuple[Tensor, Tensor]:
    own = torch.arange(len(similarity), device=similarity.device)
    from_pivot = own_similarity(similarity, own) > best_other_target(similarity, own)
    return from_pivot.cpu(), finds_pivot(similarity, own).cpu()


# The three pieces below work on the columns of one process. `own[j]` is the pair, and so the
# row, of column j; together they give both halves without ever gathering the vectors.


def own_similarity(similarity: Tensor, own: Tensor) -> Tensor:
    """`[m]`: similarity of each of the m target sentences with its own pivot sentence.

    Args:
        similarity: `[n, m]`, n pivot sentences by m of their n translations.
        own: `[m]` int64, the row that each column translates.
    """
    return similarity.gather(0, own[None])[0]


def finds_pivot(similarity: Tensor, own: Tensor) -> Tensor:
    """`[m]` bool, the column half: own pivot sentence strictly nearer than every other one."""
    _at_least_two(similarity)
    others = similarity.clone().scatter_(0, own[None], -torch.inf)
    return own_similarity(similarity, own) > others.amax(dim=0)


def best_other_target(similarity: Tensor, own: Tensor) -> Tensor:
    """`[n]`: each pivot sentence's highest similarity to a target sentence that is not its own.

    The row half holds where a pair's own similarity is strictly greater than the maximum of this
    over all processes.
    """
    _at_least_two(similarity)
    others = similarity.clone().scatter_(0, own[None], -torch.inf)
    if others.shape[1] == 0:
        return others.new_full((others.shape[0],), -torch.inf)
    return others.amax(dim=1)


def _at_least_two(similarity: Tensor) -> None:
    if similarity.shape[0] < 2:
        raise NeuronXAError(
            "alignment of a single sentence pair is undefined: a pair is aligned when it is closer "
            "than every other pair; give at least 2 pairs"
        )
