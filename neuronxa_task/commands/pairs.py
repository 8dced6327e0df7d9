"""`neuronxa pairs`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Optional

import typer

from neuronxa_task.commands import options


def pairs(
    results: options.ResultPaths,
    scores: options.Scores = "nasca",
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder to write pairs.csv, pairs.parquet and pictures to."),
    ] = None,
) -> None:
    """Show the alignment of every pair of languages.

    Reads what lm_eval wrote with --metadata '{"pairs": true}'. The pictures show the matrix, its
    languages ordered by similarity, beside their tree.

    Example: neuronxa pairs results/ --output pairs/
    """
    from neuronxa_task.analysis.language_pairs import draw, pair_table, read_pairs, summary
    from neuronxa_task.tables import write

    matrices, notes = read_pairs(results, options.names(scores))
    typer.echo("\n".join(summary(matrix) for matrix in matrices))
    options.echo_notes(notes)
    if output is not None:
        table = pair_table(matrices)
        paths = write(
            *(output, "pairs", table, table),
            caption="Alignment of pairs of languages",
            notes=notes,
            formats=("csv", "parquet"),
        )
        for matrix in matrices:
            name = re.sub(r"[^a-z0-9]+", "-", f"{matrix.model}-{matrix.alignment}".lower())
            paths += draw(matrix, output, f"pairs-{name[:80]}-{matrix.score}")
        options.echo_files(paths)
