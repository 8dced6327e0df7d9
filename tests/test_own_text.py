"""Own text as it lies about: every layout and table that people have, through the command."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
import pytest
import yaml
from commands import neuronxa

from neuronxa_task import corpus
from neuronxa_task.corpus.language_names import (
    COMMON_WORDS,
    language_at_the_end,
    language_code,
    nearest_code,
)
from neuronxa_task.languages import FLORES_TARGETS, TATOEBA_TARGETS

ENGLISH = ["Good morning.", "The door is open, today.", "Six; seven."]
FRENCH = ["Bonjour.", "La porte est ouverte, aujourd'hui.", "Six ; sept."]
GERMAN = ["Guten Morgen.", "Die Tür ist heute offen.", "Sechs; sieben."]
TEXT = {"eng_Latn": ENGLISH, "fra_Latn": FRENCH, "deu_Latn": GERMAN}
TATOEBA = Path(__file__).resolve().parents[2] / "shared" / "data" / "tatoeba"


@pytest.fixture(autouse=True)
def fresh_cache() -> None:
    corpus.load.cache_clear()


def write(path: Path, lines: Sequence[str], *, end: str = "\n", encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(line + end for line in lines).encode(encoding))
    return path


def table(
    path: Path,
    columns: Mapping[str, Sequence[object]],
    *,
    delimiter: str = ",",
    encoding: str = "utf-8",
    end: str = "\n",
) -> Path:
    written = io.StringIO()
    writer = csv.writer(written, delimiter=delimiter, lineterminator=end)
    writer.writerows([list(columns), *zip(*columns.values(), strict=True)])
    path.write_bytes(written.getvalue().encode(encoding))
    return path


def named(names: Mapping[str, Sequence[str]]) -> Callable[[Path], Path]:
    """A folder of text files by name."""

    def make(root: Path) -> Path:
        for name, lines in names.items():
            write(root / "text" / name, lines)
        return root / "text"

    return make


def zipped(path: Path, inner: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(inner, inner.name)
    return path


def packed(path: Path) -> Path:
    made = path.with_name(path.name + ".gz")
    made.write_bytes(gzip.compress(path.read_bytes()))
    return made


def flores_plus(root: Path) -> Path:
    for split, order in (("dev", -1), ("devtest", 1)):
        for code, lines in TEXT.items():
            rows = [
                {"id": k, "iso_639_3": code[:3], "text": line, "topic": "doors"}
                for k, line in enumerate(lines[::order])
            ]
            write(root / "plus" / split / f"{code}.jsonl", list(map(json.dumps, rows)))
    (root / "plus" / "README.md").write_text("---\nconfigs: []\n---\n")
    return root / "plus"


def one_table_each(root: Path) -> Path:
    for code, lines in TEXT.items():
        path = root / "tables" / f"devtest.{code}.parquet"
        path.parent.mkdir(exist_ok=True)
        pd.DataFrame({"id": [1, 2, 3], "text": lines}).to_parquet(path)
        pd.DataFrame({"id": [1], "text": ["other"]}).to_parquet(
            path.with_name(f"dev.{code}.parquet")
        )
    return root / "tables"


def packed_texts(root: Path) -> Path:
    """Two packed, one packed and not."""
    folder = named({f"{code}.txt": lines for code, lines in TEXT.items()})(root)
    packed(folder / "eng_Latn.txt")
    for code in ("fra_Latn", "deu_Latn"):
        packed(folder / f"{code}.txt")
        (folder / f"{code}.txt").unlink()
    return folder


CODES = {"en": ENGLISH, "fr": FRENCH, "de": GERMAN}
NAMES = {"English": ENGLISH, "French": FRENCH, "German": GERMAN}
ISO3 = {"eng": ENGLISH, "fra": FRENCH, "deu": GERMAN}
LAYOUTS: dict[str, tuple[Callable[[Path], Path], Sequence[str]]] = {
    "NTREX": (
        named(
            {
                "newstest2019-src.eng.txt": ENGLISH,
                "newstest2019-ref.fra.txt": FRENCH,
                "newstest2019-ref.deu.txt": GERMAN,
            }
        ),
        list(ISO3),
    ),
    "Moses": (named({f"corpus.{code}": lines for code, lines in CODES.items()}), list(CODES)),
    "Moses, a split each": (
        named(
            {f"devtest.{code}": lines for code, lines in CODES.items()}
            | {f"dev.{code}": lines[::-1] for code, lines in CODES.items()}
        ),
        list(CODES),
    ),
    "OPUS": (named({"books.de-en.de": GERMAN, "books.de-en.en": ENGLISH}), ["en", "de"]),
    "LASER": (
        named(
            {
                "tatoeba.fra-eng.fra": FRENCH,
                "tatoeba.fra-eng.eng": ENGLISH,
                "tatoeba.deu-eng.deu": GERMAN[::-1],
                "tatoeba.deu-eng.eng": ENGLISH[::-1],
            }
        ),
        list(ISO3),
    ),
    "underscores": (
        named({f"text_{code}.txt": lines for code, lines in TEXT.items()}),
        list(TEXT),
    ),
    "names": (named({f"{name}.txt": lines for name, lines in NAMES.items()}), list(TEXT)),
    "packed": (packed_texts, list(TEXT)),
    "FLORES+": (flores_plus, list(TEXT)),
    "a table each": (one_table_each, list(TEXT)),
    "blank lines at the end": (
        named({f"{code}.txt": [*lines, *[""] * k] for k, (code, lines) in enumerate(TEXT.items())}),
        list(TEXT),
    ),
    "semicolons": (lambda root: table(root / "t.csv", TEXT, delimiter=";"), list(TEXT)),
    "tabs in csv": (lambda root: table(root / "t.csv", TEXT, delimiter="\t"), list(TEXT)),
    "Excel": (
        lambda root: table(root / "t.csv", TEXT, delimiter=";", encoding="utf-8-sig", end="\r\n"),
        list(TEXT),
    ),
    "upper case": (
        lambda root: table(root / "T.CSV", {k.upper(): v for k, v in TEXT.items()}),
        list(TEXT),
    ),
    "spaces": (
        lambda root: table(root / "t.csv", {f" {k} ": v for k, v in TEXT.items()}),
        list(TEXT),
    ),
    "names of columns": (lambda root: table(root / "t.csv", NAMES), list(TEXT)),
    "codes of columns": (lambda root: table(root / "t.csv", CODES), list(CODES)),
    "gz": (lambda root: packed(table(root / "t.csv", TEXT)), list(TEXT)),
    "zip": (lambda root: zipped(root / "t.zip", table(root / "t.csv", TEXT)), list(TEXT)),
    "json of columns": (
        lambda root: write(root / "t.json", [json.dumps(TEXT)]),
        list(TEXT),
    ),
    "parquet with an index": (
        lambda root: (
            pd.DataFrame(TEXT, index=[7, 8, 9]).to_parquet(root / "t.parquet"),
            root / "t.parquet",
        )[1],
        list(TEXT),
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout: str, tmp_path: Path) -> None:
    make, names = LAYOUTS[layout]
    source = make(tmp_path)
    output = tmp_path / "tasks"
    done = neuronxa("tasks", source, "--name", "mine", "--output", output)
    assert done.code == 0, done.errors
    assert f"3 sentence pairs of {names[0]} and {len(names) - 1} language" in done.output
    for name in names:
        assert f"{name} (" in done.output, "the languages are said"
    expected = {"eng": ENGLISH, "fra": FRENCH, "deu": GERMAN, "en": ENGLISH, "fr": FRENCH}
    text = corpus.load(str(source), None, "devtest", None)
    for target in names[1:]:
        assert (output / f"mine_{target}.yaml").is_file()
        pairs = set(zip(*text.pairs(names[0], target, None), strict=True))
        theirs = expected.get(target[:3], GERMAN)
        assert pairs == set(zip(ENGLISH, theirs, strict=True))


def test_a_task_opens_what_the_command_read(tmp_path: Path) -> None:
    source = table(tmp_path / "t.csv", {"id": [1, 2, 3], **NAMES})
    output = tmp_path / "tasks"
    done = neuronxa(
        *("tasks", source, "--name", "mine", "--output", output, "--columns", "English,French")
    )
    assert done.code == 0, done.errors
    assert "columns left out: id" in done.output
    assert [path.name for path in output.glob("mine_*.yaml")] == ["mine_fra_Latn.yaml"]
    task = yaml.safe_load((output / "mine_fra_Latn.yaml").read_text(encoding="utf-8"))
    text = corpus.load(str(source), None, "devtest", None)
    assert text.pairs("eng_Latn", task["metadata"]["language"], None) == (ENGLISH, FRENCH)


def test_what_is_not_read_is_said(tmp_path: Path) -> None:
    source = LAYOUTS["NTREX"][0](tmp_path)
    for name in ("LANGUAGES.tsv", "README.md", "deu.wav"):
        (source / name).write_bytes(b"\0\1\2")
    (source / "older").mkdir()
    done = neuronxa("tasks", source, "--name", "mine", "--output", tmp_path / "tasks")
    assert "not read: LANGUAGES.tsv, README.md, deu.wav, older" in done.output


def test_unknown_codes_and_repeated_sentences_are_warned_of(tmp_path: Path) -> None:
    repeated = {"frz_Latn": [FRENCH[0], *FRENCH[:2]], "eng_Latn": ["\ufeffHi", *ENGLISH[:2]]}
    source = named({f"{code}.txt": lines for code, lines in repeated.items()})(tmp_path)
    done = neuronxa("tasks", source, "--name", "mine", "--output", tmp_path / "tasks")
    assert done.code == 0, done.errors
    assert "unknown language 'frz_Latn'; did you mean 'fra_Latn'?" in done.output
    assert "repeated sentences in frz_Latn (1)" in done.output


@pytest.mark.skipif(not TATOEBA.is_dir(), reason="the real Tatoeba pairs are not here")
def test_laser_s_folder_of_tatoeba_is_a_data_set() -> None:
    text = corpus.load(str(TATOEBA), "fra-eng", "test", None)
    assert set(text.targets("eng")) == set(TATOEBA_TARGETS)
    english, french = text.pairs("eng", "fra", 100)
    lines = (TATOEBA / "tatoeba.fra-eng.eng").read_text(encoding="utf-8").split("\n")
    assert english == [line.strip() for line in lines[:100]] and len(french) == 100
    assert text.pairs("eng_Latn", "fra_Latn", 100) == (english, french)


def test_common_words_hide_no_language_of_the_corpora() -> None:
    codes = {code[:3] for code in FLORES_TARGETS} | set(TATOEBA_TARGETS)
    assert not COMMON_WORDS & codes
    assert all(language_code(code) == code for code in (*FLORES_TARGETS, *TATOEBA_TARGETS))


@pytest.mark.parametrize(
    ("name", "code"),
    [
        *(
            ("Deutsch", "deu_Latn"),
            ("Chinese (Simplified)", "zho_Hans"),
            ("Brazilian Portuguese", "por_Latn"),
        ),
        *((" FR ", "fr"), ("ZH-hant", "zh_Hant"), ("zho-CN", "zho-CN"), ("kzj", "kzj")),
        *((word, None) for word in "label index text source url dev row key note score".split()),
    ],
)
def test_languages_of_columns(name: str, code: str | None) -> None:
    assert language_code(name) == code


def test_languages_of_files() -> None:
    for name in ("notes.txt", "LICENSE.txt", "train.txt", "ref.dev", "corpus.src", "eng_Latn.txt"):
        assert language_at_the_end(name) is None, name
    for name, code in {
        "newstest2019-ref.srp-Cyrl.txt": "srp-Cyrl",
        "flores200_zho_Hans.devtest": "zho_Hans",
        "europarl-v7.fr-en.fr": "fr",
        "bible-kab.txt": "kab",
    }.items():
        found = language_at_the_end(name)
        assert found is not None and found[1] == code
    assert nearest_code("eng_Latm") == "; did you mean 'eng_Latn'?"


def test_a_split_lies_in_a_folder_an_ending_or_a_name(tmp_path: Path) -> None:
    source = named(
        {f"{code}.{split}": lines for code, lines in TEXT.items() for split in ("dev", "devtest")}
    )(tmp_path)
    write(source / "eng_Latn.dev", ENGLISH[::-1])
    for split, first in (("dev", ENGLISH[2]), ("devtest", ENGLISH[0])):
        text = corpus.load(str(source), None, split, None)
        assert text.column("eng_Latn")[0] == first
    shutil.rmtree(source)
