"""Data parallelism: processes that divide the sentences of a run, and what they exchange."""

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
        device: device on which tensors are exchanged.
        group: their group in `torch.distributed`; `None` for all processes.
    """

    rank: int = 0
    size: int = 1
    device: str | torch.device = "cpu"
    group: ProcessGroup | None = None

    def gather(self, value: Any) -> list[Any]:
        """Gather the values of all processes, by rank, on every process."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        torch.distributed.all_gather_object(values, value, group=self.group)
        return values

    def fail_together(self, failure: NeuronXAError | None) -> None:
        """Raise an error of one process on all processes, so that none of them waits."""
        for message in self.gather(None if failure is None else str(failure)):
            if message is not None:
                raise failure or NeuronXAError(message)


@dataclass(frozen=True)
class DataParallel(Processes):
    """Processes that each have the whole model and divide the sentences.

    Attributes:
        replicated: whether every process received all documents, so that each works on a part and
            the results are exchanged. This happens with `torchrun` on CPUs, since the harness
            splits documents only between GPUs.
    """

    replicated: bool = False

    def own(self, documents: Sequence[T]) -> list[T]:
        """The documents that this process works on, among those it received."""
        return list(documents[self.rank :: self.size] if self.replicated else documents)

    def maximum(self, tensor: Tensor) -> Tensor:
        """Elementwise maximum over the processes, on every process."""
        if self.size == 1:
            return tensor
        exchanged = tensor.to(self.device)
        torch.distributed.all_reduce(exchanged, op=torch.distributed.ReduceOp.MAX)
        return exchanged.to(tensor.device)
