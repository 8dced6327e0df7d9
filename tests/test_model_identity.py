"""Which runs are of the same model: by backends' arguments, names, fingerprints, aliases."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from commands import neuronxa
from made_results import ACCURACY, LANGUAGES, MadeRun

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.results import Results, read_results
from neuronxa_task.results.backends import constructor_arguments

CLAIMS = Path(__file__).resolve().parents[2] / "shared" / "field" / "claims"
MODEL = "Org/Model-7B"


def aligned(
    model: str = MODEL, weights: str = "aaaa", date: float = 1.0, hooks: int = 0, **args: Any
) -> MadeRun:
    run, hooked = MadeRun(model, date=date, **args), {"hooks": str(hooks)} if hooks else {}
    for code in LANGUAGES:
        run.aligned(code, 0.5, facts={"model": weights} | hooked)
    return run


def measured(date: float = 2.0, kind: str = "hf", **args: Any) -> MadeRun:
    """A benchmark of a model given by its arguments alone."""
    run = MadeRun("ignored", date=date)
    run.content["config"] |= {"model": kind, "model_args": args}
    for code, value in zip(LANGUAGES, ACCURACY, strict=True):
        run.task(f"belebele_{code}", {"acc": value})
    return run


def read(folder: Path, *runs: MadeRun, aliases: tuple[str, ...] = ()) -> Results:
    for number, run in enumerate(runs):
        run.write(folder / str(number))
    return read_results([folder], aliases=aliases)


def models(results: Results) -> list[str]:
    return sorted(set(results.table["model"]))


# ---------------------------------------------------------------- arguments

API = {"model": MODEL, "base_url": "http://localhost:8000/v1/completions"}


@pytest.mark.parametrize(
    ("kind", "args"),
    [
        ("local-completions", API | {"num_concurrent": 8, "tokenized_requests": False}),
        ("local-completions", API | {"tokenizer": MODEL, "tokenizer_backend": "huggingface"}),
        ("local-chat-completions", API | {"max_retries": 3, "timeout": 60, "eos_string": "x"}),
        ("hf", {"pretrained": MODEL, "add_bos_token": True, "tokenizer": MODEL}),
        ("hf", {"pretrained": MODEL.lower()}),
        ("hf", {"pretrained": MODEL, "revision": "main", "trust_remote_code": True}),
        ("hf-auto", {"pretrained": MODEL, "use_accelerate": True, "load_in_8bit": False}),
        (
            "vllm",
            {
                "pretrained": MODEL,
                "tensor_parallel_size": 2,
                "max_model_len": 4096,
                "enable_prefix_caching": True,
                "max_lora_rank": 16,
                "kv_cache_dtype": "auto",
                "max_num_batched_tokens": 8192,
                "distributed_executor_backend": "ray",
                "chat_template_args": "{}",
                "data_parallel_size": 1,
                "prefix_token_id": 1,
            },
        ),
        (
            "sglang",
            {
                "pretrained": MODEL,
                "mem_fraction_static": 0.8,
                "dp_size": 1,
                "tp_size": 2,
                "chunked_prefill_size": -1,
                "attention_backend": "fa3",
                "tokenizer_path": MODEL,
                "load_format": "auto",
                "context_length": 4096,
            },
        ),
    ],
)
def test_how_a_backend_runs_a_model_makes_no_other_one(
    tmp_path: Path, kind: str, args: dict[str, Any]
) -> None:
    assert models(read(tmp_path, aligned(), measured(kind=kind, **args))) == [MODEL]


@pytest.mark.parametrize(
    "args",
    [
        {"revision": "step1000"},
        {"subfolder": "v2"},
        {"peft": "me/lora"},
        {"lora_local_path": "lora"},
        {"delta": "org/delta"},
        {"gguf_file": "q4.gguf"},
        {"quantization": "awq"},
        {"load_in_4bit": True},
        {"bnb_4bit_quant_type": "nf4"},
        {"load_format": "bitsandbytes"},
        {"rope_scaling": "x"},
        {"hf_overrides": "{}"},
        {"num_hidden_layers": 12},
        {"hidden_size": 12},
        {"tokenizer": "other/tokenizer"},
        {"steer_path": "steer.pt"},
        {"enable_thinking": False},
        {"chat_template_args": '{"x": 1}'},
        {"brand_new_option": 1},
        {"model": "other"},
    ],
)
def test_what_may_change_a_model_makes_another_one(tmp_path: Path, args: dict[str, Any]) -> None:
    ((name, value),) = args.items()
    results = read(tmp_path, aligned(), measured(pretrained=MODEL, **args))
    assert models(results) == [MODEL, f"{MODEL} [{name}={value}]"]
    (hint,) = results.hints
    assert hint == (
        f"if {MODEL} [{name}={value}] is {MODEL}, join them with "
        f"--alias '{MODEL} [{name}={value}]={MODEL}'"
    )
    joined = read_results([tmp_path], aliases=[f"{MODEL} [{name}={value}]={MODEL}"])
    assert models(joined) == [MODEL] and joined.hints == ()


def test_the_harness_constructors_are_read_without_their_backends() -> None:
    names = constructor_arguments()
    assert {
        "pretrained",
        "add_bos_token",
        "mem_fraction_static",
        "base_url",
        "lora_local_path",
    } <= (names)
    code = (
        "import sys; from neuronxa_task.results.backends import constructor_arguments as c; c(); "
        "print({'torch', 'vllm', 'sglang', 'transformers', 'lm_eval.models'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# ---------------------------------------------------------------- names and fingerprints


def test_a_path_and_a_hub_name_of_equal_weights_are_one_model(tmp_path: Path) -> None:
    here = aligned("/data/models/m", date=2.0)
    results = read(tmp_path, aligned(weights="0a1b2c+aaaa"), here, measured(pretrained=MODEL))
    assert models(results) == [MODEL]
    assert f"joined as one model, {MODEL}: /data/models/m" in results.notes
    ended = neuronxa("correlate", tmp_path, "--resamples", 100)
    assert ended.code == 0, ended.errors


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"weights": "bbbb"}),
        ({"hooks": 2}, {"hooks": 2}),
        ({}, {"enable_thinking": False}),
    ],
    ids=["weights", "hooks", "behaviour"],
)
def test_other_models_stay_apart(
    tmp_path: Path, first: dict[str, Any], second: dict[str, Any]
) -> None:
    assert len(models(read(tmp_path, aligned(**first), aligned("/data/m", **second)))) == 2


def test_names_of_other_case_and_other_weights_stay_apart(tmp_path: Path) -> None:
    runs = aligned("me/model"), aligned("me/Model", weights="bbbb")
    assert models(read(tmp_path, *runs)) == ["me/Model", "me/model"]


def test_paths_of_other_case_stay_apart(tmp_path: Path) -> None:
    runs = measured(pretrained="/data/Model"), measured(pretrained="/data/model", date=3.0)
    assert models(read(tmp_path, *runs)) == ["/data/Model", "/data/model"]


def test_a_checkpoint_trained_on_under_its_name_joins_no_other(tmp_path: Path) -> None:
    runs = aligned("run/ckpt"), aligned("run/ckpt", weights="bbbb", date=2.0), aligned("copy/ckpt")
    assert models(read(tmp_path, *runs)) == ["copy/ckpt", "run/ckpt"]


# ---------------------------------------------------------------- aliases


def test_an_alias_joins_what_no_rule_can(tmp_path: Path) -> None:
    read(tmp_path, aligned(), measured(pretrained=f"/data/models/{MODEL.split('/')[1]}"))
    refused = neuronxa("correlate", tmp_path)
    alias = f"/data/models/Model-7B={MODEL}"
    assert refused.code == 1
    assert refused.errors.startswith(f"neuronxa: error: if /data/models/Model-7B is {MODEL}, join")
    assert f"--alias '{alias}'" in refused.errors
    assert neuronxa("correlate", tmp_path, "--alias", alias, "--resamples", 100).code == 0
    for command in ("predict", "leaderboard"):
        assert neuronxa(command, tmp_path, "--alias", alias).code == 0


def test_an_alias_may_give_a_new_name(tmp_path: Path) -> None:
    results = read(tmp_path, measured(pretrained="a=b/c"), aliases=("a=b/c=mine",))
    assert models(results) == ["mine"]


@pytest.mark.parametrize("alias", ["", "name", "=", "a=", "=b", "nobody=Org/Model-7B"])
def test_an_alias_of_no_model_is_an_error_that_lists_them(tmp_path: Path, alias: str) -> None:
    many = [measured(pretrained=f"org/{number}", date=number) for number in range(30)]
    with pytest.raises(NeuronXAError, match="--alias") as error:
        read(tmp_path, *many, aliases=(alias,))
    assert len(str(error.value)) < 240


def test_a_misspelt_model_of_an_alias_is_guessed(tmp_path: Path) -> None:
    with pytest.raises(NeuronXAError, match=f"did you mean {MODEL!r}"):
        read(tmp_path, measured(pretrained=MODEL), aliases=(f"{MODEL.replace('7B', '7b')}x=mine",))


# ---------------------------------------------------------------- files of others


@pytest.mark.skipif(not CLAIMS.exists(), reason="result files of others are not here")
@pytest.mark.parametrize("other", "api bos case sametok sglang vllm vllm2 localpath".split())
def test_inputs_of_the_field_join(other: str) -> None:
    alias = ("--alias", "/data/models/Qwen2.5-7B=Qwen/Qwen2.5-7B") if other == "localpath" else ()
    paths = CLAIMS / "join" / "a", CLAIMS / "join" / other
    ended = neuronxa("correlate", *paths, "--resamples", 100, "--full", *alias)
    assert ended.code == 0, ended.errors
    assert "neuronxa_flores with belebele acc, Qwen/Qwen2.5-7B" in ended.output
