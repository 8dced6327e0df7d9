"""Warnings above all numbers: limited runs, few sentence pairs, few languages."""

from __future__ import annotations

from collections.abc import Iterator

from neuronxa_task.analysis.bootstrap import MIN_DRAWN
from neuronxa_task.errors import one_of
from neuronxa_task.report.content import Content
from neuronxa_task.results.comparable import facts_of

FEW_PAIRS = 50
"""Sentence pairs below which the interval of a score is wider than ± 0.1 about the middle."""


def cautions(content: Content) -> Iterator[str]:
    """A sentence on each of limited benchmarks, few sentence pairs and few languages."""
    limits: dict[str, dict[str, None]] = {}
    pairs: dict[str, int] = {}
    rows = content.table[["benchmark", "signature"]].drop_duplicates()
    for benchmark, signature in rows.itertuples(index=False, name=None):
        facts = facts_of(signature)
        if facts.get("limit", "none") != "none":
            limits.setdefault(facts["limit"], {})[benchmark] = None
        if "pivot" in facts and (n := facts.get("n", "")).isdecimal():
            pairs[benchmark] = min(int(n), pairs.get(benchmark, int(n)))
    for limit, benchmarks in limits.items():
        yield (
            f"{one_of(benchmarks)} ran with --limit {limit}: accuracies on part of the questions "
            "are a test of the setup, not a result."
        )
    for benchmark, count in pairs.items():
        if count < FEW_PAIRS:
            yield f"{benchmark} was scored on only {count} sentence pairs; the default is 100."
    counts = [len(join.table) for join in content.joins]
    if counts and max(counts) < MIN_DRAWN:
        yield (
            f"Few languages: {max(counts)}. A correlation over so few depends strongly on each of "
            "them; its interval is wide."
        )
