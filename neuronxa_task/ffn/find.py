"""The feed-forward neurons of every layer: found in a probe, and read back before they are used."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn.body import Body
from neuronxa_task.ffn.capture import reading
from neuronxa_task.ffn.equation import Candidate, candidates, same_values
from neuronxa_task.ffn.experts import experts_of
from neuronxa_task.ffn.probe import PROBE_SHAPE, LayerRecords, probe, probe_input, run_quietly
from neuronxa_task.ffn.site import LOOKED_FOR, SUPPORTED, Site

ADAPTER = 0.5
"""Bottleneck adapters satisfy the equation too. They are narrower than the hidden state, and than
this share of the FFN."""
SAME_TOKEN = 0.5
"""Relative distance below which two readings are of one token; of different tokens it is near 1."""


def find_sites(body: Body, *, vocabulary: int | None = None) -> tuple[Site, ...]:
    """Find the feed-forward output projection of every layer of `body` with a probe forward.

    A second one reads the sites as they will be read, with the sentences in the other order, so
    that a gate overwritten, or tokens in an order other than the inputs', are an error here. The
    parameters, the mode and the random state are left as they are.

    Args:
        body: the model to probe.
        vocabulary: ids are drawn below this number; by default the configuration's.

    Raises:
        NeuronXAError: a layer has no such neurons, several candidates, mixture-of-experts blocks,
            or runs more than once per forward pass.
    """
    ids = probe_input(body, vocabulary)
    records = probe(body, ids)
    found = [_candidate(body, layer, of_layer) for layer, of_layer in enumerate(records)]
    sites = tuple(
        Site(layer, of_layer.down.module, of_layer.gate, _width(of_layer), of_layer.down.name)
        for layer, of_layer in enumerate(found)
    )
    _require_chain(body, records)
    _read_back(body, ids, sites, found)
    return sites


def _candidate(body: Body, layer: int, records: LayerRecords) -> Candidate:
    if records.runs != 1:
        raise NeuronXAError(
            f"{body.family}: layer {layer} runs {records.runs} times in one forward pass, so its "
            f"neurons have no single state; supported: {SUPPORTED}"
        )
    experts = experts_of(body, layer, records)
    if experts is not None:
        raise NeuronXAError(
            f"{body.family}: layer {layer} routes tokens to experts ({experts}), which cannot be "
            f"scored yet; supported: {SUPPORTED}"
        )
    found = _without_adapters(candidates(records.calls, body.hidden_size), body.hidden_size)
    if not found and records.output is not None and not records.output.isfinite().all():
        raise NeuronXAError(
            f"{body.family}: layer {layer} gives NaN or infinite values for {PROBE_SHAPE[0]} "
            "sentences of random tokens; try another dtype (bfloat16 or float32 instead of float16)"
        )
    if not found:
        raise NeuronXAError(
            f"{body.family}: layer {layer} ({type(body.layers[layer]).__name__}) has no "
            f"feed-forward neurons to read; looked for {LOOKED_FOR.format(hidden=body.hidden_size)}"
            f"; supported: {SUPPORTED}"
        )
    name = found[0].down.name
    calls = sum(record.module is found[0].down.module for record in records.calls)
    if calls > 1:
        raise NeuronXAError(
            f"{body.family}: layer {layer} runs its output projection {name} {calls} times in one "
            f"forward pass, so its neurons have no single state; supported: {SUPPORTED}"
        )
    if len(found) > 1:
        raise NeuronXAError(
            f"{body.family}: layer {layer} has {len(found)} feed-forward output projections "
            f"({', '.join(candidate.down.name for candidate in found)}), so its neurons are "
            f"ambiguous; supported: {SUPPORTED}"
        )
    return found[0]


def _width(candidate: Candidate) -> int:
    assert candidate.down.input is not None
    return candidate.down.input.shape[-1]


def _without_adapters(found: Sequence[Candidate], hidden_size: int) -> list[Candidate]:
    limit = min(hidden_size, ADAPTER * max(map(_width, found), default=0))
    return [candidate for candidate in found if _width(candidate) >= limit]


def _require_chain(body: Body, records: Sequence[LayerRecords]) -> None:
    """Each layer starts where the one before ended, or the hidden states are not read there."""
    for layer, (before, after) in enumerate(pairwise(records), start=1):
        if (
            before.output is None
            or after.input is None
            # RWKV halves the hidden state between some layers.
            or not same_values(_direction(before.output), _direction(after.input), torch.float16)
        ):
            raise NeuronXAError(
                f"{body.family}: layer {layer} ({type(body.layers[layer]).__name__}) does not "
                f"start from what layer {layer - 1} gives, so a part of the model lies outside of "
                f"its layers; supported: {SUPPORTED}"
            )


def _direction(rows: Tensor) -> Tensor:
    direction: Tensor = rows / rows.norm()
    return direction


# ---------------------------------------------------------------- reading back


class _Reader:
    """Keeps what is read of the probe's sentences, turned back into the order of the probe."""

    def __init__(self) -> None:
        self.read: dict[int, tuple[Tensor, Tensor]] = {}

    def neurons(self, layer: int, gate: Tensor, product: Tensor) -> None:
        self.read[layer] = (_sentences_turned(gate), _sentences_turned(product))

    def hidden(self, index: int, state: Tensor) -> None:
        pass


def _sentences_turned(values: Tensor) -> Tensor:
    return values.flip(0).flatten(0, 1).to(torch.float32, copy=True)


def _read_back(body: Body, ids: Tensor, sites: Sequence[Site], found: Sequence[Candidate]) -> None:
    reader = _Reader()
    with reading(body, sites, reader):
        last = run_quietly(body, ids.flip(0))
    if last.shape != (*PROBE_SHAPE, body.hidden_size):
        raise NeuronXAError(
            f"{body.family}: {type(body.model).__name__} gives a last hidden state of shape "
            f"{list(last.shape)}; expected {[*PROBE_SHAPE, body.hidden_size]}; supported: "
            f"{SUPPORTED}"
        )
    for site, candidate in zip(sites, found, strict=True):
        product = candidate.down.input
        assert product is not None
        for what, read, expected in zip(
            ("gate activation", "product"),
            reader.read[site.layer],
            (candidate.activation, product),
            strict=True,
        ):
            if not _are_same_tokens(read, expected):
                raise NeuronXAError(
                    f"{body.family}: layer {site.layer}: the {what} read at {site.name} for "
                    f"{PROBE_SHAPE[0]} sentences is not theirs token by token (changed in place, "
                    f"or tokens in another order); supported: {SUPPORTED}"
                )


def _are_same_tokens(read: Tensor, expected: Tensor) -> bool:
    """Of most tokens: a few may differ by much where rounding is coarse and the model deep."""
    distance = (read - expected).norm(dim=1)
    return bool((distance <= SAME_TOKEN * expected.norm(dim=1)).float().mean() > 0.5)
