"""Reading gate activations, products and hidden states while the model runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Protocol

from torch import Tensor, nn

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn.body import Body
from neuronxa_task.ffn.moe.dispatch import showing
from neuronxa_task.ffn.moe.stacked import Rows
from neuronxa_task.ffn.site import SUPPORTED, DenseNeurons, Experts


class LayerRead(Protocol):
    """Receives one layer's tensors as they pass; must neither keep nor change them."""

    def neurons(self, site: DenseNeurons, gate: Tensor, product: Tensor) -> None:
        """Gate activation and product, `[batch, tokens, F]` each (one tensor if not gated)."""

    def routed(self, site: Experts, rows: Rows) -> None:
        """What one expert computes for the tokens routed to it, places in the flattened batch."""

    def hidden(self, index: int, state: Tensor) -> None:
        """Hidden state `[batch, tokens, H]`, counted as Hugging Face does: 0 is the embedding."""


@contextmanager
def reading(
    body: Body, sites: Sequence[DenseNeurons | Experts], reader: LayerRead
) -> Iterator[None]:
    """While this context is open, every forward pass of `body` is read; afterwards no hook is left.

    The last hidden state (after the final norm) is what the body returns; it is not read here.

    Raises:
        NeuronXAError: from the forward pass, if a layer does not see the tokens it was given, one
            row each (some models pad to a block length, or keep several streams).
    """
    tokens: tuple[int, ...] = ()
    running = 0
    latest: dict[int, Tensor] = {}
    dense = [site for site in sites if isinstance(site, DenseNeurons)]
    experts = [site for site in sites if isinstance(site, Experts)]
    # Zamba's layers share their feed-forward block.
    at = {(site.layer, site.down_projection): site for site in dense}

    def start(_: nn.Module, inputs: tuple[Tensor, ...], named: dict[str, Tensor | None]) -> None:
        nonlocal tokens
        latest.clear()
        given = (named.get("input_ids"), named.get("inputs_embeds"), *inputs)
        tokens = tuple(next(tensor for tensor in given if tensor is not None).shape[:2])

    def keep_gate(module: nn.Module, _: object, output: Tensor) -> None:
        latest[id(module)] = output

    def by_token(layer: int, values: Tensor, width: int) -> Tensor:
        # OPT's output projections see `[batch·tokens, F]`.
        if tuple(values.shape) not in {(*tokens, width), (tokens[0] * tokens[1], width)}:
            raise NeuronXAError(
                f"{body.family}: layer {layer} holds {list(values.shape)} values for "
                f"{tokens[0]} x {tokens[1]} tokens; expected {[*tokens, width]}; "
                f"supported: {SUPPORTED}"
            )
        return values.reshape(*tokens, width)

    def read_neurons(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        site = at.get((running, module))
        if site is None:
            return
        width = site.intermediate_size
        product = by_token(site.layer, inputs[0], width)
        gate = product
        if site.gate is not None:
            output = latest.pop(id(site.gate.module))
            gate = by_token(site.layer, site.gate.function(output), width)
        reader.neurons(site, gate, product)

    def read_hidden(index: int) -> Callable[..., None]:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], named: dict[str, Tensor]) -> None:
            nonlocal running
            running = index
            state = inputs[0] if inputs else named["hidden_states"]
            reader.hidden(index, by_token(index, state, body.hidden_size))

        return hook

    with ExitStack() as hooks:
        hooks.callback(body.model.register_forward_pre_hook(start, with_kwargs=True).remove)
        for gate_module in {site.gate.module for site in dense if site.gate is not None}:
            hooks.callback(gate_module.register_forward_hook(keep_gate).remove)
        for down_projection in {site.down_projection for site in dense}:
            hooks.callback(down_projection.register_forward_pre_hook(read_neurons).remove)
        hooks.enter_context(showing(body, experts, reader.routed))
        for index, layer in enumerate(body.layers):
            before = layer.register_forward_pre_hook(read_hidden(index), with_kwargs=True)
            hooks.callback(before.remove)
        # A gate is held until its product has passed; nothing of it outlives this context.
        hooks.callback(latest.clear)
        yield
