"""`neuronxa report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from neuronxa_task.commands import options


def report(
    results: options.ResultPaths,
    output: Annotated[
        Path,
        typer.Option(help="Folder for report.html, languages.csv, languages.tex and pictures/."),
    ] = Path("report"),
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "Cross-lingual alignment",
    scores: options.Scores = "nasca,navca,mexa",
    alignment: options.Alignment = None,
    benchmarks: options.Benchmarks = None,
    metric: options.Metric = "acc",
    relative: options.Relative = False,
    include_pivot: options.IncludePivot = False,
    paper: options.Paper = False,
    pictures: Annotated[
        bool, typer.Option(help="Also write to files the charts that the page shows first.")
    ] = True,
    picture_formats: Annotated[
        str, typer.Option(help="Formats of the picture files, comma-separated: svg, png, pdf.")
    ] = "svg,png",
    all_pictures: Annotated[
        bool,
        typer.Option("--all-pictures", help="Write all charts: every model, score and benchmark."),
    ] = False,
    pattern: options.Patterns = None,
    alias: options.Aliases = None,
    num_fewshot: options.NumFewshot = None,
    chat_template: options.ChatTemplate = None,
    pivot: options.Pivot = None,
    allow_mixed_signatures: options.AllowMixed = False,
    chance: options.Chance = None,
    chance_corrected: options.ChanceCorrected = False,
) -> None:
    """Write a self-contained page of tables and charts.

    Example: neuronxa report demo_results/ --output report/
    """
    from neuronxa_task.report import write_report

    read = options.read(results, pattern, alias, num_fewshot, chat_template, pivot)
    selection = options.choice_of(
        *(scores, alignment, benchmarks, metric),
        relative=relative,
        include_pivot=include_pivot,
        allow_mixed=allow_mixed_signatures,
        chance=chance,
        chance_corrected=chance_corrected,
    )
    made = write_report(
        read,
        output,
        title,
        selection,
        paper=paper,
        picture_formats=options.names(picture_formats) if pictures else (),
        all_pictures=all_pictures,
    )
    options.echo_notes(made.notes)
    names = ", ".join(path.name for path in (made.page, *made.tables))
    drawn = f" and {len(made.pictures)} files in pictures/" if made.pictures else ""
    typer.echo(f"Wrote {names}{drawn} to {output}")
