"""Read gate activations, products and hidden states while the model runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, Protocol

from torch import Tensor, nn

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn.body import Body
from neuronxa_task.ffn.moe.dispatch import experts_shown
from neuronxa_task.ffn.moe.rows import AllRows, Rows
from neuronxa_task.ffn.site import SUPPORTED, DenseNeurons, Experts


class LayerRead(Protocol):
    """Receives tensors of the layers during a forward pass; must not keep or change them."""

    def neurons(self, site: DenseNeurons, gate: Tensor, product: Tensor) -> None:
        """Gate activation and product, `[batch, tokens, F]` each (one tensor if not gated)."""

    def routed(self, site: Experts, rows: Rows | AllRows) -> None:
        """What one expert, or all of them, compute for the tokens routed to them."""

    def hidden(self, index: int, state: Tensor) -> None:
        """Hidden state `[batch, tokens, H]`, numbered as in Hugging Face: 0 is the embedding."""


Run = Callable[[Tensor, Tensor], Tensor]
"""Maps token ids and attention mask, both `[batch, tokens]`, to the last hidden state."""


@contextmanager
def reading(
    body: Body, sites: Sequence[DenseNeurons | Experts], reader: LayerRead
) -> Iterator[Run]:
    """Context manager in which `reader` receives every forward pass of `body`.

    All hooks are removed afterwards. The last hidden state (after the final norm) is what the body
    returns; `reader` does not receive it.

    Yields:
        A function that runs the body and checks that every layer was read exactly once. A layer
        that was not read has no state, and zeros for it would be a silently wrong score.

    Raises:
        NeuronXAError: in the forward pass, if a layer does not have one row per token (some models
            pad to a block length or keep several streams); or from the yielded function, if a layer
            was not read exactly once.
    """
    tokens: tuple[int, ...] = ()
    running = 0
    latest: dict[int, Tensor] = {}
    dense = [site for site in sites if isinstance(site, DenseNeurons)]
    reads: Counter[DenseNeurons | Experts | int] = Counter()
    experts = {site: _counted(site, reads) for site in sites if isinstance(site, Experts)}
    # Zamba's layers share their feed-forward block.
    at = {(site.layer, site.module): site for site in dense}

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
                f"{body.family}: layer {layer + 1} holds {list(values.shape)} values for "
                f"{tokens[0]} x {tokens[1]} tokens; expected {[*tokens, width]}; "
                f"supported: {SUPPORTED}"
            )
        return values.reshape(*tokens, width)

    def read_neurons(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        site = at.get((running, module))
        if site is None:
            return
        product = by_token(site.layer, inputs[0], site.width)
        gate = product
        if site.gate is not None:
            output = latest.pop(id(site.gate.module), None)
            if output is None:
                return
            gate = by_token(site.layer, site.gate.function(output), site.width)
        reads[site] += 1
        reader.neurons(site, gate, product)

    def read_hidden(index: int) -> Callable[..., None]:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], named: dict[str, Tensor]) -> None:
            nonlocal running
            running = index
            reads[index] += 1
            state = inputs[0] if inputs else named["hidden_states"]
            reader.hidden(index, by_token(index, state, body.hidden_size))

        return hook

    def run(input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        reads.clear()
        last = body(input_ids, attention_mask)
        for index in range(len(body.layers)):
            _require_one(body, index, "hidden state", reads[index])
        for site in sites:
            _require_one(body, site.layer, f"neurons of {site.name}", reads[site])
        return last

    with ExitStack() as hooks:
        hooks.callback(body.model.register_forward_pre_hook(start, with_kwargs=True).remove)
        for gate_module in {site.gate.module for site in dense if site.gate is not None}:
            hooks.callback(gate_module.register_forward_hook(keep_gate).remove)
        for down_projection in {site.module for site in dense}:
            hooks.callback(down_projection.register_forward_pre_hook(read_neurons).remove)
        hooks.enter_context(experts_shown(body, list(experts.values()), reader.routed))
        for index, layer in enumerate(body.layers):
            before = layer.register_forward_pre_hook(read_hidden(index), with_kwargs=True)
            hooks.callback(before.remove)
        # A gate is kept until its product arrives, but not beyond this context.
        hooks.callback(latest.clear)
        yield run


def _counted(site: Experts, reads: Counter[DenseNeurons | Experts | int]) -> Experts:
    def run(*inputs: Any, **named: Any) -> Tensor:
        reads[site] += 1
        return site.mixture.run(*inputs, **named)

    return replace(site, mixture=replace(site.mixture, run=run))


def _require_one(body: Body, layer: int, what: str, reads: int) -> None:
    if reads != 1:
        raise NeuronXAError(
            f"{body.family}: layer {layer + 1}: the {what} was read {reads} times in one forward "
            "pass; expected once (compiled layers can skip the hooks that read them: load the "
            "model without torch.compile)"
        )
