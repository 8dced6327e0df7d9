"""Layers that route tokens to experts: a dense block beside them is not the layer's whole FFN.

A shared expert satisfies the equation of a dense feed-forward block, so a mixture has to be known
by itself. Three signs, any one of which is enough: modules named as experts, stacked weights that
map to or from the hidden size, and linear maps that see some of the tokens only.
"""

from __future__ import annotations

import re
from math import prod

from torch import nn

from neuronxa_task.ffn.body import Body
from neuronxa_task.ffn.probe import PROBE_SHAPE, LayerRecords, widths

NAMED_SO = re.compile(r"(experts?|expertglu|moe|moelayer|moeblock|sparsemlp|moa)$", re.IGNORECASE)


def experts_of(body: Body, layer: int, records: LayerRecords) -> str | None:
    """Name of what routes tokens to experts in a layer; `None` if nothing does."""
    block = body.layers[layer]
    for name, module in block.named_modules():
        if name and (NAMED_SO.search(type(module).__name__) or name.endswith("experts")):
            return f"{name}: {type(module).__name__}"
        if any(_is_stack(tuple(p.shape), body.hidden_size) for p in _own_weights(module)):
            return f"{name}: {type(module).__name__}, with stacked weights"
    for record in records.calls:
        width = widths(record.module)
        if width is not None and body.hidden_size in width and _is_partial(record.shape):
            return f"{record.name}: {type(record.module).__name__}, which saw some tokens only"
    return None


def _own_weights(module: nn.Module) -> list[nn.Parameter]:
    is_known = widths(module) is not None or isinstance(module, nn.modules.conv._ConvNd)
    return [] if is_known else list(module.parameters(recurse=False))


def _is_stack(shape: tuple[int, ...], hidden_size: int) -> bool:
    return len(shape) == 3 and min(shape) > 1 and hidden_size in shape[1:]


def _is_partial(shape: tuple[int, ...]) -> bool:
    return len(shape) == 1 and prod(shape) != prod(PROBE_SHAPE)
