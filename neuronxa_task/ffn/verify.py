"""Read the sites as in scoring, and compare the readings with the probe's records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn.body import Body
from neuronxa_task.ffn.capture import reading
from neuronxa_task.ffn.match import Candidate
from neuronxa_task.ffn.moe.rows import AllRows, Rows
from neuronxa_task.ffn.moe.stacked import Show, own_forward
from neuronxa_task.ffn.probe import PROBE_SHAPE, LayerRecords, run_quietly
from neuronxa_task.ffn.site import SUPPORTED, DenseNeurons, Experts

SAME_TOKEN = 0.5
"""Relative distance below which two readings are of the same token; different ones are near 1."""
SAME_PADDED = 0.02
"""Relative distance below which a token's last state with and without padding is the same. Rounding
comes near it in deep models of coarse precision; states that depend on padding are far above it for
most tokens."""
COARSE = 32
"""Machine epsilons that this distance may always have."""
SAME_SUM = 8
"""Machine epsilons by which sums over a token's experts may differ with their order."""
LEAST_SUM = 1e-5
"""Relative distance that these sums may always have, since TensorFloat-32 is not float32."""


def require_same_readings(
    body: Body,
    ids: Tensor,
    records: Sequence[LayerRecords],
    dense: Sequence[tuple[DenseNeurons, Candidate]],
    experts: Sequence[Experts],
) -> None:
    """Read the probe's sentences in reverse order, as in scoring, and compare with the probe.

    Raises:
        NeuronXAError: the readings differ token by token, the experts' result differs from the
            model's, padding changes the states, or the last hidden state has another shape.
    """
    reader = _Reader()
    sites: list[DenseNeurons | Experts] = [site for site, _ in dense]
    sites += map(_checked, experts)
    modules = [site.module for site in experts]
    with reading(body, sites, reader) as run, _outputs(modules) as outputs:
        last = run_quietly(body, ids.flip(0), run=run)
    if last.shape != (*PROBE_SHAPE, body.hidden_size):
        raise NeuronXAError(
            f"{body.family}: {type(body.model).__name__} returns a last hidden state of shape "
            f"{list(last.shape)}; expected {[*PROBE_SHAPE, body.hidden_size]}; supported: "
            f"{SUPPORTED}"
        )
    _require_padding_is_not_seen(body, ids.flip(0), last)
    for site, candidate in dense:
        assert candidate.down.input is not None
        gate, product = reader.read[site.name, site.layer]
        _require_same_tokens(body, site, "gate activation", gate, candidate.activation)
        _require_same_tokens(body, site, "product", product, candidate.down.input)
    for mixture in experts:
        before = [r.output for r in records[mixture.layer].calls if r.module is mixture.module]
        after = outputs.get(mixture.module, [])
        if len(before) != 1 or len(after) != 1:
            raise NeuronXAError(
                f"{body.family}: layer {mixture.layer + 1} runs its experts {mixture.name} "
                f"{len(before)} times in one forward pass; expected once; supported: {SUPPORTED}"
            )
        _require_same_tokens(body, mixture, "routed sum", _sentences_turned(after[0]), before[0])


def _require_padding_is_not_seen(body: Body, ids: Tensor, last: Tensor) -> None:
    """Check that a sentence's states do not depend on the padding of its batch."""
    padding = torch.zeros_like(ids[:, :1])
    mask = torch.cat([torch.ones_like(ids), padding], dim=1)
    padded = run_quietly(body, torch.cat([ids, padding], dim=1), mask)[:, :-1]
    distance = (padded - last).float().norm(dim=2) / last.float().norm(dim=2)
    limit = max(SAME_PADDED, COARSE * torch.finfo(last.dtype).eps)
    if not bool(distance.median() <= limit):
        raise NeuronXAError(
            f"{body.family}: {type(body.model).__name__} changes the states of a sentence when "
            f"its batch is padded (relative difference {float(distance.max()):.1g}), so its "
            f"neurons would depend on the other sentences of the batch; supported: {SUPPORTED}"
        )


class _Reader:
    """Keeps the readings of the sentences, reversed to the order of the probe."""

    def __init__(self) -> None:
        self.read: dict[tuple[str, int], tuple[Tensor, Tensor]] = {}

    def neurons(self, site: DenseNeurons, gate: Tensor, product: Tensor) -> None:
        self.read[site.name, site.layer] = (_sentences_turned(gate), _sentences_turned(product))

    def routed(self, site: Experts, rows: Rows | AllRows) -> None:
        pass

    def hidden(self, index: int, state: Tensor) -> None:
        pass


@contextmanager
def _outputs(modules: Sequence[nn.Module]) -> Iterator[dict[nn.Module, list[Tensor]]]:
    seen: dict[nn.Module, list[Tensor]] = {}

    def keep(module: nn.Module, _: object, output: Tensor) -> None:
        seen.setdefault(module, []).append(output)

    with ExitStack() as hooks:
        for module in modules:
            hooks.callback(module.register_forward_hook(keep).remove)
        yield seen


def _sentences_turned(values: Tensor) -> Tensor:
    """`[rows, features]` with the sentences reversed (Llama 4 has rows by expert)."""
    by_sentence = values.reshape(-1, *PROBE_SHAPE, values.shape[-1])
    return by_sentence.flip(1).flatten(0, 2).to(torch.float32, copy=True)


def _require_same_tokens(
    body: Body, site: DenseNeurons | Experts, what: str, read: Tensor, expected: Tensor
) -> None:
    """Compare most tokens; a few may differ much if rounding is coarse and the model deep."""
    distance = (read - expected).norm(dim=1)
    if not bool((distance <= SAME_TOKEN * expected.norm(dim=1)).float().mean() > 0.5):
        raise NeuronXAError(
            f"{body.family}: layer {site.layer + 1}: the {what} read at {site.name} for "
            f"{PROBE_SHAPE[0]} sentences differs token by token (changed in place, tokens in "
            f"another order, or not deterministic); supported: {SUPPORTED}"
        )


def _checked(site: Experts) -> Experts:
    """The same experts, with every result compared to the module's own."""

    def run(module: nn.Module, show: Show, *inputs: Tensor, **named: Tensor) -> Tensor:
        expected = own_forward(module)(module, *inputs, **named)
        actual = site.mixture.run(module, show, *inputs, **named)
        difference = (actual.float() - expected.float()).norm()
        tolerance = max(LEAST_SUM, SAME_SUM * torch.finfo(expected.dtype).eps)
        limit = tolerance * expected.float().norm()
        if actual.shape != expected.shape or not bool(difference <= limit):
            raise NeuronXAError(
                f"layer {site.layer + 1}: the sum over the experts of {site.name} "
                f"({type(module).__name__}) is not what the model computes (relative difference "
                f"{float(difference / expected.float().norm()):.1g}); supported: {SUPPORTED}"
            )
        return actual

    return replace(site, mixture=replace(site.mixture, run=run))
