"""Find the feed-forward neurons of every layer with a probe, and verify them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn.body import Body
from neuronxa_task.ffn.coverage import adapter_width, require_all_neurons
from neuronxa_task.ffn.match import Candidate, candidates
from neuronxa_task.ffn.moe.detect import experts_of, require_all_known
from neuronxa_task.ffn.probe import LayerRecords, probe, probe_input
from neuronxa_task.ffn.site import SUPPORTED, DenseNeurons, Experts
from neuronxa_task.ffn.verify import require_same_readings


def find_sites(body: Body) -> tuple[DenseNeurons | Experts, ...]:
    """Find the feed-forward neurons of every layer of `body` with a probe forward pass.

    Layers without a feed-forward block (in hybrid models) have no site, and layers with a mixture
    of experts can have several. A second pass reads the sites as in scoring, with the sentences in
    reverse order. It detects gates that are overwritten, tokens in another order than the inputs,
    and experts that compute something else. Parameters, mode and random state do not change.

    Returns:
        The sites, layer by layer.

    Raises:
        NeuronXAError: no layer has such neurons, or a layer's neurons cannot be read: several
            candidates, an unknown kind of mixture, neurons masked before the output projection, or
            more than one run per forward pass.
    """
    ids = probe_input(body)
    known = [experts_of(body, layer) for layer in range(len(body.layers))]
    records = probe(body, ids, {site.module for of_layer in known for site in of_layer})
    experts = [
        [mixture for mixture in mixtures if of_layer.ran(mixture.module)]
        for of_layer, mixtures in zip(records, known, strict=True)
    ]
    dense: list[tuple[DenseNeurons, Candidate]] = []
    sites: list[DenseNeurons | Experts] = []
    for layer, (of_layer, mixtures) in enumerate(zip(records, experts, strict=True)):
        start = 0
        for candidate in _candidates(body, layer, of_layer, mixtures):
            down, width = candidate.down, _width(candidate)
            site = DenseNeurons(layer, down.module, candidate.gate, width, down.name, start)
            dense.append((site, candidate))
            sites.append(site)
            start += width
        for mixture in mixtures:
            sites.append(replace(mixture, start=start))
            start += mixture.neurons
    if not body.layers:
        raise NeuronXAError(f"{body.family}: the model has no layers (num_hidden_layers is 0)")
    require_all_neurons(body, records, sites)
    require_same_readings(
        body, ids, records, dense, [site for site in sites if isinstance(site, Experts)]
    )
    return tuple(sites)


def _candidates(
    body: Body, layer: int, records: LayerRecords, mixtures: Sequence[Experts]
) -> list[Candidate]:
    """The dense blocks of a layer: one, or any number next to a mixture of experts."""
    if records.runs != 1:
        raise NeuronXAError(
            f"{body.family}: layer {layer + 1} runs {records.runs} times in one forward pass, so "
            f"its neurons have no single state; supported: {SUPPORTED}"
        )
    routed = {inner for mixture in mixtures for inner in mixture.module.modules()}
    dense = [record for record in records.calls if record.module not in routed]
    every = candidates(dense, body.hidden_size, body.limit)
    blocks = _without_adapters(every, body.hidden_size)
    down_projections = [candidate.down.module for candidate in blocks]
    require_all_known(body, layer, records, mixtures, down_projections)
    if not blocks and records.output is not None and not records.output.isfinite().all():
        raise NeuronXAError(
            f"{body.family}: layer {layer + 1} computes NaN or infinite values for a few random "
            "tokens; try another dtype (bfloat16 or float32 instead of float16)"
        )
    for candidate in blocks:
        name = candidate.down.name
        calls = sum(record.module is candidate.down.module for record in records.calls)
        if calls > 1:
            raise NeuronXAError(
                f"{body.family}: layer {layer + 1} runs its output projection {name} {calls} times "
                f"in one forward pass, so its neurons have no single state; supported: {SUPPORTED}"
            )
    if len(blocks) > 1 and not mixtures:
        raise NeuronXAError(
            f"{body.family}: layer {layer + 1} has {len(blocks)} feed-forward output projections "
            f"({', '.join(candidate.down.name for candidate in blocks)}), so its neurons are "
            f"ambiguous; supported: {SUPPORTED}"
        )
    return blocks


def _width(candidate: Candidate) -> int:
    assert candidate.down.input is not None
    return candidate.down.input.shape[-1]


def _without_adapters(blocks: Sequence[Candidate], hidden_size: int) -> list[Candidate]:
    """Drop bottleneck adapters, which satisfy the equation of a feed-forward block too."""
    narrowest = adapter_width(hidden_size, [_width(candidate) for candidate in blocks])
    return [candidate for candidate in blocks if _width(candidate) >= narrowest]
