"""A matplotlib figure as SVG that stands inside the page.

The page's policy allows no style but its own sheet, so styles become attributes, and colours
become classes of the sheet, which are light or dark. Text stays text, in the page's font. Unused
ids, metadata and empty groups are removed, and numbers keep one decimal.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from markupsafe import Markup, escape

from neuronxa_task.report.draw.canvas import FAINT, INK, PALETTE, PAPER, QUIET, RULE, Drawn
from neuronxa_task.report.svg_numbers import rounded

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CLASS_OF: Mapping[str, str] = {
    **{colour: str(number) for number, colour in enumerate(PALETTE)},
    INK: "i",
    QUIET: "q",
    FAINT: "f",
    RULE: "r",
    PAPER: "p",
}
"""Ends of the classes of colours: `f0` fills with, `s0` strokes with the first colour."""

DEFAULTS = {
    ("fill-opacity", "1"),
    ("stroke-opacity", "1"),
    ("stroke-linejoin", "round"),
    ("stroke-width", "1"),
    ("text-anchor", "start"),
}
SINGLE_MARKS = 40
"""A group with more marks than this becomes one path instead of an element for each."""

NATURAL = 1.4
"""Pixels for a point of a drawing in its own size: its small text has 10."""

SEPARATOR, NEXT = "|", ";"
"""Separators between the parts of a mark's tooltip, and between marks."""

SHEET_SAYS = {"font-family", "image-rendering"}
INHERITED = {
    "class",
    *("fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray"),
    *("stroke-dashoffset", "stroke-linejoin", "stroke-linecap", "font-size", "font-weight"),
    "text-anchor",
}
TAG = re.compile(r"<(\w+)")


def svg_of(figure: Figure) -> str:
    """The figure as SVG, for a file."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


@dataclass
class Inliner:
    """Makes figures elements of one page.

    Attributes:
        definitions: ids of shared definitions, such as the shapes of marks, by their SVG. A page
            holds each once, in `defs`.
        names: numbers of the marks' names, which a page of many charts also holds once.
    """

    definitions: dict[str, str] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)

    def inline(self, svg: str, drawn: Drawn, summary: str) -> Markup:
        """The SVG of a figure, as an element of the page.

        Args:
            svg: what `svg_of` made of it.
            drawn: its tooltips and other additions for the page.
            summary: text for screen readers.
        """
        root = ElementTree.fromstring(svg)
        _without_namespaces(root)
        self._tell(root, drawn)
        _drop(root)
        _restyle(root)
        self._define(root)
        self._join_marks(root)
        _flatten(root)
        attributes = {"viewBox": root.get("viewBox", ""), "role": "img", "aria-label": summary}
        root.attrib.clear()
        root.attrib.update(attributes, **{"class": "chart", "stroke-linejoin": "round"})
        if drawn.natural:
            _, _, width, height = map(float, attributes["viewBox"].split())
            root.set("width", f"{width * NATURAL:.0f}")
            root.set("height", f"{height * NATURAL:.0f}")
        return Markup(ElementTree.tostring(root, encoding="unicode").replace(" />", "/>"))

    @property
    def defs(self) -> Markup:
        """An element without size that holds the definitions."""
        made = [
            TAG.sub(rf'<\1 id="{name}"', svg, count=1) for svg, name in self.definitions.items()
        ]
        names = "&#9;".join(map(escape, self.names))
        return Markup(
            f'<svg width="0" height="0" aria-hidden="true" class="defs" data-names="{names}">'
            f"<defs>{''.join(made)}</defs></svg>"
        )

    def _tell(self, root: ElementTree.Element, drawn: Drawn) -> None:
        """Add tooltips to marks and cells.

        A group of marks has `data-tips`, for each mark the number of its name, and a value for
        each of `data-of`.
        """
        groups = {element.get("id"): element for element in root.iter("g")}
        for gid, tips in drawn.tips.items():
            numbers = [
                str(self.names.setdefault(name.replace("\t", " "), len(self.names)))
                for name in tips.names
            ]
            values = tips.values or [()] * len(numbers)
            told = [
                SEPARATOR.join((number, *map(_short, of)))
                for number, of in zip(numbers, values, strict=True)
            ]
            groups[gid].set("data-tips", NEXT.join(told))
            if tips.of:
                of_values = [name.replace(SEPARATOR, "/") for name in tips.of]
                groups[gid].set("data-of", SEPARATOR.join(of_values))
        if drawn.cells:
            next(root.iter("image")).attrib.update(drawn.cells)

    def _join_marks(self, root: ElementTree.Element) -> None:
        """Make many marks the vertices of one path: a third of the bytes of an element each."""
        for group in root.iter("g"):
            marks = list(group.iter("use"))
            if "data-tips" not in group.attrib or len(marks) <= SINGLE_MARKS:
                continue
            look = sorted((INHERITED | {"href"}) & marks[0].attrib.keys())
            marker = ElementTree.Element("marker", overflow="visible", markerUnits="userSpaceOnUse")
            ElementTree.SubElement(marker, "use", {name: marks[0].get(name, "") for name in look})
            svg = ElementTree.tostring(marker, encoding="unicode")
            url = f"url(#{self.definitions.setdefault(svg, f'd{len(self.definitions)}')})"
            vertices = "L".join(f"{mark.get('x')} {mark.get('y')}" for mark in marks)
            path = ElementTree.Element("path", d=f"M{vertices}", fill="none")
            for end in ("start", "mid", "end"):
                path.set(f"marker-{end}", url)
            group[:] = [path]

    def _define(self, root: ElementTree.Element) -> None:
        """Move elements that others refer to into the definitions, and remove all other ids."""
        names: dict[str, str] = {}
        for parent in list(root.iter("defs")):
            for child in list(parent):
                old = child.attrib.pop("id")
                svg = ElementTree.tostring(child, encoding="unicode")
                names[old] = self.definitions.setdefault(svg, f"d{len(self.definitions)}")
                parent.remove(child)
        for element in root.iter():
            element.attrib.pop("id", None)
            for name, value in element.attrib.items():
                if name == "href" and value.startswith("#"):
                    element.set(name, f"#{names[value[1:]]}")
                elif name == "clip-path":
                    element.set(name, f"url(#{names[value[5:-1]]})")


def _without_namespaces(root: ElementTree.Element) -> None:
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        for name in [name for name in element.attrib if "}" in name]:
            element.set(name.rpartition("}")[2], element.attrib.pop(name))


def _short(value: str) -> str:
    """A number without the 0 before its point."""
    return value[1:] if value.startswith("0.") else value


def _drop(root: ElementTree.Element) -> None:
    """Remove the metadata, matplotlib's style sheet and the paper."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in ("metadata", "style") or child.get("id") == "paper":
                parent.remove(child)
            child.tail = None
        if parent.tag != "text":
            parent.text = None
        if parent.get("id", "").startswith("matplotlib.axis"):  # lines first, then texts
            lines = [element for element in parent.iter() if element.tag in ("defs", "path", "use")]
            inside = {path for element in lines if element.tag == "defs" for path in element}
            texts = list(parent.iter("text"))
            parent[:] = [*(element for element in lines if element not in inside), *texts]


def _restyle(root: ElementTree.Element) -> None:
    """Turn styles into attributes and classes."""
    for element in root.iter():
        for name in ("d", "x", "y"):
            if name in element.attrib:
                element.set(name, rounded(element.attrib[name]))
        classes = []
        for declaration in element.attrib.pop("style", "").split(";"):
            name, _, value = (part.strip() for part in declaration.partition(":"))
            if name in ("fill", "stroke") and value in CLASS_OF:
                classes.append(f"{name[0]}{CLASS_OF[value]}")
            elif name == "font-size":
                element.set(name, value.removesuffix("px"))
            elif name and name not in SHEET_SAYS and (name, value) not in DEFAULTS:
                element.set(name, rounded(value))
        if classes:
            element.set("class", " ".join(classes))
        if element.tag == "text":
            _plain_text(element)
        elif element.tag == "image":
            element.set("href", _fewer_bytes(element.get("href", "")))
    for definitions in root.iter("defs"):
        for path in definitions.findall("path"):  # a marker, which each <use> colours
            for name in INHERITED & path.attrib.keys():
                del path.attrib[name]


def _plain_text(text: ElementTree.Element) -> None:
    """Leave out turning by 0°; text in ink is the default."""
    if text.get("transform", "").startswith(("rotate(-0 ", "rotate(0 ")):
        del text.attrib["transform"]
    elif "transform" in text.attrib:
        text.set("transform", rounded(text.attrib["transform"]))
    if text.get("class") == "fi":
        del text.attrib["class"]


def _fewer_bytes(image: str) -> str:
    """A picture of few colours, as a PNG with a palette instead of four bytes a pixel."""
    import numpy as np
    from PIL import Image

    _, _, encoded = image.partition(",")
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGBA"))
    colours, places = np.unique(pixels.reshape(-1, 4), axis=0, return_inverse=True)
    if len(colours) > 256:
        return image
    plain = Image.fromarray(places.reshape(pixels.shape[:2]).astype(np.uint8))
    plain.putpalette(colours.astype(np.uint8).tobytes(), "RGBA")
    written = io.BytesIO()
    plain.save(written, format="png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(written.getvalue()).decode()}"


def _flatten(element: ElementTree.Element) -> None:
    """Remove groups without content, and write shared attributes of neighbours once."""
    children: list[ElementTree.Element] = []
    for child in element:
        _flatten(child)
        if child.tag in ("g", "defs") and not child.attrib:
            children.extend(child)
        else:
            children.append(child)
    element[:] = [_together(list(run)) for _, run in groupby(children, _look)]


def _look(element: ElementTree.Element) -> tuple[str, ...]:
    """What neighbours have to share to stand in one group."""
    if element.tag == "g":
        return ("g", str(id(element)))
    looks = sorted(f"{name}={element.get(name)}" for name in INHERITED & element.attrib.keys())
    return (element.tag, *looks)


def _together(run: Sequence[ElementTree.Element]) -> ElementTree.Element:
    """Elements that look the same, in a group that says how."""
    shared = INHERITED & run[0].attrib.keys()
    if len(run) < 2:
        return run[0]
    group = ElementTree.Element("g", {name: run[0].get(name, "") for name in sorted(shared)})
    for element in run:
        for name in shared:
            del element.attrib[name]
    group.extend(run)
    return group
