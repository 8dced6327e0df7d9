"""`neuronxa report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from neuronxa_task.commands import options


def report(
    results: options.ResultPaths,
    output: Annotated[
        Path, typer.Option(help="Folder for report.html and its pictures as SVG and PNG.")
    ] = Path("report"),
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "Cross-lingual alignment",
    scores: options.Scores = "nasca,navca,mexa",
    alignment: options.Alignment = None,
    benchmarks: options.Benchmarks = None,
    metric: options.Metric = "acc",
    relative: options.Relative = False,
    include_pivot: options.IncludePivot = False,
    paper: options.Paper = False,
    pattern: options.Patterns = None,
    alias: options.Aliases = None,
    num_fewshot: options.NumFewshot = None,
    chat_template: options.ChatTemplate = None,
    allow_mixed_signatures: options.AllowMixed = False,
) -> None:
    """Write a self-contained page of tables and charts.

    Example: neuronxa report demo_results/ --output report/
    """
    from neuronxa_task.report import write_report

    read = options.read(results, pattern, alias, num_fewshot, chat_template)
    choice = options.choice_of(
        *(scores, alignment, benchmarks, metric),
        relative=relative,
        include_pivot=include_pivot,
        allow_mixed=allow_mixed_signatures,
    )
    made = write_report(read, output, title, choice, paper=paper)
    options.echo_notes(made.notes)
    pictures = f"{len(made.pictures)} pictures to {made.page.parent / 'pictures'}"
    typer.echo(f"Wrote {made.page} and {pictures}")
