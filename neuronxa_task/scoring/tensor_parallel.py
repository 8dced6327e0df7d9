"""Tensor parallelism and FSDP2: each process sees all sentences and has a part of the model.

A process sees its own feed-forward neurons (all of them if a layer is not split) and the whole
hidden states. Cosines over all neurons follow from sums over the processes, so neurons that several
processes see are counted by one of them.
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
"""Relative distance below which two processes see the same neurons; different ones are near 1."""


@dataclass(frozen=True)
class Split(Processes):
    """Processes over which a model is split."""

    @classmethod
    def of(cls, model: nn.Module) -> Split:
        """The processes over which `model` is split, according to its weights.

        Raises:
            NeuronXAError: it is split in more than one dimension.
        """
        if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
            return cls()
        from torch.distributed.tensor import DTensor

        for weight in model.parameters():
            if isinstance(weight, DTensor):
                mesh = weight.device_mesh
                if mesh.ndim > 1:
                    raise NeuronXAError(
                        f"the weights of this model are split over {mesh}, in more than one "
                        "dimension; use either tensor parallelism (tp_plan) or FSDP2"
                    )
                rank, size = mesh.get_local_rank(), mesh.size()
                return cls(rank, size, weight.to_local().device, mesh.get_group())
        return cls()

    def sum(self, part: InnerProducts) -> InnerProducts:
        """Add inner products over the processes; every process gets the sums.

        They are added in the order of the ranks, so that equal elements stay bitwise equal at any
        index, which a reduction does not guarantee.
        """
        if self.size == 1:
            return part
        flat = torch.cat([tensor.flatten() for tensor in part]).to(self.device)
        parts = [torch.empty_like(flat) for _ in range(self.size)]
        torch.distributed.all_gather(parts, flat, group=self.group)
        total = torch.zeros_like(flat)
        for gathered in parts:
            total += gathered
        sums = torch.split(total.to(part.cross.device), [tensor.numel() for tensor in part])
        return InnerProducts(*(s.view(tensor.shape) for s, tensor in zip(sums, part, strict=True)))


@dataclass(frozen=True, eq=False)
class OwnedColumns:
    """The columns that one process counts.

    Attributes:
        neurons: for each layer that has neurons, their indices; `None` for all.
        hidden: indices in every hidden state; `None` for all.
    """

    neurons: Sequence[Tensor | None]
    hidden: Tensor | None

    def of(self, states: SentenceStates) -> SentenceStates:
        """Select the part of the states that this process counts."""
        return SentenceStates(
            [_columns(*layer) for layer in zip(states.nas, self.neurons, strict=True)],
            [_columns(*layer) for layer in zip(states.nav, self.neurons, strict=True)],
            [_columns(layer, self.hidden) for layer in states.emb],
        )


def _columns(layer: Tensor, indices: Tensor | None) -> Tensor:
    return layer if indices is None else layer[:, indices.to(layer.device)]


def owned_columns(
    split: Split, body: Body, sites: Sequence[DenseNeurons | Experts]
) -> OwnedColumns:
    """Determine the columns that this process counts, from what all processes see of a few tokens.

    Raises:
        NeuronXAError: the parts of a layer do not add up to the whole layer.
    """
    neurons = neurons_by_layer(sites)
    if split.size == 1:
        return OwnedColumns([None] * len(neurons), None)
    ids = probe_input(body).tolist()
    states = encode(body, sites, ids, batch_size=len(ids), settings=StateSettings())
    of_layer = dict(zip(neurons, states.nav, strict=True))
    columns = [slice(site.start, site.start + site.neurons) for site in sites]
    seen = [of_layer[site.layer][:, of].cpu() for site, of in zip(sites, columns, strict=True)]
    is_counted = {layer: torch.zeros(width, dtype=torch.bool) for layer, width in neurons.items()}
    for site, of, *parts in zip(sites, columns, *split.gather(seen), strict=True):
        is_counted[site.layer][of] = _is_split(body, site, parts) or split.rank == 0
    return OwnedColumns(
        [None if counted.all() else counted.nonzero()[:, 0] for counted in is_counted.values()],
        None if split.rank == 0 else torch.tensor([], dtype=torch.long),
    )


def _is_split(body: Body, site: DenseNeurons | Experts, parts: Sequence[Tensor]) -> bool:
    """Whether the processes see different neurons of a site, not all the same ones."""
    first, total = parts[0], sum(part.shape[1] for part in parts)
    is_same = all(
        part.shape == first.shape and (part - first).norm() <= SAME * first.norm() for part in parts
    )
    if isinstance(site, Experts):
        # `ffn/verify.py` has checked that the sum over them is the model's own.
        return not (is_same and first.any())
    whole = _declared_width(site.module)
    if total != whole and not (is_same and first.shape[1] == whole):
        raise NeuronXAError(
            f"{body.family}: the {len(parts)} processes over which this model is split see {total} "
            f"neurons of {site.name} together; expected {whole}; use device_map instead of tp_plan"
        )
    return total == whole


def _declared_width(down_projection: nn.Module) -> int:
    """Input width of the whole linear module, which a split module still declares."""
    whole: Any = down_projection
    while hasattr(whole, "base_layer"):  # PEFT's modules declare the width of the part
        whole = whole.base_layer
    width = widths(whole)
    assert width is not None
    return width[0]
