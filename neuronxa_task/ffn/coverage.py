"""Whether what was found is all there is: a layer's neurons are never left out in silence."""

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
LIKE_AN_FFN = re.compile(r"mlp|ffn|feed_?forward|expert|moe(block|layer)?$", re.IGNORECASE)


def require_complete(
    body: Body, records: Sequence[LayerRecords], sites: Sequence[DenseNeurons | Experts]
) -> None:
    """Refuse a model in which a part of the feed-forward neurons, or of the layers, is not read.

    Raises:
        NeuronXAError: a layer without neurons is no mixer that stands alone, layers of one make
            have neurons in different places, a block that is called a feed-forward block has an
            output projection that is none, or something happens between two layers.
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
    """Layers without neurons have to be of another make than those with: a mixer, and no more."""
    holders = {
        type(module)
        for site in sites
        for module in _above(body, site)
        if not any(module is layer for layer in body.layers)
    }
    with_neurons = {site.layer for site in sites}
    holders |= {  # BART's layers hold theirs themselves
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
            raise NeuronXAError(f"{body.family}: layer {layer}: {cause}")
        raise NeuronXAError(
            f"{body.family}: layer {layer} ({type(block).__name__}) has no feed-forward neurons to "
            f"read; looked for {LOOKED_FOR.format(hidden=body.hidden_size)}; supported: {SUPPORTED}"
        )


def _is_like_an_ffn(name: str, module: nn.Module) -> bool:
    own_name = name.rpartition(".")[2]
    return any(LIKE_AN_FFN.search(text) for text in (own_name, type(module).__name__))


def _above(body: Body, site: DenseNeurons | Experts) -> Iterator[nn.Module]:
    """The module that holds the site and those around it, within the layer."""
    path = site.name
    while "." in path:
        path = path.rpartition(".")[0]
        module = body.model.get_submodule(path)
        if isinstance(module, nn.ModuleList):
            return
        yield module


def adapter_width(hidden_size: int, widths_of_blocks: Sequence[int]) -> float:
    """Width below which a block is a bottleneck adapter, or a gate of low rank: no feed-forward
    block is narrower than the hidden state and than half of the layer's widest one."""
    return min(hidden_size, ADAPTER * max(widths_of_blocks, default=0))


def _require_alike(body: Body, sites: Sequence[DenseNeurons | Experts]) -> None:
    """Layers of the same modules have their neurons in the same of them."""
    first: dict[tuple[tuple[str, type], ...], tuple[int, set[str]]] = {}
    for layer, block in enumerate(body.layers):
        of_layer = [site.module for site in sites if site.layer == layer]
        named = list(block.named_modules())
        holding = {name for name, module in named if any(module is one for one in of_layer)}
        make = tuple((name, type(module)) for name, module in named)
        like, expected = first.setdefault(make, (layer, holding))
        if holding != expected:
            there, here = (", ".join(sorted(names)) or "nothing" for names in (expected, holding))
            raise NeuronXAError(
                f"{body.family}: layers {like} and {layer} are built alike, but neurons were found "
                f"in {there} of the one and in {here} of the other (all zero for a few random "
                f"tokens, or rounded too coarsely); supported: {SUPPORTED}"
            )


def _require_nothing_left(
    body: Body, layer: int, records: LayerRecords, sites: Sequence[DenseNeurons | Experts]
) -> None:
    """No other map to the hidden size that ran stands in what is called a feed-forward block."""
    block = body.layers[layer]
    narrowest = adapter_width(body.hidden_size, [site.width for site in sites])
    read = {inner for site in sites for inner in site.module.modules()}
    linears = {module for module in block.modules() if widths(module) is not None}
    nested = {inner for one in linears for inner in one.modules() if inner is not one}
    for name, module in block.named_modules():
        width = widths(module)
        holds_read = any(inner in read for inner in module.modules())  # PEFT wraps experts, too
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
                f"{body.family}: layer {layer}: {name} stands in a feed-forward block, but its "
                "input is neither act(x·W) nor act(x·W_gate)⊙(x·W_up), so a part of the layer's "
                f"neurons would be missing; supported: {SUPPORTED}"
            )


def _require_chain(body: Body, records: Sequence[LayerRecords]) -> None:
    """Each layer starts where the one before ended, or the hidden states are not read there."""
    for layer, (before, after) in enumerate(pairwise(records), start=1):
        if (
            before.output is None
            or after.input is None
            # RWKV halves the hidden state between some layers.
            or not same_values(_direction(before.output), _direction(after.input), torch.float16)
        ):
            raise NeuronXAError(
                f"{body.family}: layer {layer} ({type(body.layers[layer]).__name__}) does not "
                f"start from what layer {layer - 1} gives, so a part of the model lies outside of "
                f"its layers; supported: {SUPPORTED}"
            )


def _direction(rows: Tensor) -> Tensor:
    direction: Tensor = rows / rows.norm()
    return direction
