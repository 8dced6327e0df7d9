"""Half precision and quantised models: found, read, and scored nearly alike.

The cases of bitsandbytes and optimum-quanto, which the test extra does not install, are there where
the packages are.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import byte_tokenizer, sentences, tiny_llama, translated
from runs import LANGUAGES, PIVOT, evaluate, layers_of, signature_of
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel

from neuronxa_task import score
from neuronxa_task.ffn import AllRows, DenseNeurons, Experts, Rows, find_body, find_sites, reading
from neuronxa_task.scoring.fingerprint import fingerprint

pytestmark = pytest.mark.slow

TEXT = sentences(40, seed=5)
OTHER_TEXT = translated(TEXT, 0.35, seed=9)
IDS = torch.randint(2, 250, (3, 11), generator=torch.Generator().manual_seed(1))

LOSS: dict[str, float] = {
    "bfloat16": 0.03,
    "float16": 0.005,
    "torchao Int8WeightOnlyConfig": 0.1,
    "torchao Int8DynamicActivationInt8WeightConfig": 0.1,
    "torchao Float8WeightOnlyConfig": 0.25,
}
"""Relative error of the neurons' values that a form of the weights may bring."""
if importlib.util.find_spec("optimum") and importlib.util.find_spec("optimum.quanto"):
    LOSS |= {"quanto int8": 0.1, "quanto int4": 0.7, "quanto float8": 0.25}
if importlib.util.find_spec("bitsandbytes"):
    LOSS |= {"bitsandbytes 8": 0.1, "bitsandbytes 4": 0.7}


def options(name: str) -> dict[str, Any]:
    """How a form of the weights is asked for."""
    import transformers

    package, _, kind = name.partition(" ")
    if package == "torchao":
        import torchao.quantization

        how = getattr(torchao.quantization, kind)()
        return {"quantization_config": transformers.TorchAoConfig(how)}
    if package == "quanto":
        return {"quantization_config": transformers.QuantoConfig(weights=kind)}
    if package == "bitsandbytes":
        how = {f"load_in_{kind}bit": True}
        return {"quantization_config": transformers.BitsAndBytesConfig(**how)}
    return {"dtype": getattr(torch, name)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its widths are multiples of the blocks that are quantised together."""
    folder = tmp_path_factory.mktemp("model")
    tiny_llama(hidden_size=64, intermediate_size=128, initializer_range=0.2).save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def plain(folder: Path) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(folder)


class Kept:
    """Reads the layers of some tokens and keeps them."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.gate: list[Tensor] = []
        self.product: list[Tensor] = []
        body = find_body(model)
        with reading(body, find_sites(body), self):
            body(IDS, torch.ones_like(IDS))

    def neurons(self, site: DenseNeurons, gate: Tensor, product: Tensor) -> None:
        self.gate.append(gate.clone())
        self.product.append(product.clone())

    def routed(self, site: Experts, rows: Rows | AllRows) -> None:
        raise AssertionError("this model has no experts")

    def hidden(self, index: int, state: Tensor) -> None: ...


@pytest.mark.parametrize("name", LOSS)
def test_neurons_in_another_precision(name: str, folder: Path, plain: PreTrainedModel) -> None:
    model = AutoModelForCausalLM.from_pretrained(folder, **options(name))
    blocks = [layer.mlp for layer in model.model.layers]
    seen: list[tuple[Tensor, Tensor]] = []
    for block in blocks:
        block.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output)))
    kept, exact = Kept(model), Kept(plain)
    with torch.no_grad():
        for layer, block in enumerate(blocks):
            entered, left = seen[-len(blocks) + layer]
            gate = block.act_fn(block.gate_proj(entered))
            assert torch.equal(kept.gate[layer], gate)
            assert torch.equal(kept.product[layer], gate * block.up_proj(entered))
            assert torch.equal(block.down_proj(kept.product[layer]), left)
            error = (kept.product[layer].float() - exact.product[layer]).norm()
            assert 0 < error < LOSS[name] * exact.product[layer].norm()
    found, expected = (score(m, byte_tokenizer(), TEXT, OTHER_TEXT) for m in (model, plain))
    for score_name, value in found.metrics().items():
        assert value == pytest.approx(expected.metrics()[score_name], abs=0.1)
    assert fingerprint(model) != fingerprint(plain)


# ---------------------------------------------------------------- as the harness loads them


def test_the_signature_names_the_precision(folder: Path, made_up_tasks: Path) -> None:
    found = evaluate(folder, made_up_tasks, model_args={"dtype": "bfloat16"})
    assert signature_of(found, "made_up_near")["dtype"] == "bfloat16"


def test_the_signature_names_the_quantisation(
    folder: Path, made_up_tasks: Path, tmp_path: Path
) -> None:
    runs = {}
    for name in ("Int8WeightOnlyConfig", "Int8DynamicActivationInt8WeightConfig"):
        model = AutoModelForCausalLM.from_pretrained(folder, **options(f"torchao {name}"))
        model.save_pretrained(tmp_path / name)
        byte_tokenizer().save_pretrained(tmp_path / name)
        runs[name] = evaluate(tmp_path / name, made_up_tasks)
        found = score(model, byte_tokenizer(), PIVOT, translated(PIVOT, LANGUAGES["far"], seed=9))
        assert layers_of(runs[name])["made_up_far"] == found.layers()
    plain = signature_of(evaluate(folder, made_up_tasks), "made_up_near")
    first, second = (signature_of(run, "made_up_near") for run in runs.values())
    for signature in (first, second):
        assert re.fullmatch(r"float32\+torchao\([0-9a-f]{8}\)", signature["dtype"])
        assert signature["model"] != plain["model"]
    assert first["model"] != second["model"], "the same weights in 8 bits, multiplied otherwise"
    assert first["dtype"] != second["dtype"], "which meet the inputs in 32 bits and in 8"
