"""Charts of what a run records only on request: all pairs of languages, and stability."""

from __future__ import annotations

from functools import cached_property

from neuronxa_task.analysis.language_pairs import PairMatrix, pair_matrices
from neuronxa_task.analysis.stability import Stability, stability
from neuronxa_task.analysis.stability_curves import curves_of
from neuronxa_task.languages import language
from neuronxa_task.report.chart import PairMap, Section, upper_limit
from neuronxa_task.report.charts import Charts
from neuronxa_task.report.stability_lines import stability_lines


class AllCharts(Charts):
    """The charts of `Charts`, and charts of what only some runs record."""

    @cached_property
    def _pairs(self) -> tuple[list[PairMatrix], list[str]]:
        return pair_matrices(self.content.results, self.content.scores)

    @cached_property
    def curves(self) -> Stability | None:
        """Scores by number of sentence pairs; `None` where no result has them."""
        curves, notes = curves_of(self.content.results)
        shown = {key: of for key, of in curves.items() if key[1] in self.content.texts}
        if not shown:
            return None
        curve_stability = stability(shown)
        return Stability(curve_stability.table, (*curve_stability.notes, *notes))

    @property
    def notes(self) -> list[str]:
        """What these charts leave out."""
        return self._pairs[1]

    def pairs(self) -> Section:
        """The matrix of languages as colour, with their tree beside it."""
        charts = []
        for matrix in self._pairs[0]:
            if matrix.alignment not in self.content.texts:
                continue
            keys = {
                "model": self.content.models.index(matrix.model),
                "text": self.content.texts.index(matrix.alignment),
                "score": self.content.scores.index(matrix.score),
            }
            caption = f"{matrix.score.upper()} of every pair of {len(matrix.values)} languages"
            drawing = pair_map(matrix)
            charts.append(self._chart("pairs", caption, keys, [drawing], matrix.score))
        return Section(charts, self._menus("model", "text", "score"))

    def stability(self) -> Section:
        """Scores by number of sentence pairs, a line per model."""
        if self.curves is None:
            return Section([], [])
        charts = []
        for key, rows in self.curves.table.groupby(["alignment", "score"], sort=False):
            text, score = map(str, key)
            if score not in self.content.scores:
                continue
            keys = {
                "text": self.content.texts.index(text),
                "score": self.content.scores.index(score),
            }
            caption = f"{score.upper()} by number of sentence pairs"
            charts.append(
                self._chart("stability", caption, keys, [stability_lines(rows, score)], score)
            )
        return Section(charts, self._menus("text", every="score"))


def pair_map(matrix: PairMatrix) -> PairMap:
    """A matrix as a drawing; colours begin at 0, and reach the highest score of two languages."""
    values = matrix.values.to_numpy()
    others = [
        float(value)
        for row, of_row in enumerate(values)
        for column, value in enumerate(of_row)
        if column > row
    ]
    return PairMap(
        [language(code).name for code in matrix.values.index],
        values.tolist(),
        matrix.links,
        upper_limit(others),
        f"{matrix.score.upper()}, share of aligned pairs",
    )
