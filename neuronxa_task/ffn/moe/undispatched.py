"""Recognise mixtures of experts, and run those of families without transformers' dispatch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn.moe.rows import Rows
from neuronxa_task.ffn.moe.stacked import (
    Block,
    Mixture,
    Show,
    gate_and_up,
    routed_sum,
    shape_of,
    stacked,
    transformers_exchanges_experts,
)


def _fused(w_in: Tensor, w_out: Tensor, activation: Callable[[Tensor], Tensor]) -> Block:
    """Experts with stacked weights, gate and up in one: `[E, 2F, H]` and `[E, H, F]`."""

    def block(expert: int, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        gate, product = gate_and_up(F.linear(x, w_in[expert]), activation)
        return gate, product, F.linear(product, w_out[expert])

    return block


def _llama4(module: Any) -> Mixture:
    """Every expert gets every token times its router weight, which is 0 if it is not routed."""

    def run(self: Any, show: Show, hidden: Tensor) -> Tensor:
        w_in, w_out = self.gate_up_proj, self.down_proj
        of_expert = hidden.view(w_in.shape[0], -1, hidden.shape[-1])
        output = torch.zeros_like(of_expert)
        for expert, rows in enumerate(of_expert):
            tokens = rows.any(dim=1).nonzero()[:, 0]
            gate, product = gate_and_up(rows[tokens] @ w_in[expert], self.act_fn)
            show(Rows(expert, tokens, torch.ones_like(gate[:, 0]), gate, product))
            output[expert, tokens] = product @ w_out[expert]
        return output.view(-1, hidden.shape[-1])

    experts, width, _ = shape_of(module, "down_proj")
    return Mixture(experts, width, run)


def _dbrx(module: Any) -> Mixture:
    """The experts' weights are concatenated in one matrix."""

    def run(self: Any, show: Show, hidden: Tensor, index: Tensor, router: Tensor) -> Tensor:
        stacked = (self.num_experts, self.ffn_hidden_size, self.hidden_size)
        w1, v1, w2 = (weight.view(stacked) for weight in (self.mlp.w1, self.mlp.v1, self.mlp.w2))

        def block(expert: int, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            gate = self.mlp.activation_fn(x @ w1[expert].T)
            product = gate * (x @ v1[expert].T)
            return gate, product, product @ w2[expert]

        rows = hidden.reshape(-1, self.hidden_size)
        routed = routed_sum(rows, index, router, self.num_experts, block, show)
        return routed.view(hidden.shape[0], -1, self.hidden_size)

    return Mixture(module.num_experts, module.ffn_hidden_size, run)


def _longcat(module: Any) -> Mixture:
    """Some experts return their input; they have no neurons."""

    def run(self: Any, show: Show, hidden: Tensor, index: Tensor, router: Tensor) -> Tensor:
        block = _fused(self.gate_up_proj, self.down_proj, self.act_fn)
        routed = routed_sum(hidden, index, router, self.num_routed_experts, block, show)
        kept = router.where(index >= self.num_routed_experts, 0).sum(dim=1, keepdim=True)
        return routed + (hidden * kept).to(hidden.dtype)

    return Mixture(module.num_routed_experts, module.intermediate_size, run)


def _inkling_shared(module: Any) -> Mixture:
    """Shared experts that see every token, each with its own weight."""

    def run(self: Any, show: Show, hidden: Tensor, gammas: Tensor) -> Tensor:
        w_gate, w_up, w_out = self.gate_proj, self.up_proj, self.down_proj

        def block(expert: int, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            gate = self.act_fn(F.linear(x, w_gate[expert]))
            product = gate * F.linear(x, w_up[expert])
            return gate, product, F.linear(product, w_out[expert])

        rows, experts = hidden.reshape(-1, hidden.shape[-1]), self.n_shared_experts
        index = torch.arange(experts, device=rows.device).expand(len(rows), experts)
        router = gammas.reshape(-1, experts)
        return routed_sum(rows, index, router, experts, block, show).view(hidden.shape)

    experts, _, width = shape_of(module, "down_proj")
    return Mixture(experts, width, run)


def _jetmoe(module: Any) -> Mixture:
    """The router sorts the tokens by expert and counts them."""

    def run(self: Any, show: Show, hidden: Tensor) -> Tensor:
        rows = hidden.reshape(-1, hidden.shape[-1])
        _, tokens, router, counts, _ = self.router(rows)
        index = torch.repeat_interleave(
            torch.arange(len(counts), device=rows.device),
            torch.tensor(counts, device=rows.device),
        )
        by_token = tokens.argsort(stable=True)
        k = len(tokens) // len(rows)
        block = _fused(self.input_linear.weight, self.output_linear.weight, self.activation)
        index, router = index[by_token].view(-1, k), router[by_token].view(-1, k)
        total: Tensor = routed_sum(rows, index, router, len(counts), block, show) + self.bias
        return total.view(hidden.shape)

    experts, _, width = shape_of(module.output_linear, "weight")
    return Mixture(experts, width, run)


def _modules(into: str, out: str) -> Callable[[Any], Mixture]:
    """One module per expert: two linear maps with an activation between them."""

    def mixture(module: Any) -> Mixture:
        expert = module["expert_0"]
        return Mixture(module.num_experts, getattr(expert, into).out_features, run)

    def run(self: Any, show: Show, hidden: Tensor, mask: Tensor, router: Tensor) -> Tensor:
        # `[experts, slots, tokens]`: one slot in Switch, as many as experts in NLLB-MoE.
        if mask.ndim == 2:
            mask = F.one_hot(mask, num_classes=self.num_experts)
        is_routed = mask.permute(2, 1, 0).bool()
        kept = 1 - getattr(self, "moe_token_dropout", 0.0)
        total = torch.zeros_like(hidden)
        for expert, slots in enumerate(is_routed):
            tokens = slots.any(dim=0).nonzero()[:, 0]
            if len(tokens) == 0:
                continue
            weights = (router.T * slots).sum(dim=0)[tokens] * kept
            block = self[f"expert_{expert}"]
            gate = block.act(getattr(block, into)(hidden[tokens]))
            show(Rows(expert, tokens, weights, gate, gate))
            output = getattr(block, out)(gate) * weights[:, None]
            total.index_add_(0, tokens, output.to(total.dtype))
        return total

    return mixture


WRITTEN_OUT: dict[str, Callable[[Any], Mixture]] = {
    "Llama4TextExperts": _llama4,
    "DbrxExperts": _dbrx,
    "InklingSharedExperts": _inkling_shared,
    "LongcatFlashExperts": _longcat,
    "JetMoeMoE": _jetmoe,
    "SwitchTransformersExperts": _modules("wi", "wo"),
    "NllbMoeExperts": _modules("fc1", "fc2"),
}
"""Classes that do not use transformers' dispatch."""


def mixture_of(module: nn.Module) -> Mixture | None:
    """The mixture of experts of a module; `None` if it is not a readable mixture.

    Raises:
        NeuronXAError: its experts have an unknown gating, or weights in 8 bits.
    """
    is_dispatched = hasattr(module, "_apply_gate") and hasattr(module, "is_transposed")
    if is_dispatched and transformers_exchanges_experts():
        weight: Any = module.down_proj
        if weight.dtype.itemsize == 1 or "FP8" in type(module).__name__:
            raise NeuronXAError(
                f"the experts of this model ({type(module).__name__}) have weights of "
                f"{weight.dtype}, which cannot be read one by one; load them dequantized (for "
                "fine-grained FP8: quantization_config with dequantize=True)"
            )
        down = shape_of(module, "down_proj")
        return Mixture(down[0], down[1 if module.is_transposed else 2], stacked(module), True)
    written_out = WRITTEN_OUT.get(type(module).__name__)
    return None if written_out is None else written_out(module)
