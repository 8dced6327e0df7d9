"""The feed-forward neurons of every layer: found in a probe, and read back before they are given."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn.body import Body
from neuronxa_task.ffn.capture import reading
from neuronxa_task.ffn.equation import Candidate, candidates
from neuronxa_task.ffn.experts import experts_of
from neuronxa_task.ffn.probe import PROBE_SHAPE, LayerRecords, probe, probe_input, run_quietly
from neuronxa_task.ffn.site import LOOKED_FOR, SUPPORTED, Site

ADAPTER = 0.5
"""Bottleneck adapters satisfy the equation too, and are less than this share of the FFN's width."""
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
    sites = tuple(_site(body, layer, of_layer) for layer, of_layer in enumerate(records))
    _read_back(body, ids, sites, records)
    return sites


def _site(body: Body, layer: int, records: LayerRecords) -> Site:
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
    found = _widest(candidates(list(records.modules.values()), body.hidden_size))
    if not found:
        raise NeuronXAError(
            f"{body.family}: layer {layer} ({type(body.layers[layer]).__name__}) has no "
            f"feed-forward neurons to read; looked for {LOOKED_FOR.format(hidden=body.hidden_size)}"
            f"; supported: {SUPPORTED}"
        )
    if len(found) > 1:
        raise NeuronXAError(
            f"{body.family}: layer {layer} has {len(found)} feed-forward output projections "
            f"({', '.join(candidate.down.name for candidate in found)}), so its neurons are "
            f"ambiguous; supported: {SUPPORTED}"
        )
    (candidate,) = found
    if candidate.down.calls != 1:
        raise NeuronXAError(
            f"{body.family}: layer {layer} runs its output projection {candidate.down.name} "
            f"{candidate.down.calls} times in one forward pass, so its neurons have no single "
            f"state; supported: {SUPPORTED}"
        )
    return Site(
        layer, candidate.down.module, candidate.gate, _width(candidate), candidate.down.name
    )


def _width(candidate: Candidate) -> int:
    assert candidate.down.input is not None
    return candidate.down.input.shape[-1]


def _widest(found: Sequence[Candidate]) -> list[Candidate]:
    limit = ADAPTER * max(map(_width, found), default=0)
    return [candidate for candidate in found if _width(candidate) >= limit]


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


def _read_back(
    body: Body, ids: Tensor, sites: Sequence[Site], records: Sequence[LayerRecords]
) -> None:
    reader = _Reader()
    with reading(body, sites, reader):
        run_quietly(body, ids.flip(0))
    for site in sites:
        of_layer = records[site.layer].modules
        product = of_layer[id(site.down_projection)].input
        assert product is not None
        gate = product
        if site.gate is not None:
            gate = site.gate.function(of_layer[id(site.gate.module)].output)
        for what, read, expected in zip(
            ("gate activation", "product"), reader.read[site.layer], (gate, product), strict=True
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
