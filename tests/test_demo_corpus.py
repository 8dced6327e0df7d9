"""The phrasebook, its frozen table, the translation task, and what ships beside them."""

from __future__ import annotations

import json
from collections import Counter
from itertools import islice

import pytest
from tokenizers import Tokenizer

from neuronxa_task.demo import MODEL_DIR
from neuronxa_task.demo.phrasebook import (
    EVALUATION_SIZE,
    FILLERS_PER_SLOT,
    LANGUAGES,
    PIVOT,
    TABLE_PATH,
    TARGETS,
    Meaning,
    evaluation_meanings,
    evaluation_sentences,
    evaluation_table,
    lexicon,
    render,
    training_meanings,
)
from neuronxa_task.demo.translation import documents, load, questions

SLOTS = Meaning._fields


def meaning(who: str, what: str, where: str, when: str) -> Meaning:
    """The meaning with these English phrases."""
    indices = []
    for slot, phrase in zip(SLOTS, (who, what, where, when), strict=True):
        english = [filler.phrases[PIVOT] for filler in lexicon()[slot]]
        indices.append(english.index(phrase))
    return Meaning(*indices)


def cased(text: str) -> bool:
    return text.lower() != text.upper()


def test_each_language_has_its_own_word_order() -> None:
    waiting = meaning("the nurse", "waits for a friend", "by the river", "in winter")
    assert {language: render(waiting, language) for language in LANGUAGES} == {
        "eng_Latn": "The nurse waits for a friend by the river in winter.",
        "zho_Hans": "护士冬天在河边等朋友。",
        "fra_Latn": "En hiver, l'infirmière attend un ami au bord de la rivière.",
        "deu_Latn": "Die Krankenschwester wartet im Winter am Fluss auf einen Freund.",
        "ita_Latn": "D'inverno l'infermiera aspetta un amico in riva al fiume.",
        "spa_Latn": "En invierno la enfermera espera a un amigo junto al río.",
        "rus_Cyrl": "Зимой медсестра ждёт друга у реки.",
        "arb_Arab": "تنتظر الممرضة صديقًا بجانب النهر في الشتاء.",
        "hin_Deva": "नर्स सर्दियों में नदी के किनारे एक दोस्त का इंतज़ार करती है।",
        "jpn_Jpan": "冬に、看護師は川辺で友達を待ちます。",
    }


@pytest.mark.parametrize(
    ("who", "arabic", "hindi"),
    [
        ("the cook", "يشرب", "पीता है।"),
        ("the singer", "تشرب", "पीती है।"),
        ("the doctor", "يشرب", "पीते हैं।"),
        ("my grandmother", "تشرب", "पीती हैं।"),
    ],
)
def test_arabic_and_hindi_verbs_agree_with_the_subject(who: str, arabic: str, hindi: str) -> None:
    drinking = meaning(who, "drinks tea", "in the garden", "every day")
    assert render(drinking, "arb_Arab").startswith(arabic + " ")
    assert render(drinking, "hin_Deva").endswith("चाय " + hindi)


@pytest.mark.parametrize("language", LANGUAGES)
def test_fillers_are_complete_and_distinct(language: str) -> None:
    for slot in SLOTS:
        phrases = [filler.phrases[language] for filler in lexicon()[slot]]
        assert len(set(phrases)) == FILLERS_PER_SLOT
        assert all(phrase and phrase == phrase.strip() for phrase in phrases)


def test_every_subject_has_an_agreement_class_and_nothing_else_has() -> None:
    for slot in SLOTS:
        classes = {filler.agreement for filler in lexicon()[slot]}
        assert classes == ({"m", "f", "mh", "fh"} if slot == "who" else {"-"})


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_are_whole(language: str) -> None:
    for sample in islice(training_meanings(seed=1), 200):
        sentence = render(sample, language)
        assert not cased(sentence[0]) or sentence[0].isupper()
        assert sentence[-1] in {"zho_Hans": "。", "jpn_Jpan": "。", "hin_Deva": "।"}.get(
            language, "."
        )
        assert not set("|{}\t\n") & set(sentence)
        assert "  " not in sentence
        assert " " not in sentence or language not in {"zho_Hans", "jpn_Jpan"}


def test_unknown_language_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'tlh_Latn'.*fra_Latn"):
        render(evaluation_meanings()[0], "tlh_Latn")
    with pytest.raises(ValueError, match=r"'tlh_Latn'.*fra_Latn"):
        evaluation_sentences("tlh_Latn")


def test_frozen_table_is_what_the_phrasebook_renders() -> None:
    assert TABLE_PATH.read_text(encoding="utf-8") == evaluation_table()
    assert evaluation_table().splitlines()[0] == "\t".join((PIVOT, *TARGETS))


@pytest.mark.parametrize("language", LANGUAGES)
def test_evaluation_sentences_are_distinct_and_parallel(language: str) -> None:
    sentences = evaluation_sentences(language)
    assert len(set(sentences)) == len(sentences) == EVALUATION_SIZE
    assert sentences == [render(held_out, language) for held_out in evaluation_meanings()]


def test_evaluation_uses_every_filler_equally_often() -> None:
    for slot in SLOTS:
        counts = Counter(getattr(held_out, slot) for held_out in evaluation_meanings())
        assert counts == dict.fromkeys(range(FILLERS_PER_SLOT), EVALUATION_SIZE // FILLERS_PER_SLOT)


def test_training_never_draws_a_held_out_meaning(monkeypatch: pytest.MonkeyPatch) -> None:
    first = list(islice(training_meanings(seed=0), 500))
    assert first == list(islice(training_meanings(seed=0), 500))
    # Among 390,625 meanings a leak of 100 would rarely show: hold out what is certain to be drawn.
    held_out = set(first[::2])
    monkeypatch.setattr(
        "neuronxa_task.demo.phrasebook.evaluation_meanings", lambda: tuple(held_out)
    )
    again = list(islice(training_meanings(seed=0), 200))
    assert again == [drawn for drawn in first if drawn not in held_out][:200]


@pytest.mark.parametrize("language", TARGETS)
def test_the_answer_is_among_the_choices_once(language: str) -> None:
    for document, pivot, target in zip(
        documents(language),
        evaluation_sentences(PIVOT),
        evaluation_sentences(language),
        strict=True,
    ):
        assert document["context"] == f"{pivot}<{language}>"
        assert document["choices"][document["answer"]] == target
        assert len(set(document["choices"])) == len(document["choices"]) == 8


def test_answers_are_spread_and_choices_form_a_cube() -> None:
    positions = Counter(answer for _, answer in questions())
    assert sorted(positions.values()) == [12] * 4 + [13] * 4
    for choices, answer in questions():
        for corner in (choices[answer], choices[0]):
            distances = Counter(sum(map(int.__ne__, corner, choice)) for choice in choices)
            assert distances == {0: 1, 1: 3, 2: 3, 3: 1}
    contested = Counter(
        slot
        for choices, _ in questions()
        for slot in SLOTS
        if len({getattr(c, slot) for c in choices}) > 1
    )
    assert set(contested) == set(SLOTS)


def test_load_gives_the_harness_one_split_and_ignores_other_metadata() -> None:
    dataset = load("fra_Latn", nas_site="gate")
    assert list(dataset) == ["test"]
    assert dataset["test"].column_names == ["context", "choices", "answer"]
    assert dataset["test"][7] == documents("fra_Latn")[7]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(MODEL_DIR / "tokenizer.json"))


@pytest.mark.parametrize("language", TARGETS)
def test_prompt_tokens_are_a_prefix_and_hold_the_sentence_alone(
    tokenizer: Tokenizer, language: str
) -> None:
    mark = tokenizer.token_to_id(f"<{language}>")
    for document, pivot in zip(documents(language), evaluation_sentences(PIVOT), strict=True):
        asked = tokenizer.encode(document["context"]).ids
        assert asked == [*tokenizer.encode(pivot).ids, mark]
        assert asked[0] == tokenizer.token_to_id("<bos>")
        for choice in document["choices"]:
            assert tokenizer.encode(document["context"] + choice).ids[: len(asked)] == asked


@pytest.mark.parametrize("language", LANGUAGES)
def test_tokenizer_loses_nothing(tokenizer: Tokenizer, language: str) -> None:
    for sentence in evaluation_sentences(language):
        assert tokenizer.decode(tokenizer.encode(sentence).ids) == sentence


def test_tokenizer_encodes_what_the_phrasebook_does_not_have(tokenizer: Tokenizer) -> None:
    foreign = "Ελληνικά, 한국어 & 42!"
    assert tokenizer.decode(tokenizer.encode(foreign).ids) == foreign


def test_exposure_is_known_unequal_and_complete() -> None:
    exposure = json.loads((MODEL_DIR / "exposure.json").read_text(encoding="utf-8"))
    pairs, recipe = exposure["exposure"], exposure["recipe"]
    assert set(pairs) == set(TARGETS)
    counts = list(pairs.values())
    assert counts == sorted(counts, reverse=True)
    assert len(set(counts)) == len(counts)
    assert sum(counts) == recipe["steps"] * recipe["pairs_per_step"]


def test_weights_are_stored_in_half_and_computed_with_in_single_precision() -> None:
    config = json.loads((MODEL_DIR / "config.json").read_text(encoding="utf-8"))
    assert config["dtype"] == "float32"
    with (MODEL_DIR / "model.safetensors").open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    header.pop("__metadata__")
    assert {tensor["dtype"] for tensor in header.values()} == {"F16"}
