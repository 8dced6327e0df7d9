"""Retrieval and weak alignment of parallel sentences, from which NASCA, NAVCA and MEXA follow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.scoring.rivals import Rivals, rivals_by_layer
from neuronxa_task.settings import SCORE_OF

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Interval = tuple[float, float]
"""Lower and upper bound, 0 to 1."""

MOST_COUNTED = 255
"""Layers that a pair's two hex digits can count."""


@dataclass(frozen=True, eq=False)
class Retrieval:
    """Which sentence pairs are retrieved in one representation, by layer.

    Attributes:
        from_pivot: `[layers, pairs]` bool: whether the pivot sentence's strictly nearest target
            is its translation (row of the similarity matrix).
        to_pivot: `[layers, pairs]` bool: whether the translation's strictly nearest pivot
            sentence is its own (column).
    """

    from_pivot: Tensor
    to_pivot: Tensor

    @property
    def weak(self) -> Tensor:
        """`[layers, pairs]` bool: weak alignment, both directions (MEXA, arXiv 2410.05873, eq. 2).

        Pair k is weakly aligned if C[k,k] > C[k,j] and C[k,k] > C[i,k] for all i, j ≠ k.
        """
        return self.from_pivot & self.to_pivot

    @property
    def by_layer(self) -> Tensor:
        """`[layers]` float64: fraction of weakly aligned pairs."""
        return self.weak.double().mean(dim=1)

    @property
    def score(self) -> float:
        """NASCA, NAVCA or MEXA: `by_layer`, averaged over layers."""
        return float(self.weak.double().mean())

    @property
    def best(self) -> float:
        """The best layer's fraction."""
        return float(self.by_layer.max())

    @classmethod
    def of_layers(cls, layers: Iterable[Rivals]) -> Retrieval:
        """Compute retrieval from the rivals at each layer.

        Raises:
            NeuronXAError: there are no layers.
        """
        directions = [(rivals.from_pivot, rivals.to_pivot) for rivals in layers]
        if not directions:
            raise NeuronXAError("there are no sentence vectors: the model has no layer to compare")
        return cls(*(torch.stack(direction) for direction in zip(*directions, strict=True)))


@dataclass(frozen=True, eq=False, repr=False)
class Alignment:
    """Alignment of two languages in a model, in three representations.

    Attributes:
        nas: neuron activation states, of the layers that have neurons.
        nav: neuron activation values, likewise.
        emb: hidden states, one more than the model has layers (before the first layer, then after
            each): the MEXA baseline.
        neuron_layers: indices of the layers that have neurons, counted from 0 as in result files;
            all by default.
        intervals: low and high end of each score's 95 % interval, by score, over sentence pairs;
            empty for fewer than 20 pairs.
        surface: fraction of the pairs that find each other by the tokens they share, without any
            model; `None` where the tokens are not known.
    """

    nas: Retrieval
    nav: Retrieval
    emb: Retrieval
    neuron_layers: Sequence[int] | None = None
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    surface: float | None = None

    def __repr__(self) -> str:
        return f"Alignment({self}, {self.pairs} pairs, {len(self.nas.weak)} layers with neurons)"

    def __str__(self) -> str:
        return f"NASCA {self.nasca:.3f}, NAVCA {self.navca:.3f}, MEXA {self.mexa:.3f}"

    @property
    def pairs(self) -> int:
        """Sentence pairs that were scored."""
        return self.nas.weak.shape[1]

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

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain numbers and lists, under the names that result files use."""
        return {
            **self.metrics(),
            "pairs": self.pairs,
            "intervals": {score: list(ends) for score, ends in self.intervals.items()},
            "surface": self.surface,
            "neuron_layers": self._neuron_layers(),
            "layers": self.layers(),
        }

    def _neuron_layers(self) -> list[int]:
        known = self.neuron_layers
        return list(range(len(self.nas.weak)) if known is None else known)

    def to_frame(self) -> pd.DataFrame:
        """Every layer's values, as a table.

        Row i holds what belongs to layer i, counted from 1: its neurons, and the hidden state that
        it gives. Row 0 holds the hidden state before the first layer. Columns are those of
        `layers()`; those of neurons are NaN in row 0 and in layers without neurons.
        """
        import pandas as pd

        rows = range(len(self.emb.weak))
        neurons = [layer + 1 for layer in self._neuron_layers()]
        columns = {
            name: pd.Series(values, rows if name.startswith(("emb", "mexa")) else neurons)
            for name, values in self.layers().items()
        }
        table: pd.DataFrame = pd.DataFrame(columns, index=rows).rename_axis("layer")
        return table

    def _repr_html_(self) -> str:
        """A table for notebooks: each score, its interval and the best layer's value."""
        import pandas as pd

        metrics, scores = self.metrics(), list(SCORE_OF.values())
        columns = {
            "mean over layers": [f"{metrics[score]:.3f}" for score in scores],
            "95 % interval": [self._interval(score) for score in scores],
            "best layer": [f"{metrics[f'{score}_max']:.3f}" for score in scores],
        }
        table = pd.DataFrame(columns, index=[score.upper() for score in scores])
        shared = "" if self.surface is None else f"; {self.surface:.3f} by shared tokens alone"
        return f"{table.to_html()}<small>{self.pairs} pairs{shared}</small>"

    def _interval(self, score: str) -> str:
        ends = self.intervals.get(score)
        return "–" if ends is None else "{:.3f} to {:.3f}".format(*ends)

    def plot_layers(self, ax: Axes | None = None) -> Axes:
        """Draw the fraction of aligned pairs at every layer, a curve per score.

        Layers count as in `to_frame`: 0 is the hidden state before the first layer.

        Args:
            ax: where to draw; new axes by default.
        """
        import matplotlib.pyplot as plt
        from matplotlib.ticker import MaxNLocator

        axes = plt.subplots()[1] if ax is None else ax
        table = self.to_frame()
        for score in SCORE_OF.values():
            curve = table[score].dropna()
            label = f"{score.upper()} {curve.mean():.3f}"
            axes.plot(curve.index, curve, marker="o", markersize=3, label=label)
        axes.set(xlabel="layer", ylabel="aligned pairs (fraction)", ylim=(-0.02, 1.02))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(title="mean over layers")
        return axes

    def layers(self) -> dict[str, list[float]]:
        """Fractions by layer: weak alignment by score, and both directions by representation."""
        profile: dict[str, list[float]] = {}
        for name, retrieval in self.by_representation().items():
            profile |= layer_profile(name, retrieval)
        return profile


def layer_profile(representation: str, retrieval: Retrieval) -> dict[str, list[float]]:
    """A representation's entries in a result file's `layers`: `[layers]` floats each, 0 to 1."""
    return {
        SCORE_OF[representation]: retrieval.by_layer.tolist(),
        f"{representation}_from_pivot": retrieval.from_pivot.double().mean(dim=1).tolist(),
        f"{representation}_to_pivot": retrieval.to_pivot.double().mean(dim=1).tolist(),
    }


def aligned_layers(retrieval: Retrieval) -> str | None:
    """A representation's entry in a result file's `aligned_layers`.

    For each pair, the number of layers at which it is aligned, as two hex digits; `None` if one is
    above 255.

    >>> aligned_layers(Retrieval(torch.eye(2, 3).bool(), torch.ones(2, 3).bool()))
    '010100'
    """
    counts = retrieval.weak.sum(dim=0).tolist()
    return bytes(counts).hex() if max(counts) <= MOST_COUNTED else None


def retrieval(pivot: Iterable[Tensor], target: Iterable[Tensor]) -> Retrieval:
    r"""Retrieval in both directions at every layer, by cosine similarity C of sentence vectors.

    .. math:: \text{from\_pivot}_k = C_{kk} > \max_{j \ne k} C_{kj}, \qquad
              \text{to\_pivot}_k = C_{kk} > \max_{i \ne k} C_{ik}

    Args:
        pivot: for each layer, `[n, features]` vectors of the pivot sentences.
        target: for each layer, `[n, features]` vectors of their translations, in the same order.

    Returns:
        Both directions, `[layers, n]`.

    Raises:
        NeuronXAError: fewer than two pairs, different numbers of layers, or shapes that do not
            match.

    >>> eye = torch.eye(3)
    >>> retrieval([eye], [eye[[0, 2, 1]]]).by_layer
    tensor([0.3333], dtype=torch.float64)
    """
    return Retrieval.of_layers(rivals_by_layer(pivot, target))
