"""How the processes of a run share its sentences, and the two exchanges they need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

if TYPE_CHECKING:
    from lm_eval.api.model import LM

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """The processes that score together.

    Attributes:
        rank: index of this process.
        size: number of processes.
        replicated: every process was handed all documents, so each takes its share of them and
            the answers are exchanged. So it is with `accelerate launch --cpu`, where the harness
            (0.4.13) starts the processes but splits documents only between GPUs.
        device: where tensors are exchanged.
    """

    rank: int = 0
    size: int = 1
    replicated: bool = False
    device: str | torch.device = "cpu"

    @classmethod
    def of(cls, lm: LM) -> Ranks:
        """The processes that `lm` was launched with."""
        if lm.world_size > 1:
            return cls(lm.rank, lm.world_size, False, torch.device(lm.device))
        accelerator = getattr(lm, "accelerator", None)
        if accelerator is not None and accelerator.num_processes > 1:
            return cls(
                accelerator.process_index, accelerator.num_processes, True, accelerator.device
            )
        return cls()

    def share(self, documents: Sequence[T]) -> list[T]:
        """The documents this process works on, of those it was handed."""
        return list(documents[self.rank :: self.size] if self.replicated else documents)

    def gather(self, value: Any) -> list[Any]:
        """Every process's value, by rank, on every process."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        torch.distributed.all_gather_object(values, value)
        return values

    def maximum(self, tensor: Tensor) -> Tensor:
        """Elementwise maximum over the processes, on every process."""
        if self.size == 1:
            return tensor
        exchanged = tensor.to(self.device)
        torch.distributed.all_reduce(exchanged, op=torch.distributed.ReduceOp.MAX)
        return exchanged.to(tensor.device)
