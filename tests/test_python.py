"""The package in Python: what it names, and `score` with several languages and with bad input."""

from __future__ import annotations

import importlib.metadata
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import byte_tokenizer, sentences, tiny_llama, translated
from test_alignment import naive_directions

import neuronxa_task
from neuronxa_task import NeuronXAError, score
from neuronxa_task.scoring import encoder, states

PIVOT = sentences(24, seed=2)
LANGUAGES = {name: translated(PIVOT, noise) for name, noise in {"near": 0.1, "far": 0.7}.items()}


def test_the_package_names_what_is_public() -> None:
    assert neuronxa_task.__version__ == importlib.metadata.version("lm-eval-neuronxa")
    names = dir(neuronxa_task)
    assert names == sorted(neuronxa_task.__all__)
    assert all(hasattr(neuronxa_task, name) for name in names)
    with pytest.raises(AttributeError, match="has no attribute 'scores'"):
        _ = neuronxa_task.scores


def test_several_languages_score_as_each_alone() -> None:
    together = score(tiny_llama(), byte_tokenizer(), PIVOT, LANGUAGES)
    assert list(together) == list(LANGUAGES)
    for language, target in LANGUAGES.items():
        alone = score(tiny_llama(), byte_tokenizer(), PIVOT, target)
        assert together[language].to_dict() == alone.to_dict()
    assert together["near"].nasca > together["far"].nasca


def test_each_distinct_sentence_is_encoded_once() -> None:
    counted: list[int] = []
    real = states.encode

    def counting(body: Any, sites: Any, texts: Any, **options: Any) -> Any:
        counted.append(len(texts))
        return real(body, sites, texts, **options)

    with mock.patch.object(encoder, "encode", counting):
        score(tiny_llama(), byte_tokenizer(), PIVOT, LANGUAGES)
    new = [len({*LANGUAGES["near"], *PIVOT}), len({*LANGUAGES["far"]} - {*PIVOT})]
    assert counted[0] == new[0]
    assert sum(counted) == len({*PIVOT, *LANGUAGES["near"], *LANGUAGES["far"]}) <= sum(new)


def test_it_carries_what_a_result_file_does() -> None:
    found = score(tiny_llama(), byte_tokenizer(), PIVOT, LANGUAGES["far"])
    for name in ("nasca", "navca", "mexa"):
        low, high = found.intervals[name]
        assert 0 <= low <= getattr(found, name) <= high <= 1
    tokenizer = byte_tokenizer()

    def bags(texts: list[str]) -> torch.Tensor:
        ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
        return torch.tensor([[line.count(token) for token in range(258)] for line in ids]).float()

    row, column = naive_directions(bags(PIVOT), bags(LANGUAGES["far"]))
    assert found.surface == pytest.approx(np.mean(np.array(row) & np.array(column)))
    assert len(score(tiny_llama(), tokenizer, PIVOT[:9], PIVOT[:9]).intervals) == 0


def test_columns_of_a_table_are_lists_of_sentences() -> None:
    table = pd.DataFrame({"piv": PIVOT, **LANGUAGES})
    plain = score(tiny_llama(), byte_tokenizer(), PIVOT, LANGUAGES["far"]).to_dict()
    for given in (table["far"], np.array(LANGUAGES["far"]), iter(LANGUAGES["far"])):
        assert score(tiny_llama(), byte_tokenizer(), table["piv"], given).to_dict() == plain


@pytest.mark.slow
@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 64 bytes."),
    ],
    ids=["CUDA", "CPU"],
)
def test_a_batch_that_does_not_fit_in_memory_is_halved(error: RuntimeError) -> None:
    plain = score(tiny_llama(), byte_tokenizer(), PIVOT, LANGUAGES)
    model, sizes = tiny_llama(), []

    def full(module: torch.nn.Module, inputs: Any, named: Any) -> None:
        sizes.append(len(named["input_ids"]))
        if sizes[-1] > 4:
            raise error

    model.get_decoder().register_forward_pre_hook(full, with_kwargs=True)
    found = score(model, byte_tokenizer(), PIVOT, LANGUAGES, batch_size=16)
    assert max(sizes) > 4 >= max(sizes[-5:])
    assert {name: each.to_dict() for name, each in found.items()} == {
        name: each.to_dict() for name, each in plain.items()
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": "gpt2"}, r"model is the text 'gpt2'; expected a loaded model: load AutoModel"),
        ({"model": None}, r"model is None; expected a loaded model: load one first"),
        ({"tokenizer": "gpt2"}, r"tokenizer is the text 'gpt2'.*AutoTokenizer.from_pretrained"),
        ({"tokenizer": None}, r"tokenizer is None; expected a tokenizer of transformers"),
        ({"tokenizer": str.split}, r"tokenizer is a method_descriptor; expected a tokenizer"),
        ({"pivot": "Hello."}, r"pivot is the text 'Hello.'; expected a list of sentences"),
        ({"target": "Hello."}, r"target is the text 'Hello.'; expected a list of sentences"),
        ({"target": {"fra": "Bonjour."}}, r"target\['fra'\] is the text 'Bonjour.'; expected a l"),
        ({"target": {}}, r"target is an empty mapping; expected sentences by language"),
        ({"target": None}, r"target is None; expected a list of sentences"),
        ({"pivot": {"eng": PIVOT}}, r"pivot is a dict; expected a list of sentences"),
        ({"target": 3}, r"target is an int; expected a list of sentences"),
        ({"target": pd.DataFrame({"a": ["b"]})}, r"target is a DataFrame; expected one column"),
        ({"target": ["a", None]}, r"sentence 2 of target is None, not text; expected text"),
        ({"pivot": ["a", " \n"]}, r"sentence 2 of pivot is empty; expected text"),
        ({"pivot": []}, r"pivot has 0 sentences and target 2; expected lists of equal length"),
        ({"pivot": ["a"], "target": ["b"]}, r"pivot has 1 sentences and target 1; .*, of 2 or m"),
        ({"target": {"fra": ["a"]}}, r"pivot has 2 sentences and target\['fra'\] 1; expected"),
        ({"batch_size": 0}, r"batch_size is 0; expected a whole number of 1 or more"),
        ({"batch_size": "auto"}, r"batch_size is 'auto'; expected a whole number of 1 or more"),
        ({"side": "left"}, r"side is 'left'; expected one of: encoder, decoder"),
    ],
)
def test_what_cannot_be_scored_is_said_in_one_line(given: dict[str, Any], message: str) -> None:
    usual = {"model": tiny_llama(), "tokenizer": byte_tokenizer()}
    with pytest.raises(NeuronXAError, match=message) as error:
        score(**(usual | {"pivot": ["a", "b"], "target": ["c", "d"]} | given))
    assert "\n" not in str(error.value)
