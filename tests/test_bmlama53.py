"""BMLAMA-53 as stock multiple choice: what is read, left out, scored and reported."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import datasets
import pytest
import torch
from conftest import byte_tokenizer, tiny_llama
from lm_eval.tasks import TaskManager
from runs import evaluate

from neuronxa_task import NeuronXAError, task_configs
from neuronxa_task.bmlama53 import data as bmlama53

pytestmark = pytest.mark.slow

CONFIGS = task_configs.folder() / "bmlama53"
REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "bmlama53"

HEADER = "Prompt\tAns\tCandidate Ans\tSubject"
FRENCH = [
    "Le chat boit du <mask>.\tlait\tsable, fer, lait\tchat",
    "La neige est <mask>.\tblanche\tblanche\tneige",
    "Il pleut <mask>.\ten avril\tjamais, demain\tpluie",
    "<mask> est le nom d'un chien.\tNA\tnull, NA\tchien",
    "Le soleil se lève à l'<mask>.\test\test, ouest\tsoleil",
]


def write(folder: Path, language: str, lines: Sequence[str]) -> Path:
    folder.mkdir(exist_ok=True)
    text = "\r\n".join([HEADER, *lines, ""])
    (folder / f"{language}.tsv").write_text(text, encoding="utf-8", newline="")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "data", "fr", FRENCH)


def test_every_candidate_makes_a_sentence(folder: Path) -> None:
    left_out: dict[str, int] = {}
    documents = bmlama53.load("fr", str(folder), left_out, pretrained="of no interest")["test"]
    assert documents["row"][:] == [0, 3, 4], "the data's rows, so that languages stay parallel"
    assert documents["answer"][:] == [2, 1, 0]
    assert documents["sentences"][0] == [
        "Le chat boit du sable.",
        "Le chat boit du fer.",
        "Le chat boit du lait.",
    ]
    assert documents["sentences"][1] == ["null est le nom d'un chien.", "NA est le nom d'un chien."]
    assert left_out == {"single_candidate": 1, "answer_no_candidate": 1}


def test_quotation_marks_are_those_of_csv(tmp_path: Path) -> None:
    # As in the data's he.tsv: a cell with a quotation mark is quoted, and the mark doubled.
    line = '"Il dit ""<mask>"" à tous."\t"le ""oui"""\t"non, le ""oui"""\til'
    document = bmlama53.load("fr", str(write(tmp_path / "data", "fr", [line])))["test"][0]
    assert document["sentences"] == ['Il dit "non" à tous.', 'Il dit "le "oui"" à tous.']
    assert document["answer"] == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"en\.tsv cannot be read: .* give a folder of such files with --metadata"),
        (
            "Question\tAns\nWhere?\tHere\n",
            "no column 'Prompt' -- expected tab-separated text with the columns Prompt",
        ),
        (f"{HEADER}\n\tcut short\n", "the prompt of row 1 has no <mask>: ''"),
        (f"{HEADER}\nNo place.\ta\ta, b\tx\n", "the prompt of row 1 has no <mask>: 'No place.'"),
        (f"{HEADER}\nOne <mask>.\ta\ta\tx\n", "no row with a choice to make; left out: .*: 1"),
    ],
    ids=["missing", "columns", "short row", "no place", "nothing left"],
)
def test_other_data_is_refused(text: str | None, message: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "en.tsv").write_text(text, encoding="utf-8")
    with pytest.raises(NeuronXAError, match=message):
        bmlama53.load("en", str(tmp_path))


def test_the_default_is_the_pinned_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def refuse(_: datasets.DownloadManager, url: str) -> None:
        asked.append(url)
        raise ConnectionError("no network here")

    monkeypatch.setattr(datasets.DownloadManager, "download", refuse)
    with pytest.raises(NeuronXAError, match="no network here"):
        bmlama53.load("sw")
    assert asked == [
        "https://raw.githubusercontent.com/Betswish/Cross-Lingual-Consistency/"
        "13c9d46c8a11e9f7798a6e6ec8bc5efa98a9e448/1_easyrun/BMLAMA53/sw.tsv"
    ]


def test_a_download_serves_without_the_network(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "DOWNLOADED_DATASETS_PATH", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        online = bmlama53.load("fr", address)["test"].to_list()
        server.shutdown()
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    assert bmlama53.load("fr", address)["test"].to_list() == online
    assert online == bmlama53.load("fr", str(folder))["test"].to_list()
    with pytest.raises(NeuronXAError, match=r"de\.tsv cannot be read"):
        bmlama53.load("de", address)


def test_there_is_a_task_per_language() -> None:
    manager = TaskManager(include_path=str(CONFIGS), include_defaults=False)
    names = [f"bmlama53_{language}" for language in bmlama53.LANGUAGES]
    assert manager.all_subtasks == sorted(names)
    assert manager.all_groups == ["bmlama53"]
    assert manager.task_index["bmlama53"].cfg["task"] == names


# ---------------------------------------------------------------- the harness


def log_probability(sentence: str) -> float:
    """Of the whole sentence behind the beginning-of-sentence token, token by token."""
    tokens = byte_tokenizer()(sentence)["input_ids"]
    assert tokens[0] == byte_tokenizer().bos_token_id
    with torch.no_grad():
        predicted = tiny_llama()(torch.tensor([tokens])).logits[0].double().log_softmax(dim=-1)
    return sum(float(predicted[index, token]) for index, token in enumerate(tokens[1:]))


def test_the_harness_scores_whole_sentences(folder: Path, model_folder: Path) -> None:
    results = evaluate(
        model_folder, CONFIGS, ["bmlama53_fr"], metadata={"bmlama53": str(folder)}, batch_size=2
    )
    right, right_by_character = [], []
    for sample, line in zip(
        results["samples"]["bmlama53_fr"], (FRENCH[0], FRENCH[3], FRENCH[4]), strict=True
    ):
        prompt, answer, candidates, _ = line.split("\t")
        sentences = {
            candidate: prompt.replace("<mask>", candidate) for candidate in candidates.split(", ")
        }
        assert list(sample["arguments"]) == [("", sentence) for sentence in sentences.values()], (
            "nothing stands before the sentence"
        )
        expected = {candidate: log_probability(text) for candidate, text in sentences.items()}
        found = [score for score, _ in sample["filtered_resps"]]
        assert found == pytest.approx(list(expected.values()), abs=1e-3)
        right.append(max(expected, key=expected.__getitem__) == answer)
        by_character = {word: expected[word] / len(text) for word, text in sentences.items()}
        right_by_character.append(max(by_character, key=by_character.__getitem__) == answer)
    row = results["results"]["bmlama53_fr"]
    assert row["acc,none"] == pytest.approx(sum(right) / 3)
    assert row["acc_norm,none"] == pytest.approx(sum(right_by_character) / 3)


def test_the_result_file_says_what_was_left_out(folder: Path, model_folder: Path) -> None:
    results = evaluate(
        model_folder, CONFIGS, ["bmlama53_fr"], metadata={"bmlama53": str(folder)}, limit=1
    )
    metadata = json.loads(json.dumps(results["configs"]["bmlama53_fr"]["metadata"]))
    assert metadata["left_out"] == {"single_candidate": 1, "answer_no_candidate": 1}
    assert metadata["bmlama53"] == str(folder)
    assert results["n-samples"]["bmlama53_fr"] == {"original": 3, "effective": 1}


# ---------------------------------------------------------------- the real data


@pytest.mark.skipif(not REAL.is_dir(), reason="the real BMLAMA-53 is not here")
@pytest.mark.parametrize("language", ["en", "he", "th", "ceb"])
def test_the_real_data(language: str) -> None:
    left_out: dict[str, int] = {}
    documents = bmlama53.load(language, str(REAL), left_out)["test"]
    assert len(documents) == 3070 - 34
    assert left_out == {"single_candidate": 34, "answer_no_candidate": 0}
    assert all("<mask>" not in text for texts in documents["sentences"] for text in texts)
    assert not any('""' in text for texts in documents["sentences"] for text in texts)
    sizes = [len(sentences) for sentences in documents["sentences"]]
    # By the data's files: in every language 2,834 facts have ten candidates.
    assert (min(sizes), max(sizes), sizes.count(10)) == (2, 10, 2834)
    # The share of facts that a guess gets right.
    assert math.fsum(1 / size for size in sizes) / len(sizes) == pytest.approx(0.109, abs=5e-4)
