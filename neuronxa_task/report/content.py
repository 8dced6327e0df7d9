"""What the report's tables and charts show, taken from the result table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from math import isfinite, isnan, nan
from statistics import fmean

from neuronxa_task.analysis.pairing import AccuracyJoin, join_accuracy, without_joins
from neuronxa_task.analysis.selection import Selection, select
from neuronxa_task.languages import Language, language
from neuronxa_task.results import Results

SURFACE = "surface"
"""Name of the surface baseline among the numbers."""

REPRESENTATIONS = {"nas": "neuron states", "nav": "neuron values", "emb": "hidden states"}
SHOWN_FROM_BEST_TO_WORST = 5
NORMAL_95 = 1.96


@dataclass(frozen=True)
class Number:
    """A value and its standard error, NaN where the harness gives none.

    `interval` is the 95 % interval of an alignment score, from the result file.
    """

    value: float
    stderr: float
    interval: tuple[float, float] | None = None

    @property
    def ends(self) -> tuple[float, float] | None:
        """The interval, or else that of a normal error; `None` if there is neither."""
        return self.interval or normal_ends(self.value, self.stderr)


def normal_ends(value: float, stderr: float) -> tuple[float, float] | None:
    """The 95 % interval of a value with a normal error; `None` if the error is unknown."""
    half_width = NORMAL_95 * stderr
    return (value - half_width, value + half_width) if isfinite(stderr) else None


@dataclass(frozen=True)
class Point:
    """Two values of a language: alignment and accuracy, or retrieval from the pivot and to it.

    Attributes:
        x_ends, y_ends: their 95 % intervals; `None` if unknown.
        above_chance: whether y is above chance by more than its standard error explains.
    """

    language: Language
    x: float
    y: float
    x_ends: tuple[float, float] | None = None
    y_ends: tuple[float, float] | None = None
    above_chance: bool = True


@dataclass(frozen=True)
class Layers:
    """A language's value at each layer; NaN where a layer has no neurons."""

    language: Language
    values: Sequence[float]

    @property
    def mean(self) -> float:
        """Mean over the layers that have a value."""
        return fmean(value for value in self.values if not isnan(value))


class Content:
    """The results, arranged as the report shows them.

    Attributes:
        table: rows of the selected benchmarks; downstream ones have one metric each.
        models: names of the models, best aligned first.
        texts: alignment benchmarks.
        scores: the selected scores that the results have.
        metrics: the metric shown of each downstream benchmark, most languages first.
        notes: what was left out of the results and of the joins.
        joins: alignment joined with accuracy; empty if no model has both in three languages.
        unpaired: why there are no joins; `None` if there are some.
    """

    def __init__(self, results: Results, selection: Selection) -> None:
        import pandas as pd

        self.results = results
        self.selection = selection
        selected = select(results, selection)
        alignment, downstream = selected.scored, selected.accuracy
        self.table = pd.concat([rows for rows in (alignment, downstream) if len(rows)])
        self.texts = list(dict.fromkeys(alignment["benchmark"]))
        known = set(alignment["metric"])
        self.scores = [score for score in selection.scores if score in known]
        downstream = downstream.dropna(subset="value")
        counts = downstream.groupby(["benchmark", "metric"])["language"].nunique()
        ranked = counts.sort_values(ascending=False, kind="stable").index
        self.metrics: dict[str, str] = dict(ranked)
        numbers: dict[tuple[str, str, str], dict[str, Number]] = {}
        columns = ["model", "benchmark", "metric", "language", "value", "stderr"]
        rows = self.table[columns].dropna(subset="value")
        for *key, code, value, stderr in rows.itertuples(index=False, name=None):
            model, benchmark, metric = key
            about = results.uncertainties.get((model, benchmark, code))
            interval = about.intervals.get(metric) if about else None
            number = Number(value, stderr, interval)
            numbers.setdefault((model, benchmark, metric), {})[code] = number
        for (model, text, code), about in results.uncertainties.items():
            if about.surface is not None and text in self.texts:
                numbers.setdefault((model, text, SURFACE), {})[code] = Number(about.surface, nan)
        self.numbers: Mapping[tuple[str, str, str], Mapping[str, Number]] = numbers
        self.models = self._best_first()
        self.joins, notes = join_accuracy(selected, selection)
        self.unpaired = None
        if not self.joins:
            why = without_joins(selected, selection, [])
            self.unpaired = f"No correlation with accuracy: {'; '.join((*results.hints[:1], why))}."
        self.notes = (*results.notes, *selected.notes, *notes, *self._hybrids())

    def _best_first(self) -> list[str]:
        """Models by the mean of the first score on the first text, those without it last.

        The mean is over the languages that all of them have, if there are any.
        """
        names: list[str] = sorted(self.table["model"].unique())
        if not self.texts or not self.scores:
            return names
        scored = {
            model: of_model
            for model in names
            if (of_model := self.numbers.get((model, self.texts[0], self.scores[0])))
        }
        shared = set.intersection(*map(set, scored.values())) if scored else set()
        means = {
            model: fmean(of_model[code].value for code in shared or of_model)
            for model, of_model in scored.items()
        }
        return sorted(names, key=lambda model: -means.get(model, -1.0))

    def _hybrids(self) -> Iterator[str]:
        """A note on each model that has feed-forward neurons in only some layers."""
        for model in self.models:
            for text in self.texts:
                profile = next(iter(self.layers(model, text, "nasca")), None)
                if profile is None or not any(map(isnan, profile.values)):
                    continue
                scored = [str(layer) for layer, _ in numbered(profile.values, "nasca")]
                yield (
                    f"{model}: {len(scored)} of {len(profile.values)} layers have feed-forward "
                    f"neurons ({', '.join(scored)}); NASCA and NAVCA are means over these"
                )
                break

    @cached_property
    def languages(self) -> list[Language]:
        """All languages, by English name."""
        codes = self.table["language"].unique()
        return sorted((language(code) for code in codes), key=lambda entry: entry.name)

    def metric_name(self, metric: str) -> str:
        """Name of the metric, and how it is rescaled."""
        if self.selection.chance_corrected:
            return f"{metric}, corrected for chance"
        return f"{metric} relative to the pivot’s" if self.selection.relative else metric

    def number(self, model: str, benchmark: str, metric: str, code: str) -> Number | None:
        """A model's value in a language; `None` if it has none."""
        return self.numbers.get((model, benchmark, metric), {}).get(code)

    def layers(self, model: str, text: str, name: str) -> list[Layers]:
        """A profile of every language, best mean first; `name` as in the result file."""
        profiles = [
            Layers(language(code), profile[name])
            for (of_model, of_text, code), profile in self.results.profiles.items()
            if (of_model, of_text) == (model, text) and profile.get(name)
        ]
        return sorted(profiles, key=lambda profile: (-profile.mean, profile.language.code))

    def compared(self, text: str, score: str) -> list[tuple[str, list[Layers]]]:
        """Profiles of each model, in the languages that all models with profiles share."""
        per_model = [(model, self.layers(model, text, score)) for model in self.models]
        per_model = [(model, profiles) for model, profiles in per_model if profiles]
        codes = [{profile.language.code for profile in profiles} for _, profiles in per_model]
        common = set.intersection(*codes) if codes else set()
        return [
            (model, [profile for profile in profiles if profile.language.code in common])
            for model, profiles in per_model
            if common
        ]

    def retrieval(self, model: str, text: str, representation: str) -> list[Point]:
        """Each language's retrieval from the pivot (x) and to it (y), mean over layers."""
        to_pivot = {
            profile.language.code: profile.mean
            for profile in self.layers(model, text, f"{representation}_to_pivot")
        }
        return [
            Point(profile.language, profile.mean, to_pivot[profile.language.code])
            for profile in self.layers(model, text, f"{representation}_from_pivot")
            if profile.language.code in to_pivot
        ]

    def points(self, join: AccuracyJoin, score: str) -> list[Point]:
        """The languages of a join as points of a scatter plot."""
        rows = join.table.dropna(subset=[score])
        columns = (rows.index, rows[score], rows["accuracy"], rows["stderr"], rows["above_chance"])
        made = []
        for code, x, y, stderr, above in zip(*columns, strict=True):
            number = self.number(join.model, join.alignment, score, str(code))
            x_ends = None if number is None else number.ends
            y_ends = normal_ends(float(y), float(stderr))
            made.append(Point(language(str(code)), float(x), float(y), x_ends, y_ends, bool(above)))
        return made

    def common(self, benchmark: str, metric: str) -> list[Language]:
        """Languages that all models with the benchmark share, by English name."""
        per_model = [
            set(self.numbers[model, benchmark, metric])
            for model in self.models
            if (model, benchmark, metric) in self.numbers
        ]
        shared = set.intersection(*per_model) if per_model else set()
        return [language for language in self.languages if language.code in shared]


def from_best_to_worst(ranked: Sequence[Layers]) -> list[str]:
    """Codes of a few languages, evenly spread over a ranking."""
    last = len(ranked) - 1
    count = min(SHOWN_FROM_BEST_TO_WORST, len(ranked))
    indices = [round(last * step / max(1, count - 1)) for step in range(count)]
    return [ranked[index].language.code for index in dict.fromkeys(indices)]


def mean_over_languages(profiles: Sequence[Layers]) -> list[float]:
    """Mean of each layer over the languages that have it."""
    return [fmean(known) if known else nan for known in known_by_layer(profiles)]


def known_by_layer(profiles: Sequence[Layers]) -> list[list[float]]:
    """Of each layer, the values of the languages that have it."""
    by_layer = zip_longest(*(profile.values for profile in profiles), fillvalue=nan)
    return [[value for value in values if not isnan(value)] for values in by_layer]


def first_layer(name: str) -> int:
    """Layer of a profile's first value: 0 for hidden states (the embeddings), 1 for neurons."""
    return 0 if name in ("mexa", "emb_from_pivot", "emb_to_pivot") else 1


def layer_title(name: str) -> str:
    """Title of the layers' axis."""
    return "layer (0: embeddings)" if first_layer(name) == 0 else "layer"


def numbered(values: Sequence[float], name: str) -> list[tuple[float, float]]:
    """Pairs of layer and value of a profile, without layers that have no value."""
    numbers = enumerate(values, start=first_layer(name))
    return [(layer, value) for layer, value in numbers if not isnan(value)]


def relative_depth(values: Sequence[float], name: str) -> list[tuple[float, float]]:
    """Pairs of depth and value of a profile; the depth is in percent of the layers."""
    last = max(1, first_layer(name) + len(values) - 1)
    return [(100 * layer / last, value) for layer, value in numbered(values, name)]
