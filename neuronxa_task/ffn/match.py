"""Match recorded values against the equation of a feed-forward block; names play no role.

The output projection D is the linear map to the hidden size whose input is

    act(x·W_in)                  (not gated), or
    act(x·W_gate) ⊙ x·W_up       (gated; both may be halves of one fused projection), or
    act(x·W_gate) ⊙ (x·W_up + 1) (as in gpt-oss and MiniMax M3),

where act(...) is the output of an activation module or, for activations that are plain functions, a
known function of a linear map's output. x·W may be clamped or be the sum of two linear maps (Zamba
2's adapters), and a norm may come between the product and D. State-space mixers, convolutions and
attention gates have similar names and shapes, but do not satisfy this equation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations, islice

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuronxa_task.ffn.probe import Record, coarsest, is_activation, widths
from neuronxa_task.ffn.site import Gate

_Function = Callable[[Tensor], Tensor]

FUNCTIONS: dict[str, _Function] = {
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
    "relu²": lambda x: F.relu(x).square(),
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
}
PARTS: dict[str, _Function] = {
    "all": lambda y: y,
    "first half": lambda y: y[..., : y.shape[-1] // 2],
    "second half": lambda y: y[..., y.shape[-1] // 2 :],
    "even": lambda y: y[..., ::2],
    "odd": lambda y: y[..., 1::2],
}
ROUNDINGS = 4
"""Machine epsilons by which equal operations on equal values may differ."""
NEARLY_ALL = 0.99
"""Fraction of elements that must agree individually."""
GLANCE = 64
"""Columns that are compared first; most candidates already differ there."""


@dataclass(frozen=True)
class Candidate:
    """A linear map whose input satisfies the equation.

    Attributes:
        down: the map, whose input is the product, or that product after a norm.
        gate: source of the gate activation; `None` if the gate activation is the product.
        activation: the gate activation, `[rows, F]`.
    """

    down: Record
    gate: Gate | None
    activation: Tensor


@dataclass(frozen=True)
class LinearOutput:
    """The output of a linear map, or the part of it named `part`."""

    record: Record
    part: str
    values: Tensor


def candidates(
    records: Sequence[Record], hidden_size: int, limit: float | None = None
) -> list[Candidate]:
    """All linear maps to the hidden size that satisfy the equation, without nested ones.

    Activation modules are unambiguous, so they are tried first; then activation functions, and
    finally sums of linear maps.

    Args:
        records: records of the modules of one layer.
        hidden_size: width H of the hidden states.
        limit: value at which the model clamps gate and up values, if it does.
    """
    downs = [
        record
        for record in records
        if (width := widths(record.module)) is not None
        and width[1] == hidden_size
        and record.input is not None
        and bool(record.input.any())
    ]
    for ways in (_through_modules, _through_functions, partial(_through_modules, are_sums=True)):
        matches: list[Candidate] = []
        for down in downs:
            others = [record for record in records if record.module is not down.module]
            products = _products(down, others)
            found = (one for product in products for one in ways(product, down, others, limit))
            matches += islice(found, 1)
        if matches:
            return _outermost(matches)
    return []


def _products(down: Record, others: Sequence[Record]) -> Iterator[Tensor]:
    """The input of D, then the inputs of a norm before D (as in BitNet and Kosmos-2)."""
    assert down.input is not None
    yield down.input
    for other in others:
        if (
            widths(other.module) is None
            and not is_activation(other.module)
            and other.input is not None
            and other.input.shape == other.output.shape
            and same_values(down.input, other.output, coarsest(down.precision, other.precision))
        ):
            yield other.input


def _through_modules(
    product: Tensor,
    down: Record,
    others: Sequence[Record],
    limit: float | None,
    *,
    are_sums: bool = False,
) -> Iterator[Candidate]:
    activations = [
        record
        for record in others
        if is_activation(record.module) and record.output.shape == product.shape
    ]
    for activation in activations:
        if same_values(product, activation.output, coarsest(down.precision, activation.precision)):
            gate = None if product is down.input else Gate(activation.module, PARTS["all"])
            yield Candidate(down, gate, activation.output)
    linears = linear_outputs(product, others, are_sums=are_sums)
    for activation in activations:
        output = activation.output.to(product.device)
        # relu(y)·y is a squared relu, whose gate activation is the whole product.
        if any(
            same_values(product, output * up, rounding)
            for y in linears
            for rounding in [coarsest(down.precision, activation.precision, y.record.precision)]
            if activation.input is None or not same_values(activation.input, y.values, rounding)
            for up in _as_up(y.values, limit)
        ):
            yield Candidate(down, Gate(activation.module, PARTS["all"]), output)


def _through_functions(
    product: Tensor, down: Record, others: Sequence[Record], limit: float | None
) -> Iterator[Candidate]:
    linears = linear_outputs(product, others)
    # gelu and its tanh form agree within half precision, so the closest match is chosen.
    nearest: tuple[float, Candidate] | None = None
    for y in linears:
        for name in FUNCTIONS:
            function = _clamped(FUNCTIONS[name], limit)
            activated = function(y.values)
            own = coarsest(down.precision, y.record.precision)
            ups = (
                (up, coarsest(own, other.record.precision))
                for other in linears
                if other is not y
                for up in _as_up(other.values, limit)
            )
            for up, rounding in ((None, own), *ups):
                expected = activated if up is None else activated * up
                if same_values(product, expected, rounding):
                    error = float((product - expected).abs().sum())
                    if nearest is None or error < nearest[0]:
                        gate = Gate(y.record.module, _of_part(y.part, function))
                        is_product = up is None and product is down.input
                        nearest = error, Candidate(down, None if is_product else gate, activated)
    if nearest is not None:
        yield nearest[1]


def _as_up(values: Tensor, limit: float | None) -> tuple[Tensor, Tensor]:
    """Possible up factors: x·W and x·W + 1, clamped if the model clamps."""
    if limit is not None:
        values = values.clamp(-limit, limit)
    return values, values + 1


def _clamped(function: _Function, limit: float | None) -> _Function:
    return function if limit is None else lambda values: function(values.clamp(max=limit))


def linear_outputs(
    product: Tensor, others: Sequence[Record], *, are_sums: bool = False
) -> list[LinearOutput]:
    """Outputs of linear maps, sums of two, or halves, with the shape and device of `product`."""
    outputs = [(record, record.output) for record in others if widths(record.module)]
    if are_sums:
        outputs = [
            (record, first + second.to(first.device))
            for (record, first), (_, second) in combinations(outputs, 2)
            if first.shape == second.shape
        ]
    return [
        LinearOutput(record, part, values.to(product.device))
        for record, output in outputs
        for part, take in PARTS.items()
        if (part == "all" or output.shape[-1] % 2 == 0)
        and (values := take(output)).shape == product.shape
    ]


def _of_part(part: str, function: _Function) -> _Function:
    return lambda values: function(PARTS[part](values))


def same_values(actual: Tensor, expected: Tensor, precision: torch.dtype) -> bool:
    """Whether two tensors result from the same operations on the same values, up to rounding.

    Nearly all elements must agree individually, and the rest relative to the largest element. The
    largest alone would not be enough: next to the massive activations of large models, everything
    else is within rounding.
    """
    if actual.shape != expected.shape:
        return False
    expected = expected.to(actual.device)
    if actual.shape[-1] > GLANCE and not _close(
        actual[:, :GLANCE], expected[:, :GLANCE], precision
    ):
        return False
    return bool(actual.any()) and _close(actual, expected, precision)


def _close(actual: Tensor, expected: Tensor, precision: torch.dtype) -> bool:
    limits = torch.finfo(precision)
    difference = (actual - expected).abs()
    size = torch.maximum(actual.abs(), expected.abs())
    tolerance = ROUNDINGS * limits.eps * size + ROUNDINGS * limits.eps * limits.tiny
    far = int((difference > tolerance).sum())
    largest = ROUNDINGS * limits.eps * (size.max() + limits.tiny)
    return bool(difference.max() <= largest) and far <= (1 - NEARLY_ALL) * int((size > 0).sum())


def _outermost(matches: list[Candidate]) -> list[Candidate]:
    """Drop candidates inside another one, such as the base layer of a LoRA module."""

    def is_inside(inner: nn.Module, outer: nn.Module) -> bool:
        return inner is not outer and any(module is inner for module in outer.modules())

    return [
        candidate
        for candidate in matches
        if not any(is_inside(candidate.down.module, other.down.module) for other in matches)
    ]
