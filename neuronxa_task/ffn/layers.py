"""`neuronxa models MODEL`: the neurons of every layer of one model, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neuronxa_task.ffn.body import find_body
from neuronxa_task.ffn.find import find_sites
from neuronxa_task.ffn.load import load
from neuronxa_task.settings import Side, StateSettings


def layers_of(
    name: str, model_args: Mapping[str, Any] | None = None, side: Side = "encoder"
) -> str:
    """The neurons of every layer of one model, from the hub or a folder.

    Layers are counted from 1, as on the report's page.

    Args:
        name: hub name or folder.
        model_args: how it is loaded, as `lm_eval --model_args` says.
        side: which half of an encoder-decoder model is read.

    Raises:
        NeuronXAError: the model cannot be loaded, or its neurons cannot be read.
    """
    StateSettings(side=side)
    model, remark = load(name, model_args or {})
    body = find_body(model, side=side)
    sites = find_sites(body)
    of = f", {side}" if body.is_half else ""
    lines = [f"{body.family}{of}: {len(body.layers)} layers, hidden size {body.hidden_size}"]
    for layer in range(len(body.layers)):
        parts = [str(site) for site in sites if site.layer == layer]
        lines.append(f"layer {layer + 1:>3}  {', '.join(parts) or 'no feed-forward neurons'}")
    count = sum(site.neurons for site in sites)
    lines.append(f"{count:,} neurons; layers are counted from 1, names of modules from 0")
    return "\n".join([*lines, remark] if remark else lines)
