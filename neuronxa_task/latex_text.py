"""Text for LaTeX: marks escaped, and how wide it is printed."""

from __future__ import annotations

import re
import unicodedata

EM = 8.0
"""pt: the size of the type."""
ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    '"': "''",
    "−": "$-$",
    "–": "--",
    "—": "---",
    "…": r"\dots{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "→": r"$\rightarrow$",
    "τ": r"$\tau$",
    "²": r"\textsuperscript{2}",
    "‘": "`",
    "’": "'",
    "ʻ": "`",
    "ʼ": "'",
    "“": "``",
    "”": "''",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
    "\u00a0": "~",
    "\u202f": "~",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
}
ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0323": "d",
    "\u0327": "c",
    "\u0328": "k",
}
"""Combining marks and LaTeX's commands for them; those of T1 alone (ogonek) are left to the map."""
MINUS = re.compile(r"(?<![\w./-])-(?=\d)")
NARROW = frozenset("ijltfrsI.,:;'![]()|` -")
WIDE = frozenset("mwMW%&@…−±×=+<>~≥≤→")


def escaped(text: str) -> str:
    r"""`text` as LaTeX that shows it; a mark that pdflatex's fonts lack as its code point.

    >>> escaped("50 % of a_b"), escaped("Bokmål −1"), escaped("中")
    ('50 \\% of a\\_b', 'Bokm\\r{a}l $-$1', 'U+4E2D')
    """
    text = MINUS.sub("−", unicodedata.normalize("NFC", text))
    return "".join(map(_escaped_mark, text))


def _escaped_mark(mark: str) -> str:
    if mark in ESCAPES:
        return ESCAPES[mark]
    if mark.isascii():
        return mark if mark.isprintable() else " "
    base, *accents = list(unicodedata.normalize("NFD", mark))
    if accents and base.isascii() and base.isalpha() and ACCENTS.keys() >= set(accents):
        made = f"\\{base}{{}}" if base in "ij" and "\u0323" not in accents else base
        for accent in accents:
            if accent == "\u0328":  # the ogonek is in no font of LaTeX's default encoding
                return base
            made = f"\\{ACCENTS[accent]}{{{made}}}"
        return made
    return f"U+{ord(mark):04X}"


def width(text: str, *, is_bold: bool = False) -> float:
    """Approximate width of a text in Computer Modern, in pt; too wide rather than too narrow."""
    ems = sum(map(_ems, unicodedata.normalize("NFC", text)))
    return EM * ems * (1.17 if is_bold else 1.0)


def _ems(mark: str) -> float:
    if mark in NARROW:
        return 0.42
    if mark in WIDE:
        return 0.92
    if _escaped_mark(mark).startswith("U+"):
        return 0.62 * len(_escaped_mark(mark))
    return 0.8 if mark.isupper() else 0.565
