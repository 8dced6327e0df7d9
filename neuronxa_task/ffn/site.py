"""What is found in a layer: its feed-forward neurons, and where they are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from neuronxa_task.ffn.moe.stacked import Mixture

LOOKED_FOR = (
    "a linear map to the hidden size ({hidden}) whose input is act(x·W) or act(x·W_gate)⊙(x·W_up)"
)
SUPPORTED = (
    "dense feed-forward layers and mixtures of experts as in LLaMA, Qwen, Mistral, Mixtral, Gemma, "
    "GLM, OLMo, DeepSeek, gpt-oss, Phi, GPT-2, OPT, BLOOM, Falcon, BART, T5 and every other model "
    "built alike (see `neuronxa models`)"
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
class DenseNeurons:
    """Dense feed-forward neurons of one layer; a shared expert is some, too.

    Attributes:
        layer: index of the layer.
        down_projection: its input `[batch, tokens, F]` is the product z.
        gate: source of the gate activation a; `None` if not gated, where a is z.
        intermediate_size: number F of neurons.
        name: the module's name, for messages.
        start: place of the first neuron among the neurons of the layer.
    """

    layer: int
    down_projection: nn.Module
    gate: Gate | None
    intermediate_size: int
    name: str
    start: int = 0

    @property
    def module(self) -> nn.Module:
        """The module at which the neurons are read."""
        return self.down_projection

    @property
    def width(self) -> int:
        """Number of neurons of one block."""
        return self.intermediate_size

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return self.intermediate_size

    def __str__(self) -> str:
        return f"{self.name}: {self.intermediate_size}"


@dataclass(frozen=True)
class Experts:
    """The neurons of a mixture of experts: every unit of every expert is one.

    Attributes:
        layer: index of the layer.
        module: the experts; they see the flattened batch.
        mixture: how they run, and how many they are.
        name: the module's name, for messages.
        start: place of the first neuron among the neurons of the layer.
    """

    layer: int
    module: nn.Module
    mixture: Mixture
    name: str
    start: int = 0

    @property
    def width(self) -> int:
        """Number of neurons of one block: one expert's."""
        return self.mixture.intermediate_size

    @property
    def neurons(self) -> int:
        """Number of neurons, of all experts."""
        return self.mixture.experts * self.mixture.intermediate_size

    def __str__(self) -> str:
        return f"{self.name}: {self.mixture.experts} experts x {self.mixture.intermediate_size}"


def neurons_by_layer(sites: Sequence[DenseNeurons | Experts]) -> dict[int, int]:
    """Number of neurons of every layer that has any, in the order of the layers."""
    sizes: dict[int, int] = {}
    for site in sorted(sites, key=lambda site: site.layer):
        sizes[site.layer] = sizes.get(site.layer, 0) + site.neurons
    return sizes
