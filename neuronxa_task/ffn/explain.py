"""Recognise common reasons why a layer's neurons cannot be read, from what it computed."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from neuronxa_task.ffn.match import LinearOutput, linear_outputs, same_values
from neuronxa_task.ffn.probe import LayerRecords, Record, coarsest, is_activation, widths


def masked_neurons(records: LayerRecords, hidden_size: int) -> str | None:
    """Explain neurons that are masked or scaled between the gate and the output projection.

    Language neurons are often switched off in this way, in `mlp.forward` or by a hook on the output
    projection. The projection's input is then gate × up times one factor per neuron.

    Returns:
        A sentence for an error message; `None` if this is not the cause.
    """
    for down in records.calls:
        width = widths(down.module)
        if width is None or width[1] != hidden_size or down.input is None:
            continue
        for activation, product, rounding in _products(records, down):
            factor = _factor(down.input, product)
            if same_values(down.input, product * factor, rounding):
                off = int((factor == 0).sum())
                return (
                    f"the product read at {down.name} is not gate × up: {off} of {len(factor)} "
                    "neurons are switched off, and others may be scaled; to change "
                    f"neurons, put a forward hook on the gate or the activation "
                    f"({activation.name}), whose output is read"
                )
    return None


def _products(records: LayerRecords, down: Record) -> Iterator[tuple[Record, Tensor, torch.dtype]]:
    """Candidate products: each activation, alone and times each linear map."""
    assert down.input is not None
    others = [record for record in records.calls if record.module is not down.module]
    linears: list[LinearOutput | None] = [None, *linear_outputs(down.input, others)]
    for activation in others:
        if not is_activation(activation.module) or activation.output.shape != down.input.shape:
            continue
        gate = activation.output.to(down.input.device)
        rounding = coarsest(down.precision, activation.precision)
        for up in linears:
            if up is None:
                yield activation, gate, rounding
            else:
                yield activation, gate * up.values, coarsest(rounding, up.record.precision)


def _factor(values: Tensor, product: Tensor) -> Tensor:
    """`[F]`: least-squares factor of each column from `product` to `values`; 0 if it is absent."""
    sum_squares = product.double().square().sum(dim=0)
    factor = (values.double() * product.double()).sum(dim=0) / sum_squares.clamp_min(1e-300)
    return nn.functional.threshold(factor.abs(), 1e-12, 0.0).copysign(factor).to(values.dtype)
