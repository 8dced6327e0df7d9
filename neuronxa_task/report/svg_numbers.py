"""Numbers and paths of an SVG in few characters."""

from __future__ import annotations

import re

NUMBER = re.compile(r"-?\d+\.\d+")
SPACES = re.compile(r"\s*([A-Za-z]|$)\s*")
LEVEL = re.compile(r"([ML])([\d.-]+) ([\d.-]+)L([\d.-]+) \3(?![\d.])")
UPRIGHT = re.compile(r"([ML])([\d.-]+) ([\d.-]+)L\2 ([\d.-]+)")


def rounded(text: str) -> str:
    r"""Numbers with one decimal; path commands without spaces, level and upright lines short.

    >>> rounded("M 98.3565 380.16 \nL 20.04 3 \nL 20.04 9 \n"), rounded("rotate(-90 1.25 7)")
    ('M98.4 380.2L20 3V9', 'rotate(-90 1.2 7)')
    """
    short = NUMBER.sub(lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), text)
    if short[:1] != "M":
        return short
    short = SPACES.sub(r"\1", short)
    return UPRIGHT.sub(r"\1\2 \3V\4", LEVEL.sub(r"\1\2 \3H\4", short))
