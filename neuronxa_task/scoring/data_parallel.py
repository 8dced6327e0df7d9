"""How the processes of a run share its sentences, and what they exchange."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from neuronxa_task.errors import NeuronXAError

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """Processes that score together.

    Attributes:
        rank: index of this process.
        size: number of processes.
        device: where tensors are exchanged.
        group: names them to `torch.distributed`; `None` if they are all there are.
    """

    rank: int = 0
    size: int = 1
    device: str | torch.device = "cpu"
    group: ProcessGroup | None = None

    def gather(self, value: Any) -> list[Any]:
        """Every process's value, by rank, on every process."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        torch.distributed.all_gather_object(values, value, group=self.group)
        return values

    def fail_together(self, failure: NeuronXAError | None) -> None:
        """Raise on every process what one of them met, so that none waits for it."""
        for message in self.gather(None if failure is None else str(failure)):
            if message is not None:
                raise failure or NeuronXAError(message)


@dataclass(frozen=True)
class DataParallel(Processes):
    """Processes that hold the model each and share the sentences.

    Attributes:
        replicated: every process received all documents, so each works on some of them and the
            results are exchanged. So it is with `torchrun` on CPUs, where the harness starts the
            processes but splits documents only between GPUs.
    """

    replicated: bool = False

    def own(self, documents: Sequence[T]) -> list[T]:
        """The documents this process works on, of those it received."""
        return list(documents[self.rank :: self.size] if self.replicated else documents)

    def maximum(self, tensor: Tensor) -> Tensor:
        """Elementwise maximum over the processes, on every process."""
        if self.size == 1:
            return tensor
        exchanged = tensor.to(self.device)
        torch.distributed.all_reduce(exchanged, op=torch.distributed.ReduceOp.MAX)
        return exchanged.to(tensor.device)
