"""Retrieval and weak alignment of parallel sentence vectors. Pure tensor maths.

A *pair* k is a pivot sentence and its translation. Results do not depend on the order of the pairs.
Where several processes score together, each holds some of the target sentences (data parallel) or
some of the features (tensor parallel); `Combine` says what they exchange, and the result is that of
a single process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import torch
from torch import Tensor

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.scoring.similarity import InnerProducts, cosine, inner_products
from neuronxa_task.settings import SCORE_OF


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
        """`[layers, pairs]` bool: weak alignment, both directions (MEXA, arXiv 2410.05873, eq. 2).

        Pair k is weakly aligned where C[k,k] > C[k,j] and C[k,k] > C[i,k] for all i, j ≠ k.
        """
        return self.from_pivot & self.to_pivot

    @property
    def by_layer(self) -> Tensor:
        """`[layers]` float64: fraction of the pairs that are weakly aligned."""
        return self.weak.double().mean(dim=1)

    @property
    def score(self) -> float:
        """NASCA, NAVCA or MEXA: `by_layer`, averaged over layers."""
        return float(self.weak.double().mean())

    @property
    def best(self) -> float:
        """The best layer's fraction."""
        return float(self.by_layer.max())

    def split(self, layers: Sequence[int]) -> list[Retrieval]:
        """The retrieval of consecutive groups of so many layers."""
        directions = (torch.split(part, list(layers)) for part in (self.from_pivot, self.to_pivot))
        return [Retrieval(*parts) for parts in zip(*directions, strict=True)]


@dataclass(frozen=True, eq=False)
class Alignment:
    """Alignment of two languages in a model, in three representations.

    Attributes:
        nas: neuron activation states, of the L layers that have neurons.
        nav: neuron activation values, likewise.
        emb: hidden states, one more than the model has layers (before the first layer, then after
            each): the MEXA baseline.
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

    def by_representation(self) -> dict[str, Retrieval]:
        """`nas`, `nav` and `emb` by name."""
        return {name: getattr(self, name) for name in SCORE_OF}

    def metrics(self) -> dict[str, float]:
        """`nasca`, `navca`, `mexa` (mean over layers) and `…_max` (best layer), 0 to 1."""
        retrievals = self.by_representation()
        return {SCORE_OF[name]: retrieval.score for name, retrieval in retrievals.items()} | {
            f"{SCORE_OF[name]}_max": retrieval.best for name, retrieval in retrievals.items()
        }

    def layers(self) -> dict[str, list[float]]:
        """Each layer's fraction: weak alignment by score, and both directions by representation."""
        profile: dict[str, list[float]] = {}
        for name, retrieval in self.by_representation().items():
            profile |= layer_profile(name, retrieval)
        return profile


def layer_profile(representation: str, retrieval: Retrieval) -> dict[str, list[float]]:
    """One representation's rows of a result file's `layers`: `[layers]` floats each, 0 to 1."""
    return {
        SCORE_OF[representation]: retrieval.by_layer.tolist(),
        f"{representation}_from_pivot": retrieval.from_pivot.double().mean(dim=1).tolist(),
        f"{representation}_to_pivot": retrieval.to_pivot.double().mean(dim=1).tolist(),
    }


def _unchanged(of_one_process: InnerProducts) -> InnerProducts:
    return of_one_process


def _same(of_one_process: Tensor) -> Tensor:
    return of_one_process


@dataclass(frozen=True)
class Combine:
    """What processes that score together exchange; by default there is one process.

    Attributes:
        sum: adds up inner products over processes that hold different features each.
        maximum: elementwise maximum of a tensor over processes that hold different targets each.
    """

    sum: Callable[[InnerProducts], InnerProducts] = _unchanged
    maximum: Callable[[Tensor], Tensor] = _same


def retrieval(
    pivot: Iterable[Tensor],
    target: Iterable[Tensor],
    *,
    pairs: Sequence[int] | None = None,
    pivot_sentences: Sequence[Hashable] | None = None,
    target_sentences: Sequence[Hashable] | None = None,
    combine: Combine = Combine(),
) -> Retrieval:
    r"""Retrieval in both directions at every layer, by cosine similarity C of sentence vectors.

    .. math:: \text{from\_pivot}_k = C_{kk} > \max_{j \ne k} C_{kj}, \qquad
              \text{to\_pivot}_k = C_{kk} > \max_{i \ne k} C_{ik}

    Args:
        pivot: per layer, `[n, features]` vectors of the n pivot sentences.
        target: per layer, `[m, features]` vectors of this process's m of their n translations.
        pairs: `[m]`, the pair of each target vector; all n in order by default.
        pivot_sentences: n names. Equal sentences tie, also if processes that computed them apart
            rounded them differently, so neither is anyone's strictly nearest.
        target_sentences: likewise n names of all translations.
        combine: what processes that score together exchange.

    Returns:
        Both directions, `[layers, m]`.

    Raises:
        NeuronXAError: fewer than two pairs, unequal numbers of layers, or shapes that do not fit.

    >>> eye = torch.eye(3)
    >>> retrieval([eye], [eye[[0, 2, 1]]]).by_layer
    tensor([0.3333], dtype=torch.float64)
    """
    own_similarity, to_pivot, other_targets = [], [], []
    rows = torch.tensor(pairs or [], dtype=torch.long)
    for pivot_layer, target_layer in _layer_by_layer(pivot, target):
        n, m = len(pivot_layer), len(target_layer)
        if n < 2:
            raise NeuronXAError(
                "alignment of a single sentence pair is undefined: a pair is aligned when it is "
                "closer than every other pair; give at least 2 pairs"
            )
        if pairs is None:
            rows = torch.arange(n)
        if m != len(rows):
            raise NeuronXAError(f"{n} pivot vectors and {m} target vectors; expected them parallel")
        similarity = cosine(combine.sum(inner_products(pivot_layer, target_layer)))
        diagonal = rows.to(similarity.device)[None]
        own = similarity.gather(0, diagonal)[0]
        others = similarity.scatter(0, diagonal, -torch.inf)
        own_similarity.append(own.cpu())
        to_pivot.append((own > others.amax(dim=0)).cpu())
        nearest = others.amax(dim=1) if m else others.new_full((n,), -torch.inf)
        other_targets.append(nearest.cpu())
    if not other_targets:
        raise NeuronXAError("there are no sentence vectors: the model has no layer to compare")
    # One exchange for all layers.
    nearest_other = combine.maximum(torch.stack(other_targets))
    from_pivot = torch.stack(own_similarity) > nearest_other[:, rows]
    return Retrieval(
        from_pivot & _occurs_once(target_sentences, rows),
        torch.stack(to_pivot) & _occurs_once(pivot_sentences, rows),
    )


def _layer_by_layer(
    pivot: Iterable[Tensor], target: Iterable[Tensor]
) -> Iterator[tuple[Tensor, Tensor]]:
    for layers in zip_longest(pivot, target):
        if layers[0] is None or layers[1] is None:
            raise NeuronXAError(
                "pivot and target vectors have different numbers of layers; expected as many"
            )
        yield layers


def _occurs_once(sentences: Sequence[Hashable] | None, rows: Tensor) -> Tensor:
    """`[m]` bool: the sentence of a pair stands nowhere else."""
    if sentences is None:
        return torch.ones(len(rows), dtype=torch.bool)
    count = Counter(sentences)
    return torch.tensor([count[sentence] == 1 for sentence in sentences], dtype=torch.bool)[rows]
