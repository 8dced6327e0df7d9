"""Write the table that `neuronxa models` prints: `python tests/write_families.py`."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

from families import KINDS, families
from family_cases import NO_TINY_FORM, Case, open_tiny

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn import Experts
from neuronxa_task.ffn import families as models
from neuronxa_task.ffn.families import Family

TABLE = Path(models.__file__).parent / models.TABLE


def tried(case: Case) -> Family:
    """What becomes of a tiny model of the family."""
    kind = case.table_kind
    try:
        sites = open_tiny(case).sites
    except NeuronXAError as error:
        reason = str(error).partition("; supported: ")[0].partition("; looked for ")[0]
        return Family(kind, case.family, "", reason.partition(": ")[2] or reason)
    neurons = {"experts" if isinstance(site, Experts) else "dense" for site in sites}
    return Family(kind, case.family, " and ".join(sorted(neurons)), "")


def all_tried() -> list[Family]:
    """Every family that has a tiny form."""
    return [
        tried(Case(kind, name))
        for kind in KINDS
        for name in families(kind)
        if name not in NO_TINY_FORM.get(kind, "").split()
    ]


def table() -> str:
    """The file's text."""
    version = importlib.metadata.version
    head = f"# transformers {version('transformers')}, torch {version('torch').split('+')[0]}"
    rows = sorted(
        ((f.kind, f.name, f.neurons, f.reason) for f in all_tried()),
        key=lambda row: list(models.KINDS).index(row[0]),
    )
    lines = [head, "kind\tname\tneurons\treason", *("\t".join(row) for row in rows)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
