"""Parallel text from every kind of source, and every way in which it can be wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from neuronxa_task import corpus
from neuronxa_task.corpus.tables import TABLE_ENDINGS
from neuronxa_task.errors import NeuronXAError

TEXT = {
    "eng_Latn": ["one fish", "two fish", "red fish"],
    "fra_Latn": ["un poisson", "deux poissons", "poisson rouge"],
    "jpn_Jpan": ["魚が一匹", "魚が二匹", "赤い魚"],
}


@pytest.fixture(autouse=True)
def fresh_cache() -> None:
    corpus.load.cache_clear()


def write_texts(folder: Path, ending: str, text: dict[str, list[str]] = TEXT) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for language, lines in text.items():
        (folder / f"{language}{ending}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def as_texts(root: Path) -> Path:
    return write_texts(root / "mexa", ".txt")


def as_flores(root: Path) -> Path:
    write_texts(root / "flores" / "dev", ".dev", {k: v[::-1] for k, v in TEXT.items()})
    write_texts(root / "flores" / "devtest", ".devtest")
    return root / "flores"


def as_table(ending: str) -> Callable[[Path], Path]:
    def write(root: Path) -> Path:
        path, table = root / f"table{ending}", pd.DataFrame(TEXT)
        {
            ".csv": lambda: table.to_csv(path, index=False),
            ".tsv": lambda: table.to_csv(path, index=False, sep="\t"),
            ".json": lambda: table.to_json(path, orient="records", force_ascii=False),
            ".jsonl": lambda: table.to_json(path, orient="records", lines=True),
            ".parquet": lambda: table.to_parquet(path),
        }[ending]()
        return path

    return write


def as_data_set(root: Path) -> Path:
    folder = root / "any" / "thing"
    folder.mkdir(parents=True)
    pd.DataFrame(TEXT).to_parquet(folder / "devtest-00000-of-00001.parquet")
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: devtest\n"
        "    path: devtest-*.parquet\n---\n"
    )
    return folder


SOURCES = {
    "MEXA folder": as_texts,
    "FLORES folder": as_flores,
    **{ending: as_table(ending) for ending in TABLE_ENDINGS},
    "data set": as_data_set,
}


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_gives_the_same_pairs(source: str, tmp_path: Path) -> None:
    path = SOURCES[source](tmp_path)
    found = corpus.load(str(path), None, "devtest", None)
    assert set(found.languages) == set(TEXT)
    for target in ("fra_Latn", "jpn_Jpan"):
        assert found.pairs("eng_Latn", target, None) == (TEXT["eng_Latn"], TEXT[target])
    assert found.pairs("fra_Latn", "eng_Latn", 2) == (TEXT["fra_Latn"][:2], TEXT["eng_Latn"][:2])


def test_changed_local_data_set_is_read_again(tmp_path: Path) -> None:
    path = as_data_set(tmp_path)
    before = corpus.load(str(path), None, "devtest", None).column("fra_Latn")[:]
    changed = {**TEXT, "fra_Latn": ["quatre", "cinq poissons", "six"]}
    pd.DataFrame(changed).to_parquet(path / "devtest-00000-of-00001.parquet")
    corpus.load.cache_clear()
    after = corpus.load(str(path), None, "devtest", None).column("fra_Latn")[:]
    assert list(before) == TEXT["fra_Latn"]
    assert list(after) == changed["fra_Latn"]


def test_only_line_feeds_end_a_sentence(tmp_path: Path) -> None:
    text = {"eng_Latn": ["a\u2028b", "c\x0cd"], "fra_Latn": ["e\x85f", "g"]}
    found = corpus.load(str(write_texts(tmp_path / "t", ".txt", text)), None, "devtest", None)
    assert found.pairs("eng_Latn", "fra_Latn", None) == (text["eng_Latn"], text["fra_Latn"])


def test_notes_beside_the_text_are_not_a_language(tmp_path: Path) -> None:
    folder = write_texts(tmp_path / "t", ".txt")
    (folder / "README.md").write_text("about this text")
    (folder / "LICENSE").write_text("free")
    assert set(corpus.load(str(folder), None, "devtest", None).languages) == set(TEXT)


def broken(language: str, lines: list[str]) -> dict[str, list[str]]:
    return {**TEXT, language: lines}


@pytest.mark.parametrize(
    ("text", "pivot", "target", "count", "message"),
    [
        (TEXT, "deu_Latn", "fra_Latn", None, "no language 'deu_Latn'; it has: eng_Latn, fra_Latn"),
        (TEXT, "eng_Latn", "xxx", None, "no language 'xxx'"),
        (TEXT, "eng_Latn", "eng_Latn", None, "pivot and target are both"),
        (
            broken("fra_Latn", ["un", "deux"]),
            *("eng_Latn", "fra_Latn", None),
            "not parallel: eng_Latn has 3 sentences and fra_Latn has 2",
        ),
        (
            broken("fra_Latn", ["un", "  ", "trois"]),
            *("eng_Latn", "fra_Latn", None),
            "sentence 2 of fra_Latn is empty",
        ),
        (TEXT, "eng_Latn", "fra_Latn", 4, "has 3 sentence pairs .* 4 were asked for"),
        (
            {language: lines[:1] for language, lines in TEXT.items()},
            *("eng_Latn", "fra_Latn", None),
            "has 1 sentence pairs .* 2 were asked for",
        ),
    ],
)
def test_text_that_cannot_be_scored(
    text: dict[str, list[str]],
    pivot: str,
    target: str,
    count: int | None,
    message: str,
    tmp_path: Path,
) -> None:
    found = corpus.load(str(write_texts(tmp_path / "t", ".txt", text)), None, "devtest", None)
    with pytest.raises(NeuronXAError, match=message):
        found.pairs(pivot, target, count)


@pytest.mark.parametrize("separator", [",", "\t"])
def test_rows_longer_than_the_header_are_refused(separator: str, tmp_path: Path) -> None:
    path = tmp_path / ("t.csv" if separator == "," else "t.tsv")
    rows = [["eng", "fra"], ["hello", "bonjour", "note"], ["bye", "salut", "note"]]
    path.write_text("".join(separator.join(row) + "\n" for row in rows))
    with pytest.raises(NeuronXAError, match="more cells than its header"):
        corpus.load(str(path), None, "all", None)


def test_a_licence_beside_a_data_set_is_no_text(tmp_path: Path) -> None:
    path = as_data_set(tmp_path)
    (path / "LICENSE").write_text("free")
    (path / "notes.txt").write_text("about this text")
    found = corpus.load(str(path), None, "devtest", None)
    assert set(found.languages) == set(TEXT)


def test_numbers_are_not_text(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"eng_Latn": ["a", "b"], "id": [1, 2]}).to_parquet(path)
    with pytest.raises(NeuronXAError, match=r"column 'id' contains no text \(1, …\)"):
        corpus.load(str(path), None, "all", None).pairs("eng_Latn", "id", None)


def test_unreadable_sources(tmp_path: Path) -> None:
    (tmp_path / "t.doc").write_bytes(b"x")
    with pytest.raises(NeuronXAError, match=r"expected one of: \.csv"):
        corpus.load(str(tmp_path / "t.doc"), None, "all", None)
    latin = write_texts(tmp_path / "t", ".txt")
    (latin / "fra_Latn.txt").write_bytes("é\n".encode("latin-1"))
    with pytest.raises(NeuronXAError, match="not UTF-8"):
        corpus.load(str(latin), None, "devtest", None).column("fra_Latn")
    with pytest.raises(NeuronXAError, match=r"'devtest'|no split"):
        corpus.load(str(as_data_set(tmp_path)), None, "nope", None)


def test_data_hash_names_the_pairs_and_their_order() -> None:
    name = corpus.data_hash(["a", "b"], ["x", "y"])
    assert name == corpus.data_hash(["a", "b"], ["x", "y"])
    assert len(name) == 8
    others = [(["b", "a"], ["y", "x"]), (["a", "b"], ["y", "x"]), (["a\tx", "b"], ["", "y"])]
    assert name not in {corpus.data_hash(*other) for other in others}
