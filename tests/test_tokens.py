"""Sentences become tokens by the tokenizer's own call, whatever special tokens it has."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from conftest import byte_tokenizer, tiny_llama
from runs import LANGUAGES, PIVOT, command_here, evaluate, layers_of, write_text
from torch import nn
from transformers import (
    BertConfig,
    BertForMaskedLM,
    ByT5Tokenizer,
    CanineConfig,
    CanineModel,
    CanineTokenizer,
    DistilBertConfig,
    DistilBertModel,
    MPNetConfig,
    MPNetModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
    T5Config,
    T5EncoderModel,
)

from neuronxa_task import NeuronXAError, score
from neuronxa_task.own_text import make_tasks
from neuronxa_task.plugin import asked_for_bos
from neuronxa_task.scoring.tokens import TokenCache

pytestmark = pytest.mark.slow

SIZE = {"vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}


def bert_tokenizer() -> PreTrainedTokenizerBase:
    """Bytes between `[CLS]` and `[SEP]`: neither a bos nor an eos token, as BERT's has none."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({name: i for i, name in enumerate(names)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]"}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, cls_token="[CLS]", sep_token="[SEP]", **special
    )


def bert() -> BertForMaskedLM:
    torch.manual_seed(0)
    return BertForMaskedLM(BertConfig(**SIZE, intermediate_size=48, initializer_range=0.5)).eval()


ENCODERS = {
    "bert": (bert, bert_tokenizer),
    "distilbert": (
        lambda: DistilBertModel(
            DistilBertConfig(vocab_size=300, dim=32, hidden_dim=48, n_layers=2, n_heads=4)
        ),
        bert_tokenizer,
    ),
    "mpnet": (lambda: MPNetModel(MPNetConfig(**SIZE, intermediate_size=48)), bert_tokenizer),
    "bytes": (
        lambda: T5EncoderModel(
            T5Config(vocab_size=300, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4)
        ),
        ByT5Tokenizer,
    ),
}


@pytest.mark.parametrize("family", ENCODERS)
def test_tokenizers_without_bos_or_vocabulary(family: str) -> None:
    make_model, make_tokenizer = ENCODERS[family]
    torch.manual_seed(0)
    found = score(make_model().eval(), make_tokenizer(), PIVOT, PIVOT)
    assert found.nas.score == found.emb.score == 1.0, "every sentence is its own nearest"


def test_the_harness_scores_bert_as_the_python_function(tmp_path: Path) -> None:
    """Once as it is, once with the harness's arguments for what tokens come first."""
    bert().save_pretrained(tmp_path / "bert")
    bert_tokenizer().save_pretrained(tmp_path / "bert")
    text = write_text(tmp_path / "text")
    make_tasks(text, "made_up", "piv", tmp_path / "tasks")
    near = (text / "near.txt").read_text(encoding="utf-8").splitlines()
    expected = score(bert(), bert_tokenizer(), PIVOT, near).layers()
    for arguments in ({}, {"prefix_token_id": 2}):
        run = evaluate(
            tmp_path / "bert", tmp_path / "tasks", ["made_up_near"], model_args=arguments
        )
        assert layers_of(run)["made_up_near"] == expected
    bare = evaluate(
        tmp_path / "bert", tmp_path / "tasks", ["made_up_near"], model_args={"add_bos_token": False}
    )
    assert layers_of(bare)["made_up_near"] != expected, "without special tokens"


def cache(tokenizer: Any, model: nn.Module | None = None, **options: Any) -> TokenCache:
    return TokenCache(tokenizer, model or tiny_llama(), **{"max_length": 256} | options)


def test_special_tokens_stay_where_a_sentence_begins_with_their_text() -> None:
    tokenizer = byte_tokenizer()
    for sentence in ("<s>hello", "hello", "</s>bye"):
        assert cache(tokenizer)[sentence] == tuple(tokenizer(sentence)["input_ids"])
    assert cache(tokenizer)["<s>hello"][:2] == (0, 0)


@pytest.mark.parametrize(("asked", "special"), [(None, True), (True, True), (False, False)])
def test_add_bos_token_is_honoured(asked: bool | None, special: bool) -> None:
    ids = cache(byte_tokenizer(), add_bos_token=asked)["hello"]
    assert (ids[0] == 0) == special and len(ids) == 5 + special


def test_code_points_are_ids_without_a_table_of_embeddings() -> None:
    """CANINE hashes code points; its special tokens lie in a private range of Unicode."""
    sizes = {key: value for key, value in SIZE.items() if key != "vocab_size"}
    model = CanineModel(CanineConfig(**sizes, intermediate_size=48, num_hash_buckets=64))
    assert cache(CanineTokenizer(), model)["né"] == (0xE000, ord("n"), ord("é"), 0xE001)


def test_the_harness_s_default_is_no_answer() -> None:
    class Old:
        def __init__(self, add_bos_token: bool | None = False) -> None:
            self.add_bos_token = add_bos_token

    class New:
        def __init__(self, add_bos_token: bool | None = None) -> None:
            self.add_bos_token = add_bos_token

    assert [asked_for_bos(Old()), asked_for_bos(Old(True))] == [None, True]
    assert [asked_for_bos(New(asked)) for asked in (None, False, True)] == [None, False, True]


def test_each_sentence_is_tokenized_once() -> None:
    asked = []

    def tokenizer(sentence: str) -> dict[str, list[int]]:
        asked.append(sentence)
        return {"input_ids": [len(sentence)]}

    tokens = cache(tokenizer)
    assert [tokens["one"], tokens["one"], tokens["three"]] == [(3,), (3,), (5,)]
    assert asked == ["one", "three"]


def test_long_sentences_are_cut_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    tokens = cache(byte_tokenizer(), max_length=4)
    assert len(tokens["a long sentence"]) == 4 and len(tokens["abc"]) == 4
    with caplog.at_level(logging.WARNING):
        tokens.warn_of_truncation()
    assert "1 of 2 sentences were truncated to the model's maximum of 4 tokens" in caplog.text


def test_positions_behind_the_padding_id_are_what_is_left() -> None:
    """RoBERTa with 34 positions takes 32 tokens, not the 34 of its configuration."""
    config = RobertaConfig(**SIZE, intermediate_size=48, max_position_embeddings=34, pad_token_id=1)
    model = RobertaModel(config).eval()
    tokens = cache(bert_tokenizer(), model, max_length=34)
    ids = torch.tensor([tokens["a sentence of more than thirty-four bytes"]])
    assert ids.shape[1] == 32
    model(ids, attention_mask=torch.ones_like(ids))


@pytest.mark.parametrize("sentence", ["", "[CLS]", "[SEP][PAD]"])
def test_a_sentence_without_tokens_is_refused(sentence: str) -> None:
    with pytest.raises(NeuronXAError, match="gives no tokens for the sentence"):
        cache(bert_tokenizer(), bert())[sentence]


def test_a_sentence_of_unknown_words_has_tokens() -> None:
    assert cache(bert_tokenizer(), bert())["[UNK]"] == (2, 1, 3)


@pytest.mark.parametrize("ids", [[3, 258], [-1, 4]])
def test_ids_without_an_embedding_are_refused(ids: list[int]) -> None:
    message = rf"token id {next(i for i in ids if not 0 <= i <= 257)} of .* has 258 embeddings"
    with pytest.raises(NeuronXAError, match=message):
        cache(lambda sentence: {"input_ids": ids})["hello"]


def test_a_foreign_tokenizer_ends_in_one_line(tmp_path: Path, model_folder: Path) -> None:
    shutil.copytree(model_folder, tmp_path / "model")
    tiny_llama(vocab_size=60).save_pretrained(tmp_path / "model")
    make_tasks(write_text(tmp_path / "text"), "made_up", "piv", tmp_path / "tasks")
    run = command_here(
        tmp_path / "out",
        *("--model", "hf", "--model_args", f"pretrained={tmp_path / 'model'}", "--device", "cpu"),
        *("--tasks", f"made_up_{next(iter(LANGUAGES))}", "--include_path", str(tmp_path / "tasks")),
    )
    assert run.code == 1 and run.results is None
    assert "the tokenizer does not fit the model: token id" in run.stderr.splitlines()[-1]
    assert "Traceback" not in run.stderr


def test_models_that_embed_otherwise_have_no_limit() -> None:
    model: Any = SimpleNamespace(named_modules=tuple)
    tokens = cache(lambda sentence: {"input_ids": [10**6]}, model)
    assert tokens["far"] == (10**6,)
