"""`neuronxa models`: the packaged table is what the tests see, and one model's layers are shown."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import byte_tokenizer, tiny_llama
from families import tiny_model
from family_cases import READ, REASONS
from transformers import DistilBertConfig, DistilBertModel, PreTrainedModel
from typer.testing import CliRunner

from neuronxa_task import score
from neuronxa_task.cli import app
from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn.families import families, overview
from neuronxa_task.ffn.layers import layers_of
from neuronxa_task.settings import Side


def test_the_table_is_of_the_families_that_are_tested() -> None:
    table = families()
    plain = [case for case in READ if not case.values]
    assert {(f.kind, f.name) for f in table if f.neurons} == {
        (case.table_kind, case.family) for case in plain
    }
    refused = {(f.kind, f.name): f.reason for f in table if not f.neurons}
    reasons = {case: reason for case, reason in REASONS.items() if not case.values}
    assert refused.keys() == {(case.table_kind, case.family) for case in reasons}
    for case, pattern in reasons.items():
        reason = refused[case.table_kind, case.family]
        said = pattern.partition("; supported: ")[0].partition("; looked for ")[0]
        assert re.search(said.removesuffix(".*").removesuffix(".+"), reason), case


def test_the_documentation_counts_what_the_table_says() -> None:
    page = (Path(__file__).parent.parent / "docs" / "models.md").read_text(encoding="utf-8")
    for kind, words in {
        "causal": "decoder-only",
        "encoder-only": "encoder-only",
        "encoder": "encoders of encoder-decoder",
        "decoder": "decoders of encoder-decoder",
        "vision": "text models of multimodal",
    }.items():
        table = [family for family in families() if family.kind == kind]
        read = [family for family in table if family.neurons]
        routed = sum("experts" in family.neurons for family in read)
        row = next(line for line in page.splitlines() if line.startswith(f"| {words}"))
        *_, of_read, of_refused, _ = row.split("|")
        expected = [len(read), routed] if "of them" in of_read else [len(read)]
        assert [int(number) for number in re.findall(r"\d+", of_read)] == expected
        assert int(of_refused) == len(table) - len(read)


def test_the_overview_counts_every_family() -> None:
    table = [family for family in families() if family.kind == "causal"]
    read = [family.name for family in table if family.neurons]
    text = overview("causal")
    assert f"decoder-only: {len(read)} read, {len(table) - len(read)} refused" in text
    assert "mamba: layer 1 (MambaBlock) has no feed-forward neurons to read" in text
    words = text.split()
    assert all(name in words for name in read)


def test_an_unknown_kind() -> None:
    with pytest.raises(NeuronXAError, match=r"kind is 'dense'; expected one of: causal, encoder"):
        overview("dense")


def test_the_layers_of_a_model(tmp_path: Path) -> None:
    model = tiny_model("nemotron_h")
    assert isinstance(model, PreTrainedModel)
    model.save_pretrained(tmp_path / "hybrid")
    lines = layers_of(str(tmp_path / "hybrid")).splitlines()
    assert lines[0] == "nemotron_h: 3 layers, hidden size 32"
    assert lines[1].split() == ["layer", "1", "layers.0.mixer.down_proj:", "48"]
    assert lines[2].endswith("no feed-forward neurons")
    assert lines[-1] == "48 neurons; layers are counted from 1, names of modules from 0"


def test_experts_among_the_layers(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = tiny_model("qwen2_moe")
    assert isinstance(model, PreTrainedModel)
    model.save_pretrained(tmp_path)
    lines = layers_of(str(tmp_path)).splitlines()
    assert "layers.0.mlp.shared_expert.down_proj: 40" in lines[1]
    assert "layers.0.mlp.experts: 4 experts x 40" in lines[1]
    assert lines[-1].startswith("600 neurons; ")


def test_encoders_are_no_decoders() -> None:
    kinds = {family.name: family.kind for family in families() if family.kind != "decoder"}
    for name in ("bert", "electra", "roberta", "xlm-roberta"):
        assert kinds[name] == "encoder-only"
    for name in ("gpt2", "llama", "qwen3"):
        assert kinds[name] == "causal"


@pytest.mark.parametrize("side", ["encoder", "decoder"])
def test_either_half_of_an_encoder_decoder(side: Side, tmp_path: Path) -> None:
    model = tiny_model("bart", "seq2seq", encoder_ffn_dim=56)
    assert isinstance(model, PreTrainedModel)
    model.save_pretrained(tmp_path)
    lines = layers_of(str(tmp_path), side=side).splitlines()
    width = {"encoder": 56, "decoder": 48}[side]
    assert lines[0] == f"bart, {side}: 3 layers, hidden size 32"
    assert lines[1].split() == ["layer", "1", "layers.0.fc2:", str(width)]


@pytest.mark.slow
def test_an_encoder_without_a_head_is_shown_quietly(tmp_path: Path) -> None:
    model = tiny_model("bert")
    assert isinstance(model, PreTrainedModel)
    model.base_model.save_pretrained(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "neuronxa_task", "models", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("bert: 3 layers")
    assert "transformers" not in done.stderr
    assert "Loading weights" not in done.stderr


def test_a_family_that_only_python_scores(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = DistilBertConfig(vocab_size=96, dim=32, hidden_dim=48, n_layers=2, n_heads=4)
    DistilBertModel(config).save_pretrained(tmp_path)
    lines = layers_of(str(tmp_path)).splitlines()
    assert lines[0] == "distilbert: 2 layers, hidden size 32"
    assert lines[-1] == (
        "lm_eval --model hf has no class for distilbert; score it in Python (neuronxa_task.score)."
    )


def test_an_adapter_as_the_harness_loads_it(tmp_path: Path) -> None:
    from peft import LoraConfig, PromptTuningConfig, get_peft_model

    base, lora, prompt = tmp_path / "base", tmp_path / "lora", tmp_path / "prompt"
    tiny_llama().save_pretrained(base)
    byte_tokenizer().save_pretrained(base)
    adapted = get_peft_model(tiny_llama(), LoraConfig(target_modules=["down_proj"]))
    adapted.save_pretrained(str(lora))
    lines = layers_of(str(base), {"peft": str(lora), "batch_size": 4}).splitlines()
    assert "layers.0.mlp.down_proj" in lines[1]
    virtual = PromptTuningConfig(num_virtual_tokens=2, task_type="CAUSAL_LM")
    get_peft_model(tiny_llama(), virtual).save_pretrained(str(prompt))
    with pytest.raises(NeuronXAError, match="adds virtual tokens") as refused:
        layers_of(str(base), {"peft": str(prompt)})
    with pytest.raises(NeuronXAError, match="adds virtual tokens") as as_scored:
        score(get_peft_model(tiny_llama(), virtual), byte_tokenizer(), ["a", "b"], ["c", "d"])
    assert str(refused.value) == str(as_scored.value)


def test_code_of_the_model_folder_is_run_only_where_asked(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    tiny_llama().save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    code = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}
    config |= {"model_type": "own", "auto_map": code}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "own.py").write_text(
        "from transformers import LlamaConfig, LlamaForCausalLM\n"
        "class OwnConfig(LlamaConfig):\n    model_type = 'own'\n"
        "class OwnModel(LlamaForCausalLM):\n    config_class = OwnConfig\n",
        encoding="utf-8",
    )
    with pytest.raises(NeuronXAError, match=r"cannot be loaded: .*trust_remote_code"):
        layers_of(str(folder))
    assert layers_of(str(folder), {"trust_remote_code": True}).startswith("own: 2 layers")


def test_arguments_that_cannot_be_meant(tmp_path: Path) -> None:
    tiny_llama().save_pretrained(tmp_path)
    with pytest.raises(NeuronXAError, match=r"cannot be loaded: .*'revison'"):
        layers_of(str(tmp_path), {"revison": "v1"})
    with pytest.raises(NeuronXAError, match=r"does not load models with delta; score such"):
        layers_of(str(tmp_path), {"delta": "other"})
    with pytest.raises(NeuronXAError, match=r"side is 'left'; expected one of: encoder, decoder"):
        layers_of(str(tmp_path), side="left")  # type: ignore[arg-type]
    for arguments in (["x", "--model_args", "pretrained=y"], ["--model-args", "revision=v1"]):
        done = CliRunner().invoke(app, ["models", *arguments])
        assert isinstance(done.exception, NeuronXAError)
        assert "expected one model" in str(done.exception)


def test_what_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(
        NeuronXAError, match=r"cannot be loaded: .*; expected a hub name or a folder"
    ):
        layers_of(str(tmp_path))


def test_the_command() -> None:
    done = CliRunner().invoke(app, ["models", "--kind", "vision"])
    assert "(lm_eval --model hf-multimodal): 16 read, 3 refused" in done.stdout
