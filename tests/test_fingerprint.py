"""What changes a model's outputs changes its fingerprint; what does not leaves it."""

from __future__ import annotations

import copy
import functools
import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import peft
import pytest
import torch
from conftest import byte_tokenizer, tiny_llama
from families import tiny_model
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForCausalLM, LlamaForCausalLM

from neuronxa_task.corpus import Corpus
from neuronxa_task.scoring.bit_sums import bit_sum
from neuronxa_task.scoring.fingerprint import fingerprint
from neuronxa_task.scoring.language_pairs import TaskFacts
from neuronxa_task.scoring.patches import count_patches
from neuronxa_task.scoring.signature import (
    ModelFacts,
    model_facts,
    signature,
)
from neuronxa_task.settings import Settings

IDS = torch.randint(2, 250, (2, 9), generator=torch.Generator().manual_seed(1))


def outputs(model: Any) -> Tensor:
    """The last hidden state of the body, as it runs."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    with torch.no_grad():
        state: Tensor = inner.model(IDS).last_hidden_state
    return state


def configured(**values: Any) -> Callable[[Any], Any]:
    """The same weights under another configuration."""

    def change(model: Any) -> Any:
        config = copy.deepcopy(model.config)
        for name, value in values.items():
            setattr(config, name, value)
        other = LlamaForCausalLM(config).eval()
        other.load_state_dict(model.state_dict())
        return other

    return change


def edited(change: Callable[[Any], object]) -> Callable[[Any], Any]:
    def run(model: Any) -> Any:
        with torch.no_grad():
            change(model)
        return model

    return run


def down(model: Any) -> Tensor:
    weight: Tensor = model.model.layers[0].mlp.down_proj.weight
    return weight


def swap(weight: Tensor, first: Any, second: Any) -> None:
    kept = weight[first].clone()
    weight[first] = weight[second]
    weight[second] = kept


def up_and_down_an_ulp(weight: Tensor) -> None:
    bits = weight.view(torch.int32)
    bits[3, 5] += 1
    bits[3, 6] -= 2
    bits[3, 7] += 1


def exchange_layers(model: Any) -> None:
    one, two = model.model.layers
    model.model.layers = nn.ModuleList([two, one])


def one_layer_less(model: Any) -> None:
    del model.model.layers[1]
    model.config.num_hidden_layers = 1


def negated_twice(weight: Tensor) -> None:
    weight[:, 4] *= -1
    weight[:, 9] *= -1


CHANGES: dict[str, Callable[[Any], Any]] = {
    "rms_norm_eps": configured(rms_norm_eps=0.5),
    "rope_theta": configured(rope_parameters={"rope_theta": 10.0, "rope_type": "default"}),
    "hidden_act": configured(hidden_act="relu"),
    "attention": configured(_attn_implementation="eager"),
    "epsilon of one norm": edited(lambda m: setattr(m.model.norm, "variance_epsilon", 0.5)),
    "scaling of one attention": edited(
        lambda m: setattr(m.model.layers[1].self_attn, "scaling", 0.9)
    ),
    "another activation module": edited(
        lambda m: setattr(m.model.layers[0].mlp, "act_fn", nn.GELU())
    ),
    "a parameter of the activation": edited(
        lambda m: setattr(m.model.layers[0].mlp, "act_fn", nn.LeakyReLU(0.4))
    ),
    "one scalar": edited(lambda m: down(m)[7, 11].mul_(1.5)),
    "one unit in the last place": edited(lambda m: down(m).view(torch.int32)[7, 11].add_(1)),
    "ulps that cancel": edited(lambda m: up_and_down_an_ulp(down(m))),
    "two edited columns": edited(lambda m: down(m)[:, 17:19].mul_(60)),
    "two exchanged columns": edited(lambda m: swap(down(m).T, 3, 30)),
    "two exchanged rows": edited(lambda m: swap(down(m), 3, 30)),
    "two negated columns": edited(lambda m: negated_twice(down(m))),
    "two exchanged layers": edited(exchange_layers),
    "a transposed matrix": edited(
        lambda m: m.model.layers[0].self_attn.o_proj.weight.copy_(
            m.model.layers[0].self_attn.o_proj.weight.T.clone()
        )
    ),
    "a buffer that is not saved": edited(lambda m: m.model.rotary_emb.inv_freq.mul_(2)),
    "an embedding": edited(lambda m: m.get_input_embeddings().weight[IDS[0, 0]].add_(1e-3)),
    "to bfloat16 and back": lambda m: m.bfloat16().float(),
    "a layer less": edited(one_layer_less),
    "no attention to the past alone": edited(
        lambda m: setattr(m.model.layers[0].self_attn, "layer_idx", 5)
    ),
    "a dtype to compute in": edited(
        lambda m: setattr(m.model.layers[0].mlp.up_proj, "compute_dtype", torch.float16)
    ),
}
SAME_OUTPUTS = {"attention", "no attention to the past alone", "a dtype to compute in"}
"""But for rounding, in a pass without a cache, or where no library reads it."""


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_what_is_computed_changes_it(name: str) -> None:
    model = tiny_llama()
    before, states = fingerprint(model), outputs(model)
    changed = CHANGES[name](model)
    assert fingerprint(changed) != before
    if name not in SAME_OUTPUTS:
        assert not torch.equal(outputs(changed), states)


@pytest.fixture
def adapted() -> Any:
    """A model with two adapters, the first one active."""
    torch.manual_seed(3)
    config = peft.LoraConfig(r=4, target_modules=["gate_proj", "q_proj"], init_lora_weights=False)
    model = peft.get_peft_model(tiny_llama(), config, adapter_name="a")
    model.add_adapter("b", config)
    return model.eval()


def scaled(model: Any) -> None:
    for module in model.modules():
        if isinstance(getattr(module, "scaling", None), dict):
            module.scaling["a"] = 0.1


def test_adapters_their_state_and_their_scaling_change_it(adapted: Any) -> None:
    seen = {fingerprint(tiny_llama()): "none", fingerprint(adapted): "a"}
    adapted.set_adapter("b")
    seen[fingerprint(adapted)] = "b"
    adapted.set_adapter("a")
    with adapted.disable_adapter():
        seen[fingerprint(adapted)] = "disabled"
    assert fingerprint(adapted) in seen
    scaled(adapted)
    seen[fingerprint(adapted)] = "scaled"
    adapted.merge_adapter()
    seen[fingerprint(adapted)] = "merged"
    assert len(seen) == 6


def test_a_zero_has_a_sign() -> None:
    zeros = torch.zeros(4, 6)
    signed = zeros.clone()
    signed[1, 2] = signed[3, 4] = -0.0
    assert torch.equal(zeros, signed) and bit_sum(zeros) != bit_sum(signed)


def test_the_file_of_a_class_of_the_users_and_tensors_it_holds_change_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "own_layers.py"
    file.write_text("from torch import nn\nclass Own(nn.SiLU):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    model: Any = tiny_llama()
    model.model.layers[0].mlp.act_fn = importlib.import_module("own_layers").Own()
    seen = {fingerprint(model)}
    file.write_text("from torch import nn\nclass Own(nn.SiLU):\n    factor = 2\n")
    seen.add(fingerprint(model))
    for value in (1.0, 2.0):
        model.model.layers[0].mlp.factor = torch.tensor(value)  # neither parameter nor buffer
        seen.add(fingerprint(model))
    assert len(seen) == 4 and count_patches(model) == 0


# ---------------------------------------------------------------- what leaves it


def test_an_unused_head_changes_nothing(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model: Any = tiny_model("bert")
    model.save_pretrained(tmp_path)
    found = set()
    for seed, auto in ((1, AutoModelForCausalLM), (2, AutoModel), (3, AutoModel)):
        torch.manual_seed(seed)
        found.add(fingerprint(auto.from_pretrained(tmp_path)))
    assert len(found) == 1


@pytest.mark.parametrize("family", ["llama", "qwen2_moe", "bert", "gpt2"])
def test_saving_loading_running_and_hooks_that_are_gone_change_nothing(
    family: str, tmp_path: Path
) -> None:
    model = tiny_model(family)
    before = fingerprint(model)
    model.save_pretrained(tmp_path)  # type: ignore[operator]
    assert fingerprint(AutoModelForCausalLM.from_pretrained(tmp_path)) == before
    handle = model.register_forward_hook(lambda *_: None)
    model(IDS % 90)
    handle.remove()
    model.train().eval()
    assert fingerprint(model) == before
    assert fingerprint(model.double().float()) == before
    assert fingerprint(nn.DataParallel(model)) == before
    compiled: Any = torch.compile(model, backend="eager")
    assert fingerprint(compiled) == before
    assert fingerprint(model.to(torch.device("cpu"))) == before


@pytest.mark.parametrize(
    ("family", "kind"),
    [
        ("big_bird", "causal"),
        ("bigbird_pegasus", "seq2seq"),
        ("recurrent_gemma", "causal"),
        ("nllb-moe", "seq2seq"),
    ],
)
def test_what_a_pass_leaves_behind_changes_nothing(family: str, kind: str) -> None:
    """So a benchmark that runs before the alignment does not change the model's identity."""
    model: Any = tiny_model(family, kind)
    before = fingerprint(model)
    more = {"decoder_input_ids": IDS % 90} if model.config.is_encoder_decoder else {}
    with torch.no_grad():
        model(IDS % 90, **more)
    assert fingerprint(model) == before
    model.config.block_size = model.config.hidden_size = 99
    assert fingerprint(model) != before


@pytest.mark.parametrize(
    ("family", "kind", "name", "value"),
    [
        ("olmo3", "causal", "attention_type", "full_attention"),
        ("switch_transformers", "seq2seq", "expert_capacity", 1),
    ],
)
def test_what_a_pass_changes_in_one_family_is_a_setting_of_others(
    family: str, kind: str, name: str, value: object
) -> None:
    model: Any = tiny_model(family, kind)
    before = fingerprint(model)
    holders = [m for m in model.modules() if getattr(m, name, value) != value]
    assert holders
    setattr(holders[0], name, value)
    assert fingerprint(model) != before


@pytest.mark.parametrize(
    ("family", "kind", "values"),
    [
        ("big_bird", "causal", {"attention_type": "original_full"}),
        ("switch_transformers", "seq2seq", {"expert_capacity": 1}),
    ],
)
def test_such_settings_in_the_configuration_change_it(
    family: str, kind: str, values: dict[str, Any]
) -> None:
    """The weights are the same."""
    assert fingerprint(tiny_model(family, kind)) != fingerprint(tiny_model(family, kind, **values))


def test_of_both_halves_of_an_encoder_decoder_model_and_of_no_head() -> None:
    model: Any = tiny_model("t5", "seq2seq")
    before = fingerprint(model)
    with torch.no_grad():
        model.lm_head.weight = nn.Parameter(model.lm_head.weight + 1)  # no longer tied
    assert fingerprint(model) == before
    for half in (model.encoder, model.decoder):
        with torch.no_grad():
            half.block[0].layer[-1].DenseReluDense.wo.weight[2, 3] += 1
        assert fingerprint(model) != before
        before = fingerprint(model)


# ---------------------------------------------------------------- sums of bits


def test_sums_of_shards_are_the_sum_of_the_whole() -> None:
    generator = torch.Generator().manual_seed(0)
    for shape, dim, sizes in (
        ((7, 10), 0, [3, 4]),
        ((7, 10), 1, [1, 0, 9]),
        ((4, 6, 10), 1, [5, 1]),
        ((4, 6, 10), 2, [5, 5]),
        ((31,), 0, [16, 15]),
    ):
        whole = torch.randn(shape, generator=generator)
        places = torch.arange(shape[dim]).split(sizes)
        parts = zip(whole.split(sizes, dim), places, strict=True)
        total = sum(bit_sum(part, {dim: held}) for part, held in parts) % 2**64
        assert total == bit_sum(whole)


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16, torch.int8, torch.bool]
)
def test_sums_follow_their_formula(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    from neuronxa_task.scoring import bit_sums as module

    values = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(1)).mul(9).to(dtype)
    weights = [module._index_weights(dim, size).tolist() for dim, size in enumerate(values.shape)]
    expected = 0
    for i, j, k in torch.cartesian_prod(*map(torch.arange, values.shape)).tolist():
        element = values[i, j, k].reshape(1)
        size = element.element_size()
        kind = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[size]
        expected += int(element.view(kind)) * weights[0][i] * weights[1][j] * weights[2][k]
    assert bit_sum(values) == expected % 2**64
    assert bit_sum(values.mT.contiguous().mT) == expected % 2**64
    for chunk in (1, 2, 7):
        monkeypatch.setitem(module.CHUNK, "cpu", chunk)
        assert bit_sum(values) == expected % 2**64


def test_weights_of_places_are_odd_and_their_own() -> None:
    from neuronxa_task.scoring.bit_sums import _index_weights

    drawn = torch.cat([_index_weights(dim, 3000) for dim in range(3)])
    assert bool((drawn & 1).all()) and len(drawn.unique()) == 9000
    assert torch.equal(_index_weights(1, 10), _index_weights(1, 3000)[:10])
    # splitmix64's first outputs for the seed 0, but for their lowest bit
    known = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert [n % 2**64 for n in _index_weights(0, 3).tolist()] == [n | 1 for n in known]


def test_scalars_empty_and_complex_tensors_have_sums() -> None:
    assert bit_sum(torch.tensor(1.5)) != bit_sum(torch.tensor(1.25))
    assert bit_sum(torch.empty(0, 4)) == 0
    one, other = torch.randn(3, dtype=torch.complex64), torch.randn(3, dtype=torch.complex64)
    assert bit_sum(one) != bit_sum(other)
    double = torch.randn(3, dtype=torch.complex128)
    assert bit_sum(double) == bit_sum(torch.view_as_real(double))
    assert bit_sum(torch.eye(3).to_sparse()) == bit_sum(torch.eye(3))


def test_signed_integers_keep_their_64_bits() -> None:
    from neuronxa_task.scoring.bit_sums import signed

    for number in (0, 1, 127, 2**63 - 1, 2**63, 2**64 - 1):
        expected = int.from_bytes(number.to_bytes(8, "big"), "big", signed=True)
        assert signed(number) == expected


def test_parts_of_quantised_tensors_are_summed() -> None:
    from torch.testing._internal.two_tensor import TwoTensor

    from neuronxa_task.scoring.fingerprint import _Sums

    one, two = torch.randn(2), torch.randn(2)
    sums = _Sums()
    sums.add("list", [one, two])
    sums.add("setting", "nf4")
    sums.add("flat", TwoTensor(one, two))
    first, second = (f"float32 [2] {bit_sum(part):016x}" for part in (one, two))
    assert sums.lines() == [
        *(f"list.0 {first}", f"list.1 {second}"),
        f'setting "nf4" {0:016x}',
        *(f"flat TwoTensor null {0:016x}", f"flat.a {first}", f"flat.b {second}"),
    ]


def test_numbers_of_a_model_count_and_how_it_was_loaded_does_not() -> None:
    model: Any = tiny_llama()
    before = fingerprint(model)
    assert len(before) == 8 and int(before, 16) >= 0
    model.model.loaded_in_parts = True
    assert fingerprint(model) == before
    model.model.scale = 2.0
    changed = fingerprint(model)
    model.model.scale = 3.0
    assert len({before, changed, fingerprint(model)}) == 3


def test_tied_weights_are_summed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from neuronxa_task.scoring import fingerprint as module

    model: Any = tiny_llama()
    expected = fingerprint(model)
    one, two = model.model.layers
    one.mlp.up_proj.weight = two.mlp.up_proj.weight
    summed: list[int] = []
    own = bit_sum

    def counted(value: Tensor, *held: Any) -> int:
        summed.append(id(value))
        return own(value, *held)

    monkeypatch.setattr(module, "bit_sum", counted)
    assert fingerprint(model) != expected
    assert summed.count(id(two.mlp.up_proj.weight)) == 1
    parameters = {id(weight) for weight in model.model.parameters()}
    assert set(summed) >= parameters and len(summed) == len(parameters) + 2  # and two frequencies


# ---------------------------------------------------------------- code that no hash can see


def mine(self: Any, x: Tensor) -> Tensor:
    output: Tensor = self.down_proj(self.act_fn(self.gate_proj(x)) * self.up_proj(x))
    return output


@contextmanager
def attribute(holder: Any, name: str, value: Any) -> Iterator[None]:
    had, before = name in vars(holder), getattr(holder, name, None)
    setattr(holder, name, value)
    try:
        yield
    finally:
        if had:
            setattr(holder, name, before)
        else:
            delattr(holder, name)


@contextmanager
def child(module: Any, name: str, value: nn.Module) -> Iterator[None]:
    before = getattr(module, name)
    setattr(module, name, value)
    yield
    setattr(module, name, before)


@contextmanager
def hooked(handles: list[Any]) -> Iterator[None]:
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class Mode(torch.overrides.TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


class Callable_:
    def __call__(self, *_: Any) -> None: ...


def patches(model: Any) -> dict[str, tuple[int, Any]]:
    """How many changes there are while each context is open."""
    import accelerate.hooks
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
    from transformers.models.llama import modeling_llama

    layers = model.model.layers
    mlp = layers[0].mlp
    registered = ALL_ATTENTION_FUNCTIONS._global_mapping
    decorated = functools.wraps(type(mlp).forward)(lambda x: mine(mlp, x))
    return {
        "forward hook": (1, lambda: hooked([mlp.register_forward_hook(lambda *_: None)])),
        "a hook on every layer": (
            2,
            lambda: hooked([m.register_forward_pre_hook(lambda *_: None) for m in layers]),
        ),
        "partial": (
            1,
            lambda: hooked([mlp.register_forward_hook(functools.partial(lambda *_: None))]),
        ),
        "callable object": (1, lambda: hooked([mlp.register_forward_hook(Callable_())])),
        "decorated by torch": (
            1,
            lambda: hooked([mlp.register_forward_hook(torch.no_grad()(lambda *_: None))]),
        ),
        "forward of an instance": (
            1,
            lambda: attribute(mlp, "forward", functools.partial(mine, mlp)),
        ),
        "method": (1, lambda: attribute(mlp, "forward", mine.__get__(mlp))),
        "compiled": (1, lambda: attribute(mlp, "forward", torch.compile(mine.__get__(mlp)))),
        "decorated as the own": (1, lambda: attribute(mlp, "forward", decorated)),
        "forward of a class": (2, lambda: attribute(type(mlp), "forward", mine)),
        "activation": (1, lambda: attribute(mlp, "squash", lambda x: x)),
        "function of torch": (
            1,
            lambda: attribute(torch.nn.functional, "silu", lambda x, inplace=False: x),
        ),
        "function of a modeling file": (
            1,
            lambda: attribute(modeling_llama, "apply_rotary_pos_emb", lambda q, k, *_: (q, k)),
        ),
        "product of torch": (1, lambda: attribute(torch, "matmul", lambda one, other: one)),
        "registered attention": (
            1,
            lambda: mock.patch.dict(registered, {"sdpa": lambda *_, **__: None}),
        ),
        "a class without a file": (
            1,
            lambda: child(mlp, "act_fn", type("Own", (nn.SiLU,), {"__module__": "typed"})()),
        ),
        "mode": (1, Mode),
        "global hook": (
            1,
            lambda: hooked([nn.modules.module.register_module_forward_hook(lambda *_: None)]),
        ),
        "hook of accelerate": (
            1,
            lambda: attribute(mlp, "_hf_hook", type("Own", (accelerate.hooks.ModelHook,), {})()),
        ),
    }


@pytest.mark.parametrize("name", patches(tiny_llama()))
def test_code_of_the_users_is_counted(name: str) -> None:
    model = tiny_llama()
    expected, change = patches(model)[name]
    with change():
        assert count_patches(model) == expected
    assert count_patches(model) == 0


def test_code_of_libraries_is_not_counted(adapted: Any, tmp_path: Path) -> None:
    from accelerate import cpu_offload
    from torch.nn.utils import prune

    assert count_patches(adapted) == 0
    model: Any = tiny_llama()
    model(IDS, output_hidden_states=True)
    prune.random_unstructured(model.model.layers[0].mlp.up_proj, "weight", 0.3)
    assert count_patches(model) == 0
    compiled = tiny_llama()
    compiled.model.forward = torch.compile(compiled.model.forward, backend="eager")
    assert count_patches(compiled) == 0
    assert count_patches(cpu_offload(tiny_llama(), torch.device("cpu"))) == 0
    for family, kind in (("qwen2_moe", "causal"), ("lfm2", "causal"), ("t5", "seq2seq")):
        assert count_patches(tiny_model(family, kind)) == 0


def test_hooks_are_a_word_of_the_signature_and_forbid_caching() -> None:
    from lm_eval.models.huggingface import HFLM

    model = tiny_llama()
    lm = HFLM(pretrained=model, tokenizer=byte_tokenizer(), device="cpu", batch_size=4)
    plain = model_facts(lm)
    assert plain.hooks == 0
    handles = [layer.register_forward_hook(lambda *_: None) for layer in model.model.layers]
    facts = model_facts(lm)
    with hooked(handles):
        assert facts.hooks == 2
    data = Settings(), Corpus("d", "local", "test", (), list), "eng", 3
    of_hooked, of_plain = (
        signature(*data, TaskFacts("0" * 8, "0" * 8, model, (), 0.0, {}, {}))
        for model in (facts, plain)
    )
    assert "|hooks:2|" in of_hooked
    assert "hooks" not in of_plain
    assert ModelFacts("float32", "8", "x").hooks == 0


def test_settings_are_told_apart_and_the_same_in_every_process() -> None:
    from neuronxa_task.scoring.fingerprint import _plain

    assert _plain(torch.ones(2)) != _plain(torch.zeros(2))
    assert _plain({"a": 1, "b": torch.float16}) == _plain({"b": torch.float16, "a": 1})
    assert _plain({3, 1}) == _plain({1, 3}) != _plain({1, 2})
    assert "0x" not in str(_plain([nn.GELU(), torch.relu, len, object(), MODE]))
    assert _plain(torch.device("cpu")) is None
    assert _plain(np.float32(0.5)) != _plain(np.float32(0.25))
    assert _plain(np.ones(3)) == _plain(np.ones(3)) != _plain(np.zeros(3))
    slopes = [functools.partial(nn.functional.leaky_relu, negative_slope=n) for n in (0.1, 0.2)]
    assert _plain(slopes[0]) != _plain(slopes[1])
    deep: list[Any] = [1, 2]
    for _ in range(20):
        deep = [{"inner": [value]} for value in deep]
    assert _plain(deep[0]) != _plain(deep[1])
    ring: list[Any] = [3]
    ring.append({"ring": ring})
    assert _plain(ring) == [3, {"ring": None}]


MODE = Mode()
