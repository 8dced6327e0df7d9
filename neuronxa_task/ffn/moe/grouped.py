"""Run all experts of a mixture at once, with transformers' grouped matrix products.

One expert at a time is right for a CPU. A GPU would launch a dozen small kernels for each expert.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from neuronxa_task.ffn.moe.rows import AllRows

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
ALIGNED = 16
"""What grouped matrix products accept: these dtypes, and rows of a multiple of this many bytes."""


def is_accelerator(device: torch.device) -> bool:
    """Whether grouped products are faster than one product for each expert."""
    return device.type == "cuda"


def runs(module: Any, weight: Tensor) -> bool:
    """Whether the experts of `module`, dispatched by transformers, can run at once."""
    return (
        is_accelerator(weight.device)
        and weight.dtype in DTYPES
        and all(size * weight.itemsize % ALIGNED == 0 for size in weight.shape[1:])
        and not getattr(module, "_is_expert_parallel", False)
        and not hasattr(weight, "device_mesh")
        and _grouped_linear() is not None
    )


@lru_cache(maxsize=1)
def _grouped_linear() -> Callable[..., Tensor] | None:
    from transformers.integrations import moe

    function: Callable[..., Tensor] | None = getattr(moe, "_grouped_linear", None)
    return function


class Groups:
    """The rows of all experts, sorted by expert and token.

    Args:
        index: `[N, k]` experts of each token.
        experts: number E of experts.
    """

    def __init__(self, index: Tensor, experts: int) -> None:
        tokens, self.experts_per_token = index.shape
        of_token, starts = _numbers(tokens, experts, index.device)
        self.tokens_of_batch, self.experts = tokens, experts
        keys = torch.add(of_token, index, alpha=tokens).flatten()
        self.keys, self.slots = keys.sort()
        self.ends = torch.searchsorted(self.keys, starts, out_int32=True)

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None, transposed: bool) -> Tensor:
        """`[rows, out]`: every row through its own expert's map."""
        apply = _grouped_linear()
        assert apply is not None
        of_row = None if bias is None else bias[self.keys // self.tokens_of_batch]
        return apply(x, weight, self.ends, bias=of_row, is_transposed=transposed)

    def of_tokens(self, hidden: Tensor) -> Tensor:
        """`[rows, H]`: each row's token."""
        return hidden[self.slots // self.experts_per_token]

    def routed_sum(self, output: Tensor, router: Tensor) -> Tensor:
        """`[N, H]`: for each token, Σ over its experts of router weight times output."""
        by_token = torch.empty_like(output)
        by_token[self.slots] = output
        by_token = by_token.view(self.tokens_of_batch, self.experts_per_token, -1)
        if router.dtype is output.dtype:
            return torch.bmm(router[:, None, :], by_token)[:, 0]
        return (by_token * router[:, :, None]).sum(dim=1, dtype=torch.float32).to(output.dtype)

    def rows(self, router: Tensor, gate: Tensor, product: Tensor) -> AllRows:
        """What they compute, for those who read it."""
        flat = router.flatten()
        return AllRows(
            self.experts, self.tokens_of_batch, self.keys, self.slots, flat, gate, product
        )


@lru_cache(maxsize=8)
def _numbers(tokens: int, experts: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Numbers of the tokens, `[N, 1]`, and the least key of the expert after each, `[E]`."""
    ends = torch.arange(1, experts + 1, device=device) * tokens
    return torch.arange(tokens, device=device)[:, None], ends
