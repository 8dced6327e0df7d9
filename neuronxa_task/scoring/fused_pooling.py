"""Pool in one kernel that reads every activation once; used on CUDA devices with Triton.

States and values of a layer are summed together, and the results are written into the kept rows, so
that a layer costs one launch and reads two bytes for each 16-bit activation. The order of the sums,
and with it every bit of the result, depends neither on padding nor on the batch.

If Triton cannot run (no compiler, another kind of device), `token_sums.py` does the work.
"""

from __future__ import annotations

import functools
import logging
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from neuronxa_task.ffn import AllRows
    from neuronxa_task.scoring.pooling import Batch

logger = logging.getLogger(__name__)


def runs_on(device: torch.device) -> bool:
    """Whether the kernels run on this device."""
    return device.type == "cuda" and _kernels_work(device)


@functools.cache
def _kernels_work(device: torch.device) -> bool:
    """Pool two tokens as a test; a package, a compiler or a driver may be missing."""
    from neuronxa_task.scoring.pooling import Batch

    batch = Batch.of([0], torch.tensor([[1, 1]]), "position").to(device)
    values = torch.tensor([[[1.0, -1.0], [3.0, -4.0]]], device=device)
    nas, nav = torch.zeros(1, 2, device=device), torch.zeros(1, 2, device=device)
    try:
        pool_neurons(values, values, batch, (nas, nav))
    except torch.cuda.OutOfMemoryError:
        raise
    except Exception as error:  # its type depends on what Triton lacks
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
    else:
        if nas.tolist() == [[3, 0]] and torch.allclose(3 * nav.cpu(), torch.tensor([[7.0, 9.0]])):
            return True
        reason = f"wrong result, {nas.tolist()} and {nav.tolist()}"
    logger.warning(
        "No fused pooling on %s, so a run takes a little longer; the scores are the same. Triton "
        "gives: %s",
        device,
        reason,
    )
    return False


def pool_neurons(state: Tensor, value: Tensor, batch: Batch, into: tuple[Tensor, Tensor]) -> None:
    """Write Σ_t w_t·[state > 0] and Σ_t w_t·|value| / Σ_t w_t to the rows of the batch.

    Args:
        state: activations `[batch, tokens, F]` of any floating dtype.
        value: likewise; may be the same tensor.
        batch: the sentences.
        into: sums of states and means of values, `[n, F]` float32 each.
    """
    from neuronxa_task.scoring import pooling_kernels as kernels

    state, value = _with_dense_rows(state), _with_dense_rows(value)
    nas, nav = into
    width = state.shape[2]
    with _on(state.device):
        kernels.neurons[(len(batch.rows), _blocks(width, kernels.BLOCK))](
            *(state, value, batch.weights, batch.totals, batch.spans, batch.rows, nas, nav),
            *(width, batch.weights.shape[1]),
            *(state.stride(0), state.stride(1), value.stride(0), value.stride(1), nas.stride(0)),
            SAME=_is_same(state, value),
            **_constants(kernels, state, value),
        )


def pool_hidden(state: Tensor, batch: Batch, into: Tensor) -> None:
    """Write Σ_t w_t·state / Σ_t w_t to the rows of the batch.

    Args:
        state: `[batch, tokens, H]` of any floating dtype.
        batch: the sentences.
        into: `[n, H]` float32.
    """
    from neuronxa_task.scoring import pooling_kernels as kernels

    state = _with_dense_rows(state)
    width = state.shape[2]
    with _on(state.device):
        kernels.hidden[(len(batch.rows), _blocks(width, kernels.BLOCK))](
            *(state, batch.weights, batch.totals, batch.spans, batch.rows, into),
            *(width, batch.weights.shape[1]),
            *(state.stride(0), state.stride(1), into.stride(0)),
            **_constants(kernels, state),
        )


def pool_experts(
    state: Tensor,
    value: Tensor,
    rows: AllRows,
    batch: Batch,
    into: tuple[Tensor, Tensor],
    weighted: bool,
) -> None:
    """As `pool_neurons`, for the rows that are routed to all experts of a mixture.

    Args:
        state: activations `[rows, F]` of any floating dtype.
        value: likewise; may be the same tensor.
        rows: where they belong.
        batch: the sentences.
        into: sums of states and means of values, `[n, E · F]` float32 each.
        weighted: whether a value is multiplied by its router weight.
    """
    from neuronxa_task.scoring import pooling_kernels as kernels

    state, value = _with_dense_rows(state), _with_dense_rows(value)
    nas, nav = into
    count, width = state.shape
    grid = (len(batch.rows), rows.experts, _blocks(width, kernels.BLOCK))
    with _on(state.device):
        kernels.experts[grid](
            *(state, value, rows.keys, rows.slots, rows.router.contiguous()),
            *(batch.weights, batch.totals, batch.rows, nas, nav),
            *(count, width, batch.weights.shape[1], rows.tokens_of_batch),
            *(state.stride(0), value.stride(0), nas.stride(0)),
            SAME=_is_same(state, value),
            WEIGHTED=weighted,
            **_constants(kernels, state, value),
        )


def _with_dense_rows(values: Tensor) -> Tensor:
    return values if values.stride(-1) == 1 else values.contiguous()


def _is_same(state: Tensor, value: Tensor) -> bool:
    return state.data_ptr() == value.data_ptr() and state.stride() == value.stride()


def _blocks(width: int, size: int) -> int:
    return -(-width // size)


def _constants(kernels: Any, *values: Tensor) -> dict[str, Any]:
    is_double = any(tensor.dtype is torch.float64 for tensor in values)
    precision = kernels.tl.float64 if is_double else kernels.tl.float32
    return {"PRECISION": precision, "BLOCK": kernels.BLOCK, "TILE": kernels.TILE}


def _on(device: torch.device) -> AbstractContextManager[object]:
    """Triton launches on the current device, but a model may be spread over several."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()
