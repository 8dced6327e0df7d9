"""The drawing of a chart with matplotlib."""

from __future__ import annotations

from neuronxa_task.report.chart import Drawing, Heatmap, Lines, PairMap, Scatter
from neuronxa_task.report.draw.canvas import Drawn, style
from neuronxa_task.report.draw.estimates import draw_estimates
from neuronxa_task.report.draw.heatmap import draw_heatmap
from neuronxa_task.report.draw.lines import draw_lines
from neuronxa_task.report.draw.pair_map import draw_pair_map
from neuronxa_task.report.draw.scatter import draw_scatter

__all__ = ["Drawn", "draw", "style"]


def draw(drawing: Drawing) -> Drawn:
    """Draw anything of `neuronxa_task.report.chart`, inside `style()`."""
    if isinstance(drawing, Scatter):
        return draw_scatter(drawing)
    if isinstance(drawing, Lines):
        return draw_lines(drawing)
    if isinstance(drawing, Heatmap):
        return draw_heatmap(drawing)
    if isinstance(drawing, PairMap):
        return draw_pair_map(drawing)
    return draw_estimates(drawing)
