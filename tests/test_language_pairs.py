"""`neuronxa pairs`: the matrix, its order, its pictures."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from commands import neuronxa
from made_results import MadeRun, signature
from scipy.cluster.hierarchy import cophenet, linkage
from scipy.spatial.distance import squareform
from test_report import page_of, sections

from neuronxa_task.analysis.language_pairs import pair_matrices
from neuronxa_task.languages import FLORES_CODES, language
from neuronxa_task.report.asked import pair_map
from neuronxa_task.report.chart import PairMap
from neuronxa_task.report.draw import draw, style
from neuronxa_task.report.draw.canvas import TINY
from neuronxa_task.report.draw.pair_map import branches
from neuronxa_task.report.inline import Inliner, svg_of
from neuronxa_task.report.labels import shortened
from neuronxa_task.results import read_results

NEAR = {
    frozenset(("fra_Latn", "ita_Latn")): 0.8,
    frozenset(("eng_Latn", "fra_Latn")): 0.6,
    frozenset(("eng_Latn", "ita_Latn")): 0.6,
    frozenset(("hin_Deva", "eng_Latn")): 0.2,
}
PLACE = re.compile(r"-?[\d.]+")
LANGUAGES = ("fra_Latn", "ita_Latn", "hin_Deva", "eng_Latn")


def value(first: str, second: str) -> float:
    return NEAR.get(frozenset((first, second)), 0.1)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    run = MadeRun()
    for code in LANGUAGES[:3]:
        pairs = {other: value(code, other) for other in LANGUAGES if other != code}
        run.task(
            f"neuronxa_flores_{code}",
            {"nasca": 0.5},
            metadata={"target": code, "signature": signature(), "pairs": {"nasca": pairs}},
        )
    run.write(tmp_path / "runs")
    return tmp_path / "runs"


def test_the_matrix_is_whole_and_ordered_by_similarity(runs: Path) -> None:
    ((matrix,), notes) = pair_matrices(read_results([runs]), ["nasca"])
    assert notes == []
    for first in LANGUAGES:
        for second in LANGUAGES:
            expected = 1 if first == second else value(first, second)
            assert matrix.values.loc[first, second] == expected
    order = list(matrix.values.index)
    assert abs(order.index("fra_Latn") - order.index("ita_Latn")) == 1
    assert order.index("hin_Deva") in (0, 3)
    # Average linkage: French and Italian at 0.2, English at 0.4, Hindi at the mean of the rest.
    assert sorted(set(cophenet(matrix.links).round(6))) == [0.2, 0.4, 0.866667]
    assert squareform(cophenet(matrix.links)).shape == (4, 4)


def test_the_command_writes_every_pair_once_and_a_picture(runs: Path, tmp_path: Path) -> None:
    ended = neuronxa("pairs", runs, "--output", tmp_path / "out")
    assert ended.code == 0, ended.errors
    assert "best  fra_Latn–ita_Latn 0.800" in ended.output.replace(
        "ita_Latn–fra_Latn", "fra_Latn–ita_Latn"
    )
    table = pd.read_csv(tmp_path / "out" / "pairs.csv")
    assert len(table) == 6
    assert table["value"].is_monotonic_decreasing
    pictures = {path.suffix for path in (tmp_path / "out").glob("pairs-*-nasca.*")}
    assert pictures == {".svg", ".png"}


def test_a_language_without_every_pair_is_left_out_and_named(tmp_path: Path) -> None:
    """A pair without a score is no pair with the score 0."""
    run = MadeRun()
    for code in LANGUAGES:
        pairs = {other: value(code, other) for other in LANGUAGES if other != code}
        if "hin_Deva" in (code, *pairs):
            pairs.pop("ita_Latn" if code == "hin_Deva" else "hin_Deva")
        metadata = {"target": code, "signature": signature(), "pairs": {"nasca": pairs}}
        run.task(f"neuronxa_flores_{code}", {"nasca": 0.5}, metadata=metadata)
    recorded = run.content["configs"]["neuronxa_flores_hin_Deva"]["metadata"]["pairs"]["nasca"]
    recorded["eng_Latn"] = "0.2"
    ((matrix,), notes) = pair_matrices(read_results([run.write(tmp_path)]), ["nasca"])
    assert set(matrix.values.index) == {"fra_Latn", "ita_Latn", "eng_Latn"}
    assert notes == [
        "neuronxa_flores of org/model: 1 languages left out, without a score for every pair: "
        "hin_Deva"
    ]


def drawn(map_of: PairMap) -> tuple[ElementTree.Element, ElementTree.Element]:
    """The map as in a file, and as on the page."""
    with style():
        made = draw(map_of)
        svg = svg_of(made.figure)
        return ElementTree.fromstring(svg), ElementTree.fromstring(Inliner().inline(svg, made, ""))


def test_the_map_shows_the_matrix_and_its_tree(runs: Path) -> None:
    ((matrix,), _) = pair_matrices(read_results([runs]), ["nasca"])
    _, page = drawn(pair_map(matrix))
    names = [language(code).name for code in matrix.values.index]
    texts = [text.text for text in page.iter("text")]
    assert [text for text in texts if text in names].count(names[0]) == 2
    assert {"French", "Italian", "Hindi", "English"} == set(names) < set(texts)
    cells = next(page.iter("image")).attrib
    assert cells["data-names"].split("\t") == names
    for row, first in zip(cells["data-values"].split(" "), matrix.values.index, strict=True):
        for place, second in enumerate(matrix.values.columns):
            digits = row[2 * place : 2 * place + 2]
            shown = None if digits == "--" else int(digits, 36) / 1000
            assert shown == (None if first == second else value(first, second))
    joints = {round(x, 6) for x in branches(pair_map(matrix))[0] if x > 0}
    assert joints == {0.2, 0.4, 0.866667}


@pytest.mark.slow
@pytest.mark.parametrize("count", [3, 10, 50, 204])
def test_labels_of_any_number_of_languages_have_room(count: int) -> None:
    codes = list(FLORES_CODES)[:count]
    draws = np.random.default_rng(count).random((count, count))
    values = (draws + draws.T) / 2
    np.fill_diagonal(values, 1)
    links = linkage(squareform(1 - values, checks=False), "average")
    names = [language(code).name for code in codes]
    file, page = drawn(PairMap(names, values.tolist(), links, 1.0, "NASCA"))
    width, height = float(file.get("width", "")[:-2]), float(file.get("height", "")[:-2])
    texts = [text for text in page.iter("text") if text.text in set(map(shortened, names))]
    assert len(texts) == 2 * count
    places = [[float(number) for number in PLACE.findall(t.get("transform", ""))] for t in texts]
    places = [
        place or [float(t.get("x", "nan")), float(t.get("y", "nan"))]
        for t, place in zip(texts, places, strict=True)
    ]
    across = sorted(place[-2] for place in places if len(place) > 2)
    down = sorted(place[-1] for place in places if len(place) == 2)
    assert len(across) == len(down) == count
    for line in (across, down):
        assert min(b - a for a, b in pairwise(line)) >= TINY
    assert across[0] > 0 and across[-1] < width and down[0] > 0 and down[-1] < height


@pytest.mark.slow
def test_the_page_has_what_was_asked_for_and_no_more(runs: Path) -> None:
    shown = sections(page_of(read_results([runs])))
    assert "pairs" in shown and "stability" not in shown
    (path,) = runs.iterdir()
    content = json.loads(path.read_text(encoding="utf-8"))
    for code, config in zip(LANGUAGES, content["configs"].values(), strict=False):
        del config["metadata"]["pairs"]
        level = {"fra_Latn": 0.5, "ita_Latn": 0.4, "hin_Deva": 0.1}[code]
        curve = {"10": [level] * 20, "20": [level] * 20}
        config["metadata"]["stability"] = {"nasca": curve}
    path.write_text(json.dumps(content), encoding="utf-8")
    page = page_of(read_results([path]))
    assert "stability" in sections(page) and "pairs" not in sections(page)
    (row,) = (row for row in page.rows if row[:2] == ["org/model", "neuronxa_flores"])
    assert row[2:4] == ["3", "20"] and row[4].startswith("10")


def test_results_without_pairs_say_what_to_run(tmp_path: Path) -> None:
    MadeRun().aligned("fra_Latn", 0.5).write(tmp_path)
    ended = neuronxa("pairs", tmp_path)
    assert ended.code == 1
    assert """--metadata '{"pairs": true}'""" in ended.errors
