"""Checks that all neurons were found, so that none are silently missing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn.body import Body
from neuronxa_task.ffn.explain import masked_neurons
from neuronxa_task.ffn.match import same_values
from neuronxa_task.ffn.probe import LayerRecords, widths
from neuronxa_task.ffn.site import LOOKED_FOR, SUPPORTED, DenseNeurons, Experts

ADAPTER = 0.5
"""Fraction of a layer's widest block below which a block is an adapter."""
LIKE_AN_FFN = re.compile(r"mlp|ffn|feed_?forward|expert|moe(block|layer)?$", re.IGNORECASE)


def require_all_neurons(
    body: Body, records: Sequence[LayerRecords], sites: Sequence[DenseNeurons | Experts]
) -> None:
    """Refuse a model if some of its feed-forward neurons or layers would not be read.

    Raises:
        NeuronXAError: a layer without neurons has a feed-forward block, layers of the same kind
            have neurons in different modules, a feed-forward block has an output projection that
            does not satisfy the equation, or a module runs between two layers.
    """
    _require_neurons(body, records, sites)
    _require_alike(body, sites)
    for layer, of_layer in enumerate(records):
        own_sites = [site for site in sites if site.layer == layer]
        _require_nothing_left(body, layer, of_layer, own_sites)
    _require_chain(body, records)


def _require_neurons(
    body: Body, records: Sequence[LayerRecords], sites: Sequence[DenseNeurons | Experts]
) -> None:
    """Layers without neurons must differ in kind from those with: token mixers and nothing else."""
    holders = {
        type(module)
        for site in sites
        for module in _above(body, site)
        if not any(module is layer for layer in body.layers)
    }
    with_neurons = {site.layer for site in sites}
    holders |= {  # BART's layers have no separate feed-forward module
        type(body.layers[site.layer])
        for site in sites
        if any(site.module is part for part in body.layers[site.layer].children())
    }
    for layer, (block, of_layer) in enumerate(zip(body.layers, records, strict=True)):
        if layer in with_neurons:
            continue
        if with_neurons and not any(
            (type(module) in holders or (name and _is_like_an_ffn(name, module)))
            and of_layer.ran(module)
            for name, module in block.named_modules()
        ):
            continue
        cause = masked_neurons(of_layer, body.hidden_size)
        if cause is not None:
            raise NeuronXAError(f"{body.family}: layer {layer + 1}: {cause}")
        raise NeuronXAError(
            f"{body.family}: layer {layer + 1} ({type(block).__name__}) has no feed-forward "
            f"neurons to read; looked for {LOOKED_FOR.format(hidden=body.hidden_size)}; supported: "
            f"{SUPPORTED}"
        )


def _is_like_an_ffn(name: str, module: nn.Module) -> bool:
    own_name = name.rpartition(".")[2]
    return any(LIKE_AN_FFN.search(text) for text in (own_name, type(module).__name__))


def _above(body: Body, site: DenseNeurons | Experts) -> Iterator[nn.Module]:
    """The modules around the site within its layer, innermost first."""
    path = site.name
    while "." in path:
        path = path.rpartition(".")[0]
        module = body.model.get_submodule(path)
        if isinstance(module, nn.ModuleList):
            return
        yield module


def adapter_width(hidden_size: int, widths_of_blocks: Sequence[int]) -> float:
    """Width below which a block is a bottleneck adapter or a low-rank gate.

    No feed-forward block is narrower than both the hidden state and half of the layer's widest
    block.
    """
    return min(hidden_size, ADAPTER * max(widths_of_blocks, default=0))


def _require_alike(body: Body, sites: Sequence[DenseNeurons | Experts]) -> None:
    """Layers that are built alike must have their neurons in the same modules."""
    first: dict[tuple[tuple[str, type], ...], tuple[int, set[str]]] = {}
    for layer, block in enumerate(body.layers):
        of_layer = [site.module for site in sites if site.layer == layer]
        named = list(block.named_modules())
        holding = {name for name, module in named if any(module is site for site in of_layer)}
        make = tuple((name, type(module)) for name, module in named)
        first_layer, expected = first.setdefault(make, (layer, holding))
        if holding != expected:
            earlier, later = (", ".join(sorted(names)) or "none" for names in (expected, holding))
            raise NeuronXAError(
                f"{body.family}: layers {first_layer + 1} and {layer + 1} are built alike, but "
                f"neurons were found in {earlier} of the first and in {later} of the second (all "
                f"zero for a few random tokens, or rounded too coarsely); supported: {SUPPORTED}"
            )


def _require_nothing_left(
    body: Body, layer: int, records: LayerRecords, sites: Sequence[DenseNeurons | Experts]
) -> None:
    """A feed-forward block must have no other map to the hidden size that ran."""
    block = body.layers[layer]
    narrowest = adapter_width(body.hidden_size, [site.width for site in sites])
    read = {inner for site in sites for inner in site.module.modules()}
    linears = {module for module in block.modules() if widths(module) is not None}
    nested = {inner for outer in linears for inner in outer.modules() if inner is not outer}
    for name, module in block.named_modules():
        width = widths(module)
        holds_read = any(inner in read for inner in module.modules())  # PEFT also wraps experts
        if width is None or holds_read or module in nested:
            continue
        path = name.rpartition(".")[0]
        holder = block.get_submodule(path)
        if (
            width[1] == body.hidden_size != width[0] >= narrowest
            and holder is not block
            and _is_like_an_ffn(path, holder)
            and not any(child in read for child in holder.children())
            and records.ran(module)
        ):
            raise NeuronXAError(
                f"{body.family}: layer {layer + 1}: {name} is in a feed-forward block, but its "
                "input is neither act(x·W) nor act(x·W_gate)⊙(x·W_up), so some of the layer's "
                f"neurons would be missing; supported: {SUPPORTED}"
            )


def _require_chain(body: Body, records: Sequence[LayerRecords]) -> None:
    """Each layer must start from the output of the one before, or hidden states are missed."""
    for layer, (before, after) in enumerate(pairwise(records), start=1):
        if (
            before.output is None
            or after.input is None
            # RWKV halves the hidden state between some layers.
            or not same_values(_direction(before.output), _direction(after.input), torch.float16)
        ):
            raise NeuronXAError(
                f"{body.family}: layer {layer + 1} ({type(body.layers[layer]).__name__}) does not "
                f"start from the output of layer {layer}, so a part of the model is outside "
                f"its layers; supported: {SUPPORTED}"
            )


def _direction(rows: Tensor) -> Tensor:
    direction: Tensor = rows / rows.norm()
    return direction
