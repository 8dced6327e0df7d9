"""Every command in the README and the documentation, as a reader would type it, in that order.

Blocks marked `bash` are run in one folder per page, which holds a small corpus `my_corpus`. Where a
page names a model, the packaged one takes its place, and runs are limited to a few documents. What
cannot be run here is in `NOT_RUN` with the reason, and its options are parsed. So are those of
commands in the text: `neuronxa …` between backquotes.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from unittest import mock

import made_results
import pytest
from commands import neuronxa
from lm_eval._cli.harness import HarnessCLI
from runs import command_here
from typer.main import get_command

from neuronxa_task.cli import app
from neuronxa_task.demo import MODEL_DIR, phrasebook, train
from neuronxa_task.harness import task_names
from neuronxa_task.languages import FLORES_CORE

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
OUR_TASKS = next(
    folder
    for folder in (ROOT / "neuronxa_task" / "task_configs", ROOT / "task_configs")
    if folder.is_dir()
)
PACKAGED = ("neuronxa_phrasebook", "phrasebook_translation")
ISO1 = dict(zip(made_results.LANGUAGES, "fr de zh ru ar hi".split(), strict=True))

NOT_RUN = {
    r"make (?!demo$)\w+": "they install, measure or test; their targets are in the Makefile",
    r"make demo|neuronxa demo\b": "tests/test_demo.py runs it",
    r"(python3? -m )?(pip|venv)\b|uv\b|source\b|git\b|cd\b": "it makes an environment",
    r"(accelerate launch|torchrun)\b": "it needs several GPUs; tests/test_command.py runs both",
    r"neuronxa (stability|pairs|retrieval)\b": "they need more of a run; their own tests run them",
    r"neuronxa rankc\b": "it needs samples of BMLAMA-53; tests/test_claims.py runs it",
    r"neuronxa reproduce (?!.*--dry-run)": "it takes minutes; tests/test_reproduce.py runs it",
    r"neuronxa models [^-]": "it needs the hub; tests/test_models.py runs it",
    r"python -m neuronxa_task\.demo\.train\b": "it takes minutes; tests/test_training.py trains",
}


# ---------------------------------------------------------------- what a page says


def blocks(page: Path) -> Iterator[str]:
    """The commands of a page's `bash` blocks, one a line, without comments."""
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"^```(?:bash|sh|shell|console)\n(.*?)^```", text, re.DOTALL | re.M):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if words:
                yield shlex.join(words)


def in_the_text(page: Path) -> Iterator[str]:
    """Commands between backquotes outside of blocks."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.M)
    for span in re.findall(r"`([^`]+)`", text):
        words = span.split()
        if words[0] in ("neuronxa", "lm_eval", "torchrun", "accelerate", "python"):
            yield " ".join(words)


# ---------------------------------------------------------------- parsing


def parse(command: str) -> None:
    """Fail where a command has an option, a command or a value that it does not know."""
    words = [word for word in shlex.split(command) if word != "…"]
    if words[0] == "neuronxa":
        parse_neuronxa(words[1:])
    elif words[:3] == ["python", "-m", "neuronxa_task.demo.train"]:
        parse_training(words[3:])
    elif "lm_eval" in words:
        parse_lm_eval(words[words.index("lm_eval") + 1 :])
    elif words[0] == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE), f"no target {words[1]}"


def parse_neuronxa(words: list[str]) -> None:
    group = get_command(app)
    for command in group.commands.values():  # type: ignore[attr-defined]
        command.callback = lambda **_: None
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            group.main(words, prog_name="neuronxa", standalone_mode=False)
        except Exception as error:
            # In the text a command may be named without its arguments.
            if type(error).__name__ not in ("MissingParameter", "NoArgsIsHelpError"):
                raise


def parse_training(words: list[str]) -> None:
    with (
        mock.patch.object(sys, "argv", ["train", *words]),
        mock.patch.object(train, "train", return_value=()),
        mock.patch.object(train, "save"),
    ):
        train.main()


@cache
def known_tasks() -> set[str]:
    return task_names()


def parse_lm_eval(words: list[str]) -> None:
    subcommands = ("run", "ls", "validate")
    given = words if words and words[0] in subcommands else ["run", *words]
    parsed = HarnessCLI()._parser.parse_args(given)
    for task in getattr(parsed, "tasks", None) or ():
        assert parsed.include_path or task in known_tasks() or "*" in task, f"no task {task}"


# ---------------------------------------------------------------- running


def run(command: str) -> None:
    """Run a command in the current folder; the test fails where it does."""
    words = shlex.split(command)
    if words[0] == "neuronxa":
        ended = neuronxa(*words[1:])
        assert ended.code == 0, ended.errors
    elif words[0] == "lm_eval":
        run_lm_eval(words[1:])
    else:
        raise AssertionError("neither run here nor in NOT_RUN")


def run_lm_eval(words: list[str]) -> None:
    """Score the packaged model on local tasks; write made-up results of tasks of the hub."""
    parse_lm_eval(words)
    parsed = HarnessCLI()._parser.parse_args(["run", *words])
    output = Path(parsed.output_path or "unnamed")
    if not parsed.include_path and not all(task.startswith(PACKAGED) for task in parsed.tasks):
        made = made_results.full_run()
        for code, accuracy in zip(made_results.LANGUAGES, made_results.ACCURACY, strict=True):
            made.task(f"m_mmlu_{ISO1[code]}", {"acc": accuracy})
        made.write(output)
        return
    own = () if parsed.include_path else ("--include_path", str(OUR_TASKS))
    model = ("--model_args", f"pretrained={MODEL_DIR}", "--device", "cpu", "--limit", "10")
    ended = command_here(output, *words, *own, *model)
    assert ended.code == 0, ended.stderr


def write_corpus(folder: Path) -> None:
    folder.mkdir()
    for code in ("eng_Latn", *FLORES_CORE[:3]):
        lines = phrasebook.evaluation_sentences(code)[:12]
        (folder / f"{code}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def problems(commands: list[str], check: Callable[[str], None]) -> list[str]:
    """What is wrong, a line for each command."""
    found = []
    for command in commands:
        try:
            check(command)
        except (Exception, SystemExit) as error:
            found.append(f"{command}: {type(error).__name__}: {error}")
    return found


def check(command: str) -> None:
    parse(command)
    if not any(re.match(pattern, command) for pattern in NOT_RUN):
        run(command)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_in_a_block_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_corpus(tmp_path / "my_corpus")
    assert problems(list(blocks(page)), check) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_in_the_text_has_known_options(page: Path) -> None:
    assert problems(list(in_the_text(page)), parse) == []


def test_the_readme_has_commands_that_are_run() -> None:
    found = list(blocks(PAGES[0]))
    ran = [line for line in found if not any(re.match(pattern, line) for pattern in NOT_RUN)]
    assert {line.split()[0] for line in ran} == {"neuronxa", "lm_eval"}
    assert len(ran) >= 5


@pytest.mark.parametrize(
    "command",
    [
        "neuronxa corelate results/",
        "neuronxa correlate results/ --ouput x",
        "lm_eval --model hf --taks xnli",
        "lm_eval --tasks no_such_task",
        "python -m neuronxa_task.demo.train",
        "make nothing",
    ],
)
def test_a_command_with_a_mistake_is_seen(command: str) -> None:
    assert problems([command], parse) != []


def test_the_files_that_contributors_are_told_of_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = re.findall(r"`([\w./]+/[\w.]*)`", text) + re.findall(r"(tests/\w+\.py)", text)
    assert len(paths) > 20
    folders = (ROOT, ROOT / "neuronxa_task")
    missing = {path for path in paths if not any((folder / path).exists() for folder in folders)}
    assert missing - {"lm_eval/", "commands/NAME.py"} == set()
