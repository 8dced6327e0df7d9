"""Tokens to sentence vectors, while the model runs: weights, and the sums they weigh."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from neuronxa_task.ffn import DenseNeurons, Experts, Rows
from neuronxa_task.settings import Pooling, StateSettings


def pooling_weights(attention_mask: Tensor, pooling: Pooling) -> Tensor:
    """Integer weights of the tokens of a batch, before division by their sum.

    `position`: w_t = t for the real tokens, t from 1, so that late tokens, which have seen the
    sentence, count most (SGPT, arXiv 2202.08904, section 3; used by MEXA, arXiv 2410.05873).
    `mean`: 1. `last`: 1 at the last real token only.

    Args:
        attention_mask: `[batch, tokens]`, 1 for real tokens, padded on either side.

    Returns:
        `[batch, tokens]` float32, 0 at padding.

    >>> pooling_weights(torch.tensor([[1, 1, 1, 0]]), "position")
    tensor([[1., 2., 3., 0.]])
    """
    place = attention_mask.cumsum(dim=1) * attention_mask
    if pooling == "position":
        weights = place
    elif pooling == "mean":
        weights = attention_mask
    else:
        weights = place == place.amax(dim=1, keepdim=True)
    return weights.to(torch.float32)


class Pooler:
    """Receives a batch's tensors as they pass and keeps their pooled rows.

    The rows of a layer stay on the layer's device: a model may be spread over several.

    Args:
        settings: which activations are read, and how they are pooled.
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
        """Sums of neuron states, per layer that has neurons `[size, F]`."""
        return self._of_layers(self._nas)

    @property
    def nav(self) -> list[Tensor]:
        """Means of neuron values, likewise."""
        return self._of_layers(self._nav)

    @property
    def emb(self) -> list[Tensor]:
        """Means of hidden states, L+1 times `[size, H]`."""
        return [self._emb[index] for index in sorted(self._emb)]

    def _of_layers(self, found: dict[int, Tensor]) -> list[Tensor]:
        # A layer whose experts no token of this process visited has shown nothing.
        return [
            found[layer] if layer in found else torch.zeros(self.size, width)
            for layer, width in self.neurons_by_layer.items()
        ]

    def start_batch(self, rows: list[int], mask: Tensor) -> None:
        """The next tensors are of the sentences `rows`, with the attention mask `mask`."""
        self.rows = torch.tensor(rows)
        self.weights = pooling_weights(mask, self.settings.pooling)
        self.moved: dict[torch.device, Tensor] = {}
        # Padding on the right is never touched on the CPU: tokens behind the last real one.
        self.lengths = (mask.shape[1] - mask.flip(1).argmax(dim=1)).tolist()

    def neurons(self, site: DenseNeurons, gate: Tensor, product: Tensor) -> None:
        """Pool dense neurons, `[batch, tokens, F]`."""
        at = {"gate": gate, "product": product}
        active = self._sums(at[self.settings.nas_site], _ACTIVE)
        value = self._divided(self._sums(at[self.settings.nav_site], _MAGNITUDE))
        self._keep_neurons(site.layer, site.start, active, value)

    def routed(self, site: Experts, rows: Rows) -> None:
        """Pool one expert's neurons over the tokens routed to it."""
        device = rows.gate.device
        own = self._weights_on(device).flatten()[rows.tokens] > 0
        tokens, router = rows.tokens[own], rows.router[own]  # padding is routed, too
        at = {"gate": rows.gate[own], "product": rows.product[own]}
        # TensorFloat-32 would round a product of float32 matrices.
        exact = torch.float32 if device.type == "cpu" else torch.float64
        share = self._shares(tokens, exact)
        active = share @ (at[self.settings.nas_site] > 0).to(exact)
        share /= self._weights_on(device).sum(dim=1, keepdim=True)
        if self.settings.expert_values == "weighted":
            share *= router.abs().to(exact)
        value = share @ at[self.settings.nav_site].abs().to(exact)
        start = site.start + rows.expert * site.mixture.intermediate_size
        self._keep_neurons(site.layer, start, active, value)

    def _shares(self, tokens: Tensor, dtype: torch.dtype) -> Tensor:
        """`[batch, rows]`: weight of every row in its own sentence, 0 in the others."""
        weights = self._weights_on(tokens.device)
        batch, length = weights.shape
        shares = torch.zeros(batch, len(tokens), dtype=dtype, device=tokens.device)
        places = torch.arange(len(tokens), device=tokens.device)
        shares[tokens // length, places] = weights.flatten()[tokens].to(dtype)
        return shares

    def _weights_on(self, device: torch.device) -> Tensor:
        """The weights, moved to a layer's device once per batch: experts ask for them often."""
        if device not in self.moved:
            self.moved[device] = self.weights.to(device)
        return self.moved[device]

    def hidden(self, index: int, state: Tensor) -> None:
        """Pool a hidden state, `[batch, tokens, H]`."""
        pooled = self._divided(self._sums(state, _PLAIN))
        self._keep(self._emb, index, pooled, 0, pooled.shape[1])

    def _sums(self, values: Tensor, of: _Summand) -> Tensor:
        batch, tokens = self.weights.shape
        if values.device.type != "cpu":
            return of.summed(values, self._weights_on(values.device)[:, :, None])
        # A sentence at a time stays in the cache: three times faster than the whole batch.
        sums = torch.empty(batch, values.shape[2])
        buffer = torch.empty(tokens, values.shape[2])
        for row, length in enumerate(self.lengths):
            summand = of.written(values[row, :length], buffer[:length])
            torch.mv(summand.T, self.weights[row, :length], out=sums[row])
        return sums

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


@dataclass(frozen=True)
class _Summand:
    """What is summed over the tokens, weighted, in the fastest exact way on either device."""

    written: Callable[[Tensor, Tensor], Tensor]
    """`[tokens, F]` of any dtype, into a float32 buffer."""
    summed: Callable[[Tensor, Tensor], Tensor]
    """`[batch, tokens, F]` times `[batch, tokens, 1]` weights, in one pass; no matrix product,
    which TensorFloat-32 would round."""


_ACTIVE = _Summand(
    lambda values, out: torch.gt(values, 0, out=out),
    lambda values, weights: torch.where(values > 0, weights, 0.0).sum(dim=1),
)
_MAGNITUDE = _Summand(
    lambda values, out: (
        out.copy_(values).abs_() if values.dtype != out.dtype else torch.abs(values, out=out)
    ),
    lambda values, weights: torch.linalg.vector_norm(values * weights, ord=1, dim=1),
)
_PLAIN = _Summand(
    lambda values, out: values if values.dtype == out.dtype else out.copy_(values),
    lambda values, weights: (values * weights).sum(dim=1),
)
