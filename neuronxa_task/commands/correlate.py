"""`neuronxa correlate`."""

from __future__ import annotations

from typing import Annotated

import typer

from neuronxa_task.commands import options

NEXT_WITH_TABLES = (
    "Next: `neuronxa report RESULTS` writes a page to open in a browser; "
    "`neuronxa predict RESULTS` estimates accuracy where there is no benchmark."
)
NEXT = f"{NEXT_WITH_TABLES} All coefficients and models: --full, or --output FOLDER."


def correlate(
    results: options.ResultPaths,
    scores: options.Scores = "nasca,navca,mexa",
    alignment: options.Alignment = None,
    benchmarks: options.Benchmarks = None,
    metric: options.Metric = "acc",
    relative: options.Relative = False,
    include_pivot: options.IncludePivot = False,
    methods: Annotated[
        str, typer.Option(help="Coefficients: pearson, spearman, kendall.")
    ] = "pearson,spearman,kendall",
    paper: options.Paper = False,
    pattern: options.Patterns = None,
    alias: options.Aliases = None,
    num_fewshot: options.NumFewshot = None,
    chat_template: options.ChatTemplate = None,
    pivot: options.Pivot = None,
    allow_mixed_signatures: options.AllowMixed = False,
    resamples: Annotated[int, typer.Option(min=100, help="Bootstrap resamples.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    chance: options.Chance = None,
    chance_corrected: options.ChanceCorrected = False,
    full: options.Full = False,
    output: options.Output = None,
) -> None:
    """Correlate alignment with accuracy over languages.

    Prints verdicts and Pearson's r. --full and --output give everything: correlations per model,
    as the mean over models (Fisher's z) and pooled, with p, n and 95% intervals; over languages
    above chance; given resource level and script; by language family; and Steiger's test of two
    scores. The pivot language is excluded.

    Example: neuronxa correlate demo_results/ --scores nasca,mexa --output correlation/
    """
    from neuronxa_task.analysis.bootstrap import Bootstrap
    from neuronxa_task.analysis.correlate import correlation_table, require_methods
    from neuronxa_task.analysis.correlation_text import (
        SUMMARY_METHOD,
        correlations_text,
        paper_table,
        shown_comparisons,
        shown_correlations,
        summary_text,
    )
    from neuronxa_task.analysis.pairing import pair
    from neuronxa_task.analysis.published import published_text
    from neuronxa_task.latex import best_in_rows
    from neuronxa_task.tables import write

    choice = options.choice_of(
        *(scores, alignment, benchmarks, metric),
        relative=relative,
        include_pivot=include_pivot,
        allow_mixed=allow_mixed_signatures,
        chance=chance,
        chance_corrected=chance_corrected,
    )
    chosen = options.names(methods)
    require_methods(chosen)
    if not full and output is None:
        chosen = [SUMMARY_METHOD if SUMMARY_METHOD in chosen else chosen[0]]
    read = options.read(results, pattern, alias, num_fewshot, chat_template, pivot)
    joins, notes = pair(read, choice)
    tables = correlation_table(
        joins,
        choice,
        methods=chosen,
        bootstrap=Bootstrap(resamples, seed),
        paper=paper,
    )
    notes = [*read.notes, *notes, *tables.notes]
    summary = summary_text(tables) + ("\n\n" + published_text(relative=relative) if paper else "")
    if full:
        typer.echo(f"{correlations_text(tables)}\n\n{summary}")
        options.echo_notes(notes)
    else:
        options.echo_summary(summary, notes, NEXT if output is None else NEXT_WITH_TABLES)
    if output is None:
        return
    caption = "Correlation of alignment with accuracy over languages"
    shown = shown_correlations(tables.table)
    paths = write(
        *(output, "correlation", tables.table, shown),
        caption=caption,
        notes=notes,
        formats=("csv", "json", "md"),
    )
    paths += write(
        *(output, "correlation_full", tables.table, shown),
        caption=caption,
        notes=notes,
        formats=["tex"],
    )
    pearson = paper_table(tables.table)
    if len(pearson):
        paths += write(
            *(output, "correlation", pearson, pearson),
            caption="Pearson's correlation of alignment with accuracy over languages, with 95 % "
            "intervals; the highest of each row in bold",
            notes=notes,
            formats=["tex"],
            bold=best_in_rows(pearson, [score.upper() for score in choice.scores]),
        )
    if len(tables.comparisons):
        paths += write(
            *(output, "comparison", tables.comparisons, shown_comparisons(tables.comparisons)),
            caption="Alignment scores compared by their correlation with accuracy",
            notes=notes,
        )
    options.echo_files(paths)
