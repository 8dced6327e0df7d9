"""What charts show, how they are drawn, and that page and files show the same drawing."""

from __future__ import annotations

import io
import re
from base64 import b64decode
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from made_results import write_run

from neuronxa_task.analysis.predict import predictions
from neuronxa_task.analysis.selection import Selection
from neuronxa_task.languages import FLORES_CORE, FLORES_TARGETS, language
from neuronxa_task.report.chart import (
    Axis,
    Chart,
    Drawing,
    Heatmap,
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
from neuronxa_task.report.scatters import against, curve_of, trend
from neuronxa_task.results import read_results

ENDS = (0.2, 0.4)
MARKS = [Mark(f"Language {n}", n / 9, (n % 4) / 4, ENDS, ENDS, n % 2) for n in range(10)]
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
    _, page, definitions = drawn(SCATTER)
    texts = {text.text for text in page.iter("text")}
    assert {"NASCA", "bench, acc", "a", "b", "0.4"} <= texts
    names = ElementTree.fromstring(definitions).get("data-names", "").split("\t")
    groups = [of for of in page.iter() if "data-tips" in of.attrib]
    told = [tip.split("|") for of in groups for tip in of.get("data-tips", "").split(";")]
    shown = {(names[int(name)], float(x), float(y)) for name, x, y in told}
    assert shown == {(mark.name, round(mark.x, 3), round(mark.y, 3)) for mark in MARKS}
    assert [len(list(of.iter("use"))) for of in groups] == [5, 5]
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


def test_chance_is_a_named_line_where_it_is_known() -> None:
    axes = Axis("x", 0, 1), Axis("y", 0, 1)
    made, page, _ = drawn(Scatter(*axes, MARKS[:3], ("a", "b"), chance=0.25))
    lines = [list(np.asarray(line.get_ydata())) for line in made.figure.axes[0].lines]
    assert any(line.count(0.25) == 2 for line in lines)
    assert "chance" in {text.text for text in page.iter("text")}
    assert "chance" not in {text.text for text in drawn(SCATTER)[1].iter("text")}


def lowered(folder: Path, languages: int, **options: Any) -> Content:
    """One model, with accuracy in all languages but the last."""
    codes = list(FLORES_TARGETS)[:languages]
    path = folder / "results_0.json"
    write_run(path, "m", codes, {"belebele": codes[:-1]}, noise=0.02, **options)
    return Content(read_results([path]), Selection())


def scatter_of(content: Content) -> Scatter:
    (join,) = content.joins
    return against(join, content.points(join, "nasca"), "nasca", "belebele, acc")


def test_the_curve_is_that_of_predict(tmp_path: Path) -> None:
    content = lowered(tmp_path, 20)
    (join,) = content.joins
    found = predictions(content.results, content.selection, score="nasca").estimates
    (estimate,) = found[found["score"] == "nasca"].to_dict("records")
    curve = curve_of(join, "nasca")
    assert curve is not None and (curve.floor, curve.ceiling) == (0.25, 1.0)
    at = trend(curve, estimate["alignment_score"], 1.0)
    assert (at.low[0], at.y[0], at.high[0]) == pytest.approx(
        (estimate["low"], estimate["estimate"], estimate["high"])
    )
    assert min(at.low) >= 0.25 and max(at.high) <= 1.0
    points = join.points("nasca")
    across = scatter_of(content).trend
    assert across is not None and (across.x[0], across.x[-1]) == (min(points.x), max(points.x))


def test_no_curve_where_nothing_varies(tmp_path: Path) -> None:
    content = lowered(tmp_path, 6, skills=[0.0] * 6)
    content.joins[0].table["nasca"] = 0.5
    shown = scatter_of(content)
    assert shown.trend is None and shown.notes[0] == "n = 5"


def test_languages_at_chance_are_hollow_and_chance_is_on_the_axis(tmp_path: Path) -> None:
    content = lowered(tmp_path, 12, skills=[0.0] * 5 + [0.9] * 7)
    (join,) = content.joins
    shown = scatter_of(content)
    table = join.table
    low = {
        language(str(code)).name
        for code in table.index
        if table.loc[code, "accuracy"] - 0.25 <= 1.6449 * table.loc[code, "stderr"]
    }
    assert 0 < len(low) < 11 and {mark.name for mark in shown.marks if mark.hollow} == low
    assert shown.chance == 0.25 and shown.y.low < 0.25 < shown.y.high
    above = table[[language(str(code)).name not in low for code in table.index]]
    r = np.corrcoef(above["nasca"], above["accuracy"])[0, 1]
    assert shown.notes[1] == f"above chance: r = {r:.2f}, n = {len(above)}".replace("-", "−")
    _, page, _ = drawn(shown)
    assert "not above chance" in {text.text for text in page.iter("text")}


def test_intervals_are_the_file_s_of_few_marks_and_a_typical_one_of_many(tmp_path: Path) -> None:
    about = {"metadata": {"intervals": {"nasca": [0.1, 0.7]}}}
    few = scatter_of(lowered(tmp_path, 12, **about))
    assert few.typical is None and {mark.x_ends for mark in few.marks} == {(0.1, 0.7)}
    heights = [mark.y_ends[1] - mark.y_ends[0] for mark in few.marks if mark.y_ends]
    assert heights == pytest.approx([2 * 1.96 * 0.01] * 11)
    many = scatter_of(lowered(tmp_path, 60, **about))
    assert not any(mark.x_ends or mark.y_ends for mark in many.marks)
    assert many.typical == pytest.approx((0.3, 1.96 * 0.01))
    _, page, _ = drawn(many)
    assert "typical 95 % interval" in {text.text for text in page.iter("text")}


def test_many_marks_are_vertices_of_one_path() -> None:
    marks = [Mark(f"Language {n}", n / 60, (n % 7) / 7) for n in range(60)]
    made, page, definitions = drawn(Scatter(Axis("x", 0, 1), Axis("y", 0, 1), marks, ("a",)))
    (group,) = (of for of in page.iter() if "data-tips" in of.attrib)
    (path,) = group
    vertices = [tuple(map(float, v.split())) for v in path.attrib["d"][1:].split("L")]
    in_file = ElementTree.fromstring(svg_of(made.figure))
    (drawn_marks,) = (of for of in in_file.iter() if of.get("id") == "marks-0")
    uses = [of for of in drawn_marks.iter() if of.tag.endswith("use")]
    exact = [(float(of.attrib["x"]), float(of.attrib["y"])) for of in uses]
    assert np.asarray(vertices) == pytest.approx(np.asarray(exact), abs=0.051)
    marker = re.search(r"#(\w+)", path.attrib["marker-mid"])
    assert marker and f'<marker id="{marker[1]}"' in definitions
    assert len(group.attrib["data-tips"].split(";")) == 60


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
    assert list(short_names(["models/m/ [peft=/a/b]", "n"]).values()) == ["m", "n"]
    adapted = ["models/m/ [peft=/a/b]", "models/m", "n [x=1]"]
    assert list(short_names(adapted).values()) == ["m [peft=/a/b]", "m", "n"]


def test_many_languages_become_groups_and_both_ends() -> None:
    ranked = [
        Layers(language(code), [1 - n / 300, 1 - n / 300]) for n, code in enumerate(FLORES_TARGETS)
    ]
    rows = summary_rows(ranked)
    headings = [row.name for row in rows if not row.values]
    assert headings == [
        *("Resource level (mean)", "Script (mean)", "Language family (mean)"),
        *("Best 20 languages", "Worst 20 languages"),
    ]
    by_name = {row.name: row for row in rows}
    cyrillic = [each for each in ranked if each.language.script == "Cyrillic"]
    mean = np.mean([each.values[0] for each in cyrillic])
    assert by_name[f"Cyrillic ({len(cyrillic)})"].values == pytest.approx([mean, mean])
    counts = [int(found[1]) for row in rows if (found := re.search(r"\((\d+)\)$", row.name))]
    assert sum(counts) == 3 * len(ranked), "each language is in a level, a script and a family"
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
