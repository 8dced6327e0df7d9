"""Batches that do not fit in memory: the error, and agreement between processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from neuronxa_task.scoring.data_parallel import Processes

WAIT = timedelta(seconds=60)
"""How long a process waits for the others to run out of memory as well."""


class BatchTooLargeError(RuntimeError):
    """A batch does not fit in memory; the allocator's error is its cause.

    Attributes:
        at: number of the batch, and the layer that was running.
    """

    def __init__(self, error: RuntimeError, at: tuple[int, int]) -> None:
        super().__init__(str(error))
        self.at = at


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether a smaller batch may help: on CUDA and other accelerators, and on a CPU."""
    from accelerate.utils.memory import should_reduce_batch_size

    return bool(should_reduce_batch_size(error))


@contextmanager
def told_where(batch: int, reader: Any) -> Iterator[None]:
    """Context manager in which an allocator's error becomes a `BatchTooLargeError`.

    Args:
        batch: number of the batch.
        reader: has the layer that is `running`.
    """
    try:
        yield
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise BatchTooLargeError(error, (batch, reader.running)) from error
        raise


class Agreement:
    """Agreement of the processes over which a model is split that all of them start over.

    A process that alone ran out of memory cannot start over, because the others wait for its part
    of a layer. So they ask over another connection, with a time limit, whether all failed.

    Args:
        processes: those over which the model is split; all of them must create this together.
    """

    def __init__(self, processes: Processes) -> None:
        from torch import distributed

        self._group: Any = None
        if processes.size > 1:
            ranks = distributed.get_process_group_ranks(processes.group)
            self._group = distributed.new_group(
                ranks, timeout=WAIT, backend="gloo", use_local_synchronization=True
            )
            self._size = processes.size

    def all_failed(self, at: tuple[int, int] | None) -> bool:
        """Whether every process failed at the same layer of the same batch, `at`."""
        from torch import distributed

        if self._group is None:
            return True
        places: list[tuple[int, int] | None] = [None] * self._size
        try:
            distributed.all_gather_object(places, at, group=self._group)
        except RuntimeError:  # the time is over
            return False
        return all(place == at for place in places)
