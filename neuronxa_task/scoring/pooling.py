"""Pool tokens to sentence vectors while the model runs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from neuronxa_task.ffn import AllRows, DenseNeurons, Experts, Rows
from neuronxa_task.scoring import fused_pooling
from neuronxa_task.scoring.token_sums import (
    ACTIVE,
    MAGNITUDE,
    PLAIN,
    Summand,
    column_blocks,
    is_cpu,
    sums_by_block,
    sums_by_sentence,
)
from neuronxa_task.settings import Pooling, StateSettings


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


@dataclass(frozen=True)
class Batch:
    """The sentences that run through the model, on one device.

    Attributes:
        rows: `[batch]` index of each sentence among all sentences.
        weights: `[batch, tokens]` float32 weights of the tokens.
        totals: `[batch, 1]` float32 sum of each sentence's weights.
        spans: `[batch, 2]` first token with a weight, and the one after the last.
    """

    rows: Tensor
    weights: Tensor
    totals: Tensor
    spans: Tensor

    @classmethod
    def of(cls, rows: list[int], mask: Tensor, pooling: Pooling) -> Batch:
        """The batch of the sentences `rows` with the attention mask `mask`."""
        weights = pooling_weights(mask, pooling)
        has_weight = (weights > 0).int()
        first = has_weight.argmax(dim=1)
        end = mask.shape[1] - has_weight.flip(1).argmax(dim=1)
        spans = torch.stack([first, end], dim=1)
        return cls(torch.tensor(rows), weights, weights.sum(dim=1, keepdim=True), spans)

    def to(self, device: torch.device) -> Batch:
        """The batch on another device."""
        return Batch(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


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
        self.running = 0
        """Layer that is running."""
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
        batch = Batch.of(rows, mask, self.settings.pooling)
        self.lengths: list[int] = batch.spans[:, 1].tolist()
        self.batches = {batch.rows.device: batch}

    def _batch_on(self, device: torch.device) -> Batch:
        """The batch on a layer's device, moved there once."""
        if device not in self.batches:
            self.batches[device] = next(iter(self.batches.values())).to(device)
        return self.batches[device]

    def neurons(self, site: DenseNeurons, gate: Tensor, product: Tensor) -> None:
        """Pool dense neurons, `[batch, tokens, F]`."""
        state, value = self._chosen(gate, product)
        batch, columns = self._batch_on(gate.device), slice(site.start, site.start + site.neurons)
        nas, nav = self._kept_neurons(site, gate.device)
        if fused_pooling.runs_on(gate.device):
            into = nas[:, columns], nav[:, columns]
            fused_pooling.pool_neurons(state, value, batch, into)
            return
        nas[batch.rows, columns] = self._sums(state, ACTIVE)
        nav[batch.rows, columns] = self._sums(value, MAGNITUDE) / batch.totals

    def routed(self, site: Experts, rows: Rows | AllRows) -> None:
        """Pool the neurons of one expert, or of all, over the tokens routed to them."""
        if isinstance(rows, AllRows) and fused_pooling.runs_on(rows.gate.device):
            kept = self._kept_neurons(site, rows.gate.device)
            columns = slice(site.start, site.start + site.neurons)
            nas, nav = (layer[:, columns] for layer in kept)
            is_weighted = self.settings.expert_values == "weighted"
            state, value = self._chosen(rows.gate, rows.product)
            batch = self._batch_on(rows.gate.device)
            fused_pooling.pool_experts(state, value, rows, batch, (nas, nav), is_weighted)
        else:
            for of_expert in rows.by_expert():
                self._routed_to_one(site, of_expert)

    def _routed_to_one(self, site: Experts, rows: Rows) -> None:
        device = rows.gate.device
        batch = self._batch_on(device)
        is_real = batch.weights.flatten()[rows.tokens] > 0  # padding is also routed
        tokens, router = rows.tokens[is_real], rows.router[is_real]
        state, value = self._chosen(rows.gate, rows.product)
        # With TensorFloat-32, products of float32 matrices would be rounded.
        exact = torch.float64 if device.type == "cuda" else torch.float32
        counts = _token_weights(batch.weights, tokens, exact)
        weights = counts / batch.totals
        if self.settings.expert_values == "weighted":
            weights *= router.abs().to(exact)
        nas, nav = self._kept_neurons(site, device)
        start = site.start + rows.expert * site.width
        for columns in column_blocks(len(tokens) * exact.itemsize, state.shape[1]):
            active = counts @ (state[is_real, columns] > 0).to(exact)
            size = weights @ value[is_real, columns].abs().to(exact)
            at = slice(start + columns.start, start + columns.stop)
            nas[batch.rows, at], nav[batch.rows, at] = active.float(), size.float()

    def hidden(self, index: int, state: Tensor) -> None:
        """Pool a hidden state, `[batch, tokens, H]`."""
        self.running = index
        batch = self._batch_on(state.device)
        emb = self._kept(self._emb, index, state.shape[2], state.device)
        if fused_pooling.runs_on(state.device):
            fused_pooling.pool_hidden(state, batch, emb)
        else:
            emb[batch.rows] = self._sums(state, PLAIN) / batch.totals

    def _chosen(self, gate: Tensor, product: Tensor) -> tuple[Tensor, Tensor]:
        activations = {"gate": gate, "product": product}
        return activations[self.settings.nas_site], activations[self.settings.nav_site]

    def _sums(self, values: Tensor, of: Summand) -> Tensor:
        if is_cpu(values.device):
            return sums_by_sentence(values, self._batch_on(values.device).weights, self.lengths, of)
        return sums_by_block(values, self._batch_on(values.device).weights, of)

    def _kept_neurons(
        self, site: DenseNeurons | Experts, device: torch.device
    ) -> tuple[Tensor, Tensor]:
        width = self.neurons_by_layer[site.layer]
        return (
            self._kept(self._nas, site.layer, width, device),
            self._kept(self._nav, site.layer, width, device),
        )

    def _kept(
        self, layers: dict[int, Tensor], index: int, width: int, device: torch.device
    ) -> Tensor:
        if index not in layers:
            layers[index] = torch.zeros(self.size, width, device=device)
        return layers[index]


def _token_weights(weights: Tensor, tokens: Tensor, dtype: torch.dtype) -> Tensor:
    """`[batch, rows]`: weight of each row in its own sentence, 0 in all others."""
    batch, length = weights.shape
    token_weights = torch.zeros(batch, len(tokens), dtype=dtype, device=tokens.device)
    rows = torch.arange(len(tokens), device=tokens.device)
    token_weights[tokens // length, rows] = weights.flatten()[tokens].to(dtype)
    return token_weights
