"""Which models can be scored: every family of transformers, as tried."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from importlib.resources import files

from neuronxa_task.errors import NeuronXAError, one_of

TABLE = "families.tsv"
"""Written by `python tests/write_families.py` from tiny random models of every family."""
KINDS = {
    "causal": "decoder-only",
    "encoder-only": "encoder-only, each token reads the whole sentence",
    "encoder": "encoder of an encoder-decoder, or text model of a speech model",
    "decoder": "decoder of an encoder-decoder (side: decoder)",
    "vision": "text model of a multimodal model (lm_eval --model hf-multimodal)",
}


@dataclass(frozen=True)
class Family:
    """The result of trying one `model_type` of transformers.

    Attributes:
        kind: a key of `KINDS`.
        name: its `model_type`.
        neurons: `dense`, `experts` or `dense and experts`; empty if it cannot be read.
        reason: why it cannot be read.
    """

    kind: str
    name: str
    neurons: str
    reason: str


def families() -> list[Family]:
    """All families that were tried, whether they can be read or not."""
    _, *lines = _table()
    return [Family(**row) for row in csv.DictReader(lines, delimiter="\t")]


def tried_with() -> str:
    """The versions that the table of families was made with, as text."""
    return _table()[0].removeprefix("# ")


def _table() -> list[str]:
    """The lines of the table; the first is a comment with the versions."""
    return files("neuronxa_task.ffn").joinpath(TABLE).read_text(encoding="utf-8").splitlines()


def overview(kind: str | None = None) -> str:
    """List the families by kind, with counts and the reasons of those that are refused.

    Args:
        kind: list only this kind, a key of `KINDS`.

    Raises:
        NeuronXAError: `kind` is unknown.
    """
    if kind is not None and kind not in KINDS:
        raise NeuronXAError(f"kind is {kind!r}; expected one of: {one_of(KINDS)}")
    chosen = [family for family in families() if kind in (None, family.kind)]
    counts = Counter((family.kind, bool(family.neurons)) for family in chosen)
    lines = [f"Families of transformers, each tried as a tiny random model ({tried_with()})", ""]
    for name, title in KINDS.items():
        if (name, True) in counts:
            read, refused = counts[name, True], counts[name, False]
            lines.append(f"{title}: {read} read, {refused} refused")
    for name, title in KINDS.items():
        of_kind = [family for family in chosen if family.kind == name]
        for neurons in sorted({family.neurons for family in of_kind} - {""}):
            names = " ".join(family.name for family in of_kind if family.neurons == neurons)
            lines += ["", f"{title}, {neurons} neurons:", f"  {names}"]
        refused_ones = [family for family in of_kind if not family.neurons]
        if refused_ones:
            lines += ["", f"{title}, refused:"]
            lines += [f"  {family.name}: {family.reason}" for family in refused_ones]
    return "\n".join(lines)
