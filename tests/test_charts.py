"""What charts show, how they are drawn, and that page and files show the same drawing."""

from __future__ import annotations

import io
import re
from base64 import b64decode
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from made_results import write_run

from neuronxa_task.analysis.selection import Selection
from neuronxa_task.languages import FLORES_CORE, FLORES_TARGETS, language
from neuronxa_task.report.chart import (
    Axis,
    Chart,
    Drawing,
    Estimate,
    EstimateRow,
    Estimates,
    Heatmap,
    Line,
    Lines,
    Mark,
    Row,
    Scatter,
    Section,
)
from neuronxa_task.report.charts import Charts
from neuronxa_task.report.content import Content, Layers
from neuronxa_task.report.draw import Drawn, draw, style
from neuronxa_task.report.inline import CLASS_OF, Inliner, svg_of
from neuronxa_task.report.labels import place, text_width
from neuronxa_task.report.many import summary_rows
from neuronxa_task.report.names import short_names
from neuronxa_task.report.pictures import Studio
from neuronxa_task.report.trend import fit
from neuronxa_task.results import read_results

MARKS = [Mark(f"Language {n}", n / 9, (n % 4) / 4, 0.05, 0.1, n % 2) for n in range(10)]
SCATTER = Scatter(Axis("NASCA", -0.1, 1.1), Axis("bench, acc", -0.1, 1.1), MARKS, ("a", "b"))


def drawn(drawing: Drawing) -> tuple[Drawn, ElementTree.Element, str]:
    """A drawing, its element of a page, and the page's definitions."""
    with style():
        made = draw(drawing)
        inliner = Inliner()
        page = inliner.inline(svg_of(made.figure), made, "what a screen reader says")
    return made, ElementTree.fromstring(page), str(inliner.defs)


def test_the_page_has_no_styles_and_no_colours_but_the_sheet_s() -> None:
    _, page, definitions = drawn(SCATTER)
    for element in page.iter():
        assert "style" not in element.attrib and element.tag != "style"
        for name in ("fill", "stroke"):
            assert element.get(name) in (None, "none"), ElementTree.tostring(element)
    ids = re.findall(r'id="(\w+)"', definitions)
    used = {value for of in page.iter() for value in re.findall(r"#(\w+)", str(of.attrib))}
    assert used == set(ids) and len(ids) == len(set(ids))
    assert page.get("role") == "img" and page.get("aria-label") == "what a screen reader says"


def test_the_sheet_s_light_colours_are_the_files_colours() -> None:
    from neuronxa_task.report import draw as package

    sheet = Path(package.__file__ or "").parents[1].joinpath("page.css").read_text(encoding="utf-8")
    light = dict(re.findall(r"--(\w+): light-dark\((#\w{6})", sheet))
    names = {"i": "ink", "q": "quiet", "f": "faint", "r": "rule", "p": "paper"}
    for colour, short in CLASS_OF.items():
        assert light[names.get(short, f"c{short}")] == colour
        for kind in "fs":
            assert f".{kind}{short} {{" in sheet


def test_text_stays_text_and_every_mark_has_its_tip() -> None:
    _, page, _ = drawn(SCATTER)
    texts = {text.text for text in page.iter("text")}
    assert {"NASCA", "bench, acc", "a", "b", "0.4"} <= texts
    tips = {of.get("data-tip") for of in page.iter() if "data-tip" in of.attrib}
    assert tips == {f"{mark.name}|{mark.x:.3f}|{mark.y:.3f}" for mark in MARKS}
    assert {of.get("data-of") for of in page.iter() if "data-of" in of.attrib} == {
        "NASCA|bench, acc"
    }


def places(element: ElementTree.Element) -> list[tuple[float, float]]:
    uses = (of for of in element.iter() if of.tag.endswith("use"))
    return sorted((round(float(of.attrib["x"]), 1), round(float(of.attrib["y"]), 1)) for of in uses)


def test_page_and_file_show_the_same_drawing(tmp_path: Path) -> None:
    studio = Studio(tmp_path, ("svg", "png"))
    chart = Chart("a scatter", "caption", {}, [SCATTER])
    (shown,) = studio.draw(Section([chart], [])).charts
    assert [path.name for path in studio.written] == ["a-scatter.svg", "a-scatter.png"]
    in_file = places(ElementTree.parse(tmp_path / "a-scatter.svg").getroot())
    on_page = places(ElementTree.fromstring(shown.drawings[0]))
    assert len(on_page) > len(MARKS)
    assert np.asarray(on_page) == pytest.approx(np.asarray(in_file), abs=0.051)


def test_definitions_are_shared_by_a_page_s_charts() -> None:
    inliner = Inliner()
    with style():
        for _ in range(2):
            made = draw(SCATTER)
            inliner.inline(svg_of(made.figure), made, "")
            once = len(inliner.definitions)
    assert len(inliner.definitions) == once > 0


def test_cells_keep_their_colours_and_their_values() -> None:
    rows = [Row("first", [0.0, 0.5, 1.0]), Row("second", [float("nan"), 0.25, 0.999])]
    made, page, _ = drawn(Heatmap("layer", 1, rows, 1.0, "share"))
    cells = next(page.iter("image"))
    assert cells.attrib["data-names"] == "first\tsecond"
    values = [
        [None if row[at : at + 2] == "--" else int(row[at : at + 2], 36) for at in (0, 2, 4)]
        for row in cells.attrib["data-values"].split(" ")
    ]
    assert values == [[0, 500, 1000], [None, 250, 999]]

    from matplotlib import colormaps
    from PIL import Image

    encoded = cells.attrib["href"].partition(",")[2]
    pixels = np.asarray(Image.open(io.BytesIO(b64decode(encoded))).convert("RGBA"))
    expected = colormaps["viridis"]([[0.0, 0.5, 1.0], [0.0, 0.25, 0.999]], bytes=True)
    assert pixels[1, 0, 3] == 0, "transparent where there is no value"
    there = ~np.isnan([row.values for row in rows])
    assert (pixels[there] == expected[there]).all()
    assert made.figure.axes[0].get_xlim() == (0.5, 3.5)


def test_the_diagonal_is_one() -> None:
    """Equal ranges on a square, so that from the pivot and to it are read off the same scale."""
    equal = Axis("x", 0.1, 0.6)
    made, _, _ = drawn(Scatter(equal, equal, [Mark("m", 0.2, 0.5)], ("a",), diagonal=True))
    (axes,) = made.figure.axes
    assert axes.get_xlim() == axes.get_ylim()
    width, height = made.figure.get_size_inches() * 72
    box = axes.get_position()
    assert box.width * width == pytest.approx(box.height * height)
    line = next(line for line in axes.lines if line.get_linestyle() == "--")
    assert line.get_xdata() == pytest.approx(line.get_ydata())


@pytest.mark.parametrize(
    "chart",
    [
        Scatter(Axis("x", 0, 1, 0.1), Axis("y", 0, 1, 0.25), MARKS[:3], ("a", "b")),
        Lines(Axis("x", 1, 2), Axis("y", 0, 1, 0.25), [Line("l", [(1, 0.5), (2, 0.6)])]),
        Estimates(Axis("x", 0, 1, 0.25), [EstimateRow("r", [Estimate(0.5)])], ["s"], apart=True),
    ],
)
def test_chance_is_a_named_line_where_it_is_known(chart: Drawing) -> None:
    made, page, _ = drawn(chart)
    at = {0.1, 0.25} if isinstance(chart, Scatter) else {0.25}
    lines = [
        [*np.asarray(line.get_xdata()), *np.asarray(line.get_ydata())]
        for line in made.figure.axes[0].lines
    ]
    assert all(any(line.count(value) == 2 for line in lines) for value in at)
    assert "chance" in {text.text for text in page.iter("text")}
    assert "chance" not in {text.text for text in drawn(SCATTER)[1].iter("text")}


def test_the_band_is_that_of_the_design_matrix() -> None:
    """x' (X'X)^-1 x s^2, computed from the matrix, at each end."""
    from scipy.stats import pearsonr, t

    chance = np.random.default_rng(5)
    x = chance.uniform(0, 1, 12)
    y = 0.3 + 0.5 * x + chance.normal(0, 0.1, 12)
    found = fit(list(x), list(y))
    assert found is not None
    design = np.column_stack([np.ones(12), x])
    solution, squares, *_ = np.linalg.lstsq(design, y, rcond=None)
    covariance = np.linalg.inv(design.T @ design) * squares[0] / 10
    assert (found.intercept, found.slope) == pytest.approx(tuple(solution))
    assert found.r == pytest.approx(pearsonr(x, y).statistic) and found.n == 12
    for place_of in (0, -1):
        at = np.array([1.0, found.trend.x[place_of]])
        half = t.ppf(0.975, 10) * np.sqrt(at @ covariance @ at)
        ends = found.trend.low[place_of], found.trend.high[place_of]
        assert ends == pytest.approx((at @ solution - half, at @ solution + half))


@pytest.mark.parametrize("xs", [[0.5, 0.5, 0.5], [0.5]])
def test_no_line_where_nothing_varies(xs: list[float]) -> None:
    assert fit(xs, [0.1, 0.2, 0.3][: len(xs)]) is None


def test_labels_cover_neither_marks_nor_each_other_nor_obstacles() -> None:
    marks = [(float(x), float(y)) for x in range(0, 200, 26) for y in range(0, 100, 23)]
    obstacles = [(0.0, y, 200.0, y + 1.0) for y in (10.0, 60.0)]
    widths = [30.0] * len(marks)
    spots = place(marks, widths, 8.0, (-50, -50, 300, 200), 3.0, 20, obstacles)
    sides = {"left": 0.0, "center": 15.0, "right": 30.0}
    labels = [
        (left, spot.y - 4, left + 30, spot.y + 4)
        for spot in spots
        if spot is not None
        for left in [spot.x - sides[spot.side]]
    ]
    assert len(labels) == 20
    others = [*obstacles, *((x - 3, y - 3, x + 3, y + 3) for x, y in marks)]
    for number, (left, low, right, high) in enumerate(labels):
        for box in (*labels[:number], *others):
            assert right <= box[0] or left >= box[2] or high <= box[1] or low >= box[3]


def test_texts_are_as_wide_as_matplotlib_draws_them() -> None:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    text = "Norwegian Bokmål (Latin)"
    path = TextPath((0, 0), text, size=10, prop=FontProperties(family="DejaVu Sans"))
    assert text_width(text, 10) == pytest.approx(path.get_extents().width, rel=0.02)


def test_names_keep_what_tells_models_apart() -> None:
    same = ["org/m [revision=step1, x=1]", "org/m [revision=step2, x=1]"]
    assert list(short_names(same).values()) == ["m [revision=step1]", "m [revision=step2]"]
    assert list(short_names(["a/m", "b/m"]).values()) == ["a/m", "b/m"]
    assert list(short_names(["models/m/ [peft=/a/b]", "n"]).values()) == ["m [peft=/a/b]", "n"]


def test_many_languages_become_groups_and_both_ends() -> None:
    ranked = [
        Layers(language(code), [1 - n / 300, 1 - n / 300]) for n, code in enumerate(FLORES_TARGETS)
    ]
    rows = summary_rows(ranked)
    headings = [row.name for row in rows if not row.values]
    assert headings == [
        *("Resource level (mean)", "Script (mean)", "Best 20 languages", "Worst 20 languages")
    ]
    by_name = {row.name: row for row in rows}
    cyrillic = [each for each in ranked if each.language.script == "Cyrillic"]
    mean = np.mean([each.values[0] for each in cyrillic])
    assert by_name[f"Cyrillic ({len(cyrillic)})"].values == pytest.approx([mean, mean])
    counts = [int(found[1]) for row in rows if (found := re.search(r"\((\d+)\)$", row.name))]
    assert sum(counts) >= 2 * len(ranked), "each language is in a level and in a script"
    assert [row.name for row in rows[-20:]] == [each.language.name for each in ranked[-20:]]


def content_of(folder: Path, codes: list[str], level: float) -> Content:
    path = write_run(folder / "results_0.json", "m", codes, skills=[level] * len(codes))
    return Content(read_results([path]), Selection())


def test_axes_fit_small_values(tmp_path: Path) -> None:
    charts = Charts(content_of(tmp_path, list(FLORES_CORE), 0.05))
    (curves, *_), (heat, *_) = charts.layer_curves().charts, charts.heatmaps().charts
    (lines,), (cells,) = curves.drawings, heat.drawings
    assert isinstance(lines, Lines) and isinstance(cells, Heatmap)
    highest = max(y for line in lines.lines for _, y in line.points)
    assert highest <= lines.y.high == cells.limit <= 0.3


def test_of_many_languages_the_spread_is_drawn(tmp_path: Path) -> None:
    (curves, *_) = (
        Charts(content_of(tmp_path, list(FLORES_TARGETS[:60]), 0.6)).layer_curves().charts
    )
    (lines,) = curves.drawings
    assert isinstance(lines, Lines)
    assert [line.name for line in lines.lines if line.bold] == ["average"]
    assert len(lines.lines) == 6 and len(lines.bands) == 2
    wide, narrow = lines.bands
    for (_, low, high), (_, inner_low, inner_high) in zip(wide.points, narrow.points, strict=True):
        assert low <= inner_low <= inner_high <= high
