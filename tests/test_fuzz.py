"""No input ends in a traceback: own text, codes, result files and task files made at random."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from commands import neuronxa
from fuzzing import EXAMPLES, TRIED, tried
from hypothesis import given
from hypothesis import strategies as st
from made_results import full_run

from neuronxa_task.corpus import language_names, load
from neuronxa_task.errors import INTERRUPTED, NeuronXAError
from neuronxa_task.languages import language, to_flores
from neuronxa_task.languages.benchmarks import Pattern
from neuronxa_task.task_files import TaskFamily, write_family

pytestmark = pytest.mark.slow

numbered = itertools.count()
TEXT = st.text(max_size=20)
WORDS = st.text("ab é中😀\u200b\u200f\u2028\ufeff\0\r\n\t\",;|'", max_size=12)
CODES = st.sampled_from(
    ["eng_Latn", "fra_Latn", "en", "fr", "French", "id", "frz_Latn", "", "x", "a\0b"]
)


@pytest.fixture(scope="module", autouse=True)
def told() -> Iterator[None]:
    yield
    if EXAMPLES:
        print(f"\ntried: {dict(TRIED)}")


def run(root: Path, *arguments: object) -> str:
    """A command on made input: it does its work, or ends with one line."""
    ended = neuronxa(*arguments)
    lines = ended.errors.strip().splitlines()
    if ended.code == INTERRUPTED:
        raise KeyboardInterrupt
    assert ended.code in (0, 1), ended.errors
    assert "Traceback" not in ended.errors
    if ended.code:
        assert lines[-1].startswith("neuronxa: error: ") and len(lines[-1]) < 2000
    return ended.output


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Path]:
    """A folder that is emptied between examples by its user."""
    yield tmp_path
    load.cache_clear()


def tasks_of(root: Path, source: Path) -> None:
    output = root / "tasks"
    output_text = run(root, "tasks", source, "--name", "made", "--output", output)
    if output_text:
        for path in output.glob("*.yaml"):
            yaml.load(path.read_text(encoding="utf-8"), Loader=TaskLoader)
        shutil.rmtree(output)
    else:
        assert not output.exists()


class TaskLoader(yaml.SafeLoader):
    """YAML with the harness's `!function`, left as text."""


TaskLoader.add_constructor("!function", lambda loader, node: str(node.value))


# ---------------------------------------------------------------- own text


@st.composite
def delimited(draw: st.DrawFn) -> bytes:
    delimiter = draw(st.sampled_from([",", ";", "\t", "|"]))
    header = draw(st.lists(CODES, min_size=1, max_size=4))
    rows = draw(st.lists(st.lists(st.one_of(WORDS, TEXT), min_size=1, max_size=4), max_size=5))
    written = io.StringIO()
    quoting: Any = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    csv.writer(written, delimiter=delimiter, quoting=quoting).writerows([header, *rows])
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"]))
    return written.getvalue().encode(encoding, errors="replace")


@st.composite
def damaged(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    content = bytearray(draw(whole))
    for _ in range(draw(st.integers(0, 3))):
        if content:
            content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return bytes(content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT, WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(CODES, inner, max_size=3)),
    max_leaves=8,
)
RECORDS = st.lists(st.dictionaries(CODES, st.one_of(WORDS, JSON), min_size=1), max_size=4)
PARQUET = io.BytesIO()
pd.DataFrame({"eng_Latn": ["one", "two"], "fra_Latn": ["un", "deux"]}).to_parquet(PARQUET)

TABLES = {
    "csv": damaged(delimited()),
    "tsv": damaged(delimited()),
    "json": st.one_of(JSON, RECORDS).map(lambda content: json.dumps(content).encode()),
    "jsonl": RECORDS.map(lambda rows: "\n".join(map(json.dumps, rows)).encode()),
    "parquet": damaged(st.just(PARQUET.getvalue())),
    "csv.gz": damaged(delimited().map(gzip.compress)),
    "csv.zip": st.binary(max_size=40),
}


@tried(15)
@given(data=st.data())
def test_tables(fresh: Path, data: st.DataObject) -> None:
    TRIED["tables"] += 1
    kind = data.draw(st.sampled_from(list(TABLES)))
    path = fresh / f"table{next(numbered)}.{kind}"
    path.write_bytes(data.draw(st.one_of(TABLES[kind], st.binary(max_size=60))))
    tasks_of(fresh, path)
    path.unlink()


FILE_NAMES = st.one_of(
    st.sampled_from(
        """
        eng_Latn.txt fra_Latn.txt eng.devtest corpus.en corpus.fr train.en tatoeba.fra-eng.fra
        tatoeba.fra-eng.eng eng_Latn.jsonl fra_Latn.jsonl README.md x.txt.gz eng_Latn.parquet
        """.split()
    ),
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1).filter(
        lambda name: name not in (".", "..") and len(name.encode()) < 200
    ),
)
LINES = st.lists(st.one_of(WORDS, TEXT), max_size=4).map(
    lambda lines: "\n".join(lines).encode("utf-8", errors="replace")
)


@tried(15)
@given(files=st.dictionaries(FILE_NAMES, st.one_of(LINES, st.binary(max_size=30)), max_size=6))
def test_folders(fresh: Path, files: dict[str, bytes]) -> None:
    TRIED["folders"] += 1
    folder = fresh / f"text{next(numbered)}"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    tasks_of(fresh, folder)
    shutil.rmtree(folder)


# ---------------------------------------------------------------- codes and names


@tried(60)
@given(name=st.one_of(TEXT, CODES, st.from_regex(language_names.CODE, fullmatch=True)))
def test_codes(name: str) -> None:
    TRIED["codes"] += 1
    code = to_flores(name)
    assert to_flores(code) == code
    assert language(name).code == code
    found = language_names.language_code(name)
    assert found is None or language_names.language_code(found) is not None
    at_the_end = language_names.language_at_the_end(f"{name}.txt")
    assert at_the_end is None or at_the_end[1] in name
    try:
        Pattern.parse(name)
    except NeuronXAError:
        assert not re.fullmatch(r"[^=]+=[^=]*\{lang\}", name)


# ---------------------------------------------------------------- result files


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a value stands in nested JSON."""
    if isinstance(content, dict | list):
        for key in content if isinstance(content, dict) else range(len(content)):
            yield (*path, key)
            yield from places(content[key], (*path, key))


RESULT = full_run().content
PLACES = list(places(RESULT))


@tried(8)
@given(
    changes=st.lists(st.tuples(st.sampled_from(PLACES), JSON), max_size=4),
    cut=st.one_of(st.none(), st.integers(0, 5000)),
    command=st.sampled_from(["correlate", "leaderboard"]),
)
def test_result_files(
    fresh: Path, changes: list[tuple[tuple[Any, ...], Any]], cut: int | None, command: str
) -> None:
    TRIED["result files"] += 1
    content = json.loads(json.dumps(RESULT))
    for path, value in changes:
        inner = content
        for key in path[:-1]:
            try:
                inner = inner[key]
            except (KeyError, IndexError, TypeError):
                break
        else:
            if isinstance(inner, dict):
                inner[path[-1]] = value
    (fresh / "results_1.json").write_text(json.dumps(content)[:cut], encoding="utf-8")
    run(fresh, command, fresh / "results_1.json")


# ---------------------------------------------------------------- task files


@tried(20)
@given(
    dataset=st.text(min_size=1),
    pivot=TEXT,
    languages=st.lists(st.text("ab_é中😀 .-", min_size=1, max_size=8), min_size=1, unique=True),
    split=TEXT,
    pairs=st.integers(2, 10**6),
)
def test_task_files(
    fresh: Path, dataset: str, pivot: str, languages: list[str], split: str, pairs: int
) -> None:
    """What is written is what the harness reads, whatever the names hold."""
    TRIED["task files"] += 1
    folder = fresh / str(next(numbered))
    family = TaskFamily(
        name="made",
        dataset_path=dataset,
        pivot=pivot,
        split=split,
        languages=languages,
        num_sentences=pairs,
        command="neuronxa tasks",
    )
    write_family(family, folder)
    for code in languages:
        task: dict[str, Any] = {}
        for name in ("_made_yaml", f"made_{code}.yaml"):
            text = (folder / name).read_text(encoding="utf-8")
            task |= yaml.load(text, Loader=TaskLoader)
        assert (task["dataset_path"], task["test_split"]) == (dataset, split)
        assert (task["task"], task["metadata"]["language"]) == (f"made_{code}", code)
        assert task["metadata"]["pivot"] == pivot
        assert task["metadata"]["num_sentences"] == pairs
    group = yaml.safe_load((folder / "made.yaml").read_text(encoding="utf-8"))
    assert group["task"] == [f"made_{code}" for code in languages]
    shutil.rmtree(folder)


assert os.environ["HF_HUB_OFFLINE"] == "1", "a made-up name may be asked of no server"
