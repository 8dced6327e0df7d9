"""Find the parts of a layer that route tokens to experts, and signs of unknown ones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import prod

from torch import nn

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn.body import Body
from neuronxa_task.ffn.moe.stacked import transformers_exchanges_experts
from neuronxa_task.ffn.moe.undispatched import mixture_of
from neuronxa_task.ffn.probe import PROBE_SHAPE, LayerRecords, widths
from neuronxa_task.ffn.site import SUPPORTED, Experts

NAMED_SO = re.compile(r"(experts?|expertglu|moe|moelayer|moeblock|sparsemlp|moa)$", re.IGNORECASE)
ATTENTION_EXPERTS = {"JetMoeMoA"}
"""Mixtures whose experts are attention heads."""


def experts_of(body: Body, layer: int) -> list[Experts]:
    """The readable mixtures of experts of a layer."""
    block = body.layers[layer]
    prefix = next(name for name, module in body.model.named_modules() if module is block)
    return [
        Experts(layer, module, mixture, f"{prefix}.{name}")
        for name, module in block.named_modules()
        if (mixture := mixture_of(module)) is not None
    ]


def require_all_known(
    body: Body,
    layer: int,
    records: LayerRecords,
    mixtures: Sequence[Experts],
    down_projections: Sequence[nn.Module],
) -> None:
    """Refuse a layer that routes tokens in an unknown way.

    A shared expert satisfies the equation of a dense feed-forward block, so a mixture must be
    detected in other ways. Any of three signs is enough: modules named like experts, stacked
    weights that map to or from the hidden size, and linear maps that see only some of the tokens.

    Args:
        body: the model.
        layer: index of the layer.
        records: records of the layer.
        mixtures: its mixtures that can be read.
        down_projections: output projections of its readable dense blocks, including shared experts.

    Raises:
        NeuronXAError: there is a sign of experts other than the known ones.
    """
    _, *inside = body.layers[layer].modules()
    known = [mixture.module for mixture in mixtures]
    known += [module for module in inside if _is_dense(module, records, down_projections)]
    if (sign := _sign_of_others(body, layer, records, known)) is not None:
        raise NeuronXAError(
            f"{body.family}: layer {layer + 1} routes tokens to experts in an unknown way "
            f"({sign}), so some of its neurons would be missing; {_remedy()}"
        )


def _remedy() -> str:
    from transformers import __version__

    if transformers_exchanges_experts():
        return f"supported: {SUPPORTED}"
    return f"experts are read with transformers 5.14 or newer, and {__version__} is installed"


def _is_dense(
    block: nn.Module, records: LayerRecords, down_projections: Sequence[nn.Module]
) -> bool:
    """Whether a module has one of the output projections and passes every token to all its maps.

    A module named like a mixture never counts as dense: Doge's has experts in embeddings next to a
    dense block.
    """
    saw_all = {r.module for r in records.calls if not _is_partial(r.shape)}
    maps = [module for module in block.modules() if widths(module) is not None]
    # The maps of an inactive adapter, inside the map it adapts, do not run.
    adapters = {part for outer in maps for part in outer.modules() if part is not outer}
    return (
        not NAMED_SO.search(type(block).__name__)
        and any(module in down_projections for module in block.children())
        and all(module in saw_all for module in maps if module not in adapters)
    )


def _sign_of_others(
    body: Body, layer: int, records: LayerRecords, known: Sequence[nn.Module]
) -> str | None:
    block = body.layers[layer]
    seen = {id(inner) for module in known for inner in module.modules()}
    for name, module in block.named_modules():
        if type(module).__name__ in ATTENTION_EXPERTS:
            seen |= {id(inner) for inner in module.modules()}
        if id(module) in seen:
            continue
        if not records.ran(module):
            continue
        holds_known = any(id(inner) in seen for inner in module.modules())
        is_named_so = NAMED_SO.search(type(module).__name__) or name.endswith("experts")
        if name and is_named_so and not holds_known:
            return f"{name}: {type(module).__name__}"
        if any(_is_stack(p.shape, body.hidden_size) for p in _own_weights(module)):
            return f"{name}: {type(module).__name__}, with stacked weights"
    for record in records.calls:
        width = widths(record.module)
        is_other = id(record.module) not in seen and width is not None
        if is_other and body.hidden_size in (width or ()) and _is_partial(record.shape):
            return f"{record.name}: {type(record.module).__name__}, which saw only some tokens"
    return None


def _own_weights(module: nn.Module) -> list[nn.Parameter]:
    is_known = widths(module) is not None or isinstance(module, nn.modules.conv._ConvNd)
    return [] if is_known else list(module.parameters(recurse=False))


def _is_stack(shape: tuple[int, ...], hidden_size: int) -> bool:
    return len(shape) == 3 and min(shape) > 1 and hidden_size in shape[1:]


def _is_partial(shape: tuple[int, ...]) -> bool:
    return len(shape) == 1 and shape[0] != prod(PROBE_SHAPE)
