"""Several pivots in one run, against a run for each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import byte_tokenizer, tiny_llama
from made_results import LANGUAGES as CODES
from made_results import NASCA, MadeRun, signature
from runs import LANGUAGES, PIVOT, evaluate

from neuronxa_task import NeuronXAError, corpus, score
from neuronxa_task.analysis.language_pairs import pair_matrices
from neuronxa_task.corpus.documents import documents
from neuronxa_task.results import RunChoice, read_results
from neuronxa_task.scoring import encoder, states
from neuronxa_task.settings import SCORES, Settings

PIVOTS = ["piv", "near"]
BOTH = {"pivot": PIVOTS, "stability": True}
TASKS = [f"made_up_{language}" for language in LANGUAGES]
SAME = ("target", "layers", "intervals", "surface", "stability", "signature")


@pytest.fixture(scope="module")
def text(made_up_tasks: Path) -> dict[str, list[str]]:
    folder = made_up_tasks.parent / "corpus"
    return {"piv": PIVOT} | {
        name: (folder / f"{name}.txt").read_text(encoding="utf-8").splitlines()
        for name in LANGUAGES
    }


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("cache") / "answers")


@pytest.fixture(scope="module")
def passed() -> list[tuple[int, ...]]:
    """Sentences that passed the model in the run of `both`."""
    return []


def run_watched(
    passed: list[tuple[int, ...]], model_folder: Path, tasks: Path, **options: Any
) -> dict[str, Any]:
    encode = states.encode

    def watched(body: Any, sites: Any, sentences: Any, **rest: Any) -> Any:
        passed.extend(sentences)
        return encode(body, sites, sentences, **rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoder, "encode", watched)
        return evaluate(model_folder, tasks, **options)


@pytest.fixture(scope="module")
def both(
    model_folder: Path, made_up_tasks: Path, cache: str, passed: list[tuple[int, ...]]
) -> dict[str, Any]:
    return run_watched(passed, model_folder, made_up_tasks, metadata=BOTH, use_cache=cache)


def metadata(results: dict[str, Any], task: str) -> dict[str, Any]:
    recorded: dict[str, Any] = results["configs"][task]["metadata"]
    return recorded


@pytest.mark.slow
def test_it_equals_a_run_for_each_pivot(
    both: dict[str, Any], model_folder: Path, made_up_tasks: Path
) -> None:
    first, second = (
        evaluate(model_folder, made_up_tasks, metadata={"pivot": pivot, "stability": True})
        for pivot in PIVOTS
    )
    for task in TASKS:
        ours, other = metadata(both, task), metadata(both, task)["pivots"]["near"]
        for key in SAME:
            assert ours[key] == metadata(first, task)[key]
            assert other[key] == metadata(second, task)[key]
        assert "pivots" not in metadata(first, task)
        assert set(ours["pivots"]) == {"near"}
        for name in SCORES:
            alone = first["results"][task], second["results"][task]
            assert both["results"][task][f"{name},none"] == alone[0][f"{name},none"]
            assert other[name] == pytest.approx(alone[1][f"{name},none"], abs=1e-12)
        for name in ("nasca", "navca", "mexa"):
            error = alone[1][f"{name}_stderr,none"]
            assert other[f"{name}_stderr"] == pytest.approx(error, abs=1e-12)
    assert metadata(both, "made_up_near")["pivots"]["near"]["target"] == "piv"


@pytest.mark.slow
def test_it_equals_the_python_function(both: dict[str, Any], text: dict[str, list[str]]) -> None:
    model, tokenizer = tiny_llama(), byte_tokenizer()
    alone = score(model, tokenizer, text["near"], {name: text[name] for name in ("middle", "far")})
    for name, alignment in alone.items():
        assert metadata(both, f"made_up_{name}")["pivots"]["near"]["layers"] == alignment.layers()
    turned = score(model, tokenizer, text["far"], {pivot: text[pivot] for pivot in PIVOTS})
    assert turned["near"].metrics() == pytest.approx(alone["far"].metrics(), abs=1e-12)
    assert turned["piv"].nasca == pytest.approx(both["results"]["made_up_far"]["nasca,none"])


@pytest.mark.slow
def test_each_sentence_passes_the_model_once(
    both: dict[str, Any], passed: list[tuple[int, ...]], text: dict[str, list[str]]
) -> None:
    assert both
    assert len(passed) == len(set(passed)) == len({line for side in text.values() for line in side})


@pytest.mark.slow
@pytest.mark.parametrize("pivot", [["piv", "near"], ["near", "piv"], "near", ["piv"]])
def test_finished_pivots_are_not_computed_again(
    both: dict[str, Any], cache: str, pivot: Any, model_folder: Path, made_up_tasks: Path
) -> None:
    passed: list[tuple[int, ...]] = []
    settings = {"pivot": pivot, "stability": True}
    again = run_watched(passed, model_folder, made_up_tasks, metadata=settings, use_cache=cache)
    assert passed == []
    of_near = metadata(both, "made_up_far")["pivots"]["near"]
    is_first = pivot in ("near", ["near", "piv"])
    layers = of_near["layers"] if is_first else metadata(both, "made_up_far")["layers"]
    assert metadata(again, "made_up_far")["layers"] == layers


@pytest.mark.slow
def test_all_pairs_are_scored_once(
    both: dict[str, Any], model_folder: Path, made_up_tasks: Path
) -> None:
    results = evaluate(model_folder, made_up_tasks, metadata={**BOTH, "pairs": True})
    recorded = metadata(results, "made_up_far")
    assert set(recorded["pairs"]["nasca"]) == {"piv", "near", "middle"}
    other = recorded["pivots"]["near"]
    assert "pairs" not in other
    for name in ("nasca", "navca", "mexa"):
        assert other[name] == pytest.approx(recorded["pairs"][name]["near"], abs=1e-12)
    assert recorded["layers"] == metadata(both, "made_up_far")["layers"]


@pytest.mark.parametrize(
    ("pivot", "message"),
    [
        ([], r"pivot is \[\]; expected a language, or a list of languages"),
        ("", "pivot is ''; expected a language"),
        (["piv", ""], "expected a language, or a list"),
        (["piv", 3], "expected a language, or a list"),
        ({"piv": 1}, "expected a language, or a list"),
        (["piv", "near", "piv"], "pivot names 'piv' more than once"),
    ],
)
def test_impossible_pivots_are_errors(pivot: Any, message: str) -> None:
    with pytest.raises(NeuronXAError, match=message):
        Settings(pivot=pivot)


def test_an_unknown_pivot_names_those_of_the_data(model_folder: Path, made_up_tasks: Path) -> None:
    with pytest.raises(NeuronXAError, match=r"no language 'nera'; it has: .*near"):
        evaluate(model_folder, made_up_tasks, metadata={"pivot": ["piv", "nera"]})


def write(folder: Path, **texts: int) -> corpus.Corpus:
    folder.mkdir(exist_ok=True)
    for name, lines in texts.items():
        text = "".join(f"{name[:-5]} {number}\n" for number in range(lines))
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return corpus.load(str(folder), None, "all", None)


def test_one_language_by_two_of_its_codes(tmp_path: Path) -> None:
    read = write(tmp_path, eng_Latn__txt=4, fra_Latn__txt=4)
    with pytest.raises(NeuronXAError, match="'eng_Latn' and 'en' are the same language"):
        documents(read, {"eng_Latn": "fra_Latn", "en": "fra_Latn"}, None, "first")


def test_pivots_of_different_numbers_of_pairs(tmp_path: Path) -> None:
    longer = write(tmp_path / "a", a__txt=3, fra__txt=3)
    shorter = write(tmp_path / "b", b__txt=2, fra__txt=2)
    paired = corpus.parallel.PairedCorpus(
        *("paired", "local", "all", ("a", "b", "fra"), shorter.read),
        by_pair={frozenset(("a", "fra")): longer, frozenset(("b", "fra")): shorter},
    )
    with pytest.raises(NeuronXAError, match="3 sentence pairs with the pivot a and 2 with b"):
        documents(paired, {"a": "fra", "b": "fra"}, None, "first")
    assert documents(paired, {"a": "fra", "b": "fra"}, 2, "first")[1] == {
        "id": 1,
        "pivot": "a 1",
        "target": "fra 1",
        "pivots": {"b": {"pivot": "b 1", "target": "fra 1"}},
    }


# ---------------------------------------------------------------- result files


def run_of_two_pivots(folder: Path) -> Path:
    run = MadeRun()
    for language, nasca in zip(CODES, NASCA, strict=True):
        run.aligned(language, nasca).task(f"belebele_{language}", {"acc": nasca / 2})
        target = "eng_Latn" if language == "zho_Hans" else language
        run.content["configs"][f"neuronxa_flores_{language}"]["metadata"]["pivots"] = {
            "zho_Hans": {
                "target": target,
                "nasca": nasca / 4,
                "nasca_stderr": 0.5,
                "nasca_max": 0.9,
                "surface": 0.125,
                "signature": signature(pivot="zho_Hans"),
            }
        }
    return run.write(folder)


def test_commands_read_the_first_pivot_and_say_so(tmp_path: Path) -> None:
    read = read_results([run_of_two_pivots(tmp_path)])
    assert set(read.table["value"][read.table["metric"] == "nasca"]) == set(NASCA)
    assert read.pivots == {"neuronxa_flores": "eng_Latn"}
    assert any("with each run's first pivot; see also --pivot zho_Hans" in n for n in read.notes)


@pytest.mark.parametrize("pivot", ["zho_Hans", "zh"])
def test_another_pivot_is_chosen(tmp_path: Path, pivot: str) -> None:
    read = read_results([run_of_two_pivots(tmp_path)], runs=RunChoice(pivot=pivot))
    rows = read.alignment.set_index(["metric", "language"])
    expected = dict(zip(CODES, NASCA, strict=True))
    expected["eng_Latn"] = expected.pop("zho_Hans")
    for language, nasca in expected.items():
        assert rows.loc[("nasca", language), "value"] == nasca / 4
        assert rows.loc[("nasca", language), "stderr"] == 0.5
    assert set(rows.index.get_level_values("metric")) == {"nasca", "nasca_max"}
    assert read.pivots == {"neuronxa_flores": "zho_Hans"}
    about = read.uncertainties["org/model", "neuronxa_flores", "eng_Latn"]
    assert about.surface == 0.125


def test_pairs_stay_those_of_their_languages(tmp_path: Path) -> None:
    path = run_of_two_pivots(tmp_path)
    content = json.loads(path.read_text(encoding="utf-8"))
    places = {code: place for place, code in enumerate(("eng_Latn", *CODES))}
    expected = {
        frozenset((one, other)): round(0.9 - 0.1 * abs(places[one] - places[other]), 3)
        for one in places
        for other in places
        if one != other
    }
    for code in CODES:
        metadata = content["configs"][f"neuronxa_flores_{code}"]["metadata"]
        values = {other: expected[frozenset((code, other))] for other in places if other != code}
        metadata["pairs"] = {"nasca": values}
    path.write_text(json.dumps(content), encoding="utf-8")
    for pivot in (None, "zho_Hans"):
        read = read_results([path], runs=RunChoice(pivot=pivot))
        ((matrix,), notes) = pair_matrices(read, ["nasca"])
        assert notes == [] and set(matrix.values.index) == set(places)
        for (first, second), value in ((tuple(pair), value) for pair, value in expected.items()):
            assert matrix.values.loc[first, second] == value


def test_a_pivot_that_no_run_has(tmp_path: Path) -> None:
    run_of_two_pivots(tmp_path)
    with pytest.raises(NeuronXAError, match="pivot 'deu_Latn'; --pivot can be: eng_Latn, zho_Hans"):
        read_results([tmp_path], runs=RunChoice(pivot="deu_Latn"))
