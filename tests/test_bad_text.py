"""Bad own text through the command: one line each, nothing partial, earlier tasks untouched."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd
import pytest
from commands import neuronxa
from test_own_text import ENGLISH, FRENCH, TEXT, named, packed, table, write

from neuronxa_task import corpus
from neuronxa_task.corpus import files

Make = Callable[[Path], Path]
FILES = {f"{code}.txt": lines for code, lines in TEXT.items()}


def texts(**changed: Sequence[str]) -> Make:
    """The three texts, some of them changed."""
    return named(FILES | {f"{code}.txt": lines for code, lines in changed.items()})


def raw(**contents: bytes) -> Make:
    """The three texts, some of them replaced by bytes."""

    def make(root: Path) -> Path:
        folder = texts()(root)
        for code, content in contents.items():
            (folder / f"{code}.txt").write_bytes(content)
        return folder

    return make


def columns(changed: Mapping[str, Sequence[object]], **options: str) -> Make:
    return lambda root: table(root / "t.csv", {**TEXT, **changed}, **options)


def file(name: str, content: bytes | str) -> Make:
    def make(root: Path) -> Path:
        path = root / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make


def linked(target: str) -> Make:
    """The French text is a link: to itself, to nothing, or to what cannot be read."""

    def make(root: Path) -> Path:
        folder = texts()(root)
        (folder / "fra_Latn.txt").unlink()
        (folder / "fra_Latn.txt").symlink_to(target)
        return folder

    return make


def link(root: Path) -> Path:
    (root / "loop").symlink_to(root / "loop")
    return root / "loop"


def parquet(root: Path) -> Path:
    pd.DataFrame({**TEXT, "score": [0.1, 0.2, 0.3]}).to_parquet(root / "t.parquet")
    return root / "t.parquet"


def cut(make: Make, size: int) -> Make:
    def cut_off(root: Path) -> Path:
        path = make(root)
        path.write_bytes(path.read_bytes()[:size])
        return path

    return cut_off


def zip_of(*names: str) -> Make:
    def make(root: Path) -> Path:
        with zipfile.ZipFile(root / "t.zip", "w") as archive:
            for name in names:
                archive.writestr(name, "eng_Latn,fra_Latn\na,b\nc,d\n")
        return root / "t.zip"

    return make


def split_folders(root: Path) -> Path:
    for split in ("dev", "devtest"):
        for code, lines in TEXT.items():
            write(root / "flores" / split / f"{code}.{split}", lines)
    return root / "flores"


def records(*rows: object) -> Make:
    return file("t.jsonl", "\n".join(json.dumps(row) for row in rows))


ROW = {"eng_Latn": "one", "fra_Latn": "un"}
BAD: dict[str, tuple[Make, Sequence[str], str]] = {
    # ------------------------------------------------ folders of text
    "nothing there": (lambda root: root / "nothing", (), "does not exist"),
    "empty folder": (named({}), (), "does not exist"),
    "only notes": (named({"README.md": ["about"]}), (), "holds no text; expected one file per"),
    "nested": (lambda root: texts()(root / "outer").parent, (), "name a folder inside"),
    "one language": (named({"eng_Latn.txt": ENGLISH}), (), "has no language other than the pivot"),
    "no pivot": (
        named({"fra_Latn.txt": FRENCH}),
        (),
        "has no text of the pivot 'eng_Latn'",
    ),
    "mistyped pivot": (texts(), ("--pivot", "eng_Latm"), "did you mean 'eng_Latn'?"),
    "pivot of two": (
        named({**FILES, "eng.txt": ENGLISH}),
        ("--pivot", "en"),
        "'en' could be eng, eng_Latn; choose one",
    ),
    "mistyped language": (texts(), ("--languages", "fra_Latm"), "did you mean 'fra_Latn'?"),
    "pivot as target": (texts(), ("--languages", "eng_Latn"), "pivot and target are both"),
    "no languages": (texts(), ("--languages", " , "), "has no language other than the pivot"),
    "a line too few": (
        texts(fra_Latn=FRENCH[:-1]),
        (),
        "sentences and fra_Latn has 2",
    ),
    "a line too many": (texts(fra_Latn=[*FRENCH, "Encore."]), (), "fra_Latn has 4"),
    "one line": (
        named({name: lines[:1] for name, lines in FILES.items()}),
        (),
        "has 1 sentence pairs for eng_Latn-deu_Latn",
    ),
    "an empty line": (
        texts(fra_Latn=[FRENCH[0], "", FRENCH[2]]),
        (),
        "2 of fra_Latn is empty",
    ),
    "an empty file": (texts(fra_Latn=[]), (), "fra_Latn has 0"),
    "zero width": (
        texts(fra_Latn=[FRENCH[0], "\u200b\u200d", FRENCH[2]]),
        (),
        "sentence 2 of fra_Latn has no visible character",
    ),
    "only marks of direction": (
        texts(fra_Latn=[FRENCH[0], "\u200f\u202b\u202c", FRENCH[2]]),
        (),
        "sentence 2 of fra_Latn has no visible character",
    ),
    "invalid UTF-8": (
        raw(fra_Latn=b"Bonjour.\nd\xe9j\xe0\nvu\n"),
        (),
        "fra_Latn.txt is not UTF-8 text; it seems to be Windows-1252 or another 8-bit encoding "
        "(byte 0xE9 in line 2). Save it as UTF-8",
    ),
    "UTF-16": (raw(fra_Latn="\n".join(FRENCH).encode("utf-16")), (), "it seems to be UTF-16. Save"),
    "UTF-16 without a mark": (
        raw(fra_Latn="\n".join(FRENCH).encode("utf-16-le")),
        (),
        "it seems to be UTF-16LE",
    ),
    "UTF-32": (raw(fra_Latn="\n".join(FRENCH).encode("utf-32")), (), "it seems to be UTF-32"),
    "NUL": (
        raw(fra_Latn=b"Bonjour.\nLa porte est ouverte.\nSix\0 et sept.\n"),
        (),
        "is not text: a NUL character in line 3",
    ),
    "link to itself": (linked("fra_Latn.txt"), ("--columns", "fra_Latn"), "no language 'fra_Latn'"),
    "link to nothing": (linked("nowhere"), ("--languages", "fra_Latn"), "no language 'fra_Latn'"),
    "source links to itself": (link, (), "it is a broken or circular link"),
    "unreadable": (linked("/proc/self/mem"), (), "fra_Latn.txt cannot be read: "),
    "a device": (lambda root: Path("/dev/null"), (), "neither a file nor a folder"),
    "a split that is not there": (split_folders, ("--split", "nope"), "it has: dev, devtest"),
    "a split of whole text": (texts(), ("--split", "dev"), "has no split 'dev': it is not divided"),
    "several texts of a language": (
        named({f"{part}.{code}": ENGLISH for part in ("a", "b") for code in ("en", "fr")}),
        ("--pivot", "en"),
        "several files per language and no split 'devtest'; the files' names begin with: a, b",
    ),
    "a pair that is not there": (
        named({f"t.{p}.{c}": ENGLISH for p in ("fra-eng", "deu-nld") for c in p.split("-")}),
        ("--pivot", "eng", "--languages", "deu"),
        "has no pair of eng and deu; eng is paired with: fra",
    ),
    "xz": (lambda root: file("t.csv.xz", b"x")(root), (), "unpack it first: unxz -k"),
    "cut gz": (
        lambda root: cut(lambda r: packed(columns({})(r)), 60)(root),
        (),
        "cannot be unpacked: ",
    ),
    "no gz": (file("t.csv.gz", "eng_Latn,fra_Latn"), (), "cannot be read: Not a gzipped file"),
    "zip of several": (zip_of("a.csv", "b.csv"), (), "holds 2 files; expected one: unpack it"),
    "no zip": (file("t.csv.zip", "PK"), (), "cannot be unpacked: File is not a zip file"),
    # ------------------------------------------------ tables
    "an empty table": (file("t.csv", ""), (), "t.csv is empty"),
    "only a header": (
        file("t.csv", "eng_Latn,fra_Latn\n"),
        (),
        "a header (eng_Latn, fra_Latn)",
    ),
    "no header": (
        file("t.csv", "Hello.,Salut.\nBye.,Ciao.\n"),
        (),
        "no column named after",
    ),
    "another delimiter": (
        file("t.csv", "eng_Latn:fra_Latn\na:b\nc:d\n"),
        (),
        "has one column, 'eng_Latn:fra_Latn'; expected one per language, separated by comma",
    ),
    "a column of numbers": (
        columns({"id": ["1", "2", "3"]}),
        (),
        "column 'id' contains no letters ('1', …); leave it out: --columns "
        "eng_Latn,fra_Latn,deu_Latn",
    ),
    "a column of identifiers": (
        columns({"id": ["a1", "b2", "c3"]}),
        (),
        "contains no sentences",
    ),
    "a column without a name": (columns({"": ["x", "y", "z"]}), (), "column '4' has no name"),
    "pandas' index": (columns({"Unnamed: 0": [0, 1, 2]}), (), "column 'Unnamed: 0' has no name"),
    "a column twice": (
        file("t.csv", "eng_Latn,fra_Latn,fra_Latn\na,b,c\nd,e,f\n"),
        (),
        "column 'fra_Latn' occurs 2 times",
    ),
    "a name and its code": (columns({"French": FRENCH}), (), "column 'fra_Latn' occurs 2 times"),
    "no known language": (
        columns({"topic": ["doors", "cats", "six"]}),
        (),
        "'topic' is not a known",
    ),
    "a column of numbers chosen": (
        columns({"id": ["1", "2", "3"]}),
        ("--columns", "eng_Latn,id"),
        "column 'id' contains no letters",
    ),
    "an empty column": (columns({"ita_Latn": ["", "", ""]}), (), "column 'ita_Latn' is empty"),
    "an empty cell": (
        columns({"ita_Latn": ["uno", "", "tre"]}),
        (),
        "2 of ita_Latn is empty",
    ),
    "too many cells": (
        file("t.csv", "eng_Latn,fra_Latn\na,b\nc,d,e\n"),
        (),
        "line 3 has 3 cells, more cells than its header, which has 2",
    ),
    "too few cells": (
        file("t.csv", "eng_Latn,fra_Latn\na,b\nc\n"),
        (),
        "sentence 2 of fra_Latn is empty",
    ),
    "an open quote": (
        file("t.csv", 'eng_Latn,fra_Latn\na,"b\nc,d\n'),
        (),
        "never ends",
    ),
    "cp1252": (
        columns({}, encoding="cp1252"),
        (),
        "t.csv is not UTF-8 text",
    ),
    "UTF-16 table": (columns({}, encoding="utf-16"), (), "it seems to be UTF-16"),
    "a spreadsheet": (file("t.xlsx", b"PK"), (), "is a spreadsheet; save it as 'CSV UTF-8'"),
    "another file": (file("t.doc", b"x"), (), "is not a table; expected one of: .csv"),
    "jsonl of lists": (records(["a", "b"]), (), "row 1 is ['a', 'b']; expected an object"),
    "jsonl with another key": (records(ROW, {"eng_Latn": "two"}), (), "row 2 lacks 'fra_Latn'"),
    "jsonl with null": (
        records(ROW, ROW | {"fra_Latn": None}),
        (),
        "2 of fra_Latn is None",
    ),
    "broken jsonl": (file("t.jsonl", '{"eng_Latn": "a"'), (), "line 1 is not JSON: "),
    "a key twice": (file("t.jsonl", '{"a": "b", "a": "c"}'), (), "the key 'a' occurs twice"),
    "deep json": (file("t.json", "[" * 100_000), (), "t.json is not JSON: "),
    "half a surrogate": (
        file(
            "t.jsonl",
            '{"eng_Latn": "a", "fra_Latn": "b"}\n{"eng_Latn": "\\ud83d", "fra_Latn": "c"}',
        ),
        (),
        "sentence 2 of eng_Latn contains half of a surrogate pair",
    ),
    "uneven columns": (
        file("t.json", '{"eng_Latn": ["a", "b"], "fra_Latn": ["c"]}'),
        (),
        "its columns have 1, 2 sentences",
    ),
    "numbers in parquet": (parquet, (), "column 'score' contains no text (0.1, …)"),
    "cut parquet": (cut(parquet, 300), (), "cannot be read as a parquet file"),
    "a path in a name": (
        columns({"../../x": FRENCH}),
        ("--columns", "eng_Latn,../../x"),
        "cannot be part of a task's name",
    ),
    # ------------------------------------------------ what is asked for
    "name of a path": (texts(), ("--name", "a/b"), "--name is 'a/b'"),
    "name of a task": (texts(), ("--name", "xnli"), "would hide the task xnli of lm_eval"),
    "name of ours": (texts(), ("--name", "neuronxa_flores"), "would hide the task neuronxa_flores"),
    "too few asked for": (texts(), ("--num-sentences", "1"), "--num-sentences is 1; at least 2"),
    "pivot left out": (
        texts(),
        ("--columns", "fra_Latn", "--languages", "deu_Latn"),
        "--languages has deu_Latn, which --columns leaves out",
    ),
}


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tasks of good text, which bad text must leave as they are."""
    root = tmp_path_factory.mktemp("earlier")
    done = neuronxa("tasks", texts()(root), "--name", "bad", "--output", root / "tasks")
    assert done.code == 0, done.errors
    return root / "tasks"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("case", BAD)
def test_one_line_and_nothing_else(case: str, tmp_path: Path, earlier: Path) -> None:
    make, options, message = BAD[case]
    source = make(tmp_path)
    corpus.load.cache_clear()
    before = contents(earlier)
    for output in (tmp_path / "new" / "tasks", earlier):
        done = neuronxa("tasks", source, "--name", "bad", "--output", output, *options)
        assert done.code == 1, done.output
        assert len(done.errors.splitlines()) == 1 and done.errors.startswith("neuronxa: error: ")
        assert message in done.errors
        assert len(done.errors) < 700 + 2 * len(str(tmp_path))
        assert not done.output
    assert not (tmp_path / "new").exists()
    assert contents(earlier) == before


def test_long_lines_are_text(tmp_path: Path) -> None:
    long = "long " * 20_000
    source = texts(fra_Latn=[long, *FRENCH[1:]])(tmp_path)
    corpus.load.cache_clear()
    assert neuronxa("tasks", source, "--name", "bad", "--output", tmp_path / "tasks").code == 0
    as_table = columns({"fra_Latn": [long, *FRENCH[1:]]})(tmp_path)
    assert neuronxa("tasks", as_table, "--name", "bad", "--output", tmp_path / "tasks").code == 0
    read = corpus.load(str(as_table), None, "all", None)
    assert read.pairs("eng_Latn", "fra_Latn", None)[1][0] == long.strip()


def test_many_names_stay_on_one_short_line(tmp_path: Path) -> None:
    codes = {f"{a}{b}x_Latn.txt": ENGLISH for a in "abcdefghij" for b in "aeiou"}
    done = neuronxa("tasks", named(codes)(tmp_path), "--name", "bad", "--output", tmp_path / "out")
    assert "(50 in all) (choose one with --pivot)" in done.errors and len(done.errors) < 500


def test_packed_text_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 1000)
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"eng_Latn,fra_Latn\n" + b"a,b\n" * 1000))
    done = neuronxa("tasks", path, "--name", "bad", "--output", tmp_path / "out")
    assert "unpacks to more than" in done.errors and done.code == 1


# ---------------------------------------------------------------- where it is written


def test_output_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    done = neuronxa("tasks", tmp_path / "nothing", "--name", "bad", "--output", tmp_path / "out")
    assert done.code == 1 and "is a file; expected a folder" in done.errors, "before the text"
    done = neuronxa("tasks", texts()(tmp_path), "--name", "b", "--output", tmp_path / "out" / "in")
    assert done.code == 1 and "out is a file; expected a folder" in done.errors


@contextlib.contextmanager
def without_rights() -> Iterator[None]:
    """As a user who owns nothing; what the command imports must have been imported before."""
    if os.geteuid() != 0:
        pytest.skip("gives up root's rights for a while")
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


@pytest.fixture
def common(earlier: Path) -> Iterator[Path]:
    """A folder that all users may enter and write, once the command has run."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


def test_output_is_read_only(common: Path, tmp_path: Path) -> None:
    for output in (tmp_path / "out", Path("/proc/out")):
        with without_rights():
            done = neuronxa("tasks", common / "nothing", "--name", "b", "--output", output)
        assert done.code == 1, "before the text is looked for"
        assert done.errors.strip().endswith("cannot be written")


def test_the_text_is_not_ours_to_read(common: Path) -> None:
    source = texts()(common)
    (source / "fra_Latn.txt").chmod(0o600)
    closed = texts()(common / "closed")
    (common / "closed").chmod(0o700)
    listed = texts()(common / "listed")
    listed.chmod(0o644)  # its names may be read, and nothing else
    for path, name in ((source, "fra_Latn.txt"), (closed, "text"), (listed, "text")):
        with without_rights():
            done = neuronxa("tasks", path, "--name", "bad", "--output", common / "out")
        assert done.code == 1 and f"{name} cannot be read: Permission denied" in done.errors
    assert not (common / "out").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk")
def test_the_disk_is_full(tmp_path: Path, earlier: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=False
    )
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        shutil.copytree(earlier, disk / "earlier")
        (disk / "filler").write_bytes(
            b"x" * (64 * 1024 - 4096 * (len(list(earlier.iterdir())) + 4))
        )
        before = contents(disk / "earlier")
        many = named(
            dict.fromkeys([f"{c}.txt" for c in "eng fra deu ita spa nld pol ces".split()], ENGLISH)
        )
        source = many(tmp_path)
        for output in (disk / "new", disk / "earlier"):
            done = neuronxa("tasks", source, "--name", "bad", "--output", output)
            assert done.code == 1, done.output
            assert "cannot be written: No space left on device" in done.errors
        assert not (disk / "new").exists()
        assert contents(disk / "earlier") == before
    finally:
        subprocess.run(["umount", str(disk)], check=True)
