"""Read the result of one task, of NeuronXA or of a benchmark, from a result file."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from neuronxa_task.languages import to_flores
from neuronxa_task.languages.benchmarks import Pattern, TaskPlace, place
from neuronxa_task.results.comparable import benchmark_signature, facts_of
from neuronxa_task.results.files import ResultFile, printable
from neuronxa_task.results.uncertainty import Uncertainty, number_of, pair_record, uncertainty_of
from neuronxa_task.settings import SCORES

Profile = Mapping[str, list[float]]

RECORDED = ("pairs", "stability")
"""What a NeuronXA task records only on request."""


@dataclass(frozen=True)
class TaskRun:
    """The result of a task.

    Attributes:
        model: name of the model.
        task: the harness's name of the task.
        benchmark: benchmark that the task belongs to.
        language: FLORES code.
        documents: number of documents; `None` if the file does not say.
        numbers: name, value and standard error (NaN if none) of each metric.
        profile: NeuronXA's `layers`, if any; NaN at layers that have no neurons.
        unusable: its values that are not numbers.
        uncertainty: what a NeuronXA task records about its scores besides their values.
        recorded: its `RECORDED` metadata, as the file has it, unchecked.
        part: prompt or regional variety, where the benchmark is a mean over them; else `None`.
        parts: the runs that this one is the mean of.
    """

    model: str
    task: str
    benchmark: str
    language: str
    signature: str
    file: ResultFile
    documents: int | None
    numbers: Sequence[tuple[str, float, float]]
    profile: Profile | None
    unusable: Sequence[str]
    uncertainty: Uncertainty | None = None
    recorded: Mapping[str, Any] = field(default_factory=dict)
    part: tuple[str, str] | None = None
    parts: Sequence[TaskRun] = ()

    @property
    def files(self) -> list[ResultFile]:
        """All files that the result is based on."""
        return [part.file for part in self.parts] or [self.file]

    @property
    def pivot(self) -> str | None:
        """FLORES code of the pivot language of a NeuronXA task."""
        pivot = facts_of(self.signature).get("pivot")
        return None if pivot is None else printable(to_flores(pivot))

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """A row per metric, in the columns of `neuronxa_task.results.COLUMNS`."""
        where = (self.model, self.benchmark, self.language)
        source = (self.documents, self.signature, self.task)
        file = (printable(str(self.file.path)), self.file.began)
        for number in self.numbers:
            yield (*where, *number, *source, *file)


def place_of(file: ResultFile, task: str, patterns: Sequence[Pattern]) -> TaskPlace | None:
    """The benchmark and language of a task; `None` if its benchmark is unknown.

    A NeuronXA task records its language. Its name is `<group>_<language>`, even if that language is
    the pivot and the task scores another one. With another name, it belongs to its group in the
    file. Other tasks are recognised by name.
    """
    signature, target = _signature(file, task), file.metadata(task).get("target")
    if signature is None or not isinstance(target, str):
        return place(task, patterns)
    language = printable(to_flores(target))
    for code in (target, facts_of(signature)["pivot"]):
        if code and task.endswith(f"_{code}"):
            return TaskPlace(printable(task.removesuffix(f"_{code}")), language)
    groups = file.part("group_subtasks").items()
    named = [name for name, tasks in groups if isinstance(tasks, list) and task in tasks]
    return TaskPlace(printable(named[0] if named else task), language)


def measures(values: Any) -> bool:
    """Whether a task's entry in `results` has any metric; entries of plain groups have none."""
    return isinstance(values, dict) and any(True for _ in _metrics(values))


def _signature(file: ResultFile, task: str) -> str | None:
    """The NeuronXA signature of a task, if it has one."""
    signature = file.metadata(task).get("signature")
    if not isinstance(signature, str) or "pivot" not in facts_of(signature):
        return None
    return printable(signature)


def read_task(file: ResultFile, model: str, task: str, where: TaskPlace, values: Any) -> TaskRun:
    """Read the result of a task from a file.

    Args:
        file: the result file.
        model: name of the model.
        task: name of the task.
        where: its benchmark and language, and its prompt or variety if any.
        values: its entry in `results`.
    """
    signature, unusable = _signature(file, task), []
    if not isinstance(values, dict):
        values, unusable = {}, ["its result"]
    numbers = []
    for name, value, error in _metrics(values):
        if value is None:
            unusable.append(f"{name} is {reprlib.repr(values[name])}")
        elif signature is None and name.partition(",")[0] in SCORES:
            unusable.append(f"{name} has no signature")
        else:
            numbers.append((printable(name.removesuffix(",none")), value, error))
    metadata = file.metadata(task)
    profile = _profile(metadata) if signature and "layers" in metadata else {}
    if profile is None:
        unusable.append("its layers")
    pairs = None
    try:
        if signature:
            scores = {name: value for name, value, _ in numbers}
            pairs = pair_record(metadata, facts_of(signature).get("data_hash", ""), scores)
    except (ValueError, TypeError, KeyError):
        unusable.append("its aligned_layers")
    uncertainty = uncertainty_of(metadata, pairs) if signature else None
    return TaskRun(
        model=model,
        task=printable(task),
        benchmark=where.benchmark,
        language=where.language,
        signature=signature or benchmark_signature(file, task),
        file=file,
        documents=_documents(file, task, values),
        numbers=numbers,
        profile=profile or None,
        unusable=[printable(f"{what} ({task} in {file.path})") for what in unusable],
        uncertainty=uncertainty,
        recorded={key: metadata[key] for key in RECORDED if signature and key in metadata},
        part=(where.prompt, where.variety) if where.prompt or where.variety else None,
    )


NO_METRICS = frozenset({"alias", "name", "sample_len", "sample_count", "samples", ""})
"""Keys of a task's entry in `results` that are not metrics."""

PREDICT_ONLY = "bypass"
"""The metric of `lm_eval --predict_only`, always 999, which measures nothing."""


def _metrics(values: Mapping[str, Any]) -> Iterator[tuple[str, float | None, float]]:
    """`metric` or `metric,filter`, value and standard error of each metric of a task.

    lm_eval 0.3 names no filters.
    """
    filters = any("," in name for name in values)
    for name, given in values.items():
        metric, comma, chosen = name.partition(",")
        if filters != bool(comma) or metric.strip() in NO_METRICS or metric.endswith("_stderr"):
            continue
        if metric != PREDICT_ONLY:
            error = number_of(values.get(f"{metric}_stderr{comma}{chosen}"))
            yield name, number_of(given), math.nan if error is None else error


def is_predict_only(values: Any) -> bool:
    """Whether a task's entry in `results` is of a run that only generated text."""
    names = values if isinstance(values, dict) else ()
    return any(name.partition(",")[0] == PREDICT_ONLY for name in names)


def _profile(metadata: Mapping[str, Any]) -> Profile | None:
    """A task's fractions by layer; `None` if they are not lists of numbers from 0 to 1."""
    layers = metadata.get("layers")
    if not isinstance(layers, dict):
        return None
    profile: dict[str, list[float]] = {}
    for name, values in layers.items():
        numbers = [number_of(value) for value in values] if isinstance(values, list) else []
        profile[printable(name)] = [n for n in numbers if n is not None and 0 <= n <= 1]
        if not numbers or len(profile[printable(name)]) != len(numbers):
            return None
    _spread(profile, metadata.get("neuron_layers"))
    return profile


def _spread(profile: dict[str, list[float]], neuron_layers: Any) -> None:
    """Expand the values of a hybrid model to all layers, with NaN at layers without neurons."""
    depth = len(profile.get("mexa", ())) - 1
    if not isinstance(neuron_layers, list) or len(neuron_layers) == depth:
        return
    if not all(isinstance(layer, int) and 0 <= layer < depth for layer in neuron_layers):
        return
    for name, values in profile.items():
        if len(values) == len(neuron_layers):
            by_layer = dict(zip(neuron_layers, values, strict=True))
            profile[name] = [by_layer.get(layer, math.nan) for layer in range(depth)]


def _documents(file: ResultFile, task: str, values: Mapping[str, Any]) -> int | None:
    for count in (file.of_task("n-samples", task).get("effective"), values.get("sample_len")):
        if isinstance(count, int) and not isinstance(count, bool) and 0 <= count < 2**63:
            return count
    return None
