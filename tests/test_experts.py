"""Mixtures of experts of every family: what is read is what each expert computes for its tokens.

The reference is a loop over tokens and their experts, with the weights under the names the families
give them, on what the experts' module was given in a plain run of the model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from family_cases import OTHER_FORMS, READ, Case, Opened, observed, open_tiny, read, run
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from neuronxa_task.ffn import Experts
from neuronxa_task.ffn.families import families
from neuronxa_task.ffn.moe import grouped
from neuronxa_task.ffn.moe.rows import AllRows, Rows

pytestmark = pytest.mark.slow

MIXTURES = [
    case
    for case in READ
    if not case.values
    and case.family
    in """
    afmoe aria aria_text axk1 axk2 bailing_hybrid cohere2_moe dbrx deepseek_v2 deepseek_v3
    deepseek_v32 dots1 dots3_note dots3_note_text ernie4_5_moe exaone_moe flex_olmo flint glm4_moe
    glm4_moe_lite glm_moe_dsa gpt_oss granitemoe granitemoe_swa granitemoehybrid granitemoeshared
    hunyuan_v1_moe hy_v3 inkling2_text inkling_text jamba jetmoe kimi_linear kolibri1 laguna
    lfm2_moe llama4 llama4_text longcat_flash mellum mimo_v2_flash minimax minimax_m2
    minimax_m3_vl_text mistral4 mixtral nllb-moe olmoe phimoe qwen2_moe qwen3_5_moe
    qwen3_5_moe_text qwen3_moe qwen3_next qwen3_vl_moe solar_open switch_transformers zaya
    """.split()
]
MIXTURES.append(Case("causal", "nemotron_h", (("layers_block_type", ("moe", "mamba", "mlp")),)))
MIXTURES += [case for case in OTHER_FORMS if case.family in {"beam", "gemma4_text"}]

SHARED = """
    afmoe aria aria_text axk1 axk2 bailing_hybrid cohere2_moe deepseek_v2 deepseek_v3 deepseek_v32
    dots1 dots3_note dots3_note_text ernie4_5_moe exaone_moe flint glm4_moe glm4_moe_lite
    gemma4_text glm_moe_dsa granitemoe_swa granitemoehybrid granitemoeshared hunyuan_v1_moe hy_v3
    inkling_text kimi_linear kolibri1 laguna llama4_text longcat_flash minimax_m3_vl_text mistral4
    nemotron_h qwen2_moe qwen3_5_moe qwen3_5_moe_text qwen3_next solar_open
""".split()
"""Families with shared experts, or a dense block beside the mixture."""


def test_no_mixture_of_the_table_is_left_out() -> None:
    table = {family.name for family in families() if "experts" in family.neurons}
    assert table == {case.family for case in MIXTURES} - {"nemotron_h", "beam", "gemma4_text"}


@pytest.fixture(scope="module", params=MIXTURES, ids=lambda case: case.id)
def opened(request: pytest.FixtureRequest) -> Opened:
    return open_tiny(request.param)


# ---------------------------------------------------------------- the naive reference

Gating = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def gated(act: Callable[[Tensor], Tensor]) -> Gating:
    return lambda gate, up: (act(gate), act(gate) * up)


def oai(gate: Tensor, up: Tensor) -> tuple[Tensor, Tensor]:
    glu = gate * torch.sigmoid(1.702 * gate)
    return glu, (up + 1) * glu


def softcapped(gate: Tensor, up: Tensor) -> tuple[Tensor, Tensor]:
    """The family's own, with its default caps; the neutral up is 1, capped as well."""
    glu = 4 * torch.tanh(gate / 4) * torch.sigmoid(gate)
    one, capped = (25 * torch.tanh(value / 25) for value in (torch.ones(()), up))
    return glu * one, glu * capped


GATING = {
    "Gemma4TextExperts": gated(lambda x: F.gelu(x, approximate="tanh")),
    "GptOssExperts": oai,
    "Inkling2Experts": softcapped,
    "MiniMaxM3VLExperts": oai,
}
TRANSPOSED = {"AriaExperts", "GptOssExperts", "Llama4TextExperts"}


def computed(module: Any, e: int, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gate activation, product and output of expert `e` for one token."""
    m, kind = module, type(module).__name__
    gating = GATING.get(kind, gated(F.silu))
    if kind == "InklingSharedExperts":
        gate, product = gating(m.gate_proj[e] @ x, m.up_proj[e] @ x)
        return gate, product, m.down_proj[e] @ product
    if kind == "DbrxExperts":
        rows = slice(e * m.ffn_hidden_size, (e + 1) * m.ffn_hidden_size)
        gate, product = gating(m.mlp.w1[rows] @ x, m.mlp.v1[rows] @ x)
        return gate, product, m.mlp.w2[rows].T @ product
    if kind == "JetMoeMoE":
        gate, product = gating(*(m.input_linear.weight[e] @ x).chunk(2))
        return gate, product, m.output_linear.weight[e] @ product
    if kind == "SwitchTransformersExperts":
        gate = F.relu(m[f"expert_{e}"].wi.weight @ x)
        return gate, gate, m[f"expert_{e}"].wo.weight @ gate
    if kind == "NllbMoeExperts":
        one = m[f"expert_{e}"]
        gate = F.relu(one.fc1.weight @ x + one.fc1.bias)
        return gate, gate, one.fc2.weight @ gate + one.fc2.bias
    if kind == "NemotronHExperts":
        gate = F.relu(m.up_proj[e] @ x).square()
        return gate, gate, m.down_proj[e] @ gate
    w_in, w_out = m.gate_up_proj[e], m.down_proj[e]
    if kind in TRANSPOSED:
        w_in, w_out = w_in.T, w_out.T
    both, bias = w_in @ x, 0
    if kind == "GptOssExperts":
        both, bias = both + m.gate_up_proj_bias[e], m.down_proj_bias[e]
        both = torch.cat([both[::2], both[1::2]])
    gate, product = gating(*both.chunk(2))
    return gate, product, w_out @ product + bias


Route = tuple[int, int, float]
"""Token, expert, router weight."""


def routes(module: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, list[Route]]:
    """The tokens a module was given, `[tokens, H]`, and where each one goes."""
    kind, tokens = type(module).__name__, inputs[0].reshape(-1, inputs[0].shape[-1])
    if kind == "JetMoeMoE":
        best = (tokens @ module.router.layer.weight.T).topk(module.router.top_k, dim=1)
        index, weights = best.indices, best.values.softmax(dim=1)
    elif kind == "InklingSharedExperts":
        weights = inputs[1].reshape(len(tokens), -1)
        index = torch.arange(weights.shape[1]).expand(weights.shape)
    elif kind == "SwitchTransformersExperts":
        chosen = inputs[1].any(dim=2)
        index, weights = inputs[1].argmax(dim=2), inputs[2] * chosen
    else:
        index, weights = inputs[1], inputs[2]
    together: dict[tuple[int, int], float] = {}  # NLLB-MoE sends a token to one expert repeatedly
    for token, (experts, shares) in enumerate(zip(index.tolist(), weights.tolist(), strict=True)):
        for e, share in zip(experts, shares, strict=True):
            together[token, e] = together.get((token, e), 0) + share
    if kind == "SwitchTransformersExperts":  # beyond its capacity an expert takes no more
        together = {place: share for place, share in together.items() if share}
    kept = 1 - getattr(module, "moe_token_dropout", 0.0)
    return tokens, [(token, e, share * kept) for (token, e), share in together.items()]


# ---------------------------------------------------------------- the tests


def test_the_mixtures_are_those_of_the_family(opened: Opened) -> None:
    beside = {site.layer for site in opened.dense} & {site.layer for site in opened.experts}
    several = len({site.name for site in opened.experts}) > len({s.layer for s in opened.experts})
    assert opened.experts
    assert bool(beside or several) == (opened.body.family in SHARED)


@pytest.mark.parametrize("at_once", [False, True], ids=["one by one", "all at once"])
def test_rows_are_what_each_expert_computes(
    opened: Opened, at_once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grouped, "is_accelerator", lambda device: at_once)
    modules = [site.module for site in opened.experts]
    with observed(*modules) as seen:
        run(opened)
    kept, _ = read(opened.body, opened.sites)
    for site in opened.experts:
        [(inputs, output)] = seen[site.module]
        shown = {
            (token, rows.expert): (router, gate, product)
            for rows in kept.rows[site.layer, site.name]
            for token, router, gate, product in zip(
                rows.tokens.tolist(), rows.router, rows.gate, rows.product, strict=True
            )
        }
        with torch.no_grad():
            total = _check(site, inputs, shown)
        assert_close(total.view(output.shape), output)


def _check(site: Experts, inputs: tuple[Tensor, ...], shown: dict[Any, Any]) -> Tensor:
    """Compare every row, and return the sum that the module's output should be."""
    if type(site.module).__name__ == "Llama4TextExperts":
        return _check_llama4(site, inputs[0], shown)
    tokens, routed = routes(site.module, inputs)
    total = torch.zeros_like(tokens)
    for token, e, share in routed:
        if e >= site.mixture.experts:  # LongCat's, which give their input back
            total[token] += share * tokens[token]
            continue
        router, gate, product = shown.pop((token, e))
        expected_gate, expected_product, output = computed(site.module, e, tokens[token])
        assert router.item() == pytest.approx(share, abs=1e-6)
        assert_close(gate, expected_gate)
        assert_close(product, expected_product)
        total[token] += share * output
    assert not shown
    return total + getattr(site.module, "bias", 0)


def _check_llama4(site: Experts, inputs: Tensor, shown: dict[Any, Any]) -> Tensor:
    """Experts that see every token, times its router weight, which is 0 where it is not routed."""
    total = torch.zeros_like(inputs)
    count = len(inputs) // site.mixture.experts
    for row, x in enumerate(inputs):
        if x.any():
            e, token = divmod(row, count)
            router, gate, product = shown.pop((token, e))
            expected_gate, expected_product, total[row] = computed(site.module, e, x)
            assert router == 1
            assert_close(gate, expected_gate)
            assert_close(product, expected_product)
    assert not shown
    return total


# ---------------------------------------------------------------- launches on a GPU


def test_rows_of_all_experts_are_those_of_each() -> None:
    groups = grouped.Groups(torch.tensor([[2, 0], [0, 3], [2, 3]]), experts=5)
    values = torch.arange(6.0)[:, None]
    rows = groups.rows(torch.arange(6.0).view(3, 2), values, -values)
    assert [(r.expert, r.tokens.tolist(), r.router.tolist()) for r in rows.by_expert()] == [
        (0, [0, 1], [1, 2]),
        (2, [0, 2], [0, 4]),
        (3, [1, 2], [3, 5]),
    ]


class Launches(TorchDispatchMode):
    """Names the operations that are at least one kernel on a GPU: all but views and `empty`."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not (func.is_view or "empty" in func.name() or "_unsafe_view" in func.name()):
            self.names.append(func.name())
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("experts", [64, 128])
def test_launches_do_not_grow_with_the_experts(
    experts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case("causal", "qwen3_moe", (("num_experts", experts), ("num_experts_per_tok", 8)))
    opened = open_tiny(case)
    site = opened.experts[0]
    assert site.mixture.experts == experts
    hidden = torch.randn(40, opened.body.hidden_size)
    index = torch.rand(40, experts).argsort(dim=1)[:, :8]
    router = torch.rand(40, 8)

    def launches(show: Callable[[Rows | AllRows], None]) -> list[str]:
        seen = Launches()
        with torch.no_grad(), seen:
            site.mixture.run(site.module, show, hidden, index, router)
        return seen.names

    one_by_one = launches(lambda rows: None)
    assert len(one_by_one) > 5 * experts
    monkeypatch.setattr(grouped, "is_accelerator", lambda device: True)
    launches(lambda rows: None)  # numbers of tokens and experts are made once
    shown: list[Rows | AllRows] = []
    at_once = launches(shown.append)
    # The kernel that pools them is one more.
    assert len(at_once) + len(shown) <= 12, at_once
