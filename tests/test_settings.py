"""Settings: every unknown or impossible one is an error that lists what is possible."""

from __future__ import annotations

import pytest
import torch
from conftest import tiny_llama

from neuronxa_task.corpus import Corpus
from neuronxa_task.errors import NeuronXAError
from neuronxa_task.scoring.language_pairs import TaskFacts
from neuronxa_task.scoring.signature import ModelFacts, model_identity, signature
from neuronxa_task.settings import Settings


def test_defaults_are_the_paper_s_setting() -> None:
    settings = Settings.from_metadata({})
    assert settings == Settings(
        nas_site="gate",
        nav_site="product",
        pooling="position",
        pivot="eng_Latn",
        num_sentences=100,
        split="devtest",
        dataset=None,
    )


def test_somebody_else_s_keys_are_passed_over() -> None:
    settings = Settings.from_metadata({"pretrained": "m", "pivot": "fra_Latn"})
    assert settings.pivot == "fra_Latn"


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"num_sentence": 5}, "unknown metadata key 'num_sentence'; did you mean 'num_sentences'"),
        ({"nas_site": "up"}, "nas_site is 'up'; expected one of: gate, product"),
        ({"nav_site": 3}, "nav_site is 3; expected one of"),
        ({"pooling": "max"}, "pooling is 'max'; expected one of: position, mean, last"),
        ({"num_sentences": 1}, "num_sentences is 1; at least 2"),
        ({"num_sentences": -4}, "num_sentences is -4; at least 2"),
        ({"num_sentences": 2.5}, "num_sentences is 2.5; expected a whole number"),
        ({"num_sentences": True}, "num_sentences is True; expected a whole number"),
        ({"num_sentences": "every"}, "num_sentences is 'every'; expected a whole number .*or all"),
        ({"sample": "last"}, "sample is 'last'; expected first, or the seed"),
        ({"sample": -1}, "sample is -1; expected first, or the seed"),
        ({"sample": True}, "sample is True; expected first, or the seed"),
        ({"pivot": 1}, "pivot is 1; expected a language, or a list of languages"),
        ({"dataset": 1}, "dataset is 1; expected a hub name or a path"),
    ],
)
def test_impossible_settings(metadata: dict[str, object], message: str) -> None:
    with pytest.raises(NeuronXAError, match=message):
        Settings.from_metadata(metadata)


def task_of(model: ModelFacts) -> TaskFacts:
    return TaskFacts("0a1b2c3d", "5e6f7a8b", model, (), 0.0, {}, {})


def test_signature_names_all_facts() -> None:
    settings = Settings(nas_site="product", pooling="mean")
    data = Corpus("mteb/FloresBitextMining", "2144d16c", "devtest", (), list)
    model = ModelFacts("bfloat16", "auto", "9f8e7d6c")
    line = signature(settings, data, "eng_Latn", 100, task_of(model))
    start = (
        "|data:mteb/FloresBitextMining@2144d16c|split:devtest|n:100|pivot:eng_Latn|nas:product>0"
        "|nav:abs(product)|pool:mean|sim:cosine64|data_hash:0a1b2c3d|token_hash:5e6f7a8b|dtype:bfloat16|batch:auto"
        "|model:9f8e7d6c|torch:"
    )
    assert line.startswith("neuronxa:") and start in line
    assert [part.split(":")[0] for part in line.split("|")][-3:] == [
        "torch",
        "transformers",
        "lm_eval",
    ]


@pytest.mark.parametrize(
    ("pairs", "sample", "expected"),
    [
        (100, "first", "|n:100|pivot:"),
        (100, 7, "|n:100|sample:7|pivot:"),
        (100, 0, "|n:100|sample:0|pivot:"),
        ("all", 7, "|n:all|pivot:"),  # every sample of all pairs is all pairs
    ],
)
def test_signature_names_the_sample(pairs: int | str, sample: int | str, expected: str) -> None:
    settings = Settings(sample=sample)  # type: ignore[arg-type]
    data, task = Corpus("d", "local", "test", (), list), task_of(ModelFacts("float32", "1", "9f8e"))
    assert expected in signature(settings, data, "eng", pairs, task)


def test_model_identity_follows_the_weights() -> None:
    model = tiny_llama()
    identity = model_identity(model)
    assert identity == model_identity(tiny_llama())
    with torch.no_grad():
        model.model.layers[1].mlp.down_proj.weight.mul_(1.01)
    assert model_identity(model) != identity
    model.config._commit_hash = "0123abcd"
    changed = model_identity(model)
    assert changed.startswith("0123abcd+")
    model.model.register_buffer("scale", torch.ones(3))
    assert model_identity(model) != changed, "quantized weights are buffers"
