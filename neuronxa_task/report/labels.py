"""Place labels next to their marks, without overlaps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matplotlib.ft2font import FT2Font

FONT = "DejaVu Sans"
"""Part of matplotlib, so pictures look the same everywhere. Browsers' fonts are narrower."""

LONGEST_NAME = 24
Boxes = NDArray[np.float64]
Box = tuple[float, float, float, float]


@cache
def _font() -> FT2Font:
    from matplotlib.font_manager import findfont, get_font

    return get_font(findfont(FONT))


@cache
def _characters() -> frozenset[int]:
    return frozenset(_font().get_charmap())


@cache
def _advance(character: str) -> float:
    """Width of a character at size 1."""
    from matplotlib.ft2font import LoadFlags

    font = _font()
    glyph = font.load_char(ord(character), flags=LoadFlags.NO_SCALE)
    return float(glyph.horiAdvance / font.units_per_EM)


def text_width(text: str, size: float) -> float:
    """Width of a text in points."""
    return size * sum(map(_advance, text))


def drawable(text: str) -> str:
    """The text, with `?` for characters that the font lacks.

    >>> drawable("français"), drawable("模型-7b")
    ('français', '??-7b')
    """
    return "".join(mark if ord(mark) in _characters() else "?" for mark in text)


def shortened(name: str, longest: int = LONGEST_NAME) -> str:
    """A name that fits into a chart, its middle left out: names of models differ at their ends.

    Pointing at the mark shows it in full.

    >>> shortened("a very long name", 8)
    'a v…name'
    """
    half = longest // 2
    return name if len(name) <= longest else f"{name[: longest - half - 1]}…{name[-half:]}"


class Spot(NamedTuple):
    """Where a text is anchored, and at which of its sides: left, center or right."""

    x: float
    y: float
    side: str


def place(
    marks: ArrayLike,
    widths: Sequence[float],
    height: float,
    area: Sequence[float],
    radius: float,
    at_most: int,
    obstacles: Sequence[Box] = (),
) -> list[Spot | None]:
    """Place labels around their marks; earlier marks have priority.

    Args:
        marks: `[n, 2]`, centres of the marks, with y upwards.
        widths: widths of the labels, in the same units.
        height: height of every label.
        area: left, low, right and high edge that no label crosses.
        radius: radius of the marks, which no label covers.
        at_most: largest number of labels to place.
        obstacles: boxes (left, low, right, high) that no label covers.

    Returns:
        The anchor of each label, at half its height; `None` if there is no room.
    """
    centres = np.asarray(marks, dtype=float).reshape(-1, 2)
    avoided = np.asarray(obstacles, dtype=float).reshape(-1, 4)
    taken = np.vstack([np.hstack([centres - radius, centres + radius]), avoided])
    spots: list[Spot | None] = [None] * len(centres)
    for mark, ((x, y), width) in enumerate(zip(centres.tolist(), widths, strict=True)):
        if not at_most:
            break
        around, boxes = zip(*_around(x, y, width, height, radius + 2), strict=True)
        free = _free(np.array(boxes), taken, area)
        if free.any():
            at_most -= 1
            taken = np.vstack([taken, boxes[free.argmax()]])
            spots[mark] = around[free.argmax()]
    return spots


def _around(
    x: float, y: float, width: float, height: float, gap: float
) -> Iterator[tuple[Spot, Box]]:
    """Right, left, above, below and the corners; then the same a little farther off."""
    for far in (gap, 2.2 * gap):
        for across, up in (
            *((1, 0), (-1, 0), (0, 1), (0, -1)),
            *((1, 1), (1, -1), (-1, 1), (-1, -1)),
        ):
            at = x + across * far * (0.7 if up else 1)
            middle = y + up * (far + height / 2) * (0.8 if across else 1)
            left = at - width * (1 - across) / 2
            side = ("center", "left", "right")[across]
            low = middle - height / 2
            yield Spot(at, middle, side), (left, low, left + width, low + height)


def _free(boxes: Boxes, taken: Boxes, area: Sequence[float]) -> NDArray[np.bool_]:
    left, low, right, high = (boxes[:, side, None] for side in range(4))
    clear = (
        (taken[:, 0] >= right)
        | (taken[:, 2] <= left)
        | (taken[:, 1] >= high)
        | (taken[:, 3] <= low)
    )
    inside = (boxes[:, :2] >= np.array(area[:2])) & (boxes[:, 2:] <= np.array(area[2:]))
    free: NDArray[np.bool_] = clear.all(axis=1) & np.all(inside, axis=1)
    return free
