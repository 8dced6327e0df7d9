"""Every family of the installed transformers: its neurons are read right, or it says why not.

The references are independent of the probe: the model's own outputs, and the textbook equation of
the feed-forward block, computed from the weights under the names the families give them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
import torch
from families import KINDS, families, tiny_model
from torch import Tensor, nn
from torch.testing import assert_close
from transformers.activations import ACT2FN

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn import Body, Site, find_body, find_sites, reading

torch.set_num_threads(1)

IDS = torch.randint(2, 90, (2, 9), generator=torch.Generator().manual_seed(1))

# ---------------------------------------------------------------- what is expected

NO_TINY_FORM = {
    "causal": "blt cohere_compass_text gemma3n gemma4_assistant gemma4_unified "
    "gemma4_unified_assistant phi4_multimodal",
    "seq2seq": "granite_speech granite_speech_plus nemo_speechlm vibevoice_asr",
}
"""Sizes are fixed or checked against each other, or a package is missing."""

ROUTED = r"layer [012] routes tokens to experts \(.+\), which cannot be scored yet; supported: "
NO_NEURONS = r"layer [012] \(.+\) has no feed-forward neurons to read; looked for .+; supported: "
OTHER_ROWS = r"layer 0 holds \[.+\] values for 2 x 7 tokens; expected \[2, 7, 32\]; supported: "
TWICE = "layer 0 runs its output projection .+ 2 times in one forward pass.*; supported: "
OUTSIDE = r"layer 1 \(.+\) does not start from what layer 0 gives.*; supported: "
OTHER_LAST = r"gives a last hidden state of shape \[2, 7, 64\]; expected \[2, 7, 32\]; supported: "
NO_LIST = "no list of [36] text layers found in .+; looked for "
NO_TEXT = "describes no text layers; looked for "
NOT_ALONE = r"cannot run token ids of shape \[2, 7\] by themselves: "

REFUSED = {
    "causal": {
        ROUTED: "afmoe aria_text axk1 axk2 bailing_hybrid cohere2_moe dbrx deepseek_v2 deepseek_v3 "
        "deepseek_v32 deepseek_v4 dots1 dots3_note dots3_note_text ernie4_5_moe exaone_moe "
        "flex_olmo flint glm4_moe glm4_moe_lite glm_moe_dsa gpt_oss granitemoe granitemoe_swa "
        "granitemoehybrid granitemoeshared hunyuan_v1_moe hy_v3 hy_v4 inkling2_text inkling_text "
        "jamba jetmoe kimi_linear kolibri1 laguna lfm2_moe llama4 llama4_text mellum mimo_v2_flash "
        "minimax minimax_m2 minimax_m3_vl_text mixtral olmoe phimoe qwen2_moe qwen3_5_moe "
        "qwen3_5_moe_text qwen3_moe qwen3_next qwen4_exp qwen4_exp_text solar_open zaya",
        NO_NEURONS: "falcon_mamba mamba mamba2 nemotron_h xlstm zamba zamba2",
        OTHER_ROWS: "cpmant gemma3n_text prophetnet xlnet",
        OUTSIDE: "xlm",
        OTHER_LAST: "reformer",
        NO_LIST: "hrm_text longcat_flash",
        NOT_ALONE: "musicgen musicgen_melody",
    },
    "seq2seq": {
        ROUTED: "nllb-moe switch_transformers",
        OTHER_ROWS: "fsmt led",
        TWICE: "pegasus_x",
        NOT_ALONE: "voxtral_realtime",
    },
    "vision": {
        ROUTED: "aria mistral4 qwen3_vl_moe",
        NO_TEXT: "pix2struct",
        NOT_ALONE: "idefics",
    },
}

ODD_STATES = {
    "rwkv": "gives the output of each layer, and none of the embedding",
}
"""Families whose `output_hidden_states` are not the inputs of the layers and the last state."""
ODD_OUTPUT = {
    "rwkv": "multiplies the output of the last map by the receptance",
    "xmod": "runs the adapter of the language in the same module",
}
"""Families whose FFN module gives something else than the output of its last map."""


class Case(NamedTuple):
    """A family under one of its model classes, with values of its configuration."""

    kind: str
    family: str
    values: tuple[tuple[str, Any], ...] = ()

    @property
    def id(self) -> str:
        """Its name in the output of the tests."""
        return "-".join([self.kind, self.family, *(name for name, _ in self.values)])


REASONS = {
    Case(kind, family): reason
    for kind, reasons in REFUSED.items()
    for reason, names in reasons.items()
    for family in names.split()
    if family in families(kind)
}
READ = [
    case
    for kind in KINDS
    for family in families(kind)
    if family not in NO_TINY_FORM.get(kind, "").split()
    and (case := Case(kind, family)) not in REASONS
]
DENSE_FORMS = [  # of families whose usual form routes tokens, or of another layout
    Case("causal", "granitemoehybrid", (("num_local_experts", 0),)),
    Case("causal", "jamba", (("num_experts", 1),)),
    Case("causal", "llama4_text", (("moe_layers", ()),)),
    Case("causal", "qwen3_moe", (("mlp_only_layers", (0, 1, 2)),)),
    Case("causal", "falcon", (("new_decoder_architecture", True),)),
    Case("causal", "opt", (("do_layer_norm_before", False),)),
    Case("causal", "phi3", (("hidden_act", "gelu"),)),
    Case("seq2seq", "t5", (("feed_forward_proj", "gated-gelu"),)),
]
READ += DENSE_FORMS


class Opened(NamedTuple):
    """A tiny model and what is found in it."""

    model: nn.Module
    body: Body
    sites: tuple[Site, ...]


def open_tiny(case: Case) -> Opened:
    """Build the model of a case and find its neurons."""
    values = {name: list(v) if isinstance(v, tuple) else v for name, v in case.values}
    model = tiny_model(case.family, case.kind, **values)
    body = find_body(model)
    return Opened(model, body, find_sites(body))


@pytest.fixture(scope="module", params=READ, ids=lambda case: case.id)
def opened(request: pytest.FixtureRequest) -> Opened:
    """Every family that is read; built once for all tests, which pytest groups by it."""
    return open_tiny(request.param)


# ---------------------------------------------------------------- reading


@dataclass
class Kept:
    """Keeps copies of all that is read."""

    gate: dict[int, Tensor] = field(default_factory=dict)
    product: dict[int, Tensor] = field(default_factory=dict)
    states: dict[int, Tensor] = field(default_factory=dict)

    def neurons(self, layer: int, gate: Tensor, product: Tensor) -> None:
        assert layer not in self.gate
        self.gate[layer], self.product[layer] = gate.clone(), product.clone()

    def hidden(self, index: int, state: Tensor) -> None:
        assert index not in self.states
        self.states[index] = state.clone()


NEEDS_PIXELS = ("language_model", "text_model")
"""Where wrappers that do not run on text alone (BLIP-2, Kosmos-2) hold a model that does."""


def read(body: Body, sites: tuple[Site, ...]) -> tuple[Kept, Tensor]:
    """What a pass of the body over `IDS` shows, and what it returns."""
    kept = Kept()
    with reading(body, sites, kept):
        last = body(IDS, torch.ones_like(IDS))
    return kept, last


@contextmanager
def observed(*modules: nn.Module) -> Iterator[dict[nn.Module, tuple[tuple[Any, ...], Any]]]:
    """Copies of the inputs and the output of modules, by hooks of this test's own."""
    seen: dict[nn.Module, tuple[tuple[Any, ...], Any]] = {}

    def copy(value: Any) -> Any:
        return value.clone() if isinstance(value, Tensor) else value

    def keep(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        seen[module] = (tuple(map(copy, inputs)), copy(output))

    handles = [module.register_forward_hook(keep) for module in modules]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def run(model: nn.Module) -> Any:
    """The whole model as a user calls it, hidden states included."""
    config: Any = model.config
    if not config.is_encoder_decoder:
        model = next((getattr(model, name) for name in NEEDS_PIXELS if hasattr(model, name)), model)
    more: dict[str, Any] = {"decoder_input_ids": IDS} if config.is_encoder_decoder else {}
    if hasattr(config.get_text_config(decoder=True), "use_cache"):
        more["use_cache"] = False
    mask = torch.ones_like(IDS)
    with torch.no_grad():
        return model(input_ids=IDS, attention_mask=mask, output_hidden_states=True, **more)


def hooks(model: nn.Module) -> list[int]:
    """Identities of all hooks; transformers itself leaves some that collect hidden states."""
    return [
        identity
        for module in model.modules()
        for of_kind in (module._forward_hooks, module._forward_pre_hooks)
        for identity in of_kind
    ]


# ---------------------------------------------------------------- the textbook, by name

INTO = {
    "down_proj": ("gate_proj up_proj", "gate_up_proj", "up_proj", "input_linear"),
    "output_linear": ("input_linear",),
    "w2": ("w1 w3",),
    "wo": ("wi_0 wi_1", "wi"),
    "Wo": ("Wi",),
    "fc2": ("fc1",),
    "c_proj": ("c_fc",),
    "fc_out": ("fc_in",),
    "dense_4h_to_h": ("dense_h_to_4h",),
    "output": ("intermediate",),  # ProphetNet
    "value": ("key",),
    "2": ("0",),
}
"""Output projections to the maps in front of them: gate first, and in the first half if fused."""
FUSED = {"gate_up_proj", "Wi", "input_linear"}
ACTIVATION_KEYS = (
    "hidden_activation hidden_act activation_function dense_act_fn activation afn".split()
)
WRITTEN_OUT = {"bloom": "gelu_new", "ctrl": "relu", "mpt": "gelu", "rwkv": "relu2"} | dict.fromkeys(
    ["lfm2", "lfm3", "openai-gpt"], "silu"
)
WRITTEN_OUT["openai-gpt"] = "gelu_new"  # there called "gelu"


def linear(module: nn.Module, x: Tensor) -> Tensor:
    """The map of a linear module or a `Conv1D`, from its weights."""
    weight: Tensor = module.weight  # type: ignore[assignment]
    bias: Tensor | None = module.bias  # type: ignore[assignment]
    product = x @ (weight if type(module).__name__ == "Conv1D" else weight.T)
    return product if bias is None else product + bias


def activation(body: Body, block: nn.Module) -> Callable[[Tensor], Tensor]:
    """The activation the configuration names."""
    if body.family == "apertus":  # has trained parameters
        return block.act_fn  # type: ignore[return-value]
    config: Any = body.model.config
    names = [getattr(config, key) for key in ACTIVATION_KEYS if hasattr(config, key)]
    function: Callable[[Tensor], Tensor] = ACT2FN[WRITTEN_OUT.get(body.family) or names[0]]
    return function


def into(body: Body, site: Site) -> list[nn.Module]:
    """The linear maps in front of the output projection."""
    above, _, name = site.name.rpartition(".")
    if name == "dense":  # BERT's intermediate and output modules
        return [body.model.get_submodule(above.rpartition(".")[0] + ".intermediate.dense")]
    block = body.model.get_submodule(above)
    for names in INTO[name]:
        if all(hasattr(block, part) for part in names.split()):
            return [getattr(block, part) for part in names.split()]
    raise AssertionError(f"no textbook for {site.name}")


def textbook(body: Body, site: Site, sources: list[nn.Module], x: Tensor) -> tuple[Tensor, Tensor]:
    """Gate activation and product of one block from its input and weights."""
    block = body.model.get_submodule(site.name.rpartition(".")[0])
    act = activation(body, block)
    name = next(name for name, module in body.model.named_modules() if module is sources[0])
    values = [linear(source, x) for source in sources]
    if name.rpartition(".")[2] in FUSED or body.family == "moshi":
        values = list(values[0].chunk(2, dim=-1))
    gate = act(values[0])
    product = gate * values[1] if len(values) == 2 else gate
    for norm in ("ffn_sub_norm", "ffn_layernorm"):
        if hasattr(block, norm):
            product = getattr(block, norm)(product)
    return gate, product


def test_gate_and_product_are_the_textbooks(opened: Opened) -> None:
    _, body, sites = opened
    assert [site.layer for site in sites] == list(range(len(body.layers)))
    sources = [into(body, site) for site in sites]
    with observed(*(module for of_site in sources for module in of_site)) as seen:
        kept, _ = read(body, sites)
    for site, of_site in zip(sites, sources, strict=True):
        x = seen[of_site[0]][0][0]
        assert all(torch.equal(x, seen[source][0][0]) for source in of_site)
        with torch.no_grad():
            gate, product = textbook(body, site, of_site, x)
        assert product.shape[-1] == site.intermediate_size
        assert_close(kept.gate[site.layer], gate.view_as(kept.gate[site.layer]))
        assert_close(kept.product[site.layer], product.view_as(kept.product[site.layer]))
        assert product.any() and (gate > 0).any() and (gate <= 0).any()


def test_output_projection_of_the_product_is_the_ffn_output(opened: Opened) -> None:
    model, body, sites = opened
    kept, _ = read(body, sites)
    layers = dict(body.model.named_modules())
    blocks = [layers[site.name.rpartition(".")[0]] for site in sites]
    with observed(*blocks, *(site.down_projection for site in sites)) as seen:
        run(model)
    for site, block in zip(sites, blocks, strict=True):
        with torch.no_grad():
            output = linear(site.down_projection, kept.product[site.layer])
        assert_close(output, seen[site.down_projection][1].view_as(output))
        if body.family not in ODD_OUTPUT and not any(block is layer for layer in body.layers):
            inputs, reached = seen[block]
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
    model, body, sites = opened
    kept, last = read(body, sites)
    output = run(model)
    given = output.get("encoder_hidden_states") or output["hidden_states"]
    states = [*(kept.states[index] for index in range(len(body.layers))), last]
    if body.family in ODD_STATES:
        assert_close(states[1], given[0][..., : states[1].shape[-1]])
        return
    assert len(given) == len(states)
    for ours, theirs in zip(states, given, strict=True):
        assert_close(ours, theirs)


def test_reading_changes_nothing_and_leaves_nothing(opened: Opened) -> None:
    model, body, sites = opened
    closed = run(model)[0]
    before = hooks(model)
    with reading(body, sites, Kept()):
        assert torch.equal(run(model)[0], closed)
    with pytest.raises(KeyboardInterrupt), reading(body, sites, Kept()):
        raise KeyboardInterrupt
    assert hooks(model) == before


@pytest.mark.parametrize("case", REASONS, ids=[case.id for case in REASONS])
def test_others_are_refused_in_one_line_with_the_reason(case: Case) -> None:
    with pytest.raises(NeuronXAError, match=REASONS[case]) as error:
        open_tiny(case)
    assert "\n" not in str(error.value)


def test_a_hundred_dense_families_are_read() -> None:
    assert len({case.family for case in READ}) >= 100
