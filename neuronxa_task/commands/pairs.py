"""`neuronxa pairs`."""

from __future__ import annotations

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

    Reads what lm_eval wrote with --metadata '{"pairs": true}'. The pictures show the matrix, with
    languages ordered by similarity, beside their tree.

    Example: neuronxa pairs results/ --output pairs/
    """
    from neuronxa_task.analysis.language_pairs import pair_matrices, pair_table, summary
    from neuronxa_task.errors import NeuronXAError, one_of
    from neuronxa_task.report.asked import pair_map
    from neuronxa_task.report.chart import Chart, Section
    from neuronxa_task.report.pictures import Studio
    from neuronxa_task.tables import write

    read = options.read(results)
    matrices, notes_of_pairs = pair_matrices(read, options.names(scores))
    if not matrices:
        raise NeuronXAError(
            f"no result file holds pairs of 3 or more languages for {one_of(options.names(scores))}"
            "; score a model with lm_eval --tasks neuronxa_flores_core --metadata "
            "'{\"pairs\": true}'"
        )
    notes = [*read.notes, *notes_of_pairs]
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
        charts = [
            Chart(
                f"pairs {matrix.model} {matrix.alignment} {matrix.score}",
                f"{matrix.model}: {matrix.score.upper()} of every pair of languages",
                {},
                [pair_map(matrix)],
            )
            for matrix in matrices
        ]
        studio = Studio(output, ("svg", "png"))
        studio.draw(Section(charts, []))
        options.echo_files([*paths, *studio.written])
