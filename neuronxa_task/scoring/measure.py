"""Compute all measurements of a language in one pass over the rivals of its pairs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from neuronxa_task.scoring.alignment import Alignment, Interval, Retrieval
from neuronxa_task.scoring.rivals import Rivals
from neuronxa_task.scoring.uncertainty import ScoreInterval, Stability, StabilityCurve
from neuronxa_task.settings import SCORE_OF


@dataclass(frozen=True)
class Measurement:
    """The measurements of a language.

    Attributes:
        alignment: which pairs are aligned at which layers, and an interval for each score.
        stability: scores of random subsets of the pairs, by score and subset size.
    """

    alignment: Alignment
    stability: Mapping[str, StabilityCurve]


def measure(
    layers: Iterator[Rivals], neuron_layers: Sequence[int], hidden_states: int, pairs: int
) -> Measurement:
    """Measure the alignment of a language's pairs.

    Args:
        layers: rivals at each layer, first by neuron states, then neuron values, then hidden
            states.
        neuron_layers: the layers that have neurons.
        hidden_states: number of hidden states.
        pairs: number n of pairs.
    """
    depths = {"nas": len(neuron_layers), "nav": len(neuron_layers), "emb": hidden_states}
    retrievals: list[Retrieval] = []
    intervals: dict[str, Interval] = {}
    stability: dict[str, StabilityCurve] = {}
    for name, score in SCORE_OF.items():
        interval, curve = ScoreInterval(pairs), Stability(pairs)
        counted = _counted(islice(layers, depths[name]), interval, curve)
        retrievals.append(Retrieval.of_layers(counted))
        if (bounds := interval.bounds) is not None:
            intervals[score] = bounds
        stability[score] = curve.scores
    nas, nav, emb = retrievals
    alignment = Alignment(nas, nav, emb, neuron_layers, intervals)
    return Measurement(alignment, stability)


def _counted(layers: Iterable[Rivals], *counters: ScoreInterval | Stability) -> Iterator[Rivals]:
    for layer in layers:
        for counter in counters:
            counter.add(layer)
        yield layer
