"""The data-flow probe on toy modules whose feed-forward block is known, and on models in use."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from families import tiny_model
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from neuronxa_task.errors import NeuronXAError
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

H, WIDTH, VOCABULARY = 16, 24, 50
IDS = torch.randint(0, VOCABULARY, (3, 5), generator=torch.Generator().manual_seed(2))


def linear(width_in: int, width_out: int) -> nn.Linear:
    """A map whose outputs are of the size of trained models'."""
    module = nn.Linear(width_in, width_out)
    nn.init.normal_(module.weight, std=width_in**-0.5)
    return module


class Toy(nn.Module):
    """Embedding, layers, last hidden state."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, H)
        self.layers = nn.ModuleList(layers)
        self.config = SimpleNamespace(
            model_type="toy",
            hidden_size=H,
            num_hidden_layers=len(layers),
            vocab_size=VOCABULARY,
        )

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor]:
        state = self.embedding(input_ids)
        for layer in self.layers:
            state = layer(state)
        return (state,)


class Layer(nn.Module):
    """A layer of named modules, run by a function; keeps its true gate activation and product."""

    def __init__(self, run: Callable[[Layer, Tensor], Tensor], **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self.run = run

    def __getattr__(self, name: str) -> Any:  # of any type, for the sake of the type checker
        return super().__getattr__(name)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.run(self, x)

    def write(self, gate: Tensor, product: Tensor, *, by: str = "down") -> Tensor:
        self.gate, self.product = gate.clone(), product.clone()
        output: Tensor = self.get_submodule(by)(product)
        return output


def toy(run: Callable[..., Tensor], depth: int = 2, **parts: Callable[[], nn.Module]) -> Body:
    torch.manual_seed(0)
    layers = [Layer(run, **{name: make() for name, make in parts.items()}) for _ in range(depth)]
    return find_body(Toy(layers).eval())


def up() -> nn.Linear:
    return linear(H, WIDTH)


def down() -> nn.Linear:
    return linear(WIDTH, H)


class Kept:
    """Keeps copies of the neurons that are read."""

    def __init__(self) -> None:
        self.read: dict[int, tuple[Tensor, Tensor]] = {}

    def neurons(self, site: DenseNeurons, gate: Tensor, product: Tensor) -> None:
        self.read[site.layer] = gate.clone(), product.clone()

    def routed(self, site: Experts, rows: Rows | AllRows) -> None:
        raise AssertionError("the toys have no experts")

    def hidden(self, index: int, state: Tensor) -> None:
        pass


def check(body: Body) -> tuple[DenseNeurons, ...]:
    """What is read is what the toy's layers say they computed."""
    sites = tuple(site for site in find_sites(body) if isinstance(site, DenseNeurons))
    kept = Kept()
    with reading(body, sites, kept):
        body(IDS, torch.ones_like(IDS))
    for site, layer in zip(sites, body.layers, strict=True):
        gate, product = kept.read[site.layer]
        assert_close(gate, layer.gate)
        assert_close(product, layer.product)
        assert site.width == product.shape[-1]
    return sites


# ---------------------------------------------------------------- what is found


def plain(m: Layer, x: Tensor) -> Tensor:
    a = m.act(m.up(x))
    return m.write(a, a)


def gated(m: Layer, x: Tensor) -> Tensor:
    a = m.act(m.gate_map(x))
    return m.write(a, a * m.up(x))


@pytest.mark.parametrize("act", [nn.ReLU, nn.GELU, nn.SiLU, nn.LeakyReLU])
def test_an_activation_module_not_gated(act: type[nn.Module]) -> None:
    assert all(site.gate is None for site in check(toy(plain, up=up, act=act, down=down)))


def test_an_activation_module_gated() -> None:
    sites = check(toy(gated, gate_map=up, up=up, act=nn.SiLU, down=down))
    assert [site.name for site in sites] == ["layers.0.down", "layers.1.down"]
    assert all(site.gate is not None for site in sites)


@pytest.mark.parametrize("gate_first", [True, False])
@pytest.mark.parametrize("interleaved", [True, False])
def test_a_fused_projection(gate_first: bool, interleaved: bool) -> None:
    def run(m: Layer, x: Tensor) -> Tensor:
        y = m.fused(x)
        one, two = (y[..., ::2], y[..., 1::2]) if interleaved else y.chunk(2, dim=-1)
        gate, value = (one, two) if gate_first else (two, one)
        a = F.silu(gate)
        return m.write(a, a * value)

    check(toy(run, fused=lambda: linear(H, 2 * WIDTH), down=down))


@pytest.mark.parametrize(
    "function",
    [
        F.silu,
        F.gelu,
        lambda y: F.gelu(y, approximate="tanh"),
        F.relu,
        lambda y: F.relu(y) ** 2,
        lambda y: y * torch.sigmoid(1.702 * y),
    ],
    ids=["silu", "gelu", "gelu_tanh", "relu", "relu2", "quick_gelu"],
)
@pytest.mark.parametrize("is_gated", [True, False])
def test_an_activation_that_is_a_function(
    function: Callable[[Tensor], Tensor], is_gated: bool
) -> None:
    def run(m: Layer, x: Tensor) -> Tensor:
        a = function(m.gate_map(x))
        return m.write(a, a * m.up(x) if is_gated else a)

    sites = check(toy(run, gate_map=up, up=up, down=down))
    assert all((site.gate is not None) == is_gated for site in sites)


def test_a_squared_relu_module_is_not_gated_by_itself() -> None:
    def run(m: Layer, x: Tensor) -> Tensor:
        a = m.act(m.up(x))
        return m.write(a * a, a * a)

    check(toy(run, up=up, act=nn.ReLU, down=down))


@pytest.mark.parametrize("is_gated", [True, False])
def test_a_norm_in_front_of_the_output_projection(is_gated: bool) -> None:
    def run(m: Layer, x: Tensor) -> Tensor:
        a = m.act(m.gate_map(x))
        return m.write(a, m.norm(a * m.up(x) if is_gated else a))

    check(toy(run, gate_map=up, up=up, act=nn.GELU, norm=lambda: nn.LayerNorm(WIDTH), down=down))


def test_one_activation_object_for_all_layers() -> None:
    act = nn.SiLU()
    check(toy(gated, depth=3, gate_map=up, up=up, act=lambda: act, down=down))


def test_rows_of_tokens_without_sentences() -> None:
    def run(m: Layer, x: Tensor) -> Tensor:
        a = m.act(m.up(x))
        m.gate = m.product = a.clone()
        output: Tensor = m.down(a.flatten(0, 1)).view_as(x)
        return output

    check(toy(run, up=up, act=nn.ReLU, down=down))


# ---------------------------------------------------------------- what is not taken for it


def test_decoys_of_the_same_shape() -> None:
    def run(m: Layer, x: Tensor) -> Tensor:
        attended = m.values(x).cumsum(dim=1) / 7
        mixed = m.attention_out(F.silu(m.attention_gate(x)) * attended)
        mixed = mixed + m.also_down(m.values(x)) + m.sigmoid_down(m.values(x).sigmoid())
        mixed = mixed + gated(m, x + mixed)
        output: Tensor = mixed
        return output

    parts: dict[str, Any] = {"attention_out": down, "also_down": down, "sigmoid_down": down}
    parts |= {"values": up, "attention_gate": up}
    sites = check(toy(run, gate_map=up, up=up, act=nn.SiLU, down=down, **parts))
    assert {site.name for site in sites} == {"layers.0.down", "layers.1.down"}


def test_a_bottleneck_adapter_is_not_the_ffn() -> None:
    def run(m: Layer, x: Tensor) -> Tensor:
        output = plain(m, x)
        narrow: Tensor = m.wide(m.act(m.narrow(output)))
        return output + narrow

    parts: dict[str, Any] = {"narrow": lambda: linear(H, 4), "wide": lambda: linear(4, H)}
    check(toy(run, up=up, act=nn.ReLU, down=down, **parts))


def test_gate_and_value_are_not_exchanged_next_to_massive_activations() -> None:
    def run(m: Layer, x: Tensor) -> Tensor:
        a = F.silu(m.gate_map(x))
        return m.write(a, a * m.up(x))

    body = toy(run, gate_map=up, up=up, down=down).model
    for layer in body.layers:  # type: ignore[union-attr]
        # There silu(g)·u and g·silu(u) are equal, and a thousand times what stands elsewhere.
        with torch.no_grad():
            layer.gate_map.bias[0] = layer.up.bias[0] = 100.0
            layer.down.weight[:, 0] = 0.0
    check(find_body(body))
    assert find_sites(find_body(body.bfloat16()))[0].gate.module is body.layers[0].gate_map  # type: ignore[union-attr, index]


# ---------------------------------------------------------------- errors


def refused(body: Body) -> str:
    with pytest.raises(NeuronXAError) as error:
        find_sites(body)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_two_blocks_of_one_width_are_ambiguous() -> None:
    def run(m: Layer, x: Tensor) -> Tensor:
        other: Tensor = m.other_down(m.act(m.other_up(x)))
        return plain(m, x) + other

    text = refused(toy(run, up=up, act=nn.ReLU, down=down, other_up=up, other_down=down))
    assert "layer 1 has 2" in text and "layers.0.other_down, layers.0.down" in text
    assert "ambiguous" in text


def test_no_block_at_all() -> None:
    def run(m: Layer, x: Tensor) -> Tensor:
        output: Tensor = m.down(m.up(x).cumsum(dim=1).tanh())
        return output

    text = refused(toy(run, up=up, down=down))
    assert text.startswith("toy: layer 1 (Layer) has no feed-forward neurons to read; looked for ")
    assert f"a linear map to the hidden size ({H})" in text and "supported: dense" in text


def test_a_layer_run_twice() -> None:
    layer = Layer(plain, up=up(), act=nn.ReLU(), down=down())
    assert "layer 1 runs 2 times" in refused(find_body(Toy([layer, layer])))


def test_an_output_projection_run_in_chunks() -> None:
    def run(m: Layer, x: Tensor) -> Tensor:
        return torch.cat([plain(m, part) for part in torch.tensor_split(x, 2, dim=1)], dim=1)

    assert "layers.0.down 2 times" in refused(toy(run, up=up, act=nn.ReLU, down=down))


def test_a_gate_changed_in_place_after_it_was_made() -> None:
    def run(m: Layer, x: Tensor) -> Tensor:
        a = m.act(m.gate_map(x))
        gate = a.clone()
        return m.write(gate, a.mul_(m.up(x)))

    text = refused(toy(run, gate_map=up, up=up, act=nn.SiLU, down=down))
    assert "layer 1: the gate activation read at layers.0.down" in text


def test_tokens_in_another_order() -> None:
    def run(m: Layer, x: Tensor) -> Tensor:
        rows = x.transpose(0, 1).reshape(-1, H)
        output: Tensor = m.down(m.act(m.up(rows))).view(x.shape[1], x.shape[0], H)
        return output.transpose(0, 1)

    assert "token by token" in refused(toy(run, up=up, act=nn.ReLU, down=down))


class Routed(nn.Module):
    """Three ways to hold experts beside a dense block that would pass for the whole FFN."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.dense = Layer(gated, gate_map=up(), up=up(), act=nn.SiLU(), down=down())
        if kind == "stacked":
            self.weights = nn.Parameter(torch.randn(4, H, H) / 4)
        elif kind == "some tokens":
            self.parts = nn.ModuleList(linear(H, H) for _ in range(4))
        else:
            self.experts = nn.ModuleList(nn.Identity() for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        rows = x.flatten(0, 1)
        to = torch.arange(len(rows)) % 4
        if self.kind == "stacked":
            rows = torch.einsum("th,thk->tk", rows, self.weights[to])
        elif self.kind == "some tokens":
            rows = rows.clone()
            for index, part in enumerate(self.parts):
                rows[to == index] = part(rows[to == index])
        else:
            rows = torch.stack([part(rows) for part in self.experts]).mean(dim=0)
        routed: Tensor = self.dense(x) + rows.view_as(x)
        return routed


@pytest.mark.parametrize("kind", ["stacked", "some tokens", "named"])
def test_experts_beside_a_dense_block(kind: str) -> None:
    torch.manual_seed(0)
    text = refused(find_body(Toy([Routed(kind), Routed(kind)])))
    assert text.startswith("toy: layer 1 routes tokens to experts in an unknown way (")


def test_values_that_are_not_finite() -> None:
    body = toy(plain, up=up, act=nn.ReLU, down=down)
    for bias in body.layers[1].get_submodule("up").parameters():
        nn.init.constant_(bias, torch.inf)
    assert "layer 2 computes NaN or infinite values" in refused(body)


def test_a_model_that_cannot_run() -> None:
    def run(m: Layer, x: Tensor) -> Tensor:
        raise IndexError("no\nimage")

    assert "by themselves: IndexError: no image" in refused(toy(run, up=up))


def test_no_list_of_layers_and_no_configuration() -> None:
    model = Toy([Layer(plain, up=up(), act=nn.ReLU(), down=down())])
    model.config.num_hidden_layers = 7
    with pytest.raises(NeuronXAError, match="no list of 7 text layers found in Toy"):
        find_body(model)
    with pytest.raises(NeuronXAError, match="configuration of Linear describes no text layers"):
        find_body(nn.Linear(2, 2))


# ---------------------------------------------------------------- models in use


@pytest.mark.parametrize(
    ("dtype", "mixed"),
    [
        (torch.float16, None),
        (torch.bfloat16, None),
        (torch.float32, torch.bfloat16),
        (torch.bfloat16, torch.bfloat16),
    ],
)
@pytest.mark.parametrize(
    "family",
    [
        "llama",
        "gpt2",
        *(
            pytest.param(family, marks=pytest.mark.slow)
            for family in ("phi3", "opt", "lfm2", "bitnet", "nemotron")
        ),
    ],
)
def test_precisions(family: str, mixed: torch.dtype | None, dtype: torch.dtype) -> None:
    full = [site.name for site in find_sites(find_body(tiny_model(family)))]
    body = find_body(tiny_model(family).to(dtype), mixed_precision=mixed)
    assert [site.name for site in find_sites(body)] == full


@pytest.mark.parametrize("family", ["llama", "gpt2", "bart"])
def test_mode_weights_and_random_state_are_left(family: str) -> None:
    model = tiny_model(family).train()
    next(model.children()).eval()
    modes = [module.training for module in model.modules()]
    weights = {name: weight.clone() for name, weight in model.state_dict().items()}
    state = torch.get_rng_state()
    find_sites(find_body(model))
    assert torch.equal(torch.get_rng_state(), state)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(weight, weights[name]) for name, weight in model.state_dict().items())


@pytest.mark.parametrize("targets", [["down_proj"], ["gate_proj", "up_proj", "down_proj"]])
def test_lora_on_the_ffn(targets: list[str]) -> None:
    import peft

    config = peft.LoraConfig(target_modules=targets, init_lora_weights=False, lora_dropout=0.1)
    model = peft.get_peft_model(tiny_model("llama"), config).eval()
    body = find_body(model)
    sites, kept = find_sites(body), Kept()
    with reading(body, sites, kept):
        body(IDS, torch.ones_like(IDS))
    assert all(type(site.module).__module__.startswith("peft.") for site in sites)
    merged = find_body(model.merge_and_unload())
    expected = Kept()
    with reading(merged, find_sites(merged), expected):
        merged(IDS, torch.ones_like(IDS))
    for layer, values in expected.read.items():
        for ours, theirs in zip(kept.read[layer], values, strict=True):
            assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_prompt_learning_is_refused() -> None:
    import peft

    config = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    with pytest.raises(NeuronXAError, match="adds virtual tokens"):
        find_body(peft.get_peft_model(tiny_model("llama"), config))


@pytest.mark.parametrize("family", ["llama", "opt", "lfm2"])
def test_weights_offloaded(family: str) -> None:
    from accelerate import cpu_offload

    body = find_body(tiny_model(family))
    expected, kept = Kept(), Kept()
    with reading(body, find_sites(body), expected):
        body(IDS, torch.ones_like(IDS))
    offloaded = tiny_model(family)
    cpu_offload(offloaded, execution_device=torch.device("cpu"))
    body = find_body(offloaded)
    with reading(body, find_sites(body), kept):
        body(IDS, torch.ones_like(IDS))
    for layer, values in expected.read.items():
        assert_close(kept.read[layer], values)


# ---------------------------------------------------------------- nothing is left out in silence


class Elu(nn.Module):
    """An activation that the equation does not know."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.elu(x)


def test_one_layer_whose_neurons_are_all_zero() -> None:
    body = find_body(tiny_model("opt"))
    fc1: Any = body.layers[1].get_submodule("fc1")
    with torch.no_grad():
        fc1.weight.zero_()
        fc1.bias.fill_(-1)
    assert "layer 2 (OPTDecoderLayer) has no feed-forward neurons" in refused(body)


def test_one_shared_expert_whose_neurons_are_all_zero() -> None:
    body = find_body(tiny_model("qwen2_moe", shared_expert_intermediate_size=32))
    with torch.no_grad():
        body.layers[1].get_submodule("mlp.shared_expert.up_proj").weight.zero_()  # type: ignore[operator]
    text = refused(body)
    assert "layers 1 and 2 are built alike, but neurons were found in mlp.experts, mlp." in text


@pytest.mark.parametrize(
    ("family", "kind", "name", "reason"),
    [
        ("bart", "seq2seq", "activation_fn", "layer 2 .+ has no feed-forward neurons to read"),
        ("llama", "causal", "mlp.act_fn", "layer 2 .+ has no feed-forward neurons to read"),
        ("qwen2_moe", "causal", "mlp.shared_expert.act_fn", "shared_expert.down_proj is in a"),
        ("granitemoeshared", "causal", "shared_mlp.activation", "shared_mlp.output_linear is in"),
    ],
)
def test_one_layer_with_another_activation(family: str, kind: str, name: str, reason: str) -> None:
    body = find_body(tiny_model(family, kind))
    assert find_sites(body)
    holder, _, own_name = name.rpartition(".")
    setattr(body.layers[1].get_submodule(holder), own_name, Elu())
    assert re.search(reason, refused(body))


def test_experts_in_eight_bits() -> None:
    body = find_body(tiny_model("mixtral"))
    experts: Any = body.layers[0].get_submodule("mlp.experts")
    experts.down_proj = nn.Parameter(
        experts.down_proj.data.to(torch.float8_e4m3fn), requires_grad=False
    )
    assert "cannot be read one by one; load them dequantized" in refused(body)
