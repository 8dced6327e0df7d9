"""Adapters and delta weights: what is read is what the model computes with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from conftest import byte_tokenizer, sentences, tiny_llama, translated
from families import tiny_model
from runs import command_here, evaluate, layers_of, signature_of
from torch import Tensor, nn

from neuronxa_task import score
from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn import AllRows, DenseNeurons, Experts, Rows, find_body, find_sites, reading
from neuronxa_task.scoring.alignment import Alignment

pytestmark = pytest.mark.slow

FFN = ["gate_proj", "up_proj", "down_proj"]
EXPERTS = ["experts.gate_up_proj", "experts.down_proj"]
TEXT = sentences(30, seed=5)
OTHER_TEXT = translated(TEXT, 0.35, seed=9)
IDS = torch.randint(2, 250, (3, 11), generator=torch.Generator().manual_seed(1))

ADAPTERS: dict[str, tuple[str, peft.PeftConfig]] = {
    "LoRA": ("llama", peft.LoraConfig(target_modules=FFN)),
    "LoRA, output projection": ("llama", peft.LoraConfig(target_modules=["down_proj"])),
    "LoRA, wide": ("llama", peft.LoraConfig(r=64, target_modules="all-linear")),
    "DoRA": ("llama", peft.LoraConfig(target_modules=FFN, use_dora=True)),
    "IA3, inputs": (
        "llama",
        peft.IA3Config(target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"]),
    ),
    "IA3, outputs": ("llama", peft.IA3Config(target_modules=FFN, feedforward_modules=[])),
    "OFT": ("llama", peft.OFTConfig(r=4, oft_block_size=0, target_modules=FFN)),
    "VeRA": ("llama", peft.VeraConfig(r=8, target_modules=["gate_proj", "up_proj"])),
    "LoRA, fused": ("phi3", peft.LoraConfig(target_modules=["gate_up_proj", "down_proj"])),
    "LoRA, Conv1D": (
        "gpt2",
        peft.LoraConfig(target_modules=["c_fc", "c_proj"], fan_in_fan_out=True),
    ),
    "LoRA, weights": ("llama", peft.LoraConfig(target_parameters=["mlp.down_proj.weight"])),
    "LoRA, experts": ("mixtral", peft.LoraConfig(target_parameters=EXPERTS)),
    "LoRA, experts, shared": (
        "qwen2_moe",
        peft.LoraConfig(target_parameters=EXPERTS, target_modules=FFN),
    ),
    "LoRA, experts, own gate": ("gpt_oss", peft.LoraConfig(target_parameters=EXPERTS)),
}


def model_of(family: str) -> nn.Module:
    return tiny_model(family, vocab_size=258, initializer_range=0.3)


def adapted(family: str, config: peft.PeftConfig) -> nn.Module:
    """A model with an adapter that has been trained to something."""
    model: nn.Module = peft.get_peft_model(model_of(family), config).eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(0.15 * torch.randn(weight.shape, generator=generator))
    return model


class Kept:
    """Reads everything and keeps it, by layer."""

    def __init__(self) -> None:
        self.values: dict[str, Tensor] = {}

    def neurons(self, site: DenseNeurons, gate: Tensor, product: Tensor) -> None:
        self._keep(site, "", gate, product)

    def routed(self, site: Experts, rows: Rows | AllRows) -> None:
        for of_one in rows.by_expert():
            self._keep(site, f" expert {of_one.expert}", of_one.gate, of_one.product)

    def _keep(self, site: DenseNeurons | Experts, part: str, gate: Tensor, product: Tensor) -> None:
        name = f"layer {site.layer} from {site.start}{part}"
        self.values |= {f"{name}: gate": gate.clone(), f"{name}: product": product.clone()}

    def hidden(self, index: int, state: Tensor) -> None:
        self.values[f"hidden {index}"] = state.clone()


def read(model: nn.Module) -> dict[str, Tensor]:
    """What is read of some tokens; the products of dense layers must give the layers' outputs."""
    body = find_body(model)
    sites, kept = find_sites(body), Kept()
    outputs: dict[nn.Module, Tensor] = {}
    dense = [site for site in sites if isinstance(site, DenseNeurons)]
    hooks = [
        site.module.register_forward_hook(
            lambda module, _inputs, output: outputs.update({module: output.clone()})
        )
        for site in dense
    ]
    with reading(body, sites, kept):
        body(IDS, torch.ones_like(IDS))
    for hook in hooks:
        hook.remove()
    with torch.no_grad():
        for site in dense:
            product = kept.values[f"layer {site.layer} from {site.start}: product"]
            found, expected = site.module(product), outputs[site.module]
            torch.testing.assert_close(found, expected.view_as(found))
    return kept.values


def same_pairs(first: Alignment, second: Alignment) -> None:
    for name in ("nas", "nav", "emb"):
        assert torch.equal(getattr(first, name).from_pivot, getattr(second, name).from_pivot)
        assert torch.equal(getattr(first, name).to_pivot, getattr(second, name).to_pivot)


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_is_in_what_is_read(name: str) -> None:
    family, config = ADAPTERS[name]
    model, plain = adapted(family, config), model_of(family)
    values, score_of_adapted = read(model), score(model, byte_tokenizer(), TEXT, OTHER_TEXT)
    assert score_of_adapted.layers() != score(plain, byte_tokenizer(), TEXT, OTHER_TEXT).layers()
    merge: Any = model.merge_and_unload
    merged = merge()
    expected = read(merged)
    assert values.keys() == expected.keys()
    for name, found in values.items():
        limit = 1e-5 * float(expected[name].abs().max())
        torch.testing.assert_close(found, expected[name], rtol=0, atol=limit)
    same_pairs(score_of_adapted, score(merged, byte_tokenizer(), TEXT, OTHER_TEXT))


# ---------------------------------------------------------------- as the harness loads them


def save(model: Any, folder: Path) -> Path:
    model.save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return folder


def weights_of(results: dict[str, Any]) -> str:
    return signature_of(results, "made_up_near")["model"]


def test_an_adapter_folder_by_the_command(
    model_folder: Path, made_up_tasks: Path, tmp_path: Path
) -> None:
    config = peft.LoraConfig(target_modules=FFN, init_lora_weights=False)
    model = peft.get_peft_model(tiny_llama(), config)
    model.save_pretrained(str(tmp_path / "adapter"))
    run = command_here(
        tmp_path,
        *("--model", "hf", "--tasks", "made_up", "--include_path", str(made_up_tasks)),
        *("--model_args", f"pretrained={model_folder},peft={tmp_path / 'adapter'}"),
        *("--device", "cpu", "--batch_size", "4"),
    )
    assert run.code == 0, run.stderr[-3000:]
    assert run.results is not None
    merged = evaluate(
        save(model.merge_and_unload(), tmp_path / "merged"), made_up_tasks, batch_size=4
    )
    plain = evaluate(model_folder, made_up_tasks, batch_size=4)
    assert layers_of(run.results) == layers_of(merged) != layers_of(plain)
    assert run.results["results"] == merged["results"]
    assert len({weights_of(found) for found in (run.results, merged, plain)}) == 3


def test_delta_weights(model_folder: Path, made_up_tasks: Path, tmp_path: Path) -> None:
    torch.manual_seed(7)
    delta, whole = tiny_llama(initializer_range=0.1), tiny_llama()
    with torch.no_grad():
        for weight, more in zip(whole.parameters(), delta.parameters(), strict=True):
            weight += more
    folders = [save(model, tmp_path / name) for name, model in (("d", delta), ("w", whole))]
    found = evaluate(model_folder, made_up_tasks, model_args={"delta": str(folders[0])})
    expected, plain = evaluate(folders[1], made_up_tasks), evaluate(model_folder, made_up_tasks)
    assert layers_of(found) == layers_of(expected) != layers_of(plain)
    assert weights_of(found) == weights_of(expected) != weights_of(plain)


def test_virtual_tokens_are_refused(
    model_folder: Path, made_up_tasks: Path, tmp_path: Path
) -> None:
    config = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    peft.get_peft_model(tiny_llama(), config).save_pretrained(str(tmp_path))
    with pytest.raises(NeuronXAError, match="adds virtual tokens to the input"):
        evaluate(model_folder, made_up_tasks, model_args={"peft": str(tmp_path)})
