"""The forms in which users hold a model: compiled, wrapped, masked, adapted, in mixed precision."""

from __future__ import annotations

import copy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import wrapped_in_parallel
from conftest import byte_tokenizer, sentences, tiny_llama, translated
from families import tiny_model
from test_states import close
from torch import Tensor, nn

from neuronxa_task import NeuronXAError, score
from neuronxa_task.ffn import find_body, find_sites, reading, unwrapped
from neuronxa_task.scoring.alignment import Alignment
from neuronxa_task.scoring.states import SentenceStates, encode
from neuronxa_task.settings import StateSettings

pytestmark = pytest.mark.slow

TEXT = sentences(12, seed=5)
OTHER = translated(TEXT, 0.35, seed=9)

LOSS = 0.02
"""Relative distance of a layer's values in float16 from those in float32."""
LENGTHS = (9, 5, 7, 8, 6, 9, 9, 6, 7, 7, 6, 8)
IDS = [
    torch.randint(2, 90, (length,), generator=torch.Generator().manual_seed(seed)).tolist()
    for seed, length in enumerate(LENGTHS)
]


def states(model: nn.Module) -> SentenceStates:
    body = find_body(model)
    return encode(body, find_sites(body), IDS, batch_size=8, settings=StateSettings())


# ---------------------------------------------------------------- compiled


def same(found: Alignment, expected: Alignment) -> None:
    assert found.layers() == expected.layers()


@pytest.fixture(scope="module")
def eager_score() -> Alignment:
    return score(tiny_llama(), byte_tokenizer(), TEXT, OTHER)


def compiled_in_place(model: Any, backend: str) -> Any:
    for layer in model.model.layers:
        layer.compile(backend=backend, dynamic=True)
    return model


def one_compiled_mlp(model: Any, backend: str) -> Any:
    model.model.layers[1].mlp.compile(backend=backend, dynamic=True)
    return model


def compiled_body(model: Any, backend: str) -> Any:
    model.model.compile(backend=backend)
    return model


def compiled_regions(model: Any, backend: str) -> Any:
    from accelerate.utils import compile_regions

    return compile_regions(model, backend=backend, dynamic=True)


def compiled_forward(model: Any, backend: str) -> Any:
    model.forward = torch.compile(model.forward, backend=backend)
    return model


@pytest.mark.parametrize(
    ("form", "backend"),
    [
        (compiled_in_place, "eager"),
        (compiled_body, "eager"),
        (compiled_regions, "eager"),
        (compiled_forward, "eager"),
        pytest.param(
            one_compiled_mlp,
            "inductor",
            marks=pytest.mark.skipif(not shutil.which("g++"), reason="inductor needs a compiler"),
        ),
    ],
)
def test_compiled_models_score_as_others_again_and_again(
    form: Callable[..., Any], backend: str, eager_score: Alignment
) -> None:
    torch.compiler.reset()
    model = form(tiny_llama(), backend)
    with torch.no_grad():  # compiled before it is scored
        for length in (5, 9):
            before = model(torch.arange(2, 2 + length)[None]).logits
    for _ in range(2):
        same(score(model, byte_tokenizer(), TEXT, OTHER), eager_score)
    with torch.no_grad():
        torch.testing.assert_close(model(torch.arange(2, 11)[None]).logits, before)
    torch.compiler.reset()


class Silent:
    def neurons(self, *_: Any) -> None: ...

    def routed(self, *_: Any) -> None: ...

    def hidden(self, *_: Any) -> None: ...


def skipping_hooks(module: nn.Module) -> None:
    """As code compiled without hooks runs."""
    module._compiled_call_impl = module.forward


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("layers.1", "hidden state"),
        ("layers.1.mlp.down_proj", "neurons of layers.1.mlp.down_proj"),
        ("layers.1.mlp.act_fn", "neurons of layers.1.mlp.down_proj"),
    ],
)
def test_a_layer_that_was_not_read_is_an_error(name: str, what: str) -> None:
    model: Any = tiny_llama().model
    body = find_body(model)
    sites = find_sites(body)
    skipping_hooks(model.get_submodule(name))
    with pytest.raises(NeuronXAError, match=f"layer 2: the {what} was read 0 times in one forward"):
        encode(body, sites, IDS[:2], batch_size=2, settings=StateSettings())


def test_a_layer_that_was_read_twice_is_an_error() -> None:
    model: Any = tiny_llama().model
    body = find_body(model)
    sites, first = find_sites(body), model.layers[0]
    own = type(first).forward

    def twice(x: Tensor, **named: Any) -> Any:
        first.mlp(x)
        return own(first, x, **named)

    first.forward = twice
    with pytest.raises(NeuronXAError, match="was read 2 times in one forward pass; expected once"):
        encode(body, sites, IDS[:2], batch_size=2, settings=StateSettings())


def test_experts_that_were_not_read_are_an_error() -> None:
    model: Any = tiny_model("qwen2_moe").model
    body = find_body(model)
    sites, experts = find_sites(body), model.layers[1].mlp.experts
    with reading(body, sites, Silent()) as run:
        experts.forward = lambda hidden, *_: hidden
        with pytest.raises(
            NeuronXAError, match=r"neurons of layers.1.mlp.experts was read 0 times"
        ):
            run(torch.tensor([IDS[0]]), torch.ones(1, len(IDS[0]), dtype=torch.long))


# ---------------------------------------------------------------- wrapped


class Holder(nn.Module):
    """A user's module with a model in it."""

    def __init__(self, **models: nn.Module) -> None:
        super().__init__()
        for name, model in models.items():
            self.add_module(name, model)


def test_wrapped_models_are_unwrapped(eager_score: Alignment) -> None:
    import peft

    wrappers: tuple[Callable[[Any], Any], ...] = (
        nn.DataParallel,
        lambda m: torch.compile(m, backend="eager"),
        lambda m: torch.compile(nn.DataParallel(m), backend="eager"),
        lambda m: Holder(model=m, head=nn.Linear(2, 2)),
        lambda m: Holder(inside=nn.Sequential(nn.DataParallel(m))),
    )
    for wrap in wrappers:
        model: Any = wrap(tiny_llama())
        same(score(model, byte_tokenizer(), TEXT, OTHER), eager_score)
        assert unwrapped(model) is not model
    adapted = peft.get_peft_model(tiny_llama(), peft.LoraConfig(target_modules=["q_proj"]))
    assert unwrapped(Holder(policy=adapted)) is adapted
    assert unwrapped(adapted) is adapted


def test_several_models_are_ambiguous() -> None:
    pair = Holder(policy=tiny_llama(), reference=tiny_llama())
    with pytest.raises(
        NeuronXAError, match=r"Holder contains 2 models \(policy, reference\)"
    ) as error:
        score(pair, byte_tokenizer(), TEXT, OTHER)
    assert "(policy, reference)" in str(error.value) and "model.policy" in str(error.value)
    assert "\n" not in str(error.value)


def in_parallel(script: str, size: int, folder: Path) -> list[tuple[int, str, str]]:
    """Exit code, output and errors of `size` processes of a script beside this file."""
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                str(Path(__file__).parent / script),
                str(folder),
                str(rank),
                str(size),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    outputs = [process.communicate(timeout=240) for process in processes]
    return [(p.returncode, *output) for p, output in zip(processes, outputs, strict=True)]


WRAPPERS = "ddp fsdp2 fsdp2-again fsdp2-fingerprint hsdp-fingerprint hsdp-refused fsdp1-refused"


def test_distributed_wrappers_of_one_process(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrapped_in_parallel.main(str(tmp_path), 0, 1)
    assert capsys.readouterr().out.split() == WRAPPERS.split()


def test_distributed_wrappers_of_two_processes(tmp_path: Path) -> None:
    for code, stdout, stderr in in_parallel("wrapped_in_parallel.py", 2, tmp_path):
        assert code == 0, stderr[-3000:]
        assert stdout.split() == WRAPPERS.split()


def test_a_split_model_halves_its_batches_together_or_not_at_all(tmp_path: Path) -> None:
    first, second = in_parallel("out_of_memory.py", 2, tmp_path)
    assert first[1] == second[1] == "halved together\n", first[2][-3000:]
    assert first[0] and second[0], "the last pass does not fit in one of them"
    line = second[2].strip().splitlines()[-1]
    assert "does not fit in the memory of process 1" in line and "smaller --batch_size" in line


# ---------------------------------------------------------------- masked


def masked_forward(mlp: Any, mask: Tensor) -> Callable[[Tensor], Tensor]:
    def forward(x: Tensor) -> Tensor:
        output: Tensor = mlp.down_proj(mlp.act_fn(mlp.gate_proj(x)) * mlp.up_proj(x) * mask)
        return output

    return forward


@pytest.mark.parametrize("factor", [0.0, 0.5, -2.0])
@pytest.mark.parametrize("where", ["forward", "hook on the projection"])
def test_neurons_masked_on_the_way_are_told(where: str, factor: float) -> None:
    model: Any = tiny_llama()
    mlp = model.model.layers[1].mlp
    mask = torch.ones(48)
    mask[[3, 17, 40]] = factor
    if where == "forward":
        mlp.forward = masked_forward(mlp, mask)
    else:
        mlp.down_proj.register_forward_pre_hook(lambda _, inputs: (inputs[0] * mask,))
    with pytest.raises(NeuronXAError) as error:
        score(model, byte_tokenizer(), TEXT, OTHER)
    text = str(error.value)
    assert "layer 2: the product read at layers.1.mlp.down_proj is not gate × up" in text
    assert f"{3 if factor == 0 else 0} of 48 neurons are switched off" in text
    assert "put a forward hook on the gate or the activation (layers.1.mlp.act_fn)" in text


@pytest.mark.parametrize("name", ["act_fn", "gate_proj"])
def test_neurons_masked_at_the_gate_are_read(name: str, eager_score: Alignment) -> None:
    model: Any = tiny_llama()
    for layer in model.model.layers:
        layer.mlp.get_submodule(name).register_forward_hook(
            lambda _, __, output: output * (torch.arange(48) % 2)
        )
    body = find_body(model)
    found = encode(body, find_sites(body), IDS, batch_size=4, settings=StateSettings())
    for layer in (*found.nas, *found.nav):
        assert not layer[:, ::2].any() and layer[:, 1::2].any()
    assert score(model, byte_tokenizer(), TEXT, OTHER).layers() != eager_score.layers()


# ---------------------------------------------------------------- precisions of the operands


@pytest.mark.parametrize("family", ["t5", "mt5", "umt5"])
def test_an_output_projection_that_stays_in_float32(family: str, tmp_path: Path) -> None:
    import transformers

    values = {} if family == "mt5" else {"feed_forward_proj": "gated-gelu"}
    model: Any = tiny_model(family, "seq2seq", vocab_size=258, initializer_factor=2.0, **values)
    model.save_pretrained(tmp_path)
    half = getattr(transformers, type(model).__name__).from_pretrained(tmp_path, dtype="float16")
    assert half.encoder.block[0].layer[-1].DenseReluDense.wo.weight.dtype is torch.float32
    body = find_body(half)
    found = encode(body, find_sites(body), IDS, batch_size=4, settings=StateSettings())
    body = find_body(model)
    exact = encode(body, find_sites(body), IDS, batch_size=4, settings=StateSettings())
    for ours, theirs in zip(found.nav, exact.nav, strict=True):
        assert (ours - theirs).norm() <= LOSS * theirs.norm()
    assert score(half, byte_tokenizer(), TEXT, OTHER).navca > 0


def test_an_output_projection_in_another_precision_under_autocast() -> None:
    model: Any = tiny_llama().bfloat16()
    for layer in model.model.layers:
        layer.mlp.down_proj.float()
    body = find_body(model, mixed_precision=torch.bfloat16)
    assert [site.name for site in find_sites(body)] == [
        "layers.0.mlp.down_proj",
        "layers.1.mlp.down_proj",
    ]


# ---------------------------------------------------------------- what never ran


def test_copies_that_an_adapter_keeps_aside_are_not_missing() -> None:
    import peft

    config = peft.LoraConfig(target_modules=["q_proj"], modules_to_save=["mlp"])
    for family in ("llama", "mixtral", "qwen2_moe"):
        model: Any = tiny_model(family, vocab_size=258, initializer_range=0.3)
        adapted = peft.get_peft_model(model, config).eval()
        with torch.no_grad():
            for name, weight in adapted.named_parameters():
                if "modules_to_save" in name:
                    generator = torch.Generator().manual_seed(len(name))
                    weight.add_(0.05 * torch.randn(weight.shape, generator=generator))
        found = states(adapted)
        close(found, states(copy.deepcopy(adapted).merge_and_unload()), rtol=1e-5, atol=1e-6)


def test_adapters_that_are_not_in_use_are_not_missing() -> None:
    import peft

    wide = peft.LoraConfig(r=64, target_modules="all-linear")
    model: Any = tiny_model("qwen2_moe", vocab_size=258, initializer_range=0.3)
    expected = states(model)
    adapted = peft.get_peft_model(model, wide, adapter_name="one")
    adapted.add_adapter("two", wide)
    close(states(adapted.eval()), expected, rtol=0, atol=0)  # a fresh adapter adds nothing
    with adapted.disable_adapter():
        close(states(adapted), expected, rtol=0, atol=0)


# ---------------------------------------------------------------- the last hidden state


@pytest.mark.parametrize("tied", [True, False, None])
def test_the_last_state_is_the_one_that_the_configuration_asks_for(tied: bool | None) -> None:
    model: Any = tiny_llama()
    if tied is not None:
        model.config.tie_last_hidden_states = tied
    last = states(model).emb[-1]
    with torch.no_grad():
        for row, ids in enumerate(IDS):
            output = model.model(torch.tensor([ids]), output_hidden_states=True)
            weights = torch.arange(1, len(ids) + 1)[:, None] / sum(range(1, len(ids) + 1))
            expected = (output.hidden_states[-1][0] * weights).sum(dim=0)
            torch.testing.assert_close(last[row], expected)
            is_normed = torch.equal(output.hidden_states[-1], output.last_hidden_state)
            assert is_normed == (tied is not False)
