"""`neuronxa rankc`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from neuronxa_task.commands import options


def rankc(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULTS...",
            help="Result files of `lm_eval --tasks bmlama53 --log_samples`, with their samples "
            "in the same folder, or folders with such files at any depth.",
        ),
    ],
    languages: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Languages, comma-separated, as in the tasks' names; all by default."),
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            help="How candidates are ranked: by mean log-probability of their sentences over "
            "tokens (as in the paper; loads the tokenizer) or characters, or by its sum."
        ),
    ] = "tokens",
    output: options.Output = None,
) -> None:
    """Measure the consistency of facts across languages (RankC).

    Example: neuronxa rankc results/ --languages fr,de
    """
    from neuronxa_task.bmlama53.rankc import rankc as pairs_of
    from neuronxa_task.bmlama53.rankc import shown, summary, table
    from neuronxa_task.tables import write

    pairs, notes = pairs_of(results, options.names(languages) or None, by)
    typer.echo(summary(pairs))
    options.echo_notes(notes)
    if output is not None:
        paths = write(
            *(output, "rankc", table(pairs), shown(pairs)),
            caption="RankC, the cross-lingual consistency of facts",
            notes=notes,
        )
        options.echo_files(paths)
