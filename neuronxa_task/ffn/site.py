"""The feed-forward neurons found in a layer, and where they are read."""

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
    """Where the gate activation is read: a function of a module's output.

    Attributes:
        module: the module whose forward output is used.
        function: maps that output to the gate activation; identity for an activation module.
    """

    module: nn.Module
    function: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class DenseNeurons:
    """Dense feed-forward neurons of one layer, including those of a shared expert.

    Attributes:
        layer: index of the layer.
        module: the output projection, whose input `[batch, tokens, F]` is the product z.
        gate: source of the gate activation a; `None` if not gated (then a = z).
        width: number F of neurons.
        name: name of the module, for messages.
        start: index of the first neuron among all neurons of the layer.
    """

    layer: int
    module: nn.Module
    gate: Gate | None
    width: int
    name: str
    start: int = 0

    @property
    def neurons(self) -> int:
        """Total number of neurons, F."""
        return self.width

    def __str__(self) -> str:
        return f"{self.name}: {self.width}"


@dataclass(frozen=True)
class Experts:
    """The neurons of a mixture of experts: all units of all experts.

    Attributes:
        layer: index of the layer.
        module: the module of the experts; it sees the flattened batch.
        mixture: how the experts run, and their number.
        name: name of the module, for messages.
        start: index of the first neuron among all neurons of the layer.
    """

    layer: int
    module: nn.Module
    mixture: Mixture
    name: str
    start: int = 0

    @property
    def width(self) -> int:
        """Number of neurons of one expert, F."""
        return self.mixture.intermediate_size

    @property
    def neurons(self) -> int:
        """Total number of neurons of all experts, E · F."""
        return self.mixture.experts * self.mixture.intermediate_size

    def __str__(self) -> str:
        return f"{self.name}: {self.mixture.experts} experts x {self.mixture.intermediate_size}"


def neurons_by_layer(sites: Sequence[DenseNeurons | Experts]) -> dict[int, int]:
    """Number of neurons in each layer that has any, in the order of the layers."""
    sizes: dict[int, int] = {}
    for site in sorted(sites, key=lambda site: site.layer):
        sizes[site.layer] = sizes.get(site.layer, 0) + site.neurons
    return sizes
