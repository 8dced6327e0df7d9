"""`neuronxa models`: the packaged table is what the tests see, and one model's layers are shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from families import tiny_model
from family_cases import READ, REASONS
from transformers import PreTrainedModel
from typer.testing import CliRunner
from write_families import KIND

from neuronxa_task.cli import app
from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn.families import families, layers_of, overview


def test_the_table_is_of_the_families_that_are_tested() -> None:
    table = families()
    plain = [case for case in READ if not case.values]
    assert {(f.kind, f.name) for f in table if f.neurons} == {
        (KIND[case.kind], case.family) for case in plain
    }
    refused = {(f.kind, f.name): f.reason for f in table if not f.neurons}
    reasons = {case: reason for case, reason in REASONS.items() if not case.values}
    assert refused.keys() == {(KIND[case.kind], case.family) for case in reasons}
    for case, pattern in reasons.items():
        reason = refused[KIND[case.kind], case.family]
        said = pattern.partition("; supported: ")[0].partition("; looked for ")[0]
        assert re.search(said.removesuffix(".*").removesuffix(".+"), reason), case


def test_the_page_counts_what_the_table_says() -> None:
    readme = (Path(__file__).parents[1] / "docs" / "models.md").read_text(encoding="utf-8")
    for kind, words in {
        "causal": "decoder-only",
        "encoder": "encoders of encoder-decoder",
        "decoder": "decoders of encoder-decoder",
        "vision": "text models of multimodal",
    }.items():
        table = [family for family in families() if family.kind == kind]
        read = [family for family in table if family.neurons]
        routed = sum("experts" in family.neurons for family in read)
        row = next(line for line in readme.splitlines() if line.startswith(f"| {words}"))
        numbers = [int(number) for number in re.findall(r"\d+", row.partition("tried")[2] or row)]
        assert numbers[-2:] == [len(read), len(table) - len(read)] or numbers == [
            *(len(read), routed, len(table) - len(read))
        ]


def test_the_overview_counts_every_family() -> None:
    table = [family for family in families() if family.kind == "causal"]
    read = [family.name for family in table if family.neurons]
    text = overview("causal")
    assert f"decoder-only: {len(read)} read, {len(table) - len(read)} refused" in text
    assert "mamba: layer 0 (MambaBlock) has no feed-forward neurons to read" in text
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
    assert lines[1].split() == ["layer", "0", "layers.0.mixer.down_proj:", "48"]
    assert lines[2].endswith("no feed-forward neurons")
    assert lines[-1] == "48 neurons"


def test_experts_among_the_layers(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = tiny_model("qwen2_moe")
    assert isinstance(model, PreTrainedModel)
    model.save_pretrained(tmp_path)
    lines = layers_of(str(tmp_path)).splitlines()
    assert "layers.0.mlp.shared_expert.down_proj: 40" in lines[1]
    assert "layers.0.mlp.experts: 4 experts x 40" in lines[1]
    assert lines[-1] == "600 neurons"


def test_what_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(
        NeuronXAError, match=r"cannot be loaded: .*; expected a hub name or a folder"
    ):
        layers_of(str(tmp_path))


def test_the_command() -> None:
    done = CliRunner().invoke(app, ["models", "--kind", "vision"])
    assert "text model of a multimodal model: 16 read, 3 refused" in done.stdout
