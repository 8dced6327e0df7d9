"""The stock command on models of every kind: experts, encoder-decoder, hybrid."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import byte_tokenizer, tiny_llama
from families import tiny_config, tiny_model
from runs import (
    LANGUAGES,
    OWN_TASKS_ONLY,
    PIVOT,
    command,
    command_here,
    evaluate,
    layers_of,
    signature_of,
    write_text,
)
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedModel,
)

from neuronxa_task import score
from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn.layers import layers_of as show_layers
from neuronxa_task.own_text import make_tasks

pytestmark = pytest.mark.slow


def saved(family: str, kind: str, folder: Path, **values: Any) -> PreTrainedModel:
    """A tiny model of the family in a folder, as the hub would give it, with the byte tokenizer."""
    options = {"vocab_size": 258, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 1}
    model = tiny_model(family, kind, **options, **values)
    assert isinstance(model, PreTrainedModel)
    model.save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return model


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[str]]]:
    """Task files of the made-up corpus with a language that is none of its kin, and its text."""
    root = tmp_path_factory.mktemp("kinds")
    folder = write_text(root / "corpus")
    backwards = "".join(f"{text[::-1]}\n" for text in [*PIVOT[1:], PIVOT[0]])
    (folder / "backwards.txt").write_text(backwards, encoding="utf-8")
    make_tasks(folder, "made_up", "piv", root / "tasks")
    text = {
        name: (folder / f"{name}.txt").read_text(encoding="utf-8").splitlines()
        for name in (*LANGUAGES, "backwards")
    }
    return root / "tasks", text


@pytest.mark.parametrize("family", ["mixtral", "qwen3_moe", "gpt_oss", "t5"])
def test_the_command_scores_as_the_function(
    family: str, corpus: tuple[Path, dict[str, list[str]]], tmp_path: Path
) -> None:
    tasks, text = corpus
    # A router that is nearly indifferent would leave the choice of experts to rounding.
    values = {"initializer_range": 0.2} if family != "t5" else {"initializer_factor": 2.0}
    model = saved(family, "seq2seq" if family == "t5" else "causal", tmp_path / "m", **values)
    run = partial(command, launcher=OWN_TASKS_ONLY) if family == "gpt_oss" else command_here
    done = run(
        tmp_path / "results",
        *("--model", "hf", "--model_args", f"pretrained={tmp_path / 'm'},dtype=float32"),
        *("--include_path", str(tasks), "--tasks", "made_up"),
        *("--device", "cpu", "--batch_size", "4"),
    )
    assert done.results is not None, done.stderr
    for name, layers in layers_of(done.results).items():
        found = score(model, byte_tokenizer(), PIVOT, text[name.removeprefix("made_up_")])
        assert layers["nasca"] == found.nas.by_layer.tolist()
        assert layers["navca"] == found.nav.by_layer.tolist()
        assert layers["mexa"] == found.emb.by_layer.tolist()
        signature = signature_of(done.results, name)
        kind = ("side", "encoder") if family == "t5" else ("expert_values", "weighted")
        assert signature[kind[0]] == kind[1]
        assert done.results["configs"][name]["metadata"]["neuron_layers"] == [0, 1, 2]
    shares = {done.results["results"][f"made_up_{name}"]["nasca,none"] for name in text}
    assert len(shares) > 1


def test_a_hybrid_has_scores_of_the_layers_with_neurons(
    corpus: tuple[Path, dict[str, list[str]]], tmp_path: Path
) -> None:
    saved("nemotron_h", "causal", tmp_path)
    results = evaluate(tmp_path, corpus[0], names=("made_up_near",))
    metadata = results["configs"]["made_up_near"]["metadata"]
    assert metadata["neuron_layers"] == [0]
    lengths = {name: len(values) for name, values in metadata["layers"].items()}
    assert lengths["nasca"] == lengths["nav_to_pivot"] == 1
    assert lengths["mexa"] == lengths["emb_from_pivot"] == 4


def test_the_decoder_of_an_encoder_decoder_model(
    corpus: tuple[Path, dict[str, list[str]]], tmp_path: Path
) -> None:
    tasks, text = corpus
    model = saved("t5", "seq2seq", tmp_path, initializer_factor=2.0)
    results = evaluate(tmp_path, tasks, names=("made_up_far",), metadata={"side": "decoder"})
    assert signature_of(results, "made_up_far")["side"] == "decoder"
    found = score(model, byte_tokenizer(), PIVOT, text["far"], side="decoder")
    assert layers_of(results)["made_up_far"]["mexa"] == found.emb.by_layer.tolist()
    encoder = score(model, byte_tokenizer(), PIVOT, text["far"])
    assert encoder.emb.by_layer.tolist() != found.emb.by_layer.tolist()


def test_values_of_experts_without_the_router(
    corpus: tuple[Path, dict[str, list[str]]], tmp_path: Path
) -> None:
    tasks, _ = corpus
    saved("mixtral", "causal", tmp_path, initializer_range=0.2)
    signatures, scores = [], []
    for choice in ("weighted", "unweighted"):
        results = evaluate(
            tmp_path, tasks, names=("made_up_middle",), metadata={"expert_values": choice}
        )
        signatures.append(signature_of(results, "made_up_middle")["expert_values"])
        scores.append(layers_of(results)["made_up_middle"])
    assert signatures == ["weighted", "unweighted"]
    assert scores[0]["nasca"] == scores[1]["nasca"]
    assert scores[0] != scores[1]


def test_no_such_choice(corpus: tuple[Path, dict[str, list[str]]], tmp_path: Path) -> None:
    saved("mixtral", "causal", tmp_path)
    with pytest.raises(NeuronXAError, match=r"side is 'left'; expected one of: encoder, decoder"):
        evaluate(tmp_path, corpus[0], names=("made_up_near",), metadata={"side": "left"})


def test_batches_do_not_change_the_scores_of_experts(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = saved("qwen3_moe", "causal", tmp_path, initializer_range=0.2)
    target = [text[::-1] for text in PIVOT]
    scores = [
        score(model, byte_tokenizer(), PIVOT, target, batch_size=size).metrics()
        for size in (1, 3, 64)
    ]
    assert scores[0] == scores[1] == scores[2]


def around_images(text_model: PreTrainedModel) -> PreTrainedModel:
    """A tiny LLaVA, whose vision tower is random and whose text model is the one that is given."""
    vision = tiny_config(CLIPVisionConfig)
    config = LlavaConfig(
        vision_config=vision,
        text_config=text_model.config,
        image_token_index=1,
        vision_feature_layer=-1,
    )
    model = LlavaForConditionalGeneration(config).eval()
    model.model.language_model.load_state_dict(text_model.model.state_dict())
    assert isinstance(model, PreTrainedModel)
    return model


def test_the_text_model_of_a_vision_language_model_scores_as_it_does_alone(
    corpus: tuple[Path, dict[str, list[str]]], tmp_path: Path
) -> None:
    tasks, text = corpus
    folder = tmp_path / "llava"
    model = around_images(tiny_llama())
    processor = LlavaProcessor(CLIPImageProcessor(), byte_tokenizer(), patch_size=8)
    for part in (model, processor):
        part.save_pretrained(folder)
    done = command_here(
        tmp_path / "results",
        *("--model", "hf-multimodal", "--model_args", f"pretrained={folder},dtype=float32"),
        *("--include_path", str(tasks), "--tasks", "made_up"),
        *("--device", "cpu", "--batch_size", "4"),
    )
    assert done.results is not None, done.stderr
    for name, layers in layers_of(done.results).items():
        target = text[name.removeprefix("made_up_")]
        expected = score(tiny_llama(), byte_tokenizer(), PIVOT, target).layers()
        assert layers == expected
        assert score(model, processor, PIVOT, target).layers() == expected
    assert "--model hf-multimodal" in show_layers(str(folder))
