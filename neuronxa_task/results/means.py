"""Benchmarks that are a mean over prompts, or over a language's regional varieties."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import fmean

from neuronxa_task.results.comparable import facts_of
from neuronxa_task.results.task_runs import TaskRun


def with_means(runs: Iterable[TaskRun]) -> list[TaskRun]:
    """Replace runs of prompts and varieties with their means."""
    whole: list[TaskRun] = []
    partial: dict[tuple[str, str, str], list[TaskRun]] = defaultdict(list)
    for run in runs:
        if run.part is None:
            whole.append(run)
        else:
            partial[run.model, run.benchmark, run.language].append(run)
    return [*whole, *map(mean_run, partial.values())]


def mean_run(parts: Sequence[TaskRun]) -> TaskRun:
    """Average several runs: one run with the mean of each metric that all of them have.

    The standard error of a mean over prompts is the mean of their errors: the documents are the
    same, so the errors are not independent. Varieties have different documents: their errors are
    combined as √(Σ error²) / n, and their documents are added.
    """
    parts = sorted(parts, key=lambda run: (run.part or ("", ""), run.task))
    newest = max(parts, key=lambda run: run.file.date)
    prompts = sorted({run.part[0] for run in parts if run.part and run.part[0]}, key=int)
    varieties = sorted({run.part[1] for run in parts if run.part and run.part[1]})
    metrics = [{name: rest for name, *rest in run.numbers} for run in parts]
    numbers = [
        (
            name,
            fmean(values[name][0] for values in metrics),
            _error([values[name][1] for values in metrics], same_documents=not varieties),
        )
        for name in metrics[0]
        if all(name in values for values in metrics)
    ]
    counts = [run.documents for run in parts if run.documents is not None]
    documents = (sum(counts) if varieties else min(counts)) if len(counts) == len(parts) else None
    facts = {"prompts": "/".join(prompts), "varieties": "/".join(varieties)}
    return replace(
        newest,
        task=",".join(run.task for run in parts),
        signature=_common_signature(parts, {key: value for key, value in facts.items() if value}),
        documents=documents,
        numbers=numbers,
        part=None,
        parts=tuple(parts),
    )


def _error(errors: Sequence[float], *, same_documents: bool) -> float:
    if same_documents:
        return fmean(errors)
    return math.hypot(*errors) / len(errors)


def _common_signature(parts: Sequence[TaskRun], further: dict[str, str]) -> str:
    """The facts of all parts; if a fact differs, all of its values."""
    values: dict[str, dict[str, None]] = {}
    for run in parts:
        for fact, value in facts_of(run.signature).items():
            values.setdefault(fact, {})[value] = None
    facts = {fact: "/".join(known) for fact, known in values.items()} | further
    return "|".join(f"{fact}:{value}" for fact, value in facts.items())
