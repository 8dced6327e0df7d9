"""Collect the newest run of every model and task, and what was left out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from neuronxa_task.errors import NeuronXAError, one_of
from neuronxa_task.languages import FLORES_PIVOT, to_flores
from neuronxa_task.languages.benchmark_names import PIVOT_SIBLINGS
from neuronxa_task.languages.benchmarks import Pattern, TaskPlace
from neuronxa_task.results.comparable import facts_of, settings_of, weights_of
from neuronxa_task.results.files import ResultFile, printable
from neuronxa_task.results.means import with_means
from neuronxa_task.results.pivots import further_pivots, note_of_further, with_pivot
from neuronxa_task.results.task_runs import TaskRun, is_predict_only, measures, place_of, read_task

SIBLINGS = frozenset(PIVOT_SIBLINGS.values())


@dataclass(frozen=True)
class RunChoice:
    """Which runs to use: of benchmarks by their prompts, of NeuronXA's tasks by the pivot.

    Attributes:
        num_fewshot: number of few-shot examples; `None` for any.
        chat_template: whether the model's chat template was applied; `None` for either.
        pivot: code of the pivot language; `None` for the first pivot of every run.
    """

    num_fewshot: int | None = None
    chat_template: bool | None = None
    pivot: str | None = None

    def takes(self, run: TaskRun) -> bool:
        """Whether the choice includes a run."""
        facts = facts_of(run.signature)
        if "pivot" in facts:
            return self.pivot is None or run.pivot == to_flores(self.pivot)
        if self.num_fewshot is not None and facts.get("shots") != str(self.num_fewshot):
            return False
        return self.chat_template is None or (facts.get("chat") == "applied") == self.chat_template


def _change(before: str, after: str) -> str:
    """What differs between two signatures and may change the scores; empty if nothing does."""
    old, new = settings_of(before), settings_of(after)
    if old.get("shots") != new.get("shots"):
        return f"other settings ({old.get('shots')} shots, now {new.get('shots')}: --num-fewshot)"
    if old.get("chat") != new.get("chat"):
        return "other settings (chat template: --chat-template or --no-chat-template)"
    if old != new:
        return "other settings"
    known = [facts for facts in map(facts_of, (before, after)) if "model" in facts]
    models = {(weights_of(facts), facts.get("hooks")) for facts in known}
    return "other weights" if len(models) > 1 else ""


@dataclass
class Collection:
    """The newest run of every model and task, and what was left out.

    Attributes:
        patterns: templates of the benchmarks' task names.
        choice: which runs to use.
    """

    patterns: Sequence[Pattern]
    choice: RunChoice
    runs: dict[tuple[str, str], TaskRun] = field(default_factory=dict)
    siblings: dict[tuple[str, str], TaskRun] = field(default_factory=dict)
    replaced: Counter[str] = field(default_factory=Counter)
    clashes: list[str] = field(default_factory=list)
    unknown: dict[str, None] = field(default_factory=dict)
    unusable: list[str] = field(default_factory=list)
    unmeasured: list[str] = field(default_factory=list)
    not_chosen: Counter[str] = field(default_factory=Counter)
    served: dict[str, str] = field(default_factory=dict)
    tasks: dict[str, None] = field(default_factory=dict)
    has_benchmark: bool = False
    further_pivots: dict[str, None] = field(default_factory=dict)
    other_pivots: Counter[str] = field(default_factory=Counter)
    has_alignment: bool = False

    def add(self, file: ResultFile, model: str) -> None:
        """Add the tasks of a file; files must come in order of date, oldest first."""
        self.further_pivots |= dict.fromkeys(further_pivots(file))
        if self.choice.pivot is not None:
            file = with_pivot(file, self.choice.pivot)
        silent = self._parts_of_groups(file)
        for task, values in file.part("results").items():
            self.tasks[task] = None
            task_place = place_of(file, task, self.patterns)
            if is_predict_only(values):
                self.unmeasured.append(printable(task))
            elif task_place is not None:
                self._keep(read_task(file, model, task, task_place, values))
            elif task in SIBLINGS and measures(values):
                run = read_task(file, model, task, TaskPlace(task, FLORES_PIVOT), values)
                if run.numbers and self.choice.takes(run):
                    self.siblings[model, task] = run
            elif task not in silent:
                self.unknown[printable(task)] = None

    def _parts_of_groups(self, file: ResultFile) -> set[str]:
        """Groups whose members are used, and members of groups that are used themselves."""
        silent: set[str] = set()
        for group, members in file.part("group_subtasks").items():
            if isinstance(members, list) and members:
                silent.add(group)
                counts = group in SIBLINGS or place_of(file, group, self.patterns)
                if counts and measures(file.part("results").get(group)):
                    silent.update(member for member in members if isinstance(member, str))
        return silent

    def _keep(self, run: TaskRun) -> None:
        self.unusable += run.unusable
        if not run.numbers:
            return
        if not self.choice.takes(run):
            if run.pivot is not None:
                self.other_pivots[run.pivot] += 1
            else:
                self.not_chosen[facts_of(run.signature).get("shots", "unknown")] += 1
            return
        before = self.runs.get((run.model, run.task))
        if before is not None:
            self.replaced[_change(before.signature, run.signature)] += 1
        self.has_benchmark |= run.pivot is None
        self.has_alignment |= run.pivot is not None
        self.runs[run.model, run.task] = run

    def forget(self) -> None:
        """Forget the runs and their files, but not what was left out."""
        self.runs.clear()
        self.siblings.clear()

    def runs_by_language(self) -> list[TaskRun]:
        """All runs; of several tasks for the same language of a benchmark, only the newest."""
        kept: dict[tuple[str, str, str], TaskRun] = {}
        for run in sorted(with_means(self.runs.values()), key=lambda run: run.file.date):
            before = kept.get((run.model, run.benchmark, run.language))
            if before is not None:
                self.clashes.append(f"{before.task} for {run.task}")
            kept[run.model, run.benchmark, run.language] = run
        return [*kept.values(), *self._pivots(list(kept.values()))]

    def _pivots(self, runs: Sequence[TaskRun]) -> Iterator[TaskRun]:
        """English tasks, as the pivot of benchmarks that have no English."""
        languages: dict[tuple[str, str], set[str]] = defaultdict(set)
        for run in runs:
            languages[run.model, run.benchmark].add(run.language)
        used = set()
        for (model, benchmark), codes in languages.items():
            sibling = self.siblings.get((model, PIVOT_SIBLINGS.get(benchmark, "")))
            if sibling is not None and FLORES_PIVOT not in codes:
                used.add((model, sibling.task))
                self.served[benchmark] = sibling.task
                yield replace(sibling, benchmark=benchmark)
        for _, task in sorted(self.siblings.keys() - used):
            self.unknown[printable(task)] = None

    def _pivot_notes(self) -> Iterator[str]:
        named = one_of(sorted(self.other_pivots))
        if self.choice.pivot is None:
            if self.further_pivots:
                yield note_of_further(self.further_pivots)
        elif self.other_pivots:
            if not self.has_alignment:
                pivots = one_of(sorted({*self.other_pivots, *self.further_pivots}))
                raise NeuronXAError(
                    f"no NeuronXA task was scored with the pivot {self.choice.pivot!r}; --pivot "
                    f"can be: {pivots}"
                )
            total = self.other_pivots.total()
            yield f"{total} results left out, with a pivot other than the chosen one ({named})"

    def notes(self) -> Iterator[str]:
        """Notes on everything that was left out, replaced or substituted.

        Raises:
            NeuronXAError: no run has the chosen settings or pivot.
        """
        for pattern in self.patterns:
            if pattern.given and not any(pattern.place(task) for task in self.tasks):
                yield (
                    f"--pattern {pattern.benchmark}={pattern.task} matched none of the "
                    f"{len(self.tasks)} tasks, such as {printable(one_of(self.tasks, at_most=3))}"
                )
        if total := self.not_chosen.total():
            shots = one_of(sorted(self.not_chosen))
            if not self.has_benchmark:
                raise NeuronXAError(
                    f"no benchmark was run with the chosen settings; there are runs with "
                    f"--num-fewshot {shots}"
                )
            yield f"{total} results left out, with settings other than those chosen ({shots} shots)"
        yield from self._pivot_notes()
        if total := self.replaced.total():
            changes = (kind for kind in sorted(self.replaced) if kind)
            remarks = "".join(f", {self.replaced[kind]} of them with {kind}" for kind in changes)
            yield f"{total} results replaced by newer runs of the same model and task{remarks}"
        for benchmark, task in self.served.items():
            yield f"{benchmark} has no English task; {task} is used instead"
        kinds: tuple[tuple[str, Sequence[Any]], ...] = (
            ("tasks left out, as another task has the same benchmark and language", self.clashes),
            (
                "tasks of no known benchmark left out (read them with --pattern)",
                list(self.unknown),
            ),
            ("tasks left out, as --predict_only measures nothing", self.unmeasured),
            ("values left out, as they are not numbers", self.unusable),
        )
        for what, names in kinds:
            if names:
                yield f"{len(names)} {what}: {one_of(names, at_most=5)}"
