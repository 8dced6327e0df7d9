"""Correlation statistics: coefficients with p and intervals, and means of correlations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from neuronxa_task.analysis.bootstrap import (
    BOOTSTRAP,
    MIN_DRAWN,
    MIN_FAMILIES,
    Bootstrap,
    Resampler,
)
from neuronxa_task.analysis.permutation import FEW, mean_p, rank_p
from neuronxa_task.analysis.points import Floats, Interval, Points, UndefinedCorrelation, pooled
from neuronxa_task.errors import NeuronXAError, one_of
from neuronxa_task.languages.families import family

METHODS = ("pearson", "spearman", "kendall")
MIN_INTERVAL = 5
"""Languages from which on there is an interval."""
MIN_MODELS = 5
"""Models from which on a pooled correlation has an interval."""
EXACT = 1 - 1e-12
"""From here on a coefficient is 1 but for rounding, and its Fisher z infinite."""


@dataclass(frozen=True)
class Correlation:
    """A correlation or a mean of several.

    Attributes:
        r: coefficient.
        p: two-sided, of no correlation; `None` where no test is defined.
        n: languages, or points where several models are pooled.
        fisher: interval through Fisher's z; `None` where not defined.
        bootstrap: of resampled languages; `None` where there are too few.
        undefined_resamples: resamples left out because all their values are the same.
        p_languages: two-sided p over languages; of a mean, by permutation.
        interval: the interval over languages to be quoted, which holds both Fisher's and the
            bootstrap's where there are both; `None` below 5 languages.
        leave_one_out: range of r where one language is left out; `None` where one is undefined.
        families: how many families the languages are of.
        of_families: interval of resampled families; Pearson's only, `None` below 10 families.
    """

    r: float
    p: float | None
    n: int
    fisher: Interval | None
    bootstrap: Interval | None
    undefined_resamples: int
    p_languages: float | None = None
    interval: Interval | None = None
    leave_one_out: Interval | None = None
    families: int = 0
    of_families: Interval | None = None


def correlate(points: Points, method: str, resampler: Resampler | None = None) -> Correlation:
    """Correlate alignment with accuracy.

    p is exact: of Pearson's under normality, of the rank coefficients by permutation below 30
    languages. Fisher's interval is from 5 languages on, the bootstrap's (BCa) from 15.

    Args:
        points: at least 3, neither coordinate constant.
        method: `pearson`, `spearman` or `kendall` (tau-b).
        resampler: draws languages.

    Raises:
        UndefinedCorrelation: there is none.
        NeuronXAError: the method is unknown.

    >>> points = Points(np.array([1.0, 2, 3, 4]), np.array([2.0, 1, 4, 3]), list("abcd"))
    >>> round(correlate(points, "spearman").r, 6)
    0.6
    """
    resampler = resampler or Resampler()
    r = coefficient(points, method)
    if method == "pearson":
        p = float(stats.pearsonr(points.x, points.y).pvalue)
    else:
        p = rank_p(points, method)
    n = len(points.x)
    fisher = fisher_interval(r, n, method, resampler.bootstrap)
    drawn = _resampled([[points]], r, method, resampler, _unchanged, _unchanged)
    return _over_languages(Correlation(r, p, n, fisher, None, 0, p_languages=p), drawn, fisher)


def mean_correlation(
    groups: Sequence[Sequence[Points]], method: str, resampler: Resampler | None = None
) -> Correlation:
    """Mean of several correlations through Fisher's z: within groups, then over groups.

    p and the Fisher interval are those of a t-test over the groups' z (models, say): they speak
    about further models, and take the languages as given. `p_languages`, by permutation, and
    `interval` speak about further languages, and take the models as given: all of a language's
    values are drawn together. Below 30 languages the interval holds Fisher's with the error of a
    single model, too, which is that of the mean if the models agree entirely, and else too wide.

    Where one of the correlations is exactly 1, its z is infinite: then r itself is averaged.

    Args:
        groups: at least two samples in all, each with a correlation.
        method: as in `correlate`.
        resampler: draws languages.

    Raises:
        UndefinedCorrelation: fewer than two samples, or one without a correlation.
    """
    resampler = resampler or Resampler()
    bootstrap = resampler.bootstrap
    samples = [points for group in groups for points in group]
    if len(samples) < 2:
        raise UndefinedCorrelation(f"a mean of {len(samples)} correlations; expected two or more")
    coefficients = np.array([coefficient(points, method) for points in samples])
    perfect = bool(np.any(np.abs(coefficients) >= EXACT))
    forward, back = (_unchanged, _unchanged) if perfect else (_fisher_z, _from_fisher_z)
    z = _means(forward(coefficients), groups)
    test = None if len(z) < 2 or np.ptp(z) < 1e-12 else stats.ttest_1samp(z, 0.0)
    over_models = test and test.confidence_interval(bootstrap.confidence)
    r = float(back(z.mean()))
    drawn = _resampled(groups, r, method, resampler, forward, back)
    smallest = min(len(points.x) for points in samples)
    single = fisher_interval(r, smallest, method, bootstrap)
    p_languages = None if method == "kendall" else mean_p(groups, method, bootstrap.seed)
    ends = over_models and np.clip([back(np.asarray(end)) for end in over_models], -1, 1)
    found = Correlation(
        r=r,
        p=test and float(test.pvalue),
        n=len({label for points in samples for label in points.labels}),
        fisher=None if ends is None else Interval(float(ends[0]), float(ends[1])),
        bootstrap=None,
        undefined_resamples=0,
        p_languages=p_languages,
    )
    return _over_languages(found, drawn, single if found.n < FEW or not drawn.bootstrap else None)


def pooled_correlation(
    samples: Sequence[Points], method: str, resampler: Resampler | None = None
) -> Correlation:
    """Correlation of the points of several models as one sample.

    The points of a language, and those of a model, are not independent: there is no p, and the
    interval draws both models and languages, from 5 models and 15 languages on. The coefficients of
    ranks have none: a drawn model moves the ranks of all others.

    Raises:
        UndefinedCorrelation: there is none.
    """
    resampler = resampler or Resampler()
    points = pooled(samples)
    r = coefficient(points, method)
    languages = len(set(points.labels))
    interval, undefined = None, 0
    if len(samples) >= MIN_MODELS and languages >= MIN_DRAWN and method == "pearson":
        drawn = resampler.of_models(samples, method)
        interval, undefined = resampler.bootstrap.percentile(drawn), int(np.isnan(drawn).sum())
    return Correlation(r, None, len(points.x), None, interval, undefined, interval=interval)


Transform = Callable[[Floats], Floats]


def _unchanged(values: Floats) -> Floats:
    return values


def _fisher_z(values: Floats) -> Floats:
    return np.asarray(np.arctanh(values))


def _from_fisher_z(values: Floats) -> Floats:
    return np.asarray(np.tanh(values))


def _over_languages(found: Correlation, drawn: _Resampled, fisher: Interval | None) -> Correlation:
    """The correlation with its intervals over languages."""
    return replace(
        found,
        bootstrap=drawn.bootstrap,
        undefined_resamples=drawn.undefined,
        interval=_hull(fisher, drawn.bootstrap),
        leave_one_out=drawn.leave_one_out,
        families=drawn.families,
        of_families=drawn.of_families,
    )


def _hull(*intervals: Interval | None) -> Interval | None:
    """The shortest interval that holds all of those that there are."""
    known = [interval for interval in intervals if interval is not None]
    if not known:
        return None
    return Interval(min(each.low for each in known), max(each.high for each in known))


@dataclass(frozen=True)
class _Resampled:
    bootstrap: Interval | None
    undefined: int
    leave_one_out: Interval | None
    families: int
    of_families: Interval | None


def _resampled(
    groups: Sequence[Sequence[Points]],
    r: float,
    method: str,
    resampler: Resampler,
    forward: Transform,
    back: Transform,
) -> _Resampled:
    """What resampling languages and families makes of a mean of correlations."""
    samples = [points for group in groups for points in group]

    def mean(values: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            # Of few languages some resamples are exactly 1: their mean is, too, as the limit of z.
            return np.asarray(back(_means(forward(values), groups).mean(axis=0)))

    labels = {label for points in samples for label in points.labels}
    families = {family(str(label)) for label in labels}
    bootstrap, undefined, of_families = None, 0, None
    if len(labels) >= MIN_DRAWN:
        drawn, left = map(mean, resampler.resampled(samples, method))
        bootstrap = resampler.bootstrap.bca(r, drawn, left)
        undefined = int(np.isnan(drawn).sum())
        if len(families) >= MIN_FAMILIES and method == "pearson":
            clustered = [resampler.by_family(points) for points in samples]
            of_families = resampler.bootstrap.bca(
                r, *map(mean, resampler.resampled(clustered, method))
            )
    else:
        left = mean(resampler.left_out(samples, method))
    whole = len(labels) > 3 and not np.isnan(left).any()
    return _Resampled(
        bootstrap,
        undefined,
        Interval(float(left.min()), float(left.max())) if whole else None,
        len(families),
        of_families,
    )


def fisher_interval(
    r: float, n: int, method: str, bootstrap: Bootstrap = BOOTSTRAP
) -> Interval | None:
    """Interval through Fisher's z.

    The standard error of z is 1/√(n−3) for Pearson, √((1+r²/2)/(n−3)) for Spearman (Bonett and
    Wright 2000), √(0.437/(n−4)) for Kendall (Fieller, Hartley and Pearson 1957).

    Returns:
        The interval, or `None` where z is not defined, |r| = 1, or of fewer than 5 languages.
    """
    if abs(r) >= EXACT or n < MIN_INTERVAL:
        return None
    freedom = n - 4 if method == "kendall" else n - 3
    variance = {"pearson": 1.0, "spearman": 1 + r**2 / 2, "kendall": 0.437}[method] / freedom
    half_width = stats.norm.ppf((1 + bootstrap.confidence) / 2) * np.sqrt(variance)
    return Interval(*(float(np.tanh(np.arctanh(r) + side)) for side in (-half_width, half_width)))


def fisher_mean(coefficients: Sequence[float]) -> float:
    """Mean of correlations through Fisher's z; of themselves where one is exactly 1.

    >>> round(fisher_mean([0.8, 0.9]), 4), round(fisher_mean([0.8, 1.0]), 4)
    (0.8579, 0.9)
    """
    values = np.asarray(coefficients, np.float64)
    if np.any(np.abs(values) >= EXACT):
        return float(values.mean())
    return float(np.tanh(np.arctanh(values).mean()))


def _means(values: Floats, groups: Sequence[Sequence[Points]]) -> Floats:
    """`[groups, …]`: means of the rows of each group, which follow each other."""
    ends = np.cumsum([len(group) for group in groups])[:-1]
    return np.stack([rows.mean(axis=0) for rows in np.split(values, ends)])


def coefficient(points: Points, method: str) -> float:
    """The coefficient alone.

    Raises:
        UndefinedCorrelation: there is none.
        NeuronXAError: the method is unknown.
    """
    tests = {"pearson": stats.pearsonr, "spearman": stats.spearmanr, "kendall": stats.kendalltau}
    if method not in tests:
        raise NeuronXAError(f"method is {method!r}; expected one of: {one_of(METHODS)}")
    points.require_correlation()
    return float(tests[method](points.x, points.y).statistic)
