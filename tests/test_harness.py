"""NeuronXA inside the harness: the same numbers whatever the harness is asked to do around them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest
import torch
from conftest import byte_tokenizer, tiny_llama
from runs import LANGUAGES, PIVOT, evaluate, layers_of, signature_of, write_text
from transformers import MambaConfig, MambaForCausalLM, T5Config, T5ForConditionalGeneration

from neuronxa_task import score
from neuronxa_task.errors import NeuronXAError
from neuronxa_task.own_text import make_tasks
from neuronxa_task.scoring import encoder, state_cache, states
from neuronxa_task.scoring.out_of_memory import BatchTooLargeError
from neuronxa_task.settings import SCORE_OF
from neuronxa_task.task import _prompt_options, _warn_of_prompts

pytestmark = pytest.mark.slow

TASKS = [f"made_up_{language}" for language in LANGUAGES]
SCORES = ("nasca", "navca", "mexa", "nasca_max", "navca_max", "mexa_max")
DEFAULT_LAYER_COUNT = {"nas": 2, "nav": 2, "emb": 3}


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_text(tmp_path_factory.mktemp("text") / "corpus")


@pytest.fixture(scope="module")
def tasks(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    make_tasks(text, "made_up", "piv", folder)
    return folder


@pytest.fixture(scope="module")
def plain(model_folder: Path, tasks: Path) -> dict[str, Any]:
    return evaluate(model_folder, tasks)


def lines(text: Path, language: str) -> list[str]:
    return (text / f"{language}.txt").read_text(encoding="utf-8").splitlines()


def test_results_equal_the_python_function(plain: dict[str, Any], text: Path) -> None:
    for language in LANGUAGES:
        found = score(tiny_llama(), byte_tokenizer(), PIVOT, lines(text, language))
        reported = plain["results"][f"made_up_{language}"]
        for name, value in found.metrics().items():
            assert reported[f"{name},none"] == pytest.approx(value, abs=1e-12)
        assert layers_of(plain)[f"made_up_{language}"] == found.layers()
    assert len({plain["results"][task]["nasca,none"] for task in TASKS}) > 1


def test_layers_have_the_documented_shape(plain: dict[str, Any]) -> None:
    for profile in layers_of(plain).values():
        for key, values in profile.items():
            kind = {"nasca": "nas", "navca": "nav", "mexa": "emb"}.get(key, key[:3])
            assert len(values) == DEFAULT_LAYER_COUNT[kind]


def test_scores_follow_from_the_layers(plain: dict[str, Any]) -> None:
    for task, profile in layers_of(plain).items():
        for name in ("nasca", "navca", "mexa"):
            reported = plain["results"][task]
            assert reported[f"{name},none"] == pytest.approx(mean(profile[name]))
            assert reported[f"{name}_max,none"] == pytest.approx(max(profile[name]))
            assert reported[f"{name}_max_stderr,none"] == "N/A"


def test_each_pairs_aligned_layers_are_recorded(plain: dict[str, Any], text: Path) -> None:
    for language in LANGUAGES:
        recorded = plain["configs"][f"made_up_{language}"]["metadata"]
        found = score(tiny_llama(), byte_tokenizer(), PIVOT, lines(text, language))
        for name, alignment in found.by_representation().items():
            counts = list(bytes.fromhex(recorded["aligned_layers"][SCORE_OF[name]]))
            assert counts == alignment.weak.sum(dim=0).tolist()
    hashes = {config["metadata"]["pivot_hash"] for config in plain["configs"].values()}
    assert len(hashes) == 1, "the languages share the pivot's sentences"


def test_the_group_is_the_unweighted_mean(plain: dict[str, Any]) -> None:
    for name in SCORES:
        members = [plain["results"][task][f"{name},none"] for task in TASKS]
        assert plain["groups"]["made_up"][f"{name},none"] == pytest.approx(mean(members))


def test_standard_errors_are_those_of_the_mean_over_pairs(plain: dict[str, Any]) -> None:
    for task in TASKS:
        values = [sample["nasca"] for sample in plain["samples"][task]]
        reported = plain["results"][task]["nasca_stderr,none"]
        assert reported == pytest.approx(stdev(values) / len(values) ** 0.5)


def test_logged_answers_are_short_strings(plain: dict[str, Any]) -> None:
    for sample in plain["samples"]["made_up_near"]:
        assert str(sample["resps"][0][0]).startswith("nas_from_pivot=")
        assert len(str(sample["resps"][0][0])) < 130
        assert sample["arguments"][0][:2] == (sample["doc"]["pivot"], sample["doc"]["target"])
        assert set(sample["doc"]) == {"id", "pivot", "target"}


def test_signature(plain: dict[str, Any]) -> None:
    found = signature_of(plain, "made_up_near")
    expected = {
        "data": "corpus@local",
        "split": "devtest",
        "n": "11",
        "pivot": "piv",
        "nas": "gate>0",
        "nav": "abs(product)",
        "pool": "position",
        "sim": "cosine64",
        "dtype": "float32",
        "batch": "auto",
    }
    assert expected.items() <= found.items()
    assert len(found["data_hash"]) == len(found["model"]) == 8
    assert found["data_hash"] != signature_of(plain, "made_up_far")["data_hash"]
    assert found["model"] == signature_of(plain, "made_up_far")["model"]


@pytest.mark.parametrize("batch_size", [1, 7])
def test_batch_size_changes_nothing(
    plain: dict[str, Any], model_folder: Path, tasks: Path, batch_size: int
) -> None:
    results = evaluate(model_folder, tasks, batch_size=batch_size)
    assert layers_of(results) == layers_of(plain)
    assert signature_of(results, TASKS[0])["batch"] == str(batch_size)


@pytest.mark.parametrize(
    "options",
    [
        {"num_fewshot": 3},
        {"system_instruction": "Be brief."},
        {"cache_requests": True},
        {"log_samples": False},
    ],
    ids=lambda options: next(iter(options)),
)
def test_what_does_not_apply_is_ignored(
    plain: dict[str, Any],
    model_folder: Path,
    tasks: Path,
    options: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    _warn_of_prompts.cache_clear()
    caplog.set_level("WARNING", "neuronxa_task")
    assert layers_of(evaluate(model_folder, tasks, **options)) == layers_of(plain)
    said = [record.message for record in caplog.records if "ignored: --" in record.message]
    # The harness itself says it of few-shot examples, which the task files rule out.
    assert len(said) == ("system_instruction" in options)
    assert all(message.endswith("ignored: --system_instruction") for message in said)


def test_prompt_options_are_named_as_the_command_has_them() -> None:
    options = {"apply_chat_template": True, "system_instruction": None}
    assert _prompt_options(3, options) == "--num_fewshot 3, --apply_chat_template"
    assert _prompt_options(0, {"apply_chat_template": False}) == ""


def test_limit_scores_the_first_pairs(model_folder: Path, tasks: Path, text: Path) -> None:
    results = evaluate(model_folder, tasks, ["made_up_middle"], limit=5)
    found = score(tiny_llama(), byte_tokenizer(), PIVOT[:5], lines(text, "middle")[:5])
    assert layers_of(results)["made_up_middle"] == found.layers()
    assert signature_of(results, "made_up_middle")["n"] == "5"


def test_chosen_samples(model_folder: Path, tasks: Path, text: Path) -> None:
    chosen = [8, 2, 5]
    results = evaluate(model_folder, tasks, ["made_up_middle"], samples={"made_up_middle": chosen})
    target = lines(text, "middle")
    found = score(
        tiny_llama(), byte_tokenizer(), [PIVOT[i] for i in chosen], [target[i] for i in chosen]
    )
    assert layers_of(results)["made_up_middle"]["nasca"] == found.layers()["nasca"]


def test_settings_reach_the_score(model_folder: Path, tasks: Path, text: Path) -> None:
    chosen = {"nas_site": "product", "nav_site": "gate", "pooling": "mean", "num_sentences": 9}
    results = evaluate(model_folder, tasks, ["made_up_middle"], metadata=chosen)
    sites: dict[str, Any] = {key: value for key, value in chosen.items() if key != "num_sentences"}
    found = score(tiny_llama(), byte_tokenizer(), PIVOT[:9], lines(text, "middle")[:9], **sites)
    assert layers_of(results)["made_up_middle"] == found.layers()
    expected = {"nas": "product>0", "nav": "abs(gate)", "pool": "mean", "n": "9"}
    assert expected.items() <= signature_of(results, "made_up_middle").items()


def test_another_pivot_and_other_data(
    model_folder: Path, tasks: Path, text: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for language in ("near", "far"):
        backwards = "\n".join(lines(text, language)[::-1])
        (other / f"{language}.txt").write_text(backwards, encoding="utf-8")
    chosen = {"pivot": "near", "dataset": str(other)}
    results = evaluate(model_folder, tasks, ["made_up_far"], metadata=chosen)
    found = score(
        tiny_llama(), byte_tokenizer(), lines(text, "near")[::-1], lines(text, "far")[::-1]
    )
    assert layers_of(results)["made_up_far"] == found.layers()
    expected = {"pivot": "near", "data": "other@local"}
    assert expected.items() <= signature_of(results, "made_up_far").items()


def test_the_pivot_s_own_task_scores_the_family_s_pivot(
    model_folder: Path, tasks: Path, text: Path
) -> None:
    results = evaluate(model_folder, tasks, metadata={"pivot": "near"})
    for task, target in {"near": "piv", "middle": "middle", "far": "far"}.items():
        found = score(tiny_llama(), byte_tokenizer(), lines(text, "near"), lines(text, target))
        assert layers_of(results)[f"made_up_{task}"] == found.layers()
        assert results["configs"][f"made_up_{task}"]["metadata"]["target"] == target


def test_a_score_knows_its_tokens(plain: dict[str, Any], model_folder: Path, tasks: Path) -> None:
    cut = evaluate(model_folder, tasks, model_args={"max_length": 9})
    signatures = [signature_of(run, "made_up_near") for run in (plain, cut)]
    assert signatures[0]["data_hash"] == signatures[1]["data_hash"]
    assert signatures[0]["token_hash"] != signatures[1]["token_hash"]


def test_a_model_in_training_mode_is_scored_without_dropout(
    plain: dict[str, Any], model_folder: Path, tasks: Path
) -> None:
    from lm_eval.models.huggingface import HFLM

    lm = HFLM(tiny_llama(attention_dropout=0.5), tokenizer=byte_tokenizer(), batch_size="auto")
    lm.model.train()
    results = evaluate(model_folder, tasks, model=lm)
    assert layers_of(results) == layers_of(plain)
    assert lm.model.training


def test_loggers_find_the_metrics(plain: dict[str, Any]) -> None:
    config = plain["configs"]["made_up_near"]
    assert {entry["metric"] for entry in config["metric_list"]} == set(SCORES)
    assert all(set(SCORES) <= set(sample) for sample in plain["samples"]["made_up_near"])


def test_documents_that_the_harness_cannot_split(tasks: Path) -> None:
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(tasks), include_defaults=False)
    task = manager.load_task_or_group(["made_up_near"])["made_up_near"]
    with pytest.raises(NeuronXAError, match="2 sentence pairs cannot be split over 3 processes"):
        task.build_all_requests(rank=0, world_size=3, limit=2)
    task.build_all_requests(rank=2, world_size=3, limit=3)
    assert len(task.instances) == 1


def test_model_arguments_are_no_unknown_settings(
    plain: dict[str, Any], model_folder: Path, tasks: Path
) -> None:
    arguments = {"attn_implementation": "eager", "trust_remote_code": False}
    results = evaluate(model_folder, tasks, model_args=arguments)
    row, expected = (run["results"]["made_up_near"] for run in (results, plain))
    for name in SCORES:  # attention rounds in another way, which may turn one pair
        assert row[f"{name},none"] == pytest.approx(expected[f"{name},none"], abs=0.05)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"num_sentence": 5}, "unknown metadata key 'num_sentence'; did you mean 'num_sentences'"),
        ({"language": "far"}, "has language 'far', but made_up_[nm].* is about '[nm]"),
        ({"pivot": "eng_Latn"}, "no language 'eng_Latn'; it has: far, middle, near, piv"),
        ({"num_sentences": 12}, "has 11 sentence pairs for piv-.* 12 were asked for"),
        ({"nas_site": "down"}, "nas_site is 'down'; expected one of: gate, product"),
        ({"dataset": "no/such_data"}, "'no/such_data' cannot be loaded"),
    ],
)
def test_impossible_settings_are_errors(
    model_folder: Path, tasks: Path, metadata: dict[str, Any], message: str
) -> None:
    with pytest.raises(NeuronXAError, match=message):
        evaluate(model_folder, tasks, metadata=metadata)


def test_a_single_pair_is_an_error(model_folder: Path, tasks: Path) -> None:
    with pytest.raises(NeuronXAError, match="made_up_far has 1 sentence pair; at least 2"):
        evaluate(model_folder, tasks, limit=1)


def test_other_backends_say_what_works(model_folder: Path, tasks: Path) -> None:
    with pytest.raises(NeuronXAError, match=r"DummyLM does not expose .* work with --model hf"):
        evaluate(model_folder, tasks, model="dummy")


def test_a_backend_that_changes_the_call_is_refused(tasks: Path) -> None:
    from lm_eval.models.huggingface import HFLM

    class SteeredLM(HFLM):  # type: ignore[misc]
        def _model_call(self, *arguments: Any, **options: Any) -> Any:
            return super()._model_call(*arguments, **options) * 2

    lm = SteeredLM(tiny_llama(), tokenizer=byte_tokenizer())
    with pytest.raises(NeuronXAError, match="SteeredLM changes how the model is called"):
        evaluate(Path("unused"), tasks, model=lm)


def test_a_model_without_feed_forward_layers(tasks: Path, tmp_path: Path) -> None:
    config = MambaConfig(vocab_size=258, hidden_size=32, num_hidden_layers=2, state_size=4)
    MambaForCausalLM(config).save_pretrained(tmp_path)
    byte_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(NeuronXAError, match=r"mamba: layer 1 .* no feed-forward neurons"):
        evaluate(tmp_path, tasks)


def test_activations_that_are_not_finite_name_layer_and_sentence(
    model_folder: Path, text: Path, tmp_path: Path
) -> None:
    poisoned = shutil.copytree(text, tmp_path / "text")
    (poisoned / "far.txt").write_text(
        "\n".join([*lines(text, "far")[:3], "ba % ku", *lines(text, "far")[4:]]), encoding="utf-8"
    )
    make_tasks(poisoned, "made_up", "piv", tmp_path / "tasks")
    model = tiny_llama()
    with torch.no_grad():
        model.get_input_embeddings().weight[byte_tokenizer()("%")["input_ids"][-1]] = float("inf")
    shutil.copytree(model_folder, tmp_path / "model")
    model.save_pretrained(tmp_path / "model")
    message = "neuron activation of layer 1 is NaN or infinite for the sentence '.*ba % ku'"
    with pytest.raises(NeuronXAError, match=message):
        evaluate(tmp_path / "model", tmp_path / "tasks")


def test_encoder_decoder_models_are_read_at_the_encoder(
    tasks: Path, tmp_path: Path, text: Path
) -> None:
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=258,
        d_model=32,
        d_kv=8,
        d_ff=40,
        num_layers=3,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        decoder_start_token_id=0,
        pad_token_id=1,
        eos_token_id=1,
        initializer_factor=3.0,
    )
    model = T5ForConditionalGeneration(config).eval()
    model.save_pretrained(tmp_path)
    byte_tokenizer().save_pretrained(tmp_path)
    results = evaluate(tmp_path, tasks, ["made_up_near"], model_args={"backend": "seq2seq"})
    found = score(model, byte_tokenizer(), PIVOT, lines(text, "near"))
    assert layers_of(results)["made_up_near"] == found.layers()
    assert len(found.layers()["nasca"]) == 3


def test_long_sentences_are_cut_and_counted(
    model_folder: Path, tasks: Path, caplog: pytest.LogCaptureFixture
) -> None:
    evaluate(model_folder, tasks, ["made_up_near"], model_args={"max_length": 12})
    assert any(
        "sentences were truncated to the model's maximum of 12 tokens" in record.getMessage()
        for record in caplog.records
    )


# ---------------------------------------------------------------- one pass, little memory


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Every sentence that passes the model during the test."""
    passed: list[tuple[int, ...]] = []
    encode = states.encode

    def watched(body: Any, sites: Any, sentences: Any, **options: Any) -> Any:
        passed.extend(sentences)
        return encode(body, sites, sentences, **options)

    monkeypatch.setattr(encoder, "encode", watched)
    return passed


def test_each_distinct_sentence_passes_once(
    encoded: list[tuple[int, ...]], model_folder: Path, tasks: Path, text: Path
) -> None:
    evaluate(model_folder, tasks)
    distinct = {line for language in ("piv", *LANGUAGES) for line in lines(text, language)}
    assert len(encoded) == len(set(encoded)) == len(distinct)


def test_memory_holds_the_pivot_and_one_language(
    monkeypatch: pytest.MonkeyPatch, model_folder: Path, tasks: Path
) -> None:
    held: list[int] = []
    take = state_cache.StateCache.take

    def watched(self: Any, sentences: Any) -> Any:
        states, rows = take(self, sentences)
        held.append(len(states.nas[0]))
        return states, rows

    monkeypatch.setattr(state_cache.StateCache, "take", watched)
    evaluate(model_folder, tasks)
    assert len(held) == 3
    assert max(held) <= 2 * len(PIVOT)


def test_batches_are_halved_until_they_fit(
    plain: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    model_folder: Path,
    tasks: Path,
) -> None:
    tried: list[int] = []
    encode = states.encode

    def limited(*arguments: Any, batch_size: int, **options: Any) -> Any:
        tried.append(batch_size)
        if batch_size > 5:
            error = RuntimeError("CUDA out of memory. Tried to allocate 1 GiB")
            raise BatchTooLargeError(error, (0, 0)) from error
        return encode(*arguments, batch_size=batch_size, **options)

    monkeypatch.setattr(encoder, "encode", limited)
    assert layers_of(evaluate(model_folder, tasks, max_batch_size=16)) == layers_of(plain)
    assert tried == [16, 8, 4, 4, 4]
    with pytest.raises(RuntimeError, match="out of memory"):
        evaluate(model_folder, tasks, batch_size=8)


def test_the_cache_resumes_an_interrupted_run(
    plain: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    model_folder: Path,
    tasks: Path,
    tmp_path: Path,
) -> None:
    cache = str(tmp_path / "cache")
    encode = states.encode
    calls: list[int] = []

    def failing_at(number: int) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            calls.append(number)
            if len(calls) == number:
                raise KeyboardInterrupt
            return encode(*arguments, **options)

        return run

    monkeypatch.setattr(encoder, "encode", failing_at(3))
    with pytest.raises(KeyboardInterrupt):
        evaluate(model_folder, tasks, use_cache=cache)
    calls.clear()
    monkeypatch.setattr(encoder, "encode", failing_at(0))
    assert layers_of(evaluate(model_folder, tasks, use_cache=cache)) == layers_of(plain)
    assert len(calls) == 1, "two of three languages were finished before"
    calls.clear()
    other = evaluate(model_folder, tasks, use_cache=cache, metadata={"pooling": "mean"})
    assert len(calls) == 3, "other settings are other scores"
    assert layers_of(other) != layers_of(plain)
    calls.clear()
    evaluate(model_folder, tasks, use_cache=cache, model_args={"max_length": 20})
    assert len(calls) == 3, "other tokens are other scores"


def test_states_beyond_the_limit_are_computed_again(
    plain: dict[str, Any],
    encoded: list[tuple[int, ...]],
    monkeypatch: pytest.MonkeyPatch,
    model_folder: Path,
    tasks: Path,
    text: Path,
) -> None:
    """Those that the next task needs are kept: each target is computed once for all pivots."""
    monkeypatch.setattr(state_cache, "KEPT_BYTES", 5 * 4 * (2 * 48 + 2 * 48 + 3 * 32))
    assert layers_of(evaluate(model_folder, tasks)) == layers_of(plain)
    assert len(encoded) == len(set(encoded))
    encoded.clear()
    both = evaluate(model_folder, tasks, metadata={"pivot": ["piv", "near"]})
    assert layers_of(both) == layers_of(plain)
    assert len(encoded) > len(set(encoded)), "shared sentences beyond the limit pass again"
    targets = {line for name in ("middle", "far") for line in lines(text, name)}
    ids = {tuple(byte_tokenizer()(line)["input_ids"]) for line in targets}
    assert ids <= set(encoded) and sum(sentence in ids for sentence in encoded) == len(ids)
