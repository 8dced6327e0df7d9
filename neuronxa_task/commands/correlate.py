"""`neuronxa correlate`."""

from __future__ import annotations

from typing import Annotated

import typer

from neuronxa_task.commands import options


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
    allow_mixed_signatures: options.AllowMixed = False,
    resamples: Annotated[int, typer.Option(min=100, help="Bootstrap resamples.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    output: options.Output = None,
) -> None:
    """Correlate alignment with accuracy over languages.

    Per model, as the mean over models (Fisher's z) and pooled, with p, n, and 95% intervals by
    bootstrap over languages and by Fisher's z; and two scores against each other by Steiger's and
    Williams' tests. The pivot language is left out.

    Example: neuronxa correlate demo_results/ --scores nasca,mexa --output correlation/
    """
    from neuronxa_task.analysis.bootstrap import Bootstrap
    from neuronxa_task.analysis.correlate import correlations
    from neuronxa_task.analysis.correlation_text import (
        correlations_text,
        shown_comparisons,
        shown_correlations,
    )
    from neuronxa_task.analysis.published import published_text
    from neuronxa_task.tables import write

    read = options.read(results, pattern, alias, num_fewshot, chat_template)
    found = correlations(
        read,
        options.choice_of(
            *(scores, alignment, benchmarks, metric),
            relative=relative,
            include_pivot=include_pivot,
            allow_mixed=allow_mixed_signatures,
        ),
        methods=options.names(methods),
        bootstrap=Bootstrap(resamples, seed),
        paper=paper,
    )
    notes = [*read.notes, *found.notes]
    typer.echo(correlations_text(found))
    if paper:
        typer.echo("\n" + published_text(relative=relative))
    options.echo_notes(notes)
    if output is None:
        return
    caption = "Correlation of alignment with accuracy over languages"
    paths = write(
        *(output, "correlation", found.table, shown_correlations(found.table)),
        caption=caption,
        notes=notes,
    )
    if len(found.comparisons):
        paths += write(
            *(output, "comparison", found.comparisons, shown_comparisons(found.comparisons)),
            caption="Alignment scores compared by their correlation with accuracy",
            notes=notes,
        )
    options.echo_files(paths)
