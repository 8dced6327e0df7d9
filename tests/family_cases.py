"""The families of the installed transformers: which are read, which are not, and reading them.

What is read is opened once for every test that asks for it; the tests are in `test_families.py`
(dense blocks) and `test_experts.py` (mixtures of experts).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from families import KINDS, families, tiny_model
from torch import Tensor, nn

from neuronxa_task.ffn import (
    AllRows,
    Body,
    DenseNeurons,
    Experts,
    Rows,
    find_body,
    find_sites,
    reading,
)

torch.set_num_threads(1)

IDS = torch.randint(2, 90, (2, 9), generator=torch.Generator().manual_seed(1))

# ---------------------------------------------------------------- what is expected

NO_TINY_FORM = {
    "causal": "blt cohere_compass_text gemma3n gemma4_assistant gemma4_unified_assistant",
    "seq2seq": "granite_speech granite_speech_plus nemo_speechlm vibevoice_asr",
}
"""Sizes are fixed or checked against each other, or a package is missing."""

NO_NEURONS = r"layer [012] \(.+\) has no feed-forward neurons to read; looked for .+; supported: "
OTHER_ROWS = r"layer 1 holds \[.+\] values for 2 x 7 tokens; expected \[2, 7, 32\]; supported: "
TWICE = "layer 1 runs its output projection .+ 2 times in one forward pass.*; supported: "
OUTSIDE = r"layer 2 \(.+\) does not start from the output of layer 1.*; supported: "
OTHER_LAST = (
    r"returns a last hidden state of shape \[2, 7, 64\]; expected \[2, 7, 32\]; supported: "
)
PADDED = "changes the states of a sentence when its batch is padded .*; supported: "
NO_LIST = "no list of 3 text layers found in .+; looked for "
NO_TEXT = "describes no text layers; looked for "
NOT_ALONE = r"cannot run token ids of shape \[2, 7\] by themselves: "

REFUSED = {
    "causal": {
        NO_NEURONS: "falcon_mamba mamba mamba2 xlstm",
        OTHER_ROWS: "cpmant deepseek_v4 gemma3n_text hy_v4 prophetnet qwen4_exp qwen4_exp_text "
        "xlnet",
        OUTSIDE: "xlm",
        OTHER_LAST: "reformer",
        NO_LIST: "hrm_text",
        NOT_ALONE: "musicgen musicgen_melody",
    },
    "seq2seq": {OTHER_ROWS: "fsmt led", TWICE: "pegasus_x", NOT_ALONE: "voxtral_realtime"},
    "decoder": {OTHER_ROWS: "prophetnet", NOT_ALONE: "fsmt"},
    "vision": {NO_TEXT: "pix2struct", NOT_ALONE: "idefics", PADDED: "paligemma"},
}
ENCODER_ONLY = set(
    "bert bert-generation big_bird camembert data2vec-text electra ernie megatron-bert rembert "
    "roberta roberta-prelayernorm roc_bert roformer xlm xlm-roberta xlm-roberta-xl xlnet "
    "xmod".split()
)
"""Families with a causal class whose default configuration lets a token read what follows it."""

WITHOUT_NEURONS = {"nemotron_h": {1, 2}, "zamba": {1}, "zamba2": {1}}
"""Layers of the hybrid families that are a mixer alone."""


class Case(NamedTuple):
    """A family under one of its model classes, with values of its configuration."""

    kind: str
    family: str
    values: tuple[tuple[str, Any], ...] = ()

    @property
    def id(self) -> str:
        """Its name in the output of the tests."""
        return "-".join([self.kind, self.family, *(name for name, _ in self.values)])

    @property
    def table_kind(self) -> str:
        """Its kind in the table that `neuronxa models` prints."""
        if self.kind == "causal" and self.family in ENCODER_ONLY:
            return "encoder-only"
        return "encoder" if self.kind == "seq2seq" else self.kind


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
OTHER_FORMS = [  # dense ones of families whose usual form routes tokens, mixed ones, other layouts
    Case("causal", "beam", (("mlp_layer_types", ("dense", "sparse", "sparse")),)),
    Case("causal", "gemma4_text", (("enable_moe_block", True), ("moe_intermediate_size", 40))),
    Case("causal", "qwen2_moe", (("mlp_only_layers", (1,)),)),
    Case("causal", "granitemoehybrid", (("num_local_experts", 0),)),
    Case("causal", "jamba", (("num_experts", 1),)),
    Case("causal", "llama4_text", (("moe_layers", ()),)),
    Case("causal", "qwen3_moe", (("mlp_only_layers", (0, 1, 2)),)),
    Case("causal", "falcon", (("new_decoder_architecture", True),)),
    Case("causal", "opt", (("do_layer_norm_before", False),)),
    Case("causal", "phi3", (("hidden_act", "gelu"),)),
    Case("seq2seq", "t5", (("feed_forward_proj", "gated-gelu"),)),
]
READ += OTHER_FORMS
ROUTED = r"layer 1 routes tokens to experts in an unknown way .*DogeCDMoE.*; supported: "
REASONS[Case("causal", "doge", (("is_moe", True), ("num_experts", 16)))] = ROUTED


class Opened(NamedTuple):
    """A tiny model and what is found in it (in its decoder, for cases of that kind)."""

    model: nn.Module
    body: Body
    sites: tuple[DenseNeurons | Experts, ...]

    @property
    def dense(self) -> list[DenseNeurons]:
        """The dense blocks, shared experts among them."""
        return [site for site in self.sites if isinstance(site, DenseNeurons)]

    @property
    def experts(self) -> list[Experts]:
        """The mixtures of experts."""
        return [site for site in self.sites if isinstance(site, Experts)]


def open_tiny(case: Case) -> Opened:
    """Build the model of a case and find its neurons."""
    values = {name: list(v) if isinstance(v, tuple) else v for name, v in case.values}
    model = tiny_model(case.family, case.kind, **values)
    body = find_body(model, side="decoder" if case.kind == "decoder" else "encoder")
    return Opened(model, body, find_sites(body))


# ---------------------------------------------------------------- reading


@dataclass
class Kept:
    """Keeps copies of all that is read."""

    gate: dict[tuple[int, str], Tensor] = field(default_factory=dict)
    product: dict[tuple[int, str], Tensor] = field(default_factory=dict)
    rows: dict[tuple[int, str], list[Rows]] = field(default_factory=dict)
    states: dict[int, Tensor] = field(default_factory=dict)

    def neurons(self, site: DenseNeurons, gate: Tensor, product: Tensor) -> None:
        at = site.layer, site.name
        assert at not in self.gate
        self.gate[at], self.product[at] = gate.clone(), product.clone()

    def routed(self, site: Experts, rows: Rows | AllRows) -> None:
        self.rows.setdefault((site.layer, site.name), []).extend(rows.by_expert())

    def hidden(self, index: int, state: Tensor) -> None:
        assert index not in self.states
        self.states[index] = state.clone()


NEEDS_PIXELS = ("language_model", "text_model")
"""Where wrappers that do not run on text alone (BLIP-2, Kosmos-2) hold a model that does."""


def read(body: Body, sites: Sequence[DenseNeurons | Experts]) -> tuple[Kept, Tensor]:
    """What a pass of the body over `IDS` shows, and what it returns."""
    kept = Kept()
    with reading(body, sites, kept):
        last = body(IDS, torch.ones_like(IDS))
    return kept, last


Call = tuple[tuple[Any, ...], Any]
"""Copies of the inputs and the output of a module."""


@contextmanager
def observed(*modules: nn.Module) -> Iterator[dict[nn.Module, list[Call]]]:
    """Every call of the modules, by hooks of this test's own."""
    seen: dict[nn.Module, list[Call]] = {}

    def copy(value: Any) -> Any:
        return value.clone() if isinstance(value, Tensor) else value

    def keep(module: nn.Module, inputs: tuple[Any, ...], named: Any, output: Any) -> None:
        given = map(copy, (*inputs, *named.values()))
        seen.setdefault(module, []).append((tuple(given), copy(output)))

    handles = [module.register_forward_hook(keep, with_kwargs=True) for module in set(modules)]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def run(opened: Opened) -> Any:
    """The whole model as a user calls it, hidden states included."""
    model, encoder = opened.model, opened.body.encoder
    config: Any = model.config
    more: dict[str, Any] = {}
    if config.is_encoder_decoder:
        more["decoder_input_ids"] = IDS if encoder is None else encoder.shifted(IDS)
        more["decoder_attention_mask"] = torch.ones_like(IDS)
    else:
        model = next((getattr(model, name) for name in NEEDS_PIXELS if hasattr(model, name)), model)
    if hasattr(config.get_text_config(decoder=True), "use_cache"):
        more["use_cache"] = False
    mask = torch.ones_like(IDS)
    with torch.no_grad():
        return model(input_ids=IDS, attention_mask=mask, output_hidden_states=True, **more)


def hooks(model: Any) -> list[Any]:
    """All that reading could leave: hooks, of which transformers itself leaves some that collect
    hidden states, forwards that were exchanged, and the experts' implementation."""
    return [
        *(
            identity
            for module in model.modules()
            for of_kind in (module._forward_hooks, module._forward_pre_hooks)
            for identity in of_kind
        ),
        *(name for name, module in model.named_modules() if "forward" in vars(module)),
        model.get_experts_implementation(),
    ]
