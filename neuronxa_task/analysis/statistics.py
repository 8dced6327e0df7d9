"""Correlation statistics: coefficients with p and intervals, and means of correlations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from neuronxa_task.analysis.bootstrap import MIN_DRAWN, MIN_FAMILIES, Resampler
from neuronxa_task.analysis.fisher import CONFIDENCE, EXACT, fisher_interval
from neuronxa_task.analysis.permutation import FEW, mean_p, rank_p
from neuronxa_task.analysis.points import Floats, Interval, Points, UndefinedCorrelation, pooled
from neuronxa_task.errors import NeuronXAError, one_of
from neuronxa_task.languages.families import family

METHODS = ("pearson", "spearman", "kendall")
MIN_MODELS = 5
"""Fewest models for the interval of a pooled correlation."""


@dataclass(frozen=True)
class Correlation:
    """A correlation, or a mean of several.

    Attributes:
        r: coefficient.
        p: two-sided p of the hypothesis r = 0; `None` if there is no test.
        n: number of languages, or of points if several models are pooled.
        fisher: interval by Fisher's z; `None` if undefined.
        bootstrap: interval over resampled languages; `None` for too few languages.
        undefined_resamples: number of resamples without a correlation, which are left out.
        p_languages: two-sided p over languages; for a mean, by permutation.
        interval: the interval over languages to quote, which covers Fisher's and the bootstrap's;
            `None` for fewer than 5 languages.
        leave_one_out: range of r with one language left out; `None` if one value is undefined.
        families: number of language families.
        of_families: interval over resampled families; only for Pearson and at least 10 families.
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

    p is exact: for Pearson under normality, for rank coefficients by permutation (fewer than 30
    languages). Fisher's interval needs 5 languages, the bootstrap's (BCa) 15.

    Args:
        points: at least 3, neither coordinate constant.
        method: `pearson`, `spearman` or `kendall` (tau-b).
        resampler: draws the languages.

    Raises:
        UndefinedCorrelation: the points have no correlation.
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
    fisher = fisher_interval(r, n, method)
    drawn = _resampled([[points]], r, method, resampler, _unchanged, _unchanged)
    return _over_languages(Correlation(r, p, n, fisher, None, 0, p_languages=p), drawn, fisher)


def mean_correlation(
    groups: Sequence[Sequence[Points]], method: str, resampler: Resampler | None = None
) -> Correlation:
    """Mean of several correlations by Fisher's z, within groups and then over groups.

    p and the Fisher interval come from a t-test over the z of the groups (usually models). They
    generalise to other models and take the languages as given. `p_languages` (by permutation) and
    `interval` generalise to other languages and take the models as given: all values of a language
    are drawn together. For fewer than 30 languages the interval also covers Fisher's interval of a
    single model, which is right if all models agree and conservative otherwise.

    If one of the correlations is exactly 1, its z is infinite, and r itself is averaged.

    Args:
        groups: at least two samples in total, each with a correlation.
        method: as in `correlate`.
        resampler: draws the languages.

    Raises:
        UndefinedCorrelation: fewer than two samples, or one without a correlation.
    """
    resampler = resampler or Resampler()
    samples = [points for group in groups for points in group]
    if len(samples) < 2:
        raise UndefinedCorrelation(f"a mean of {len(samples)} correlations; expected at least two")
    coefficients = np.array([coefficient(points, method) for points in samples])
    perfect = bool(np.any(np.abs(coefficients) >= EXACT))
    # Fisher's z is artanh(r), which is infinite where r is 1.
    forward, back = (_unchanged, _unchanged) if perfect else (np.arctanh, np.tanh)
    z = _means(forward(coefficients), groups)
    test = None if len(z) < 2 or np.ptp(z) < 1e-12 else stats.ttest_1samp(z, 0.0)
    over_models = test and test.confidence_interval(CONFIDENCE)
    r = float(back(z.mean()))
    drawn = _resampled(groups, r, method, resampler, forward, back)
    smallest = min(len(points.x) for points in samples)
    single = fisher_interval(r, smallest, method)
    p_languages = None if method == "kendall" else mean_p(groups, method, resampler.bootstrap.seed)
    ends = over_models and np.clip([back(np.asarray(end)) for end in over_models], -1, 1)
    mean = Correlation(
        r=r,
        p=test and float(test.pvalue),
        n=len({label for points in samples for label in points.labels}),
        fisher=None if ends is None else Interval(float(ends[0]), float(ends[1])),
        bootstrap=None,
        undefined_resamples=0,
        p_languages=p_languages,
    )
    return _over_languages(mean, drawn, single if mean.n < FEW or not drawn.bootstrap else None)


def pooled_correlation(
    samples: Sequence[Points], method: str, resampler: Resampler | None = None
) -> Correlation:
    """Correlation of the points of several models, pooled into one sample.

    Points of the same language or model are not independent, so there is no p, and the interval
    draws both models and languages (from 5 models and 15 languages). Rank coefficients have no
    interval: a drawn model moves the ranks of all others.

    Raises:
        UndefinedCorrelation: the points have no correlation.
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


def _over_languages(r: Correlation, drawn: _Resampled, fisher: Interval | None) -> Correlation:
    """Add the intervals over languages."""
    return replace(
        r,
        bootstrap=drawn.bootstrap,
        undefined_resamples=drawn.undefined,
        interval=_hull(fisher, drawn.bootstrap),
        leave_one_out=drawn.leave_one_out,
        families=drawn.families,
        of_families=drawn.of_families,
    )


def _hull(*intervals: Interval | None) -> Interval | None:
    """The shortest interval that covers all known ones."""
    known = [interval for interval in intervals if interval is not None]
    if not known:
        return None
    return Interval(min(item.low for item in known), max(item.high for item in known))


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
    """Resample languages and families; intervals of the mean of correlations."""
    samples = [points for group in groups for points in group]

    def mean(values: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            # With few languages some resamples are exactly 1; so is their mean, the limit of z.
            return np.asarray(back(_means(forward(values), groups).mean(axis=0)))

    labels = {label for points in samples for label in points.labels}
    families = {family(str(label)) for label in labels}
    bootstrap, undefined, of_families = None, 0, None
    if len(labels) >= MIN_DRAWN:
        drawn, without_one = map(mean, resampler.resampled(samples, method))
        bootstrap = resampler.bootstrap.bca(r, drawn, without_one)
        undefined = int(np.isnan(drawn).sum())
        if len(families) >= MIN_FAMILIES and method == "pearson":
            clustered = [resampler.by_family(points) for points in samples]
            of_families = resampler.bootstrap.bca(
                r, *map(mean, resampler.resampled(clustered, method))
            )
    else:
        without_one = mean(resampler.leave_one_out(samples, method))
    is_defined = len(labels) > 3 and not np.isnan(without_one).any()
    return _Resampled(
        bootstrap,
        undefined,
        Interval(float(without_one.min()), float(without_one.max())) if is_defined else None,
        len(families),
        of_families,
    )


def _means(values: Floats, groups: Sequence[Sequence[Points]]) -> Floats:
    """`[groups, …]`: mean of each group's rows; groups are consecutive."""
    ends = np.cumsum([len(group) for group in groups])[:-1]
    return np.stack([rows.mean(axis=0) for rows in np.split(values, ends)])


def coefficient(points: Points, method: str) -> float:
    """The correlation coefficient, without p or intervals.

    Raises:
        UndefinedCorrelation: the points have no correlation.
        NeuronXAError: the method is unknown.
    """
    tests = {"pearson": stats.pearsonr, "spearman": stats.spearmanr, "kendall": stats.kendalltau}
    if method not in tests:
        raise NeuronXAError(f"method is {method!r}; expected one of: {one_of(METHODS)}")
    points.require_correlation()
    return float(tests[method](points.x, points.y).statistic)
