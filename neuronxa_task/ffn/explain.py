"""Why a layer's neurons are not read, where a common cause can be told from what it computed."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from neuronxa_task.ffn.match import LinearOutput, Terms, linear_outputs, same_values
from neuronxa_task.ffn.probe import LayerRecords, Record, coarsest, is_activation, widths


def masked_neurons(records: LayerRecords, hidden_size: int) -> str | None:
    """A sentence about neurons that are masked or scaled between the gate and the projection.

    That is how language neurons are often switched off: in `mlp.forward`, or by a hook on the
    output projection. Its input is then gate × up times one factor per neuron.
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
                    "neurons are switched off and others may be scaled on the way; to change "
                    f"neurons, put a forward hook on the gate or the activation "
                    f"({activation.name}), whose output is what is read"
                )
    return None


def _products(records: LayerRecords, down: Record) -> Iterator[tuple[Record, Tensor, torch.dtype]]:
    """Activations, and what their products with linear maps are."""
    assert down.input is not None
    others = [record for record in records.calls if record.module is not down.module]
    linears: list[LinearOutput | None] = [
        None,
        *linear_outputs(down.input, others, Terms(None, False)),
    ]
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


def _factor(found: Tensor, product: Tensor) -> Tensor:
    """`[F]`: by least squares, what each column of `product` is multiplied by; 0 where it is not
    there."""
    squares = product.double().square().sum(dim=0)
    factor = (found.double() * product.double()).sum(dim=0) / squares.clamp_min(1e-300)
    return nn.functional.threshold(factor.abs(), 1e-12, 0.0).copysign(factor).to(found.dtype)
