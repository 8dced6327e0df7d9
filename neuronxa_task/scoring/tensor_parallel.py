"""Tensor parallelism and FSDP2: each process sees all sentences and holds a part of the model.

Of the feed-forward neurons it sees its own, or all of them where a layer is not split, and of the
hidden states everything. Cosines over all neurons follow from sums over the processes, so what
several of them see is counted by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn import Body, DenseNeurons, Experts, neurons_by_layer
from neuronxa_task.ffn.probe import probe_input, widths
from neuronxa_task.scoring.data_parallel import Processes
from neuronxa_task.scoring.similarity import InnerProducts
from neuronxa_task.scoring.states import SentenceStates, encode
from neuronxa_task.settings import StateSettings

SAME = 0.01
"""Relative distance below which two processes see the same neurons; of others it is near 1."""


@dataclass(frozen=True)
class Split(Processes):
    """Processes that a model is split over."""

    @classmethod
    def of(cls, model: nn.Module) -> Split:
        """The processes that `model` is split over; its weights know.

        Raises:
            NeuronXAError: it is split in more ways than one.
        """
        if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
            return cls()
        from torch.distributed.tensor import DTensor

        for weight in model.parameters():
            if isinstance(weight, DTensor):
                mesh = weight.device_mesh
                if mesh.ndim > 1:
                    raise NeuronXAError(
                        f"the weights of this model are split over {mesh}, in more ways than one; "
                        "supported is one at a time, of tensor parallelism (tp_plan) and FSDP2"
                    )
                place = mesh.get_local_rank(), mesh.size()
                return cls(*place, weight.to_local().device, mesh.get_group())
        return cls()

    def sum(self, part: InnerProducts) -> InnerProducts:
        """Sums over the processes, the same on each.

        They are added up in the order of the ranks, so that equal elements stay equal to the bit
        wherever they stand, which a reduction does not promise.
        """
        if self.size == 1:
            return part
        flat = torch.cat([tensor.flatten() for tensor in part]).to(self.device)
        parts = [torch.empty_like(flat) for _ in range(self.size)]
        torch.distributed.all_gather(parts, flat, group=self.group)
        total = torch.zeros_like(flat)
        for one in parts:
            total += one
        sums = torch.split(total.to(part.cross.device), [tensor.numel() for tensor in part])
        return InnerProducts(*(s.view(tensor.shape) for s, tensor in zip(sums, part, strict=True)))


@dataclass(frozen=True, eq=False)
class OwnedColumns:
    """What one process counts.

    Attributes:
        neurons: for every layer that has neurons the places of those; `None` for all.
        hidden: the same of every hidden state.
    """

    neurons: Sequence[Tensor | None]
    hidden: Tensor | None

    def of(self, states: SentenceStates) -> SentenceStates:
        """The part of the states that the process counts."""
        return SentenceStates(
            [_columns(*layer) for layer in zip(states.nas, self.neurons, strict=True)],
            [_columns(*layer) for layer in zip(states.nav, self.neurons, strict=True)],
            [_columns(layer, self.hidden) for layer in states.emb],
        )


def _columns(layer: Tensor, places: Tensor | None) -> Tensor:
    return layer if places is None else layer[:, places.to(layer.device)]


def owned_columns(
    split: Split, body: Body, sites: Sequence[DenseNeurons | Experts]
) -> OwnedColumns:
    """What this process counts, from what all of them see of a few tokens.

    Raises:
        NeuronXAError: the parts of a layer are not the whole of it.
    """
    neurons = neurons_by_layer(sites)
    if split.size == 1:
        return OwnedColumns([None] * len(neurons), None)
    ids = probe_input(body).tolist()
    states = encode(body, sites, ids, batch_size=len(ids), settings=StateSettings())
    of_layer = dict(zip(neurons, states.nav, strict=True))
    places = [slice(site.start, site.start + site.neurons) for site in sites]
    seen = [of_layer[site.layer][:, at].cpu() for site, at in zip(sites, places, strict=True)]
    is_counted = {layer: torch.zeros(width, dtype=torch.bool) for layer, width in neurons.items()}
    for site, at, *parts in zip(sites, places, *split.gather(seen), strict=True):
        is_counted[site.layer][at] = _is_split(body, site, parts) or split.rank == 0
    return OwnedColumns(
        [None if counted.all() else counted.nonzero()[:, 0] for counted in is_counted.values()],
        None if split.rank == 0 else torch.tensor([], dtype=torch.long),
    )


def _is_split(body: Body, site: DenseNeurons | Experts, parts: Sequence[Tensor]) -> bool:
    """Whether the processes see different neurons of a site, rather than all of them the same."""
    first, found = parts[0], sum(part.shape[1] for part in parts)
    is_same = all(
        part.shape == first.shape and (part - first).norm() <= SAME * first.norm() for part in parts
    )
    if isinstance(site, Experts):
        # That the sum over them is the model's own was seen when they were found.
        return not (is_same and first.any())
    whole = _declared_width(site.down_projection)
    if found != whole and not (is_same and first.shape[1] == whole):
        raise NeuronXAError(
            f"{body.family}: the {len(parts)} processes that this model is split over see {found} "
            f"neurons of {site.name} together; expected {whole}; use device_map instead of tp_plan"
        )
    return found == whole


def _declared_width(down_projection: nn.Module) -> int:
    """Input width of the whole, which a split linear module declares as before."""
    whole: Any = down_projection
    while hasattr(whole, "base_layer"):  # PEFT's modules declare the part
        whole = whole.base_layer
    width = widths(whole)
    assert width is not None
    return width[0]
