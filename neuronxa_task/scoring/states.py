"""Encode sentences: token ids to pooled sentence vectors, in one pass of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn import Body, DenseNeurons, Experts, evaluation, neurons_by_layer, reading
from neuronxa_task.scoring.out_of_memory import told_where
from neuronxa_task.scoring.pooling import Pooler
from neuronxa_task.settings import StateSettings

LONGEST_SENTENCE = 5792
"""Most tokens for which position weights add up exactly in float32 (t(t+1)/2 < 2**24)."""

SHORTEST_IN_BATCH = 0.75
"""Least length of a sentence in a batch, relative to the longest."""


class SentenceStates(NamedTuple):
    """Pooled vectors of n sentences.

    Attributes:
        nas: per layer that has neurons `[n, F]` float32: Σ_t w_t·[activation > 0] with integer
            weights. This is an exact integer: the mean state times Σ_t w_t, a factor that cancels
            in cosines. Neurons of an expert are inactive at tokens not routed to it.
        nav: per layer that has neurons `[n, F]` float32: Σ_t w_t·|activation| / Σ_t w_t, with an
            expert's activation times its router weight unless the settings say otherwise.
        emb: L+1 times `[n, H]` float32: Σ_t w_t·hidden state / Σ_t w_t.
    """

    nas: list[Tensor]
    nav: list[Tensor]
    emb: list[Tensor]

    def vectors(self, rows: Sequence[int]) -> Iterator[Tensor]:
        """`[rows, features]` of the sentences `rows` by layer: all of `nas`, then `nav`, `emb`."""
        for layer in (*self.nas, *self.nav, *self.emb):
            yield layer[torch.tensor(rows, device=layer.device)]

    def of(self, rows: Sequence[int]) -> SentenceStates:
        """The states of the sentences `rows`, in this order."""
        vectors = self.vectors(rows)
        return SentenceStates(*(list(islice(vectors, len(layers))) for layers in self))

    @property
    def bytes_per_sentence(self) -> int:
        """Size of one sentence's vectors in bytes."""
        return sum(layer.shape[1] * layer.element_size() for layers in self for layer in layers)

    @staticmethod
    def concatenate(parts: Sequence[SentenceStates]) -> SentenceStates:
        """Concatenate the sentences of several states."""
        kinds = zip(*parts, strict=True)  # `nas` of all parts, then `nav`, then `emb`
        joined = ([torch.cat(layer) for layer in zip(*kind, strict=True)] for kind in kinds)
        return SentenceStates(*joined)


def encode(
    body: Body,
    sites: Sequence[DenseNeurons | Experts],
    sentences: Sequence[Sequence[int]],
    *,
    batch_size: int,
    settings: StateSettings,
    pad_id: int = 0,
    max_batch_tokens: int | None = None,
    progress: Callable[[int], object] = lambda done: None,
) -> SentenceStates:
    """Run each sentence once, and pool its neurons and hidden states.

    Sentences are batched by length (see `batches`). Only pooled rows are kept: no
    `[batch, tokens, F]` tensor outlives its layer.

    Args:
        body: the model; see `find_body`.
        sites: its neurons; see `find_sites`.
        sentences: n lists of token ids, none empty.
        batch_size: sentences per forward pass.
        settings: which activations to read, and how to pool them.
        pad_id: any id of the vocabulary, since padding is masked.
        max_batch_tokens: maximum number of tokens in a batch, padding included; a longer sentence
            is a batch of its own.
        progress: called after every batch with its number of sentences.

    Raises:
        UnreadableSentenceError: a sentence has no tokens or more than 5,792, or an activation is
            not finite.
        BatchTooLargeError: a batch does not fit in memory.
    """
    for index, ids in enumerate(sentences):
        if not 1 <= len(ids) <= LONGEST_SENTENCE:
            limits = f"has {len(ids)} tokens; expected 1 to {LONGEST_SENTENCE}"
            raise UnreadableSentenceError(f"{{sentence}} {limits}", index)
    pooler = Pooler(settings, len(sentences), neurons_by_layer(sites))
    with evaluation(body), reading(body, sites, pooler) as run:
        for number, rows in enumerate(batches(sentences, batch_size, max_batch_tokens)):
            batch, mask = pad([sentences[row] for row in rows], pad_id)
            pooler.start_batch(rows, mask)
            with told_where(number, pooler):
                last = run(batch.to(body.device), mask.to(body.device))
                pooler.hidden(len(body.layers), last)
            progress(len(rows))
    states = SentenceStates(pooler.nas, pooler.nav, pooler.emb)
    _require_finite(states, list(neurons_by_layer(sites)))
    return states


def batches(
    sentences: Sequence[Sequence[int]], batch_size: int, max_tokens: int | None = None
) -> list[list[int]]:
    """Indices of the sentences in batches of similar length, longest first.

    A sentence shorter than three quarters of the batch's longest starts a new batch, because a
    padded token costs as much as a real one on a busy processor.

    >>> batches([[1] * 4, [1] * 9, [1] * 8, [1] * 3, [1] * 7], batch_size=2)
    [[1, 2], [4], [0, 3]]
    >>> batches([[1] * 4, [1] * 4, [1] * 4], batch_size=8, max_tokens=10)
    [[0, 1], [2]]
    """
    grouped: list[list[int]] = []
    longest = 0
    for row in sorted(range(len(sentences)), key=lambda index: -len(sentences[index])):
        length = len(sentences[row])
        size = len(grouped[-1]) if grouped else batch_size
        too_long = max_tokens is not None and (size + 1) * longest > max_tokens
        if size == batch_size or too_long or length < SHORTEST_IN_BATCH * longest:
            grouped.append([])
            longest = length
        grouped[-1].append(row)
    return grouped


def pad(sentences: Sequence[Sequence[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Pad a batch on the right: token ids and attention mask, both `[batch, tokens]` int64."""
    rows = [torch.tensor(sentence) for sentence in sentences]
    ids = pad_sequence(rows, batch_first=True, padding_value=pad_id)
    return ids, pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)


def _require_finite(states: SentenceStates, neuron_layers: Sequence[int]) -> None:
    """Messages count layers from 1, as people do."""
    named = [
        (f"neuron activation of layer {layer + 1}", values)
        for layer, values in zip(neuron_layers, states.nav, strict=True)
    ]
    named += [
        (f"hidden state after layer {index}" if index else "hidden state before layer 1", values)
        for index, values in enumerate(states.emb)
    ]
    for name, values in named:
        finite = torch.isfinite(values).all(dim=1)
        if not finite.all():
            raise UnreadableSentenceError(
                f"{name} is NaN or infinite for {{sentence}}, so no score can be computed; try "
                "another dtype (bfloat16 or float32 instead of float16)",
                int((~finite).nonzero()[0]),
            )


class UnreadableSentenceError(NeuronXAError):
    """A sentence cannot be encoded, so its pair has no score.

    Attributes:
        sentence: index of the sentence among those to encode.
    """

    def __init__(self, message: str, sentence: int, name: str | None = None) -> None:
        self.message, self.sentence = message, sentence
        super().__init__(message.format(sentence=name or f"sentence {sentence + 1}"))

    def in_text(self, text: str) -> UnreadableSentenceError:
        """The same error with the sentence's text in its message."""
        shown = text if len(text) <= 120 else f"{text[:120]}…"
        return UnreadableSentenceError(self.message, self.sentence, f"the sentence {shown!r}")
