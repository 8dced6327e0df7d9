"""Foreign data acts on nothing: no pickle, no code, no file outside, no request when offline."""

from __future__ import annotations

import ast
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pandas as pd
import pytest
import torch
import yaml
from commands import neuronxa
from conftest import byte_tokenizer, tiny_llama
from made_results import full_run
from test_fuzz import TaskLoader
from test_own_text import TEXT, named, table

from neuronxa_task import corpus
from neuronxa_task.bmlama53 import data as bmlama53

PACKAGE = Path(corpus.__file__).parents[1]


class Trap:
    """Unpickled, it leaves a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.fixture
def sprung(tmp_path: Path) -> Iterator[Path]:
    """What a trap would leave; nothing does."""
    path = tmp_path / "sprung"
    yield path
    assert not path.exists(), "data was run as code"


@pytest.mark.parametrize("name", ["data.pkl", "eng_Latn.pkl", "data.pickle", "devtest.pt"])
def test_pickles_are_not_opened(name: str, tmp_path: Path, sprung: Path) -> None:
    folder = tmp_path / "text"
    folder.mkdir()
    (folder / name).write_bytes(pickle.dumps(Trap(sprung)))
    for source in (folder, folder / name):
        assert neuronxa("tasks", source, "--name", "mine", "--output", tmp_path / "out").code == 1
    corpus.load.cache_clear()
    named({f"{code}.txt": lines for code, lines in TEXT.items()})(tmp_path)
    done = neuronxa("tasks", folder, "--name", "mine", "--output", tmp_path / "out")
    assert done.code == 0 and f"not read: {name}" in done.output


def test_a_folder_s_script_is_not_run(tmp_path: Path, sprung: Path) -> None:
    """What older versions of `datasets` took for a loading script, or a card names as data."""
    folder = tmp_path / "text"
    folder.mkdir()
    script = f"import os\nos.mkdir({str(sprung)!r})\n"
    for name in ("text.py", "dataset.py", "builder.py"):
        (folder / name).write_text(script)
    pd.DataFrame(TEXT).to_parquet(folder / "devtest.parquet")
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files: '*.py'\n---\n"
    )
    done = neuronxa("tasks", folder, "--name", "mine", "--output", tmp_path / "out")
    assert done.code in (0, 1) and "Traceback" not in done.errors


def test_weights_of_a_model_are_not_unpickled(tmp_path: Path, sprung: Path) -> None:
    folder = tmp_path / "model"
    tiny_llama().save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    (folder / "model.safetensors").unlink()
    torch.save({"model.norm.weight": Trap(sprung)}, folder / "pytorch_model.bin")
    with pytest.raises(Exception, match=r"[Ww]eights|weights_only|pickle|load"):
        neuronxa("models", folder)


def test_code_of_a_model_runs_only_if_asked_for(tmp_path: Path, sprung: Path) -> None:
    folder = tmp_path / "model"
    tiny_llama().save_pretrained(folder)
    config = folder / "config.json"
    auto = '"auto_map": {"AutoConfig": "trap.Trap", "AutoModelForCausalLM": "trap.Trap"},'
    config.write_text(config.read_text().replace("{", "{" + auto, 1).replace('"llama"', '"trap"'))
    (folder / "trap.py").write_text(f"import os\nos.mkdir({str(sprung)!r})\nclass Trap: pass\n")
    done = neuronxa("models", folder)
    assert done.code == 1 and "cannot be loaded" in done.errors


def test_no_module_opens_pickles_or_trusts_code() -> None:
    modules = list(PACKAGE.rglob("*.py"))
    assert Path(corpus.__file__) in modules
    for path in modules:
        text = path.read_text(encoding="utf-8")
        for word in ("pickle.", "torch.load", "yaml.load(", "allow_pickle"):
            assert word not in text, f"{path} has {word}"
        trusted = [
            keyword
            for call in ast.walk(ast.parse(text))
            if isinstance(call, ast.Call)
            for keyword in call.keywords
            if keyword.arg == "trust_remote_code"
        ]
        # The harness hands the user's own model argument to a model that it makes.
        theirs = path.name == "random_weights.py"
        assert theirs or not trusted, f"{path} passes trust_remote_code"
        assert all(ast.unparse(keyword.value) == "bool(trust_remote_code)" for keyword in trusted)


# ---------------------------------------------------------------- names


EVIL = "</script><script>alert(1)</script>\\input{/etc/passwd}%$&#_^~|"


def test_paths_cannot_add_lines_to_task_files(tmp_path: Path) -> None:
    folder = tmp_path / "a\nclass: evil\n# `b"
    for code, lines in TEXT.items():
        folder.mkdir(exist_ok=True)
        (folder / f"{code}.txt").write_text("\n".join(lines), encoding="utf-8")
    output = tmp_path / "tasks"
    assert neuronxa("tasks", folder, "--name", "mine", "--output", output).code == 0
    for path in output.iterdir():
        content = path.read_text(encoding="utf-8")
        assert "\nclass: evil" not in content
        if path.suffix != ".py":
            assert yaml.load(content, Loader=TaskLoader).get("class") != "evil"


@pytest.mark.parametrize("name", ["../../outside", "/outside", "a/b", "a\0b", "..", "x\nclass: y"])
def test_names_of_data_make_no_paths(name: str, tmp_path: Path) -> None:
    source = table(tmp_path / "t.csv", {**TEXT, name: TEXT["fra_Latn"]})
    before = sorted(tmp_path.rglob("*"))
    done = neuronxa(
        *("tasks", source, "--name", "mine", "--output", tmp_path / "in" / "tasks"),
        *("--columns", f"eng_Latn,{name}"),
    )
    made = [path for path in tmp_path.rglob("*") if path not in before]
    assert all((tmp_path / "in") in path.parents or path == tmp_path / "in" for path in made)
    assert done.code == 1 or name == ".."


@pytest.mark.slow
def test_names_of_results_are_escaped(tmp_path: Path) -> None:
    full_run(f"org/{EVIL}").write(tmp_path / "results")
    for command in ("correlate", "leaderboard", "report"):
        done = neuronxa(command, tmp_path / "results", "--output", tmp_path / "out")
        assert done.code == 0, done.errors
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    pages = [path for path in written if path.suffix == ".html"]
    tables = [path for path in written if path.suffix == ".tex"]
    assert pages and tables
    for path in pages:
        assert "<script>alert(1)" not in path.read_text(encoding="utf-8")
    for path in tables:
        assert "\\input{" not in path.read_text(encoding="utf-8")
    assert {path.relative_to(tmp_path).parts[0] for path in written} == {"out"}


# ---------------------------------------------------------------- offline


class Counted(SimpleHTTPRequestHandler):
    asked: list[str] = []  # noqa: RUF012 -- one server in this file

    def log_message(self, *_: object) -> None:
        self.asked.append(self.path)


@pytest.mark.slow
@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"])
def test_nothing_is_asked_of_a_server_when_offline(variable: str, tmp_path: Path) -> None:
    """In a process of its own, since the libraries read the variables as they are imported."""
    (tmp_path / "fr.tsv").write_text("Prompt\tAns\tCandidate Ans\n<mask> a\tb\tb, c\n")
    handler = partial(Counted, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        program = f"""
from neuronxa_task import NeuronXAError, corpus
from neuronxa_task.bmlama53 import data as bmlama53
for load in (
    lambda: bmlama53.load("fr", {address!r}),
    lambda: corpus.load("nobody/nothing", None, "devtest", None),
):
    try:
        load()
    except NeuronXAError as error:
        print(error)
"""
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={name: value for name, value in os.environ.items() if "OFFLINE" not in name}
            | {variable: "1", "HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        server.shutdown()
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2
    assert not Counted.asked
    assert shutil.which(sys.executable)
    assert bmlama53.FOLDER.startswith("https://"), "what is downloaded otherwise comes encrypted"
