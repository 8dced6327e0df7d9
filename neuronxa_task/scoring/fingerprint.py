"""A fingerprint of a model's weights, wherever they are: in memory, offloaded, split, quantized."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

SAMPLED_VALUES = 64


def fingerprint(model: nn.Module) -> str:
    """Eight hex digits that change with any training step, adapter or quantization.

    They cover the name and shape of every parameter and buffer and 64 evenly spaced values of each.
    That takes milliseconds; weights that are offloaded to disk are read once, as in every forward
    pass. Where a model is split over processes, all of them must ask at once; they get the
    fingerprint of the whole.
    """
    digest = hashlib.sha256()
    for name, weight in model.state_dict().items():
        if not isinstance(weight, Tensor):
            continue
        digest.update(f"{name}{list(weight.shape)}".encode())
        for values in _samples(_in_memory(model, name, weight.detach())):
            digest.update(values.float().cpu().numpy().tobytes())
    return digest.hexdigest()[:8]


def _in_memory(model: nn.Module, name: str, weight: Tensor) -> Tensor:
    """The weight, from where accelerate's hooks take it for a forward pass if it is offloaded."""
    if not weight.is_meta:
        return weight
    path = name
    while path:
        path = path.rpartition(".")[0]  # a hook may hold the weights of all below it
        hook: Any = getattr(model.get_submodule(path), "_hf_hook", None)
        for one in getattr(hook, "hooks", [hook]):
            if (weights := getattr(one, "weights_map", None)) is not None:
                found: Tensor = weights[name[len(path) :].lstrip(".")]
                return found
    return weight


def _samples(weight: Tensor) -> Iterator[Tensor]:
    """Evenly spaced values; of a quantized weight those of every tensor that it is made of."""
    if hasattr(weight, "device_mesh"):
        yield _of_whole(weight)
    elif hasattr(weight, "__tensor_flatten__"):
        for name in weight.__tensor_flatten__()[0]:
            yield from _samples(getattr(weight, name))
    elif not weight.is_meta:
        yield weight.flatten()[:: _step(weight)][:SAMPLED_VALUES]


def _step(weight: Tensor) -> int:
    return max(1, weight.numel() // SAMPLED_VALUES)


def _of_whole(weight: Any) -> Tensor:
    """The same of a `DTensor`, of which every process holds a part."""
    from torch.distributed import all_reduce
    from torch.distributed.tensor import distribute_tensor

    mesh, (placement,) = weight.device_mesh, weight.placements
    local: Tensor = weight.to_local()
    places = torch.arange(0, weight.numel(), _step(weight), device=local.device)[:SAMPLED_VALUES]
    at = list(torch.unravel_index(places, weight.shape))
    dim = getattr(placement, "dim", None)
    if dim is None:
        is_here = torch.full(places.shape, mesh.get_local_rank() == 0, device=local.device)
        at = [index[is_here] for index in at]
    else:
        # The indices along the split dimension are split as the weight is.
        fused = {"split_factor": f} if (f := getattr(placement, "split_factor", None)) else {}
        indices = torch.arange(weight.shape[dim], device=local.device)
        split = distribute_tensor(indices, mesh, [type(placement)(0, **fused)], src_data_rank=None)
        held = split.to_local()
        is_here = torch.isin(at[dim], held)
        at = [index[is_here] for index in at]
        at[dim] = torch.searchsorted(held, at[dim])
    # As bits, of which sums with zeros are exact, the sign of a zero included.
    bits = torch.zeros(places.shape, dtype=torch.int32, device=local.device)
    bits[is_here] = local[tuple(at)].float().view(torch.int32)
    all_reduce(bits, group=mesh.get_group())
    return bits.view(torch.float32)
