"""The report's charts: every combination is described, and the reader chooses which ones show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain

from neuronxa_task.report.agreement import Group
from neuronxa_task.report.chart import (
    COLOURS,
    Axis,
    Chart,
    Drawing,
    Estimate,
    EstimateRow,
    Estimates,
    Heatmap,
    Line,
    Lines,
    Menu,
    Scatter,
    Section,
    around,
    upper_limit,
)
from neuronxa_task.report.content import (
    REPRESENTATIONS,
    Content,
    Layers,
    first_layer,
    from_best_to_worst,
    layer_title,
    mean_over_languages,
    numbered,
    relative_depth,
)
from neuronxa_task.report.many import BLOCK_ROWS, bands, blocks, profile_rows, summary_rows
from neuronxa_task.report.names import short_names
from neuronxa_task.report.scatters import SCRIPTS, against, marks_of

MOST_SINGLE_LINES = 40
DEPTH = "depth, % of the layers"
ALIGNED = "share of aligned pairs"


class Charts:
    """Describes the charts of a report's sections."""

    def __init__(self, content: Content) -> None:
        self.content = content
        self.names = short_names(content.models)
        self.compared = content.models[:COLOURS]

    def _menu(self, key: str, *, every: bool = False) -> Menu:
        label, options = {
            "model": ("Model", [self.names[model] for model in self.content.models]),
            "text": ("Parallel text", self.content.texts),
            "score": ("Score", [score.upper() for score in self.content.scores]),
            "benchmark": ("Benchmark", list(self.content.metrics)),
            "of": ("Vectors", list(REPRESENTATIONS.values())),
        }[key]
        return Menu(key, label, options, None if every else 0)

    def _menus(self, *keys: str, every: str | None = None) -> list[Menu]:
        """Menus, and one that shows all its options at first."""
        last = [] if every is None else [self._menu(every, every=True)]
        return [*map(self._menu, keys), *last]

    def _chart(
        self,
        kind: str,
        caption: str,
        keys: Mapping[str, int],
        drawings: Sequence[Drawing],
        *of: str,
    ) -> Chart:
        """A chart, named by its kind and what it is `of`.

        Name and caption say model and text, which `keys` has the places of, if there are several.
        """
        several = []
        if "model" in keys and len(self.content.models) > 1:
            several.append(self.names[self.content.models[keys["model"]]])
        if len(self.content.texts) > 1:
            several.append(self.content.texts[keys["text"]])
        name = " ".join((kind, *several, *of))
        return Chart(name, " · ".join((caption, *several)), keys, drawings)

    def _runs(self) -> Iterator[tuple[dict[str, int], str, str]]:
        """Every model on every parallel text, with its keys."""
        for m, model in enumerate(self.content.models):
            for t, text in enumerate(self.content.texts):
                yield {"model": m, "text": t}, model, text

    def _profiles(self) -> Iterator[tuple[dict[str, int], str, Sequence[Layers]]]:
        """The layers of every model, text and score that has some, with its keys."""
        for keys, model, text in self._runs():
            for s, score in enumerate(self.content.scores):
                if profiles := self.content.layers(model, text, score):
                    yield {**keys, "score": s}, score, profiles

    @cached_property
    def _limits(self) -> dict[str, float]:
        """The end of each score's axis: the same for all models, so that they can be compared."""
        values: dict[str, list[float]] = {}
        for _, score, profiles in self._profiles():
            values.setdefault(score, []).extend(v for profile in profiles for v in profile.values)
        return {score: upper_limit(of_score) for score, of_score in values.items()}

    def correlations(self, groups: Sequence[Group]) -> Section:
        """Forest plots: each benchmark's correlation by each score, with its interval."""
        charts = []
        scores = [score.upper() for score in self.content.scores]
        for t, text in enumerate(self.content.texts):
            rows = []
            for group in groups:
                if group.text != text:
                    continue
                estimates = [
                    Estimate(estimate.r, estimate.ends)
                    if estimate is not None and estimate.r is not None
                    else None
                    for estimate in group.main.estimates
                ]
                if any(estimates):
                    rows.append(EstimateRow(group.name, estimates))
            if rows:
                known = [one for row in rows for one in row.estimates if one]
                lowest = min(one.ends[0] if one.ends else one.value for one in known)
                axis = Axis("Pearson’s r with accuracy", min(0.0, lowest) - 0.03, 1.03)
                caption = "Correlation of alignment with accuracy, 95 % intervals"
                drawing = Estimates(axis, rows, scores, apart=True)
                charts.append(self._chart("correlation", caption, {"text": t}, [drawing]))
        return Section(charts, [])

    def scatters(self) -> Section:
        """Alignment against accuracy, a mark per language."""
        charts = []
        benchmarks = list(self.content.metrics)
        for join in self.content.joins:
            benchmark = join.benchmark
            keys = {
                "model": self.content.models.index(join.model),
                "text": self.content.texts.index(join.alignment),
                "benchmark": benchmarks.index(benchmark),
            }
            for score in join.scores:
                if not (points := self.content.points(join, score)):
                    continue
                caption = f"{score.upper()} and {benchmark}, {len(points)} languages"
                title = f"{benchmark}, {self.content.metric_name(join.metric)}"
                drawing = against(join, points, score, title)
                of_score = {"score": self.content.scores.index(score)}
                of = (score, benchmark)
                charts.append(self._chart("scatter", caption, keys | of_score, [drawing], *of))
        return Section(charts, self._menus("model", "text", "score", every="benchmark"))

    def layer_curves(self) -> Section:
        """Each language's score over the layers, or the range of many; and the average."""
        charts = []
        for keys, score, profiles in self._profiles():
            last = max(first_layer(score) + len(profile.values) - 1 for profile in profiles)
            drawing = Lines(
                Axis(layer_title(score), first_layer(score), max(last, first_layer(score) + 1)),
                Axis(score.upper(), 0.0, self._limits[score]),
                [*self._lines(profiles, score)],
                bands(profiles, score) if len(profiles) > MOST_SINGLE_LINES else (),
            )
            caption = f"{score.upper()} by layer, {len(profiles)} languages"
            charts.append(self._chart("layers", caption, keys, [drawing], score))
        return Section(charts, self._menus("model", "text", every="score"))

    def _lines(self, profiles: Sequence[Layers], score: str) -> Iterator[Line]:
        many = len(profiles) > MOST_SINGLE_LINES
        for profile in profiles:
            colour = self._highlighted.get(profile.language.code)
            if colour is not None or not many:
                yield Line(profile.language.name, numbered(profile.values, score), colour)
        yield Line("average", numbered(mean_over_languages(profiles), score), bold=True)

    @cached_property
    def _highlighted(self) -> dict[str, int]:
        """Languages that are coloured, with their colours: the same in all charts."""
        first = next((profiles for _, _, profiles in self._profiles()), [])
        return {code: colour for colour, code in enumerate(from_best_to_worst(first))}

    def heatmaps(self) -> Section:
        """Languages by layers as colour; for many, groups and the ends of the ranking."""
        charts = []
        for keys, score, profiles in self._profiles():
            many = len(profiles) > BLOCK_ROWS
            drawing = Heatmap(
                layer_title(score),
                first_layer(score),
                summary_rows(profiles) if many else profile_rows(profiles),
                self._limits[score],
                f"{score.upper()}, {ALIGNED}",
            )
            what = "by group and layer" if many else "by language and layer"
            caption = f"{score.upper()} {what}, {len(profiles)} languages"
            charts.append(self._chart("heatmap", caption, keys, [drawing], score))
        return Section(charts, self._menus("model", "text", "score"))

    def retrieval(self) -> Section:
        """Retrieval from the pivot against retrieval to it, a mark per language."""
        charts = []
        for keys, model, text in self._runs():
            for r, (kind, name) in enumerate(REPRESENTATIONS.items()):
                languages = self.content.retrieval(model, text, kind)
                if not languages:
                    continue
                low, high = around([value for point in languages for value in (point.x, point.y)])
                drawing = Scatter(
                    Axis("from the pivot", low, high),
                    Axis("to the pivot", low, high),
                    marks_of(sorted(languages, key=lambda point: -abs(point.x - point.y))),
                    SCRIPTS,
                    diagonal=True,
                )
                caption = f"retrieval by {name}, {len(languages)} languages"
                charts.append(self._chart("retrieval", caption, keys | {"of": r}, [drawing], kind))
        return Section(charts, self._menus("model", "text", every="of"))

    def depth_curves(self) -> Section:
        """The models' averages over languages, against relative depth."""
        charts = []
        for t, text in enumerate(self.content.texts):
            for s, score in enumerate(self.content.scores):
                compared = self.content.compared(text, score)
                lines = [
                    Line(
                        self.names[model],
                        relative_depth(mean_over_languages(profiles), score),
                        self.compared.index(model),
                    )
                    for model, profiles in compared
                    if model in self.compared
                ]
                if len(lines) < 2:
                    continue
                limit = upper_limit([y for line in lines for _, y in line.points])
                drawing = Lines(Axis(DEPTH, 0, 100), Axis(score.upper(), 0, limit), lines)
                caption = f"{score.upper()}, mean over {len(compared[0][1])} languages"
                keys = {"text": t, "score": s}
                charts.append(self._chart("models", caption, keys, [drawing], score))
        return Section(charts, self._menus("text", every="score"))

    def model_dots(self) -> Section:
        """Each language's score by model."""
        charts = []
        for t, text in enumerate(self.content.texts):
            for s, score in enumerate(self.content.scores):
                numbers = self.content.numbers
                models = [model for model in self.compared if (model, text, score) in numbers]
                of_models = [numbers[model, text, score] for model in models]
                values = {
                    language: [of_model[language.code].value for of_model in of_models]
                    for language in self.content.common(text, score)
                }
                if len(models) < 2 or not values:
                    continue
                rows = [
                    EstimateRow(language.name, [*map(Estimate, of_language)])
                    for language, of_language in sorted(
                        values.items(), key=lambda row: -sum(row[1])
                    )
                ]
                axis = Axis(score.upper(), *around([*chain(*values.values())]))
                series = [self.names[model] for model in models]
                drawings = [Estimates(axis, block, series, apart=False) for block in blocks(rows)]
                caption = f"{score.upper()} of each model, {len(rows)} languages"
                keys = {"text": t, "score": s}
                charts.append(self._chart("languages", caption, keys, drawings, score))
        return Section(charts, self._menus("text", "score"))
