"""`neuronxa leaderboard`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from neuronxa_task.commands import options


def _print_columns(asked: bool) -> None:
    if asked:
        from neuronxa_task.analysis.leaderboard import COLUMNS

        typer.echo("\n".join(f"{name}: {meaning}" for name, meaning in COLUMNS.items()))
        raise typer.Exit


def leaderboard(
    results: options.ResultPaths,
    alignment: options.Alignment = None,
    benchmarks: options.Benchmarks = None,
    metric: options.Metric = "acc",
    all_languages: Annotated[
        bool,
        typer.Option(
            "--all-languages",
            help="Average over each model's own languages, not only those that all models have.",
        ),
    ] = False,
    sort: Annotated[str, typer.Option(help="Column to sort by.")] = "nasca",
    pattern: options.Patterns = None,
    alias: options.Aliases = None,
    num_fewshot: options.NumFewshot = None,
    chat_template: options.ChatTemplate = None,
    allow_mixed_signatures: options.AllowMixed = False,
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder for leaderboard.csv, .json, .parquet and .md."),
    ] = None,
    columns: Annotated[
        bool,
        typer.Option(
            "--columns",
            is_eager=True,
            callback=_print_columns,
            help="Explain the columns and exit.",
        ),
    ] = False,
) -> None:
    """Compare models by alignment and correlation, one row each.

    The files always have the same columns, so rows of several runs can be combined. Resource levels
    are the classes of Joshi et al. 2020.

    Example: neuronxa leaderboard demo_results/ --output leaderboard/
    """
    from neuronxa_task.analysis import leaderboard as board
    from neuronxa_task.tables import text, write

    read = options.read(results, pattern, alias, num_fewshot, chat_template)
    rows = board.leaderboard(
        read,
        options.choice_of(
            *("nasca", alignment, benchmarks, metric),
            relative=False,
            include_pivot=False,
            allow_mixed=allow_mixed_signatures,
        ),
        all_languages=all_languages,
        sort=sort,
    )
    typer.echo(text(board.shown(rows.table)))
    notes = [*read.notes, *rows.notes]
    options.echo_notes(notes)
    if output is not None:
        paths = write(
            *(output, "leaderboard", rows.table, board.shown(rows.table)),
            caption="Alignment by model",
            notes=notes,
            formats=("csv", "json", "parquet", "md"),
        )
        options.echo_files(paths)
