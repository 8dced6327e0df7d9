"""Which linear map of a layer is the feed-forward output projection: asked of the data, not names.

One forward pass over a few random tokens records what enters and leaves every activation and
linear module of each layer. The output projection D is the linear map to the hidden size whose
input is

    act(x·W_in)                  (not gated), or
    act(x·W_gate) ⊙ x·W_up       (gated; both may be halves of one fused projection),

where act(...) is an activation module's output, or, for activations that are plain functions,
one of the known functions of a linear map's output. Module names decide nothing: state-space
mixers, convolutions and attention gates look alike by name and shape, but not by this equation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn.body import Body

PROBE_SHAPE = (2, 7)
WHAT_IS_LOOKED_FOR = (
    "a linear map to the hidden size ({hidden}) whose input is act(x·W) or act(x·W_gate)⊙(x·W_up)"
)
SUPPORTED = (
    "dense feed-forward layers, one per layer: LLaMA, Qwen, Mistral, Gemma, GLM, OLMo, Phi, GPT-2, "
    "GPT-NeoX, OPT, BLOOM, Falcon, MPT, StarCoder2, Cohere, BART, T5 and every other model built alike"
)

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
    "relu²": lambda x: F.relu(x).square(),
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
}


@dataclass(frozen=True)
class Gate:
    """Where the gate activation is read: a module's output, seen through a function.

    Attributes:
        module: its forward output holds the gate activation.
        function: from that output to the gate activation; identity for an activation module.
    """

    module: nn.Module
    function: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Site:
    """The feed-forward neurons of one layer.

    Attributes:
        layer: index of the layer.
        down_projection: its input `[batch, tokens, F]` is the product z.
        gate: source of the gate activation a; `None` if not gated, where a is z.
        intermediate_size: number F of neurons.
        name: the module's name, for messages.
    """

    layer: int
    down_projection: nn.Module
    gate: Gate | None
    intermediate_size: int
    name: str


@dataclass
class _Record:
    name: str
    module: nn.Module
    calls: int
    input: Tensor | None
    output: Tensor
    eps: float


def find_sites(body: Body, *, vocabulary: int | None = None) -> tuple[Site, ...]:
    """Find the feed-forward output projection of every layer of `body` with one probe forward.

    Args:
        body: the model to probe; its parameters and mode are left as they are.
        vocabulary: ids are drawn below this number; by default the configuration's.

    Raises:
        NeuronXAError: a layer has no such neurons, several candidates, mixture-of-experts blocks,
            or runs more than once per forward pass.
    """
    records, runs = _probe(body, vocabulary)
    for layer, count in enumerate(runs):
        if count != 1:
            raise NeuronXAError(
                f"{body.family}: layer {layer} runs {count} times in one forward pass, so its neurons "
                f"have no single state; supported: {SUPPORTED}"
            )
    return tuple(_site(body, layer, records[layer]) for layer in range(len(body.layers)))


# ---------------------------------------------------------------- the probe forward


def _is_activation(module: nn.Module) -> bool:
    from transformers.activations import ACT2CLS

    classes = tuple(entry[0] if isinstance(entry, tuple) else entry for entry in ACT2CLS.values())
    is_leaf = next(module.children(), None) is None
    named_so = re.search("gelu|silu|relu|activation", type(module).__name__, re.IGNORECASE)
    return isinstance(module, classes) or (is_leaf and named_so is not None)


def _widths(module: nn.Module) -> tuple[int, int] | None:
    """Input and output width of a linear-like module, quantised and adapted ones included."""
    for names in (("in_features", "out_features"), ("nx", "nf")):
        widths = tuple(getattr(module, name, None) for name in names)
        if all(isinstance(width, int) for width in widths):
            return widths  # type: ignore[return-value]
    return None


def _probe(body: Body, vocabulary: int | None) -> tuple[list[dict[int, _Record]], list[int]]:
    """Run a few random tokens; per layer, what went in and out of every module of interest."""
    depth = len(body.layers)
    records: list[dict[int, _Record]] = [{} for _ in range(depth)]
    runs = [0] * depth
    running: list[int] = []

    def enter(layer: int) -> Callable[..., None]:
        def hook(*_: object) -> None:
            runs[layer] += 1
            running.append(layer)

        return hook

    def leave(*_: object) -> None:
        running.pop()

    def record(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
            if not running or not isinstance(output, Tensor) or not output.is_floating_point():
                return
            found = records[running[-1]].get(id(module))
            first = inputs[0] if inputs and isinstance(inputs[0], Tensor) else None
            records[running[-1]][id(module)] = _Record(
                name,
                module,
                1 if found is None else found.calls + 1,
                None if first is None else _rows(first),
                _rows(output),
                torch.finfo(first.dtype if first is not None else output.dtype).eps,
            )

        return hook

    handles = []
    try:
        for index, layer in enumerate(body.layers):
            handles.append(layer.register_forward_pre_hook(enter(index)))
        seen: set[int] = set()
        for name, module in body.model.named_modules():
            if id(module) not in seen and (_widths(module) or _is_activation(module)):
                seen.add(id(module))
                handles.append(module.register_forward_hook(record(name)))
        handles += [layer.register_forward_hook(leave) for layer in body.layers]
        body(*_probe_input(body, vocabulary))
    finally:
        for handle in handles:
            handle.remove()
    return records, runs


def _probe_input(body: Body, vocabulary: int | None) -> tuple[Tensor, Tensor]:
    size = vocabulary or body.model.config.vocab_size  # type: ignore[union-attr]
    ids = torch.randint(0, size, PROBE_SHAPE, generator=torch.Generator().manual_seed(0))
    return ids.to(body.device), torch.ones_like(ids).to(body.device)


def _rows(tensor: Tensor) -> Tensor:
    """A copy as `[rows, features]` in float32, so that later in-place changes are not seen."""
    return tensor.detach().reshape(-1, tensor.shape[-1]).to(torch.float32, copy=True)


# ---------------------------------------------------------------- the equation


def _site(body: Body, layer: int, records: dict[int, _Record]) -> Site:
    _refuse_experts(body, layer)
    found = [
        Site(layer, record.module, gate, record.input.shape[-1], record.name)
        for record in records.values()
        if record.input is not None
        and (widths := _widths(record.module)) is not None
        and widths[1] == body.hidden_size
        and record.input.any()
        for gate in _gates(record.input, record, records)
    ]
    found = _outermost(found)
    if not found:
        raise NeuronXAError(
            f"{body.family}: layer {layer} ({type(body.layers[layer]).__name__}) has no feed-forward "
            f"neurons to read; looked for {WHAT_IS_LOOKED_FOR.format(hidden=body.hidden_size)}; "
            f"supported: {SUPPORTED}"
        )
    widest = max(site.intermediate_size for site in found)
    sites = [site for site in found if site.intermediate_size == widest]
    if len(sites) > 1:
        raise NeuronXAError(
            f"{body.family}: layer {layer} has {len(sites)} feed-forward output projections of equal "
            f"width ({', '.join(site.name for site in sites)}), so its neurons are ambiguous; "
            f"supported: {SUPPORTED}"
        )
    return sites[0]


def _gates(product: Tensor, down: _Record, records: dict[int, _Record]) -> Iterator[Gate | None]:
    """The first way in which `product` is an activation, gated or not; nothing if it is none."""

    def equal(values: Tensor) -> bool:
        # The same operation on the same values: equal but for the rounding of half precision.
        # Under `device_map` a layer's tensors may be on several devices.
        difference = (product - values.to(product.device)).abs().max()
        return bool(difference <= 4 * down.eps * product.abs().max())

    def same_shape(values: Tensor) -> bool:
        return values.shape == product.shape

    others = [record for record in records.values() if record.module is not down.module]
    activations = [r for r in others if _is_activation(r.module) and same_shape(r.output)]
    projections = [
        (record, part, values)
        for record in others
        if _widths(record.module)
        for part, values in _parts(record.output)
        if same_shape(values)
    ]
    for activation in activations:
        if equal(activation.output):
            yield None
            return
    for activation in activations:
        if any(equal(activation.output * values) for _, _, values in projections):
            yield Gate(activation.module, _identity)
            return
    for record, part, values in projections:
        for function in FUNCTIONS.values():
            activated = function(values)
            if equal(activated):
                yield None
                return
            if any(equal(activated * other) for _, _, other in projections):
                yield Gate(record.module, _of_part(part, function))
                return


def _identity(values: Tensor) -> Tensor:
    return values


def _of_part(part: str, function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda values: function(_take(part, values))


def _take(part: str, values: Tensor) -> Tensor:
    half = values.shape[-1] // 2
    return {
        "all": values,
        "first half": values[..., :half],
        "second half": values[..., half:],
        "even": values[..., ::2],
        "odd": values[..., 1::2],
    }[part]


def _parts(values: Tensor) -> list[tuple[str, Tensor]]:
    names = ["all"] if values.shape[-1] % 2 else ["all", "first half", "second half", "even", "odd"]
    return [(name, _take(name, values)) for name in names]


def _outermost(sites: list[Site]) -> list[Site]:
    """Drop what lies inside another candidate, as the base layer of a LoRA module does."""
    return [
        site
        for site in sites
        if not any(
            site.down_projection is not other.down_projection
            and any(site.down_projection is module for module in other.down_projection.modules())
            for other in sites
        )
    ]


def _refuse_experts(body: Body, layer: int) -> None:
    for name, module in body.layers[layer].named_modules():
        if re.search("experts|moe|sparsemlp", type(module).__name__, re.IGNORECASE) or (
            isinstance(module, (nn.ModuleList, nn.ModuleDict)) and re.search(r"(^|\.)experts$", name)
        ):
            raise NeuronXAError(
                f"{body.family}: layer {layer} routes tokens to experts ({type(module).__name__}), "
                f"which cannot be scored yet; supported: {SUPPORTED}"
            )
