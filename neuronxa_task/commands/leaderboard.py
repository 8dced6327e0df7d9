"""`neuronxa leaderboard`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from neuronxa_task.commands import options

STORED = "results.parquet"


def _print_columns(asked: bool) -> None:
    if asked:
        from neuronxa_task.analysis.leaderboard import COLUMNS
        from neuronxa_task.analysis.leaderboard_accuracy import ACCURACY_COLUMNS

        columns = {**COLUMNS, **ACCURACY_COLUMNS}
        typer.echo("\n".join(f"{name}: {meaning}" for name, meaning in columns.items()))
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
    pivot: options.Pivot = None,
    allow_mixed_signatures: options.AllowMixed = False,
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            help="Folder for leaderboard.csv, .json, .parquet, .md and .tex, and for "
            "results.parquet, which --add-to reads."
        ),
    ] = None,
    add_to: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            help="Folder of an earlier leaderboard: its models are added from its "
            "results.parquet, without their result files. Without --output, it is updated.",
        ),
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
    """Compare models by alignment, accuracy and correlation.

    One row per model. The columns have a fixed order, which --columns explains: first those of
    alignment, which are always the same, then four for each benchmark, by name. Resource levels are
    the classes of Joshi et al. 2020.

    Example: neuronxa leaderboard demo_results/ --output leaderboard/
    """
    from neuronxa_task.analysis import leaderboard as board
    from neuronxa_task.analysis.leaderboard_text import best_cells, leaderboard_text
    from neuronxa_task.results import RunChoice
    from neuronxa_task.results.many_files import read_many, store
    from neuronxa_task.tables import screen, write

    read = read_many(
        results,
        stored=None if add_to is None else add_to / STORED,
        patterns=pattern or (),
        aliases=alias or (),
        runs=RunChoice(num_fewshot, chat_template, pivot),
    )
    output = output or add_to
    found = board.leaderboard(
        read,
        options.choice_of(
            *("nasca", alignment, benchmarks, metric),
            allow_mixed=allow_mixed_signatures,
        ),
        all_languages=all_languages,
        sort=sort,
    )
    shown = leaderboard_text(found.table)
    typer.echo(screen(shown, more="--output FOLDER"))
    notes = [*read.notes, *found.notes]
    options.echo_notes(notes, full=False, more="--output FOLDER")
    if output is not None:
        paths = write(
            *(output, "leaderboard", found.table, shown),
            caption="Alignment and accuracy by model: means over languages, with standard errors",
            notes=notes,
            formats=("csv", "json", "parquet", "md", "tex"),
            bold=best_cells(found.table, shown),
        )
        store(read, output / STORED)
        options.echo_files([*paths, output / STORED])
