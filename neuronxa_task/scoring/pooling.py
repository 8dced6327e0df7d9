"""Pool tokens to sentence vectors while the model runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from neuronxa_task.ffn import DenseNeurons, Experts, Rows
from neuronxa_task.settings import Pooling, StateSettings

BLOCK_BYTES = 64 * 1024**2
"""Largest intermediate result on accelerators; columns are pooled in blocks of this size."""


def is_cpu(device: torch.device) -> bool:
    """Whether to pool one sentence at a time, which suits a CPU's cache.

    The alternative, all sentences at once in blocks of columns, gives the same on any device.
    """
    return device.type == "cpu"


def pooling_weights(attention_mask: Tensor, pooling: Pooling) -> Tensor:
    """Integer weights of the tokens in a batch, not yet divided by their sum.

    `position`: w_t = t for the real tokens, from 1, so that late tokens, which have seen most of
    the sentence, count most (SGPT, arXiv 2202.08904, section 3; used by MEXA, arXiv 2410.05873).
    `mean`: 1. `last`: 1 at the last real token only.

    Args:
        attention_mask: `[batch, tokens]`, 1 for real tokens; padding on either side.
        pooling: `position`, `mean` or `last`.

    Returns:
        `[batch, tokens]` float32, 0 at padding.

    >>> pooling_weights(torch.tensor([[1, 1, 1, 0]]), "position")
    tensor([[1., 2., 3., 0.]])
    """
    position = attention_mask.cumsum(dim=1) * attention_mask
    if pooling == "position":
        weights = position
    elif pooling == "mean":
        weights = attention_mask
    else:
        weights = position == position.amax(dim=1, keepdim=True)
    return weights.to(torch.float32)


class Pooler:
    """Receives the tensors of each batch, and keeps only their pooled rows.

    The rows of a layer stay on its device, since a model may be spread over several devices.

    Args:
        settings: which activations to read, and how to pool them.
        size: number of sentences.
        neurons_by_layer: number of neurons of every layer that has any.
    """

    def __init__(
        self, settings: StateSettings, size: int, neurons_by_layer: dict[int, int]
    ) -> None:
        self.settings, self.size = settings, size
        self.neurons_by_layer = neurons_by_layer
        self._nas: dict[int, Tensor] = {}
        self._nav: dict[int, Tensor] = {}
        self._emb: dict[int, Tensor] = {}

    @property
    def nas(self) -> list[Tensor]:
        """Weighted sums of neuron states, `[size, F]` for each layer that has neurons."""
        return self._of_layers(self._nas)

    @property
    def nav(self) -> list[Tensor]:
        """Weighted means of neuron values, `[size, F]` for each layer that has neurons."""
        return self._of_layers(self._nav)

    @property
    def emb(self) -> list[Tensor]:
        """Weighted means of hidden states, `[size, H]` for each of L+1 states."""
        return [self._emb[index] for index in sorted(self._emb)]

    def _of_layers(self, pooled: dict[int, Tensor]) -> list[Tensor]:
        # Without a token routed to experts of this process, the layer was not called.
        return [
            pooled[layer] if layer in pooled else torch.zeros(self.size, width)
            for layer, width in self.neurons_by_layer.items()
        ]

    def start_batch(self, rows: list[int], mask: Tensor) -> None:
        """Announce the next batch: the sentences `rows` with the attention mask `mask`."""
        self.rows = torch.tensor(rows)
        self.weights = pooling_weights(mask, self.settings.pooling)
        self.moved: dict[torch.device, Tensor] = {}
        # On the CPU, tokens after the last real one are skipped.
        self.lengths = (mask.shape[1] - mask.flip(1).argmax(dim=1)).tolist()

    def neurons(self, site: DenseNeurons, gate: Tensor, product: Tensor) -> None:
        """Pool dense neurons, `[batch, tokens, F]`."""
        activations = {"gate": gate, "product": product}
        active = self._sums(activations[self.settings.nas_site], ACTIVE)
        value = self._divided(self._sums(activations[self.settings.nav_site], MAGNITUDE))
        self._keep_neurons(site.layer, site.start, active, value)

    def routed(self, site: Experts, rows: Rows) -> None:
        """Pool the neurons of one expert over the tokens routed to it."""
        device = rows.gate.device
        is_real = self._weights_on(device).flatten()[rows.tokens] > 0  # padding is routed, too
        tokens, router = rows.tokens[is_real], rows.router[is_real]
        activations = {"gate": rows.gate, "product": rows.product}
        state = activations[self.settings.nas_site]
        value = activations[self.settings.nav_site]
        # With TensorFloat-32, products of float32 matrices would be rounded.
        exact = torch.float32 if is_cpu(device) else torch.float64
        counts = self._token_weights(tokens, exact)
        weights = counts / self._weights_on(device).sum(dim=1, keepdim=True)
        if self.settings.expert_values == "weighted":
            weights *= router.abs().to(exact)
        start = site.start + rows.expert * site.mixture.intermediate_size
        for columns in _blocks(len(tokens) * exact.itemsize, state.shape[1]):
            active = counts @ (state[is_real, columns] > 0).to(exact)
            size = weights @ value[is_real, columns].abs().to(exact)
            self._keep_neurons(site.layer, start + columns.start, active, size)

    def _token_weights(self, tokens: Tensor, dtype: torch.dtype) -> Tensor:
        """`[batch, rows]`: weight of each row in its own sentence, 0 in all others."""
        weights = self._weights_on(tokens.device)
        batch, length = weights.shape
        token_weights = torch.zeros(batch, len(tokens), dtype=dtype, device=tokens.device)
        rows = torch.arange(len(tokens), device=tokens.device)
        token_weights[tokens // length, rows] = weights.flatten()[tokens].to(dtype)
        return token_weights

    def _weights_on(self, device: torch.device) -> Tensor:
        """The weights on a layer's device, moved once per batch, since experts need them often."""
        if device not in self.moved:
            self.moved[device] = self.weights.to(device)
        return self.moved[device]

    def hidden(self, index: int, state: Tensor) -> None:
        """Pool a hidden state, `[batch, tokens, H]`."""
        pooled = self._divided(self._sums(state, PLAIN))
        self._keep(self._emb, index, pooled, 0, pooled.shape[1])

    def _sums(self, values: Tensor, of: Summand) -> Tensor:
        if is_cpu(values.device):
            return sums_by_sentence(values, self.weights, self.lengths, of)
        return sums_by_block(values, self._weights_on(values.device), of)

    def _divided(self, sums: Tensor) -> Tensor:
        return sums / self._weights_on(sums.device).sum(dim=1, keepdim=True)

    def _keep_neurons(self, layer: int, start: int, active: Tensor, value: Tensor) -> None:
        width = self.neurons_by_layer[layer]
        self._keep(self._nas, layer, active, start, width)
        self._keep(self._nav, layer, value, start, width)

    def _keep(
        self, layers: dict[int, Tensor], index: int, pooled: Tensor, start: int, width: int
    ) -> None:
        if index not in layers:
            layers[index] = torch.zeros(self.size, width, device=pooled.device)
        columns = slice(start, start + pooled.shape[1])
        layers[index][self.rows.to(pooled.device), columns] = pooled.to(torch.float32)


def sums_by_sentence(
    values: Tensor, weights: Tensor, lengths: Sequence[int], of: Summand
) -> Tensor:
    """Weighted sums over the tokens on a CPU, one sentence at a time to stay in the cache.

    Three times as fast as the whole batch at once.

    Args:
        values: `[batch, tokens, F]`.
        weights: `[batch, tokens]` float32.
        lengths: number of tokens of each sentence up to its last real one.
        of: what to sum.

    Returns:
        `[batch, F]` float32.
    """
    batch, tokens, width = values.shape
    sums = torch.empty(batch, width)
    buffer = torch.empty(tokens, width)
    for row, length in enumerate(lengths):
        summand = of.written(values[row, :length], buffer[:length])
        torch.mv(summand.T, weights[row, :length], out=sums[row])
    return sums


def sums_by_block(values: Tensor, weights: Tensor, of: Summand) -> Tensor:
    """Weighted sums over the tokens on accelerators: all sentences at once, in blocks of columns.

    Each intermediate result takes at most `BLOCK_BYTES`, for any F.

    Args:
        values: `[batch, tokens, F]`.
        weights: `[batch, tokens]` float32.
        of: what to sum.

    Returns:
        `[batch, F]` float32.
    """
    batch, tokens, width = values.shape
    sums = torch.empty(batch, width, device=values.device)
    for columns in _blocks(batch * tokens * sums.itemsize, width):
        sums[:, columns] = of.summed(values[:, :, columns], weights[:, :, None])
    return sums


def _blocks(bytes_per_column: int, width: int) -> Iterator[slice]:
    """Slices of all columns, each of at most `BLOCK_BYTES` but at least one column."""
    size = max(1, BLOCK_BYTES // max(1, bytes_per_column))
    for start in range(0, width, size):
        yield slice(start, min(start + size, width))


@dataclass(frozen=True)
class Summand:
    """A function of activations to sum over tokens, in the fastest exact form per device."""

    written: Callable[[Tensor, Tensor], Tensor]
    """CPU: `[tokens, F]` of any dtype, written to a float32 buffer."""
    summed: Callable[[Tensor, Tensor], Tensor]
    """Accelerators: the weighted sum of `[batch, tokens, F]` with weights `[batch, tokens, 1]`, in
    one pass and without a matrix product, which TensorFloat-32 would round."""


ACTIVE = Summand(
    lambda values, out: torch.gt(values, 0, out=out),
    lambda values, weights: torch.where(values > 0, weights, 0.0).sum(dim=1),
)
MAGNITUDE = Summand(
    lambda values, out: (
        out.copy_(values).abs_() if values.dtype != out.dtype else torch.abs(values, out=out)
    ),
    lambda values, weights: torch.linalg.vector_norm(values * weights, ord=1, dim=1),
)
PLAIN = Summand(
    lambda values, out: values if values.dtype == out.dtype else out.copy_(values),
    lambda values, weights: (values * weights).sum(dim=1),
)
