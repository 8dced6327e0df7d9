"""Models split over processes, or with weights elsewhere: the scores are those of the whole."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import byte_tokenizer, tiny_llama
from families import tiny_model
from runs import command, command_here, evaluate, layers_of, signature_of
from tensor_parallel import loaded, scored
from torch import Tensor, nn

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn import find_body, find_sites
from neuronxa_task.scoring.alignment import Retrieval
from neuronxa_task.scoring.fingerprint import fingerprint
from neuronxa_task.scoring.rivals import Combine, rivals_by_layer
from neuronxa_task.scoring.similarity import InnerProducts, cosine, inner_products, workspace
from neuronxa_task.scoring.tensor_parallel import Split, owned_columns

pytestmark = pytest.mark.slow

SCRIPTS = [
    str(Path(__file__).parent / name) for name in ("one_after_another.py", "tensor_parallel.py")
]
TASKS = ("made_up_near", "made_up_middle", "made_up_far")


def same_results(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert first["results"] == second["results"]
    assert layers_of(first) == layers_of(second)
    for task in TASKS:
        assert signature_of(first, task) == signature_of(second, task)


def same_scores(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found["fingerprint"] == expected["fingerprint"]
    assert found["halves"] == expected["halves"]
    for layers in zip(found["similarities"], expected["similarities"], strict=True):
        assert layers[0] == pytest.approx(layers[1], abs=1e-6)


# ---------------------------------------------------------------- neurons split over processes


def vectors(n: int, features: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, features, generator=generator)


def added(parts: list[InnerProducts]) -> InnerProducts:
    return InnerProducts(*(sum(tensors) for tensors in zip(*parts, strict=True)))


@pytest.mark.parametrize("widths", [[7, 8], [15, 0], [1, 13, 1], [0, 0, 15]])
def test_products_of_parts_add_up_to_those_of_the_whole(widths: list[int]) -> None:
    pivot, target = vectors(9, 15), vectors(9, 15, seed=1)
    parts = zip(pivot.split(widths, dim=1), target.split(widths, dim=1), strict=True)
    similarity = cosine(added([inner_products(*part) for part in parts]))
    torch.testing.assert_close(
        similarity, cosine(inner_products(pivot, target)), rtol=0, atol=1e-14
    )


def test_whole_numbers_lose_nothing_by_the_split() -> None:
    # Neuron states are sums of whole weights: every sum of their products is exact.
    pivot, target = (vectors(20, 101, seed).mul(40).round() for seed in (0, 1))
    parts = zip(pivot.split(26, dim=1), target.split(26, dim=1), strict=True)
    found = added([inner_products(*part) for part in parts])
    assert torch.equal(cosine(found), cosine(inner_products(pivot, target)))


def test_equal_sentences_tie_in_parts_too() -> None:
    target = vectors(101, 1003)
    target[100] = target[3]
    parts = target.split(335, dim=1)

    def summed(_: InnerProducts) -> InnerProducts:
        return added([inner_products(part, part) for part in parts])

    weak = Retrieval.of_layers(
        rivals_by_layer([target], [target], combine=Combine(sum=summed))
    ).weak[0]
    assert weak.logical_not().nonzero()[:, 0].tolist() == [3, 100]


@pytest.mark.parametrize("converted", [1, 2000, 10_000])
def test_blocks_of_features_change_nothing(converted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pivot, target = vectors(6, 200), vectors(5, 200, seed=1)
    expected = pivot.double() @ target.double().T
    monkeypatch.setattr("neuronxa_task.scoring.similarity.CONVERTED", converted)
    buffer = workspace(pivot, target).fill_(torch.nan)  # what another call left
    found = inner_products(pivot, target, buffer)
    torch.testing.assert_close(found.cross, expected, rtol=0, atol=1e-13)
    torch.testing.assert_close(found.pivot, pivot.double().norm(dim=1) ** 2)
    torch.testing.assert_close(found.target, target.double().norm(dim=1) ** 2)


@dataclass(frozen=True)
class Told(Split):
    """The second of two processes, told what the first one sees in terms of what it sees itself."""

    first: Callable[[Tensor], Tensor] = lambda seen: seen

    def gather(self, value: Any) -> list[Any]:
        return [[self.first(seen) for seen in value], value]


def counted(first: Callable[[Tensor], Tensor], model: nn.Module) -> list[int | None]:
    body = find_body(model)
    share = owned_columns(Told(1, 2, first=first), body, find_sites(body))
    assert share.hidden is not None and len(share.hidden) == 0, "the first one counts them"
    return [None if places is None else len(places) for places in share.neurons]


def test_what_two_processes_see_alike_the_first_one_counts() -> None:
    assert counted(lambda seen: seen * (1 + 1e-4), tiny_llama()) == [0, 0]


@pytest.mark.parametrize("silent", [False, True])
def test_what_they_see_apart_both_count(silent: bool) -> None:
    model = tiny_llama()
    for layer in model.model.layers:
        layer.mlp.down_proj.in_features *= 2  # as a split projection declares it
        layer.mlp.up_proj.weight.data[1:] *= not silent
    assert counted(lambda seen: seen if silent else seen.flip(1), model) == [None, None]


def test_parts_that_are_not_the_whole_are_an_error() -> None:
    message = "llama: the 2 processes .* see 96 neurons of layers.0.mlp.down_proj .* expected 48"
    with pytest.raises(NeuronXAError, match=message):
        counted(lambda seen: seen.flip(1), tiny_llama())


def test_a_process_alone_counts_everything() -> None:
    body = find_body(tiny_llama())
    share = owned_columns(Split.of(body.model), body, find_sites(body))
    assert share.hidden is None and list(share.neurons) == [None, None]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose plan leaves the feed-forward layers whole, one that splits experts but not
    those that are shared, and one with an adapter."""
    from peft import LoraConfig, get_peft_model

    folder = tmp_path_factory.mktemp("models")
    for family in ("phi3", "qwen2_moe", "llama"):
        model: Any = tiny_model(family, vocab_size=258, initializer_range=0.2)
        model.save_pretrained(folder / family)
    targets = ["gate_proj", "up_proj", "down_proj", "q_proj"]
    adapted = get_peft_model(model, LoraConfig(target_modules=targets, init_lora_weights=False))
    adapted.save_pretrained(str(folder / "llama" / "adapter"))
    return folder


def test_a_split_model_scores_as_the_whole(
    made_up_tasks: Path, models: Path, tmp_path: Path
) -> None:
    # 49 neurons: 25 and 24.
    tiny_llama(intermediate_size=49).save_pretrained(tmp_path / "model")
    byte_tokenizer().save_pretrained(tmp_path / "model")
    run = command(
        tmp_path,
        *(str(models), "--model", "hf", "--tasks", "made_up", "--include_path", str(made_up_tasks)),
        *("--model_args", f"pretrained={tmp_path / 'model'},tp_plan=auto", "--batch_size", "4"),
        launcher=("-m", "torch.distributed.run", "--nproc_per_node", "2", *SCRIPTS),
    )
    assert run.code == 0, run.stderr[-3000:]
    assert run.results is not None
    same_results(run.results, evaluate(tmp_path / "model", made_up_tasks, batch_size=4))
    by_rank = [json.loads((models / f"{rank}.json").read_text()) for rank in (0, 1)]
    for folder in models.iterdir():
        if folder.is_dir():
            for found in by_rank:
                same_scores(found[folder.name], scored(loaded(folder)))


# ---------------------------------------------------------------- weights that are elsewhere


@pytest.fixture(scope="module")
def alone(model_folder: Path, made_up_tasks: Path) -> dict[str, Any]:
    return evaluate(model_folder, made_up_tasks, batch_size=4)


def test_offloaded_by_the_command(
    alone: dict[str, Any],
    model_folder: Path,
    made_up_tasks: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Without a GPU the harness's map starts at the CPU; 110 KB hold a part of the weights.
    place = f"parallelize=True,max_cpu_memory=110KB,offload_folder={tmp_path / 'offload'}"
    run = command_here(
        tmp_path,
        *("--model", "hf", "--tasks", "made_up", "--include_path", str(made_up_tasks)),
        *("--model_args", f"pretrained={model_folder},{place}", "--batch_size", "4"),
    )
    assert run.code == 0, run.stderr[-3000:]
    assert re.search("parameters .* were offloaded to the .*disk", caplog.text)
    assert run.results is not None
    same_results(run.results, alone)


def on_disk_in_part(folder: Path, scratch: Path) -> nn.Module:
    here, there = ("embed_tokens", "rotary_emb", "layers.0"), ("layers.1", "layers.2", "norm")
    device_map = {"lm_head": "cpu"}
    device_map |= {f"model.{name}": "cpu" for name in here}
    device_map |= {f"model.{name}": "disk" for name in there}
    return loaded(folder, device_map=device_map, offload_folder=scratch)


def in_memory_between_passes(folder: Path, _: Path) -> nn.Module:
    from accelerate import cpu_offload

    model: nn.Module = cpu_offload(loaded(folder), torch.device("cpu"))
    return model


def on_disk(folder: Path, scratch: Path) -> nn.Module:
    from accelerate import disk_offload

    model: nn.Module = disk_offload(loaded(folder), str(scratch), torch.device("cpu"))
    return model


@pytest.mark.parametrize(
    ("family", "place"),
    [
        *((family, on_disk_in_part) for family in ("phi3", "qwen2_moe")),
        # PEFT (0.21) itself cannot put an adapter on a model that is on disk in part.
        *((family, in_memory_between_passes) for family in ("phi3", "qwen2_moe", "llama")),
        *((family, on_disk) for family in ("phi3", "qwen2_moe", "llama")),
    ],
)
def test_offloaded_weights(
    family: str, place: Callable[[Path, Path], nn.Module], models: Path, tmp_path: Path
) -> None:
    model = place(models / family, tmp_path)
    assert any(weight.is_meta for weight in model.state_dict().values())
    same_scores(scored(model), scored(loaded(models / family)))


def test_the_fingerprint_sees_weights_on_disk(models: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(models / "phi3", tmp_path / "model")
    before = fingerprint(on_disk_in_part(folder, tmp_path / "one"))
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.2.mlp.down_proj.weight"] *= 1.001
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert fingerprint(on_disk_in_part(folder, tmp_path / "two")) != before
