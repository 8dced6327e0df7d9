"""What is found in a layer: its feed-forward neurons, and where their gate activation is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

LOOKED_FOR = (
    "a linear map to the hidden size ({hidden}) whose input is act(x·W) or act(x·W_gate)⊙(x·W_up)"
)
SUPPORTED = (
    "dense feed-forward layers, one per layer: LLaMA, Qwen, Mistral, Gemma, GLM, OLMo, Phi, GPT-2, "
    "GPT-NeoX, OPT, BLOOM, Falcon, MPT, StarCoder2, Cohere, BART, T5 and every other model built "
    "alike"
)


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
