"""The finder that lets a harness index our tasks, with made-up harnesses of every layout.

Each is tried in a process of its own, as users start Python; the harness itself is in
`test_command.py` and `test_demo.py`.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from neuronxa_task import discovery
from neuronxa_task.task_configs import folder

pytestmark = pytest.mark.slow

MANAGER = """
class TaskManager:
    def __init__(self, verbosity=None, include_path=None, include_defaults=True, metadata=None):
        self.include_path, self.include_defaults = include_path, include_defaults
"""
REEXPORT = "from lm_eval.tasks.manager import TaskManager\n"
READS_ENTRY_POINTS = "import importlib.metadata as md\ndef found(): md.entry_points(group='x')\n"
PRELUDE = """
import importlib, json, sys
from pathlib import Path
from lm_eval.tasks import TaskManager
def given(*arguments, **options):
    return TaskManager(*arguments, **options).include_path
def show(value): print(json.dumps(value))
"""
OURS = str(folder())


def harness(root: Path, layout: str) -> Path:
    """A made-up harness that remembers what its task manager was given."""
    tasks = root / "lm_eval" / "tasks"
    tasks.mkdir(parents=True)
    (root / "lm_eval" / "__init__.py").touch()
    if layout == "0.4.10":
        (tasks / "__init__.py").write_text(MANAGER, encoding="utf-8")
    else:
        (tasks / "__init__.py").write_text(REEXPORT, encoding="utf-8")
        (tasks / "manager.py").write_text(MANAGER, encoding="utf-8")
    return root


def python(path: Path, code: str, **environment: str) -> Any:
    """What a program prints as JSON when it finds a harness in `path`."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(path)} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("layout", ["0.4.10", "0.4.12"])
def test_our_folder_comes_before_what_the_user_includes(layout: str, tmp_path: Path) -> None:
    code = f"""{PRELUDE}
class Mine(TaskManager):
    def __init__(self): super().__init__(include_path="mine")
def wrong():
    try: TaskManager(unknown=1)
    except TypeError as error: return str(error)
before = given()
importlib.reload(sys.modules[TaskManager.__module__])
TaskManager = sys.modules[TaskManager.__module__].TaskManager
loader = type(sys.modules[TaskManager.__module__].__spec__.loader).__name__
show([before, given(), given(None, "a"), given(include_path=["a", Path("b")]),
      given(include_path=("a",)), given(include_path=Path("a")), given(include_path=""),
      Mine().include_path, given(include_path={str(folder())!r}),
      given(include_path=[{str(folder().parent)!r}, "a"]), given(include_path="a",
      include_defaults=False), given(include_defaults=False), wrong(), loader])
"""
    shown = python(harness(tmp_path, layout), code)
    assert shown[:2] == [[OURS]] * 2, "also after a reload"
    assert shown[2:8] == [[OURS, "a"], [OURS, "a", "b"], *[[OURS, "a"]] * 2, [OURS], [OURS, "mine"]]
    assert shown[8:10] == [OURS, [str(folder().parent), "a"]], "they are listed once"
    assert shown[10:12] == ["a", None], "without the harness's own tasks, only what is asked for"
    assert shown[12] == "TaskManager.__init__() got an unexpected keyword argument 'unknown'"
    assert shown[13] == "SourceFileLoader", "the module keeps its own loader"


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    names = "[type(finder).__module__ for finder in sys.meta_path]"
    code = f"{PRELUDE}show([given(), 'neuronxa_task.discovery' in {names}])"
    assert python(harness(tmp_path, "0.4.12"), code, NEURONXA_DISCOVERY="0") == [None, False]
    later = f"import os; os.environ['NEURONXA_DISCOVERY'] = '0'{PRELUDE}show(given())"
    assert python(tmp_path, later) is None


def test_a_harness_that_reads_entry_points_is_left_alone(tmp_path: Path) -> None:
    manager = harness(tmp_path, "0.4.12") / "lm_eval" / "tasks" / "manager.py"
    manager.write_text(READS_ENTRY_POINTS + MANAGER, encoding="utf-8")
    assert python(tmp_path, f"{PRELUDE}show(given())") is None
    entries = importlib.metadata.entry_points(group="lm_eval.tasks")
    values = {
        entry.value for entry in entries if entry.dist and entry.dist.name == "lm-eval-neuronxa"
    }
    spec = importlib.util.find_spec(values.pop())
    assert not values and spec is not None
    assert spec.submodule_search_locations == [str(folder())]


def test_a_harness_that_another_finder_brings(tmp_path: Path) -> None:
    """As editable installations do; this one also asks all finders, as ours does."""
    root = harness(tmp_path / "away", "0.4.12")
    code = f"""
import sys
from importlib.machinery import PathFinder
class Editable:
    def find_spec(self, name, path=None, target=None):
        for finder in sys.meta_path:
            if finder is not self and type(finder).__module__ == "neuronxa_task.discovery":
                finder.find_spec(name, path, target)
        if name.startswith("lm_eval"):
            return PathFinder.find_spec(name, path or [{str(root)!r}], target)
sys.meta_path.insert(1, Editable())
{PRELUDE}show(given(include_path="a"))"""
    assert python(tmp_path, code) == [OURS, "a"]


def test_a_zipped_harness(tmp_path: Path) -> None:
    root = harness(tmp_path / "away", "0.4.12")
    with zipfile.ZipFile(tmp_path / "harness.zip", "w") as archive:
        for path in sorted(root.rglob("*.py")):
            archive.write(path, path.relative_to(root))
    assert python(tmp_path / "harness.zip", f"{PRELUDE}show(given())") == [OURS]


def test_started_processes_find_them_too(tmp_path: Path) -> None:
    code = f"""{PRELUDE}
import multiprocessing
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        show(pool.apply(eval, ["__import__('lm_eval.tasks').tasks.TaskManager().include_path"]))
"""
    script = tmp_path / "script.py"
    script.write_text(code, encoding="utf-8")
    run = f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')"
    assert python(harness(tmp_path, "0.4.12"), run) == [OURS]


@pytest.mark.parametrize("broken", ["extend", "with_our_folder", "is_on", "_Loader"])
def test_no_error_of_ours_reaches_the_user(broken: str, tmp_path: Path) -> None:
    code = f"""
from neuronxa_task import discovery
def fail(*_): raise RuntimeError("ours")
discovery.{broken} = fail
{PRELUDE}show(given(include_path="a"))"""
    assert python(harness(tmp_path, "0.4.12"), code) == "a"


def test_errors_of_the_harness_are_its_own(tmp_path: Path) -> None:
    root = harness(tmp_path, "0.4.12")
    (root / "lm_eval" / "tasks" / "manager.py").write_text("import no_such_module", "utf-8")
    code = """
import json
try: import lm_eval.tasks
except ModuleNotFoundError as error: print(json.dumps(str(error)))"""
    assert python(root, code) == "No module named 'no_such_module'"
    code = code.replace("lm_eval.tasks", "lm_eval.tasks.nothing")
    (root / "lm_eval" / "tasks" / "__init__.py").write_text("", "utf-8")
    assert python(root, code) == "No module named 'lm_eval.tasks.nothing'"


def test_starting_python_imports_the_finder_alone() -> None:
    shown = "import json, sys; print(json.dumps([m for m in sys.modules if 'neuronxa' in m]))"
    assert set(python(Path(), shown)) == {"neuronxa_task", "neuronxa_task.discovery"}
    alone = f"""
import sys
sys.path.insert(0, {str(folder().parents[1])!r})
before = set(sys.modules)
from neuronxa_task import discovery
discovery.install()
imported = sorted(set(sys.modules) - before)
import json
print(json.dumps(imported))"""
    without_site = [sys.executable, "-S", "-c", alone]
    done = subprocess.run(without_site, capture_output=True, text=True, check=True)
    assert set(json.loads(done.stdout)) <= {
        *("__future__", "neuronxa_task", "neuronxa_task.discovery"),
        *("os", "os.path", "stat", "posixpath", "genericpath", "_collections_abc", "_stat"),
    }


def test_installing_it_again_changes_nothing() -> None:
    count = sum(isinstance(finder, discovery.Finder) for finder in sys.meta_path)
    discovery.install()
    assert count == sum(isinstance(finder, discovery.Finder) for finder in sys.meta_path) == 1
