"""`neuronxa stability`."""

from __future__ import annotations

from typing import Annotated

import typer

from neuronxa_task.commands import options


def stability(
    results: options.ResultPaths,
    alignment: options.Alignment = None,
    pivot: options.Pivot = None,
    allow_mixed_signatures: options.AllowMixed = False,
    picture_formats: Annotated[
        str,
        typer.Option(help="Formats of --output's pictures: svg, png, pdf; or none."),
    ] = "svg,png",
    output: options.Output = None,
) -> None:
    """Show how many sentence pairs a score needs.

    For models that were scored with --metadata '{"stability": true}'. Shows the scores of random
    subsets of the pairs, and how many pairs make the ranking of languages stable (mean Kendall's
    tau with the ranking by all pairs at least 0.95).

    Example: neuronxa stability results/ --output stability/
    """
    from neuronxa_task.analysis.stability import stability as stability_of
    from neuronxa_task.analysis.stability_curves import chosen_curves
    from neuronxa_task.analysis.stability_text import (
        shown_curves,
        shown_rankings,
        summary_text,
    )
    from neuronxa_task.errors import NeuronXAError
    from neuronxa_task.report.stability_lines import draw_curves
    from neuronxa_task.tables import write

    read = options.read(results, pivot=pivot)
    curves, curve_notes = chosen_curves(
        read, options.names(alignment), allow_mixed=allow_mixed_signatures
    )
    measured = stability_of(curves)
    typer.echo(summary_text(measured))
    notes = [*measured.notes, *curve_notes, *read.notes]
    options.echo_notes(notes, full=False, more="--output FOLDER")
    if output is None:
        return
    paths = write(
        *(output, "stability", measured.table, shown_curves(measured.table)),
        caption="Scores by number of sentence pairs, mean over languages",
        notes=notes,
    )
    rankings = shown_rankings(measured.table)
    paths += write(
        *(output, "rankings", rankings, rankings),
        caption="Number of sentence pairs from which the ranking of languages is stable",
        notes=notes,
    )
    try:
        pictures = draw_curves(
            measured.table,
            output / "pictures",
            [name for name in options.names(picture_formats) if name != "none"],
        )
    except OSError as error:
        raise NeuronXAError(f"{output} cannot be written: {error.strerror}") from error
    options.echo_files(paths)
    if pictures:
        typer.echo(f"Wrote {len(pictures)} pictures to {output / 'pictures'}")
