"""Run mixtures of experts so that their neurons can be read.

A neuron of a mixture is a unit of one expert. Hooks cannot see it, since the dispatch stacks the
experts' weights and reorders the tokens. So the mixture's computation is repeated here with its own
weights: expert by expert, or all of them at once where `grouped.py` can. `ffn/verify.py` compares
the result with the model's.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn.moe import grouped
from neuronxa_task.ffn.moe.rows import AllRows, Rows

IMPLEMENTATION = "neuronxa"
"""Name of our implementation in transformers' registry of experts functions."""


Show = Callable[[Rows | AllRows], None]
Run = Callable[..., Tensor]
"""Maps `(module, show, *inputs)` to the result of the module's `forward(*inputs)`."""
Block = Callable[[int, Tensor], tuple[Tensor, Tensor, Tensor]]
"""Maps an expert and its rows `[rows, H]` to its gate activation, product and output."""


@dataclass(frozen=True)
class Mixture:
    """How the experts of a module run, and their numbers of neurons.

    Attributes:
        experts: number E of experts.
        intermediate_size: number F of neurons per expert.
        run: computes what the module computes, and shows the rows of every expert.
        is_registered: whether it runs through transformers' registry, not instead of `forward`.
    """

    experts: int
    intermediate_size: int
    run: Run
    is_registered: bool = False


def transformers_exchanges_experts() -> bool:
    """Whether transformers can replace and restore the experts' computation (5.14 or newer)."""
    from transformers import PreTrainedModel

    return hasattr(PreTrainedModel, "get_experts_implementation")


def own_forward(module: nn.Module) -> Callable[..., Tensor]:
    """The forward function of the module's class, without transformers' dispatch."""
    forward: Callable[..., Tensor] = inspect.unwrap(type(module).forward)
    return forward


def shape_of(module: nn.Module, name: str) -> tuple[int, ...]:
    """Shape of a module's weight; under tensor parallelism, of this process's part."""
    weight: Any = getattr(module, name)
    return tuple((weight.to_local() if hasattr(weight, "to_local") else weight).shape)


def routed_sum(
    hidden: Tensor, index: Tensor, router: Tensor, experts: int, block: Block, show: Show
) -> Tensor:
    """`[tokens, H]`: for each token, Σ over its experts of router weight times output.

    Args:
        hidden: `[tokens, H]`.
        index: `[tokens, k]` experts of each token; indices of `experts` and above are ignored.
        router: `[tokens, k]` router weights.
        experts: number of experts.
        block: the computation of one expert.
        show: receives every expert's rows.
    """
    chosen, of_slot = index.flatten(), router.flatten()
    by_expert = chosen.argsort(stable=True)
    counts = chosen.bincount(minlength=experts).tolist()[:experts]
    total = torch.zeros(hidden.shape, dtype=torch.float32, device=hidden.device)
    start = 0
    for expert, count in enumerate(counts):
        if count == 0:
            continue
        slots = by_expert[start : start + count]
        start += count
        tokens, weights = slots // index.shape[1], of_slot[slots]
        gate, product, output = block(expert, hidden[tokens])
        show(Rows(expert, tokens, weights, gate, product))
        total.index_add_(0, tokens, (output * weights[:, None]).float())
    return total.to(hidden.dtype)


# ---------------------------------------------------------------- stacked weights, registered


def stacked(module: Any) -> Run:
    """Run function for experts that transformers dispatches, with weights in one tensor."""
    split = _split_of(module)

    def run(self: Any, show: Show, hidden: Tensor, index: Tensor, router: Tensor) -> Tensor:
        name = "gate_up_proj" if self.has_gate else "up_proj"
        # Read once, since every access under an adapter recomputes them.
        w_in, w_out = getattr(self, name), self.down_proj
        b_in = getattr(self, f"{name}_bias") if self.has_bias else None
        b_out = self.down_proj_bias if self.has_bias else None
        has_norm = getattr(self, "has_post_expert_norm", False)
        norm = self.post_expert_norm if has_norm else nn.Identity()
        rows = hidden.reshape(-1, hidden.shape[-1])
        if grouped.runs(self, w_out):
            groups = grouped.Groups(index, self.num_experts)
            values = groups.linear(groups.of_tokens(rows), w_in, b_in, self.is_transposed)
            gate, product = split(values)
            show(groups.rows(router, gate, product))
            output = norm(groups.linear(product, w_out, b_out, self.is_transposed))
            return groups.routed_sum(output, router).view(hidden.shape)

        def linear(x: Tensor, weight: Tensor, bias: Tensor | None, expert: int) -> Tensor:
            mapping = weight[expert].T if self.is_transposed else weight[expert]
            return F.linear(x, mapping, None if bias is None else bias[expert])

        def block(expert: int, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            gate, product = split(linear(x, w_in, b_in, expert))
            return gate, product, norm(linear(product, w_out, b_out, expert))

        routed = routed_sum(rows, index, router, self.num_experts, block, show)
        return routed.view(hidden.shape)

    return run


Split = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Maps `[rows, 2F]` (`[rows, F]` if not gated) to gate activation and product."""


def gate_and_up(values: Tensor, activation: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Gate activation and product of `[rows, 2F]`, the gate in its first half."""
    gate, up = values.chunk(2, dim=-1)
    activated = activation(gate)
    return activated, activated * up


def _split_of(module: Any) -> Split:
    from transformers.integrations.moe import _default_apply_gate

    if not module.has_gate:

        def not_gated(values: Tensor) -> tuple[Tensor, Tensor]:
            activated = module.act_fn(values)
            return activated, activated

        return not_gated
    if type(module)._apply_gate is _default_apply_gate:
        return lambda values: gate_and_up(values, module.act_fn)
    width = shape_of(module, "down_proj")[1 if module.is_transposed else 2]
    up_part = slice(width, None) if module.is_concatenated else slice(1, None, 2)
    neutral = _neutral_up(module, width, up_part)

    def own_gate(values: Tensor) -> tuple[Tensor, Tensor]:
        without_up = values.clone()
        without_up[..., up_part] = neutral
        return module._apply_gate(without_up), module._apply_gate(values)

    return own_gate


def _neutral_up(module: Any, width: int, up_part: slice) -> float:
    """The value of `up` for which a family's own gating gives the gate activation itself.

    1 if the product is a·up; 0 if it is a·(up + 1), as in gpt-oss.
    """
    generator = torch.Generator().manual_seed(0)
    weight: Tensor = module.down_proj
    device = "cpu" if weight.is_meta else weight.device  # offloaded weights are on meta
    values = torch.randn(8, 2 * width, generator=generator).to(device, weight.dtype)

    def product(up: Tensor | float) -> Tensor:
        given = values.clone()
        given[..., up_part] = up
        gated: Tensor = module._apply_gate(given)
        return gated

    up = values[..., up_part]
    for neutral, factor in ((1.0, up), (0.0, up + 1)):
        if torch.allclose(product(up), product(neutral) * factor, rtol=0.05, atol=1e-3):
            return neutral
    raise NeuronXAError(
        f"{type(module).__name__} multiplies its gate by neither up nor up + 1, so its gate "
        "activation is unknown; supported: experts with a·up or a·(up + 1)"
    )
