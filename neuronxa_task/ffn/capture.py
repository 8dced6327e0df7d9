"""Reading gate activations, products and hidden states while the model runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from torch import Tensor, nn

from neuronxa_task.ffn.body import Body
from neuronxa_task.ffn.probe import Site


class LayerRead(Protocol):
    """Receives one layer's tensors as they pass; must neither keep nor change them."""

    def neurons(self, layer: int, gate: Tensor, product: Tensor) -> None:
        """Gate activation and product, `[batch, tokens, F]` each (one tensor if not gated)."""

    def hidden(self, index: int, state: Tensor) -> None:
        """Hidden state `[batch, tokens, H]`, counted as Hugging Face does: 0 is the embedding."""


@contextmanager
def reading(body: Body, sites: Sequence[Site], reader: LayerRead) -> Iterator[None]:
    """While this context is open, every forward pass of `body` is read; afterwards no hook is left.

    The last hidden state (after the final norm) is what the body returns; it is not read here.
    """
    handles: list[Any] = []
    latest: dict[int, Tensor] = {}

    def keep_gate(module: nn.Module, _inputs: object, output: Tensor) -> None:
        latest[id(module)] = output

    def read_neurons(site: Site) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            product = inputs[0]
            gate = product
            if site.gate is not None:
                gate = site.gate.function(latest.pop(id(site.gate.module)))
            reader.neurons(site.layer, gate, product)

        return hook

    def read_hidden(index: int) -> Callable[..., None]:
        def hook(_module: nn.Module, inputs: tuple[Tensor, ...], named: dict[str, Tensor]) -> None:
            reader.hidden(index, inputs[0] if inputs else named["hidden_states"])

        return hook

    try:
        for gate_module in {site.gate.module for site in sites if site.gate is not None}:
            handles.append(gate_module.register_forward_hook(keep_gate))
        for site in sites:
            handles.append(site.down_projection.register_forward_pre_hook(read_neurons(site)))
        for index, layer in enumerate(body.layers):
            handles.append(layer.register_forward_pre_hook(read_hidden(index), with_kwargs=True))
        yield
    finally:
        for handle in handles:
            handle.remove()
