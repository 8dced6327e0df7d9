"""A fingerprint of everything that computes a state: weights, modules and settings of the body.

Weights may be in memory, offloaded, sharded over processes or quantised; the fingerprint covers the
whole model and every bit of its weights. The sum of a tensor is

    Σ_i bits(x_i) · w_1[i_1] · … · w_d[i_d]   (mod 2⁶⁴)

with the bits of each element as an integer, and pseudo-random odd weights w for its index in each
dimension. So swapped columns change the sum, and so do changes that cancel in a plain sum. Sums
modulo 2⁶⁴ are exact in any order, and the sums of shards add up to the sum of the whole tensor.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neuronxa_task.ffn.body import running_parts
from neuronxa_task.ffn.unwrap import class_of, unwrapped
from neuronxa_task.scoring.bit_sums import bit_sum, signed
from neuronxa_task.scoring.patches import own_code

HEAD = "pooler"
"""Child of a body that only reads the last hidden state, so no state depends on it."""

NOT_COMPUTED_WITH = frozenset(
    # of configurations: origin of the model, and facts elsewhere in the signature
    "_name_or_path name_or_path _commit_hash transformers_version architectures dtype torch_dtype "
    "model_type quantization_config distributed_config _experts_implementation_internal "
    # of modules: set by loading, training and sharding; the weights have the shapes
    "training gradient_checkpointing in_features out_features kwargs max_seq_len_cached "
    "forward".split()
)
CHANGED_BY_A_PASS = {
    "BigBird": {"attention_type"},
    "NllbMoe": {"expert_capacity", "input_dtype"},
    "RecurrentGemma": {"recurrent_states", "conv1d_state"},
    "SwitchTransformers": {"input_dtype"},
}
"""Attributes that a forward pass changes, by the start of their classes' names. Their settings are
in the configuration. In other families, the same names are settings."""
EXCHANGED_BY_A_PASS = re.compile("BigBird.*Attention")
"""Classes of modules that a pass over a short sentence replaces by others with the same weights."""
ADAPTER_STATE = ("_active_adapter", "_disable_adapters")
SETTINGS = (
    *(int, float, str, dict, list, tuple, set, frozenset, Enum),
    *(Tensor, torch.dtype, np.ndarray, np.generic),
)
DEEPEST_OBJECT = 8
"""Depth to which objects are followed; they may hold anything. Lists and mappings have no limit."""


def fingerprint(model: nn.Module) -> str:
    """Eight hex digits that change with whatever changes a hidden state or a neuron.

    They cover every bit of the body's parameters and buffers (of encoder and decoder, if the model
    has both), the classes and settings of its modules, including adapters and their state, the
    source files of classes outside the libraries, and its configuration. They do not depend on
    heads, device, sharding or the origin of the model. Weights are read once, from disk if they are
    offloaded.

    If a model is split over processes, all of them must call this function together.

    Raises:
        NeuronXAError: the model has no text layers.
    """
    root = unwrapped(model)
    prefixes = {module: name for name, module in root.named_modules()}
    digest = hashlib.sha256()
    sums = _Sums()
    for part in running_parts(root):
        for line in _settings(part):
            digest.update(f"{line}\n".encode())
        for name, value in sorted(_tensors(part).items()):
            path = ".".join(filter(None, (prefixes.get(part, ""), name)))
            sums.add(name, _in_memory(root, path, value))
    for line in sums.lines():
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()[:8]


# ---------------------------------------------------------------- modules and their settings


def _settings(part: nn.Module) -> Iterator[str]:
    """Configuration, classes with their own source files, and attributes, as lines of text."""
    from transformers import PreTrainedModel

    seen: set[int] = set()
    files: set[str] = set()
    exchanged = ""
    for path, module in part.named_modules():
        if _is_head(path):
            continue
        config = getattr(module, "config", None)
        if config is not None and id(config) not in seen:
            seen.add(id(config))
            yield f"{path} configuration {json.dumps(_plain(config), sort_keys=True)}"
        of = class_of(module)
        if EXCHANGED_BY_A_PASS.fullmatch(of.__name__):
            exchanged = path
            yield f"{path} as the configuration says"
            continue
        if exchanged and path == f"{exchanged}.dropout":
            continue
        changing = _changed_by_a_pass(of.__name__)
        attributes = {
            name: _plain(value)
            for name, value in vars(module).items()
            if name in ADAPTER_STATE
            or (
                name not in changing
                and _is_setting(name, value, isinstance(module, PreTrainedModel))
            )
        }
        kind = f"{of.__module__}.{of.__qualname__}"
        yield f"{path} {kind} {json.dumps(attributes, sort_keys=True)}"
        for own, file in own_code(module):
            if file is not None and file not in files:
                files.add(file)
                yield f"{own.__module__} {hashlib.sha256(Path(file).read_bytes()).hexdigest()}"


def _is_setting(name: str, value: Any, of_model: bool) -> bool:
    """Whether an attribute can change what its module computes; weights are covered elsewhere.

    A model has many attributes about how it was loaded; only its numbers enter the computation.
    """
    if name.startswith("_") or name in NOT_COMPUTED_WITH or isinstance(value, nn.Module):
        return False
    if of_model:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, SETTINGS) or callable(value)


def _changed_by_a_pass(kind: str) -> frozenset[str]:
    return frozenset().union(
        *(names for start, names in CHANGED_BY_A_PASS.items() if kind.startswith(start))
    )


def _is_head(path: str) -> bool:
    return path.partition(".")[0] == HEAD


def _plain(value: Any, above: tuple[int, ...] = ()) -> Any:
    """A JSON form of a value that is equal in every process; `None` if it is not a setting.

    Args:
        value: a setting, or an object or collection of settings.
        above: ids of the objects and collections that it is in.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Enum):
        return _plain(value.value, above)
    if isinstance(value, torch.dtype):
        return str(value)
    if isinstance(value, Tensor):
        return [str(value.dtype), list(value.shape), bit_sum(value) if not value.is_meta else None]
    if isinstance(value, (np.ndarray, np.generic)):
        digest = hashlib.sha256(value.tobytes()).hexdigest()
        return [str(value.dtype), list(value.shape), digest]
    if isinstance(value, torch.device) or id(value) in above:
        return None
    inside = (*above, id(value))
    if isinstance(value, Mapping):
        return {
            str(key): _plain(item, inside)
            for key, item in value.items()
            if key not in NOT_COMPUTED_WITH
        }
    if isinstance(value, (list, tuple)):
        return [_plain(item, inside) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(json.dumps(_plain(item, inside), sort_keys=True) for item in value)
    if isinstance(value, functools.partial):
        return _plain([value.func, value.args, value.keywords], inside)
    name = getattr(value, "__qualname__", None)
    if name is not None:
        return f"{getattr(value, '__module__', '')}.{name}"
    if len(above) > DEEPEST_OBJECT:
        return type(value).__qualname__
    return [type(value).__qualname__, _plain(getattr(value, "__dict__", {}), inside)]


# ---------------------------------------------------------------- weights


def _tensors(part: nn.Module) -> dict[str, Any]:
    """Parameters, buffers (also unsaved ones), and further state that quantisation saves."""
    named: dict[str, Any] = dict(part.state_dict())
    named |= dict(part.named_buffers(remove_duplicate=False))
    named |= dict(part.named_parameters(remove_duplicate=False))
    return {name: value for name, value in named.items() if not _is_head(name)}


def _in_memory(root: nn.Module, name: str, weight: Any) -> Any:
    """The weight; if it is offloaded, loaded as accelerate's hooks do for a forward pass."""
    if not (isinstance(weight, Tensor) and weight.is_meta):
        return weight
    path = name
    while path:
        path = path.rpartition(".")[0]  # a hook may have the weights of all modules below
        hook: Any = getattr(root.get_submodule(path), "_hf_hook", None)
        for part in getattr(hook, "hooks", [hook]):
            if (weights := getattr(part, "weights_map", None)) is not None:
                return weights[name[len(path) :].lstrip(".")]
    return weight


class _Sums:
    """Sums of named tensors; sums of shards are added over the processes together, at the end."""

    def __init__(self) -> None:
        self._sums: list[tuple[str, int]] = []
        self._sharded: list[int] = []
        self._group: Any = None
        self._device: torch.device | None = None
        self._known: dict[int, int] = {}

    def add(self, name: str, value: Any) -> None:
        """Add a tensor, or the parts of a quantised tensor."""
        if isinstance(value, (list, tuple)):
            for index, item in enumerate(value):
                self.add(f"{name}.{index}", item)
        elif not isinstance(value, Tensor):
            self._sums.append((f"{name} {json.dumps(_plain(value), sort_keys=True)}", 0))
        elif hasattr(value, "device_mesh"):
            self._add_shard(name, value)
        elif hasattr(value, "__tensor_flatten__"):
            inner, context = value.__tensor_flatten__()
            kind = f"{type(value).__qualname__} {json.dumps(_plain(context), sort_keys=True)}"
            self._sums.append((f"{name} {kind}", 0))
            for part in inner:
                self.add(f"{name}.{part}", getattr(value, part))
        elif value.is_meta:
            self._sums.append((f"{name} {value.dtype} {list(value.shape)} not in memory", 0))
        else:
            self._sums.append((_title(name, value), self._once(value)))

    def _once(self, value: Tensor) -> int:
        """The sum of a tensor, computed once for tied parameters."""
        if not isinstance(value, nn.Parameter):  # its id may be reused
            return bit_sum(value)
        if id(value) not in self._known:
            self._known[id(value)] = bit_sum(value)
        return self._known[id(value)]

    def _add_shard(self, name: str, value: Any) -> None:
        """Add this process's part of a `DTensor`, with the indices of its elements in the whole."""
        from torch.distributed.tensor import distribute_tensor

        if value.device_mesh.ndim > 1:  # several processes may hold the same part
            self._sums.append((_title(name, value), bit_sum(value.full_tensor())))
            return
        mesh, (placement,) = value.device_mesh, value.placements
        local: Tensor = value.to_local()
        dim, sum_here = getattr(placement, "dim", None), 0
        if dim is not None:
            # Split the indices along the split dimension in the same way as the weight.
            fused = {"split_factor": f} if (f := getattr(placement, "split_factor", None)) else {}
            indices = torch.arange(value.shape[dim], device=local.device)
            how = [type(placement)(0, **fused)]
            held = distribute_tensor(indices, mesh, how, src_data_rank=None).to_local()
            sum_here = bit_sum(local, {dim % value.ndim: held})
        elif mesh.get_local_rank() == 0:
            sum_here = bit_sum(local)
        self._group, self._device = mesh.get_group(), local.device
        self._sharded.append(len(self._sums))
        self._sums.append((_title(name, value), sum_here))

    def lines(self) -> list[str]:
        """A line for every tensor: its name, dtype, shape, and the sum of the whole tensor."""
        sums = [number for _, number in self._sums]
        if self._sharded:
            own = torch.tensor([signed(sums[i]) for i in self._sharded], device=self._device)
            torch.distributed.all_reduce(own, group=self._group)
            for index, number in zip(self._sharded, own.tolist(), strict=True):
                sums[index] = number % 2**64
        return [f"{title} {n:016x}" for (title, _), n in zip(self._sums, sums, strict=True)]


def _title(name: str, value: Tensor) -> str:
    return f"{name} {str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
