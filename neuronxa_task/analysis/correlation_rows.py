"""Rows of the correlation table: one model, a mean over models, or pooled models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from neuronxa_task.analysis.adjust import noise_corrected
from neuronxa_task.analysis.bootstrap import Resampler
from neuronxa_task.analysis.dependent import compare
from neuronxa_task.analysis.fisher import fisher_mean
from neuronxa_task.analysis.pairing import AccuracyJoin
from neuronxa_task.analysis.partial import (
    Partial,
    covariates,
    given_surface,
    partial_correlation,
)
from neuronxa_task.analysis.points import MIN_POINTS, Interval, Points, UndefinedCorrelation
from neuronxa_task.analysis.published import published_correlation
from neuronxa_task.analysis.selection import Selection
from neuronxa_task.analysis.statistics import (
    Correlation,
    coefficient,
    correlate,
    mean_correlation,
    pooled_correlation,
)
from neuronxa_task.analysis.verdict import CANNOT_TELL, verdict
from neuronxa_task.errors import one_of

PER_MODEL, MEAN, POOLED = "model", "mean over models", "pooled over models"


@dataclass(frozen=True, eq=False)
class Mean:
    """The joins that a row summarises, grouped by model.

    Attributes:
        kind: PER_MODEL, MEAN or POOLED.
        groups: the joins of each model.
    """

    kind: str
    groups: Sequence[Sequence[AccuracyJoin]]

    @property
    def joins(self) -> list[AccuracyJoin]:
        return [join for group in self.groups for join in group]


@dataclass(eq=False)
class RowMaker:
    """Makes the rows; points and their resamples are computed once."""

    resampler: Resampler
    choice: Selection
    paper: bool | None
    """Whether the paper's figures to add are of relative accuracy; `None` to add none."""
    _points: dict[tuple[AccuracyJoin, str, bool], Points] = field(default_factory=dict)

    def points(self, join: AccuracyJoin, score: str, *, above_chance: bool = False) -> Points:
        key = (join, score, above_chance)
        if key not in self._points:
            self._points[key] = join.points(score, above_chance=above_chance)
        return self._points[key]

    def row(self, mean: Mean, score: str, method: str) -> dict[str, Any]:
        """A row of the table, in `neuronxa_task.analysis.correlate.COLUMNS`."""
        benchmarks = tuple(dict.fromkeys(join.benchmark for join in mean.joins))
        row: dict[str, Any] = {
            "kind": mean.kind,
            "model": mean.joins[0].model if mean.kind == PER_MODEL else "",
            "alignment": mean.joins[0].alignment,
            "pivot": mean.joins[0].pivot,
            "score": score,
            "benchmark": ", ".join(benchmarks),
            "metric": ", ".join(dict.fromkeys(join.metric for join in mean.joins)),
            "relative": self.choice.relative,
            "chance_corrected": self.choice.chance_corrected,
            "method": method,
            "note": "",
            "verdict": CANNOT_TELL,
        }
        if self.paper is not None:
            row["paper"] = published_correlation(benchmarks, score, method, relative=self.paper)
        defined, reasons = self._defined(mean, score)
        row["models"] = len(defined)
        if len(defined) < (1 if mean.kind == PER_MODEL else 2):
            return row | {"note": f"not defined: {next(iter(reasons.values()))}"}
        if reasons:
            named = one_of((f"{model} ({why})" for model, why in reasons.items()), at_most=3)
            row["note"] = f"without {named}"
        groups = [[self.points(join, score) for join in group] for group in defined]
        correlation = self._correlation(mean.kind, groups, method)
        joins = [join for group in defined for join in group]
        row |= {
            "r": correlation.r,
            "p": correlation.p,
            "n": correlation.n,
            "undefined_resamples": correlation.undefined_resamples,
            "p_languages": correlation.p_languages,
            "families": correlation.families or None,
            **_ends("fisher_", correlation.fisher),
            **_ends("bootstrap_", correlation.bootstrap),
            **_ends("", correlation.interval),
            **_ends("leave_one_out_", correlation.leave_one_out),
            **_ends("families_", correlation.of_families),
        }
        if mean.kind == POOLED:
            return row
        fisher = correlation.fisher if len(joins) == 1 else None
        row["verdict"] = verdict(
            correlation.r, correlation.p_languages, correlation.interval, fisher
        )
        if len(joins) == 1 and method == "pearson":
            row |= noise_corrected(groups[0][0], correlation.r)
        return row | self._partials(groups, method) | self._above_chance(joins, score, method)

    def _defined(
        self, mean: Mean, score: str
    ) -> tuple[list[Sequence[AccuracyJoin]], dict[str, str]]:
        """The models whose correlations are defined, and by model why others are not."""
        defined, reasons = [], {}
        for group in mean.groups:
            try:
                for join in group:
                    if not join.has(score):
                        raise UndefinedCorrelation(f"{join.model} has no {score}")
                    self.points(join, score).require_correlation()
            except UndefinedCorrelation as reason:
                reasons[group[0].model] = str(reason)
            else:
                defined.append(group)
        return defined, reasons

    def _correlation(
        self, kind: str, groups: Sequence[Sequence[Points]], method: str
    ) -> Correlation:
        samples = [points for group in groups for points in group]
        if kind == POOLED:
            return pooled_correlation(samples, method, self.resampler)
        if len(samples) > 1:
            return mean_correlation(groups, method, self.resampler)
        return correlate(samples[0], method, self.resampler)

    def _partials(self, groups: Sequence[Sequence[Points]], method: str) -> dict[str, Any]:
        """The partial correlations given resource level and script, and given the surface."""
        if method == "kendall":
            return {}

        def given_level_and_script(points: Points) -> Partial:
            return partial_correlation(points, covariates(points.labels), method)

        return _partial("partial_", groups, given_level_and_script) | _partial(
            "surface_", groups, lambda points: given_surface(points, method)
        )

    def _above_chance(
        self, joins: Sequence[AccuracyJoin], score: str, method: str
    ) -> dict[str, Any]:
        """The correlation over languages above chance, where the chance level is known."""
        if any(join.bounds.chance is None for join in joins):
            return {}
        samples = [self.points(join, score, above_chance=True) for join in joins]
        counts = [len(points.x) for points in samples]
        total = sum(len(self.points(join, score).x) for join in joins)
        row: dict[str, Any] = {"share_above_chance": sum(counts) / total}
        if len({join.benchmark for join in joins}) == 1:
            row["chance"] = joins[0].bounds.chance
        usable = []
        for points in samples:
            try:
                points.require_correlation()
            except UndefinedCorrelation:
                continue
            usable.append(points)
        if usable:
            row["r_above_chance"] = fisher_mean([coefficient(points, method) for points in usable])
        if len(joins) > 1:
            return row
        row["n_above_chance"] = counts[0]
        if usable and counts[0] > MIN_POINTS:
            correlation = correlate(usable[0], method, self.resampler)
            row |= {"p_above_chance": correlation.p}
            row |= _ends("above_chance_", correlation.interval)
        return row

    def comparison(self, join: AccuracyJoin, first: str, second: str) -> dict[str, Any]:
        """Compare two scores over the languages that have both."""
        one, other = self.points(join, first), self.points(join, second)
        if one.labels != other.labels:
            one, other = join.points(first, second), join.points(second, first)
        row: dict[str, Any] = {
            **join.names,
            "first": first,
            "second": second,
            "n": len(one.x),
            "note": "",
        }
        try:
            compared = compare(one, other, self.resampler)
        except UndefinedCorrelation as reason:
            return row | {"note": f"not defined: {reason}"}
        return row | {
            "r_first": compared.first,
            "r_second": compared.second,
            "r_between": compared.between,
            "difference": compared.first - compared.second,
            "steiger_z": compared.steiger.statistic,
            "steiger_p": compared.steiger.p,
            **_ends("bootstrap_", compared.bootstrap),
        }


def _ends(name: str, interval: Interval | None) -> dict[str, float]:
    if interval is None:
        return {}
    return {f"{name}low": interval.low, f"{name}high": interval.high}


def _partial(
    name: str, groups: Sequence[Sequence[Points]], of: Callable[[Points], Partial]
) -> dict[str, float]:
    """Columns of a partial correlation; for several samples, their mean if all have one."""
    try:
        partials = [[of(points) for points in group] for group in groups]
    except UndefinedCorrelation:
        return {}
    if sum(map(len, partials)) > 1:
        means = [fisher_mean([partial.r for partial in group]) for group in partials]
        return {f"{name}r": fisher_mean(means)}
    (partial,) = partials[0]
    return {
        f"{name}r": partial.r,
        f"{name}p": partial.p,
        f"{name}n": partial.n,
        **_ends(name, partial.interval),
    }
