"""Every family of the installed transformers: its neurons are read right, or it says why not.

The references are independent of the probe: the model's own outputs, and the textbook equation of
the feed-forward block, computed from the weights (`textbook.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from family_cases import (
    IDS,
    READ,
    REASONS,
    WITHOUT_NEURONS,
    Call,
    Case,
    Kept,
    Opened,
    hooks,
    observed,
    open_tiny,
    read,
    run,
)
from textbook import into, linear, textbook
from torch import Tensor, nn
from torch.testing import assert_close

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn import reading

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=READ, ids=lambda case: case.id)
def opened(request: pytest.FixtureRequest) -> Opened:
    """Every family that is read; built once for all tests, which pytest groups by it."""
    return open_tiny(request.param)


ODD_STATES = {
    "rwkv": "gives the output of each layer, and none of the embedding",
}
"""Families whose `output_hidden_states` are not the inputs of the layers and the last state."""
ODD_OUTPUT = {
    "rwkv": "multiplies the output of the last map by the receptance",
    "xmod": "runs the adapter of the language in the same module",
}
"""Families whose FFN module gives something else than the output of its last map."""


def calls(seen: dict[nn.Module, list[Call]], modules: list[nn.Module]) -> Iterator[Call]:
    """The call of each of the modules, which layers may share: then in the order of the layers."""
    done: Counter[nn.Module] = Counter()
    for module in modules:
        yield seen[module][done[module]]
        done[module] += 1


def test_every_layer_has_neurons_but_mixers_that_stand_alone(opened: Opened) -> None:
    _, body, sites = opened
    without = WITHOUT_NEURONS.get(body.family, set())
    assert {site.layer for site in sites} == set(range(len(body.layers))) - without
    for layer in without:
        names = [name for name, _ in body.layers[layer].named_modules()]
        assert not any("mlp" in name or "feed_forward" in name for name in names)


def test_only_encoders_read_what_follows(opened: Opened, request: pytest.FixtureRequest) -> None:
    case: Case = request.node.callspec.params["opened"]
    if case.kind in {"decoder", "vision"}:
        return  # the decoder's input is shifted, and attends to an encoder that reads all
    other = IDS.clone()
    other[:, -1] = (other[:, -1] + 7) % 90
    first = [opened.body(ids, torch.ones_like(ids))[:, 0] for ids in (IDS, other)]
    changes = (first[0] - first[1]).abs().max() > 1e-5 * first[0].abs().max()
    is_encoder = case.table_kind in {"encoder-only", "encoder"} and opened.body.is_half
    assert changes == (case.table_kind == "encoder-only" or is_encoder)


def test_gate_and_product_are_the_textbooks(opened: Opened) -> None:
    body, dense = opened.body, opened.dense
    sources = [into(body, site) for site in dense]
    with observed(*(module for of_site in sources for module in of_site)) as seen:
        kept, _ = read(body, opened.sites)
    first = calls(seen, [of_site[0] for of_site in sources])
    for site, of_site, (inputs, _) in zip(dense, sources, first, strict=True):
        x = inputs[0]
        assert all(torch.equal(inputs[0], seen[source][0][0][0]) for source in of_site[1:])
        with torch.no_grad():
            gate, product = textbook(body, site, of_site, x)
        at = site.layer, site.name
        assert product.shape[-1] == site.width
        assert_close(kept.gate[at], gate.view_as(kept.gate[at]))
        assert_close(kept.product[at], product.view_as(kept.product[at]))
        assert product.any() and (gate > 0).any() and (gate <= 0).any()


def test_output_projection_of_the_product_is_the_ffn_output(opened: Opened) -> None:
    body, dense = opened.body, opened.dense
    kept, _ = read(body, opened.sites)
    layers = dict(body.model.named_modules())
    blocks = [layers[site.name.rpartition(".")[0]] for site in dense]
    downs = [site.module for site in dense]
    with observed(*blocks, *downs) as seen:
        run(opened)
    of_downs, of_blocks = calls(seen, downs), calls(seen, blocks)
    for site, block, down in zip(dense, blocks, of_downs, strict=True):
        with torch.no_grad():
            output = linear(site.module, kept.product[site.layer, site.name])
        assert_close(output, down[1].view_as(output))
        holds_more = any(block is layer for layer in body.layers) or opened.experts
        if body.family not in ODD_OUTPUT and not holds_more:
            inputs, reached = next(of_blocks)
            assert any(torch.allclose(reached, way) for way in _ways_out(block, inputs, output))


def _ways_out(block: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Iterator[Tensor]:
    """What the module that holds the FFN may give, out of the output of its last map."""
    yield output
    if len(inputs) > 1 and isinstance(inputs[1], Tensor):  # BLOOM and MPT add the residual
        yield output + inputs[1]
        if hasattr(block, "LayerNorm"):  # and BERT normalises that
            with torch.no_grad():
                yield block.LayerNorm(output + inputs[1])  # type: ignore[operator]


def test_hidden_states_are_those_the_model_gives(opened: Opened) -> None:
    body = opened.body
    kept, last = read(body, opened.sites)
    output = run(opened)
    side = "encoder" if body.encoder is None else "decoder"
    given = output.get(f"{side}_hidden_states") or output["hidden_states"]
    states = [*(kept.states[index] for index in range(len(body.layers))), last]
    if body.family in ODD_STATES:
        assert_close(states[1], given[0][..., : states[1].shape[-1]])
        return
    assert len(given) == len(states)
    for ours, theirs in zip(states, given, strict=True):
        assert_close(ours, theirs)


def test_reading_changes_nothing_and_leaves_nothing(opened: Opened) -> None:
    model, body, sites = opened
    closed = run(opened)[0]
    before = hooks(model)
    with reading(body, sites, Kept()):
        read_logits = run(opened)[0]
    if opened.experts:  # sums over a token's experts are taken in another order
        assert_close(read_logits, closed, rtol=1e-6, atol=1e-6)
    else:
        assert torch.equal(read_logits, closed)
    assert hooks(model) == before
    with pytest.raises(KeyboardInterrupt), reading(body, sites, Kept()):
        raise KeyboardInterrupt
    assert hooks(model) == before


@pytest.mark.parametrize("case", REASONS, ids=[case.id for case in REASONS])
def test_others_are_refused_in_one_line_with_the_reason(case: Case) -> None:
    with pytest.raises(NeuronXAError, match=REASONS[case]) as error:
        open_tiny(case)
    assert "\n" not in str(error.value)


def test_most_families_are_read() -> None:
    assert len({case.family for case in READ if case.kind == "causal"}) >= 165
