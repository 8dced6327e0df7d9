"""Run a few random tokens, and record the inputs and outputs of the modules that matter."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn.body import Body, evaluation

PROBE_SHAPE = (2, 7)
"""Two sentences, to tell their tokens apart; no layer has the unusual width 7."""


@dataclass
class Record:
    """One call of a module within a layer.

    Attributes:
        name: name of the module within the body.
        shape: shape of its first input, without the features.
        input: copy of its first input as `[rows, features]` float32; `None` if not a tensor.
        output: copy of its output as `[rows, features]` float32.
        precision: dtype with the coarsest rounding among input, output and the copies.
    """

    name: str
    module: nn.Module
    shape: tuple[int, ...]
    input: Tensor | None
    output: Tensor
    precision: torch.dtype


@dataclass
class LayerRecords:
    """Records of one layer.

    Attributes:
        runs: number of times the layer ran.
        input: copy of its input hidden state as `[rows, features]` float32.
        output: copy of its output hidden state as `[rows, features]` float32.
        calls: calls of its modules, in order.
        used: identities of all weights that were used, inside or outside a module's call.
    """

    runs: int = 0
    input: Tensor | None = None
    output: Tensor | None = None
    calls: list[Record] = field(default_factory=list)
    used: set[int] = field(default_factory=set)

    def ran(self, module: nn.Module) -> bool:
        """Whether the module or a part of it was used.

        Spare copies of an adapter, and experts of an inactive adapter, are not used.
        """
        called = {record.module for record in self.calls}
        return any(part in called for part in module.modules()) or any(
            id(weight) in self.used for weight in module.parameters()
        )


class _UsedWeights(TorchFunctionMode):
    """Records, by layer, the weights that enter a computation."""

    def __init__(self, running: Sequence[LayerRecords]) -> None:
        super().__init__()
        self._running = running

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        named = kwargs or {}
        if self._running:
            for value in (*args, *named.values()):
                several = value if isinstance(value, (list, tuple)) else (value,)
                weights = (one for one in several if isinstance(one, nn.Parameter))
                self._running[-1].used.update(map(id, weights))
        return func(*args, **named)


def probe_input(body: Body) -> Tensor:
    """Random token ids of shape `PROBE_SHAPE`, always the same for a vocabulary."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, body.vocabulary, PROBE_SHAPE, generator=generator).to(body.device)


def probe(body: Body, ids: Tensor, also: Collection[nn.Module] = ()) -> list[LayerRecords]:
    """Run `ids`, and record modules without children and linear modules.

    Args:
        body: the model.
        ids: `[batch, tokens]`.
        also: further modules to record.

    Returns:
        The records of each layer.
    """
    records = [LayerRecords() for _ in body.layers]
    running: list[LayerRecords] = []

    def enter(layer: LayerRecords) -> Callable[..., None]:
        def hook(_: nn.Module, inputs: tuple[object, ...], named: dict[str, object]) -> None:
            layer.runs += 1
            layer.input = _first_rows(inputs or named.get("hidden_states"))
            running.append(layer)

        return hook

    def leave(_: nn.Module, __: object, output: object) -> None:
        running.pop().output = _first_rows(output)

    def keep(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
            if running and isinstance(output, Tensor) and output.is_floating_point():
                has_input = bool(inputs) and isinstance(inputs[0], Tensor)
                first: Any = inputs[0] if has_input else output
                copies = _rows(first) if has_input else None, _rows(output)
                precision = coarsest(copies[1].dtype, output.dtype, first.dtype)
                shape = tuple(first.shape[:-1])
                running[-1].calls.append(Record(name, module, shape, *copies, precision))

        return hook

    with ExitStack() as hooks:
        for layer, of_layer in zip(body.layers, records, strict=True):
            hooks.callback(
                layer.register_forward_pre_hook(enter(of_layer), with_kwargs=True).remove
            )
        for name, module in body.model.named_modules():
            if widths(module) or next(module.children(), None) is None or module in also:
                hooks.callback(module.register_forward_hook(keep(name)).remove)
        for layer in body.layers:
            hooks.callback(layer.register_forward_hook(leave).remove)
        hooks.enter_context(_UsedWeights(running))
        run_quietly(body, ids)
    return records


def run_quietly(
    body: Body,
    ids: Tensor,
    mask: Tensor | None = None,
    run: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> Tensor:
    """Run the body in evaluation mode, without changing its mode or the random state.

    Args:
        body: the model.
        ids: `[batch, tokens]`.
        mask: `[batch, tokens]` attention mask; all ones by default.
        run: function that runs the body (see `reading`); the body itself by default.

    Returns:
        The last hidden state, `[batch, tokens, H]`.

    Raises:
        NeuronXAError: the model cannot run token ids alone.
    """
    mask = torch.ones_like(ids) if mask is None else mask
    with evaluation(body), torch.random.fork_rng(devices=_cuda_devices(body.model)):
        try:
            return (run or body)(ids, mask)
        except (NeuronXAError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # the model's own code may raise anything
            reason = " ".join(str(error).split())
            raise NeuronXAError(
                f"{body.family}: {type(body.model).__name__} cannot run token ids of shape "
                f"{list(ids.shape)} by themselves: {type(error).__name__}: {reason}"
            ) from error


def _cuda_devices(model: nn.Module) -> list[int]:
    devices = {p.device for p in model.parameters() if p.device.type == "cuda"}
    return [device.index for device in devices if device.index is not None]


def coarsest(*dtypes: torch.dtype) -> torch.dtype:
    """The floating-point dtype with the largest machine epsilon."""
    return max((d for d in dtypes if d.is_floating_point), key=lambda dtype: torch.finfo(dtype).eps)


def _rows(tensor: Tensor) -> Tensor:
    """Copy as `[rows, features]` float32, safe from later in-place changes."""
    width = tensor.shape[-1] if tensor.ndim else 1
    return tensor.detach().reshape(-1, width).to(torch.float32, copy=True)


def _first_rows(values: object) -> Tensor | None:
    first = values[0] if isinstance(values, (tuple, list)) and values else values
    return _rows(first) if isinstance(first, Tensor) else None


# ---------------------------------------------------------------- kinds of modules


def is_activation(module: nn.Module) -> bool:
    """Whether a module is an activation function, by its class or its name."""
    from transformers.activations import ACT2CLS

    classes = tuple(entry[0] if isinstance(entry, tuple) else entry for entry in ACT2CLS.values())
    is_leaf = next(module.children(), None) is None
    named_so = re.search("gelu|silu|relu|activation", type(module).__name__, re.IGNORECASE)
    if isinstance(module, nn.Identity):  # transformers' activation "linear", but LoRA uses it too
        return False
    return isinstance(module, classes) or (is_leaf and named_so is not None)


def widths(module: nn.Module) -> tuple[int, int] | None:
    """Input and output width of a linear module, also if quantised or adapted; else `None`."""
    for names in (("in_features", "out_features"), ("nx", "nf")):
        width_in, width_out = (getattr(module, name, None) for name in names)
        if isinstance(width_in, int) and isinstance(width_out, int):
            return width_in, width_out
    return None
