"""The harness seen from outside: its tasks' names, without its index; its module as a process."""

from __future__ import annotations

from pathlib import Path

import lm_eval.tasks
import pytest
from lm_eval.tasks import TaskManager

from neuronxa_task.harness import task_names

HARNESS = Path(lm_eval.tasks.__file__).parent

FILES = {
    "plain.yaml": "task: plain\ntag: one  # not two\n",
    "quoted.yaml": '"task": "quoted name"\n"tag": [\'x\']\n',
    "sub/shared": "tag:\n  - listed\n  - 'listed too'  # and said why\ngroup: ignored_group\n",
    "sub/including.yaml": "include: shared\ntask: including\ngroup: null\n",
    "group.yaml": "group: a_group\ntask:\n  - plain\n  - group: inner\n    task: [quoted name]\n",
    "readme.md": "task: no_task\n",
}


def names_of_the_harness(*folders: Path) -> set[str]:
    manager = TaskManager(include_path=list(map(str, folders)), include_defaults=False)
    return set(manager.all_tasks)


@pytest.fixture(scope="module")
def names() -> set[str]:
    return task_names()


def test_names_are_read_in_every_way_to_write_them(tmp_path: Path, names: set[str]) -> None:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    added = task_names([tmp_path]) - names
    for name in ("plain", "one", "quoted name", "including", "listed", "listed too", "a_group"):
        assert name in added, name
    assert "no_task" not in added and not any(":" in name for name in added)


@pytest.mark.parametrize("folder", ["aradice/ArabicMMLU", "afrobench/belebele", "eus_exams"])
def test_names_are_those_of_the_harness_s_own_index(folder: str, names: set[str]) -> None:
    indexed = names_of_the_harness(HARNESS / folder)
    assert len(indexed) > 3
    assert indexed <= names
