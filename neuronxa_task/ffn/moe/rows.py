"""What experts compute for the tokens that are routed to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """What one expert computes for the tokens routed to it.

    Attributes:
        expert: index of the expert.
        tokens: `[rows]` indices of the tokens in the flattened batch.
        router: `[rows]` weights by which the router multiplies the expert's output.
        gate: `[rows, F]` gate activations.
        product: `[rows, F]` inputs of the expert's output projection.
    """

    expert: int
    tokens: Tensor
    router: Tensor
    gate: Tensor
    product: Tensor

    def by_expert(self) -> Iterator[Rows]:
        """These rows."""
        yield self


@dataclass(frozen=True)
class AllRows:
    """What all experts of a mixture compute, sorted by expert and token.

    Attributes:
        experts: number E of experts.
        tokens_of_batch: number N of tokens in the flattened batch.
        keys: `[rows]` expert · N + token, ascending; each of N tokens has k experts.
        slots: `[rows]` index of each row in `router`.
        router: `[rows]` router weights in the order of the tokens.
        gate: `[rows, F]` gate activations.
        product: `[rows, F]` inputs of the experts' output projections.
    """

    experts: int
    tokens_of_batch: int
    keys: Tensor
    slots: Tensor
    router: Tensor
    gate: Tensor
    product: Tensor

    def by_expert(self) -> Iterator[Rows]:
        """The rows of each expert to which tokens were routed."""
        router, tokens = self.router[self.slots], self.keys % self.tokens_of_batch
        of_row = self.keys // self.tokens_of_batch
        start = 0
        for expert, count in enumerate(of_row.bincount(minlength=self.experts).tolist()):
            rows = slice(start, start + count)
            start += count
            if count:
                yield Rows(expert, tokens[rows], router[rows], self.gate[rows], self.product[rows])
