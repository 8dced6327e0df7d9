"""`neuronxa predict`."""

from __future__ import annotations

from typing import Annotated

import typer

from neuronxa_task.commands import options

NEXT_WITH_TABLES = (
    "Next: `neuronxa report RESULTS` draws the curves on a page to open in a browser."
)
NEXT = f"{NEXT_WITH_TABLES} All fits and estimates: --full, or --output FOLDER."


def predict(
    results: options.ResultPaths,
    score: Annotated[str, typer.Option(help="Alignment score to make estimates from.")] = ("nasca"),
    scores: options.Scores = "nasca,navca,mexa",
    alignment: options.Alignment = None,
    benchmarks: options.Benchmarks = None,
    metric: options.Metric = "acc",
    relative: options.Relative = False,
    include_pivot: options.IncludePivot = False,
    pattern: options.Patterns = None,
    alias: options.Aliases = None,
    num_fewshot: options.NumFewshot = None,
    chat_template: options.ChatTemplate = None,
    pivot: options.Pivot = None,
    allow_mixed_signatures: options.AllowMixed = False,
    chance: options.Chance = None,
    chance_corrected: options.ChanceCorrected = False,
    full: options.Full = False,
    output: options.Output = None,
) -> None:
    """Estimate accuracy in languages without a benchmark.

    Fits accuracy as a curve of alignment between chance and 1, per model and benchmark. Reports the
    error of leaving out each language, and each language family, in turn. To compare, it reports
    the error of predicting the mean of the others and of MEXA's estimate (alignment times the
    pivot's accuracy). Intervals are 95% prediction intervals for a new language.

    Example: neuronxa predict demo_results/ --score nasca
    """
    from neuronxa_task.analysis.predict import predictions
    from neuronxa_task.analysis.prediction_text import (
        best_fits,
        full_text,
        shown_estimates,
        shown_fits,
        summary_text,
    )
    from neuronxa_task.tables import write

    choice = options.choice_of(
        *(",".join((score, scores)), alignment, benchmarks, metric),
        relative=relative,
        include_pivot=include_pivot,
        allow_mixed=allow_mixed_signatures,
        chance=chance,
        chance_corrected=chance_corrected,
    )
    read = options.read(results, pattern, alias, num_fewshot, chat_template, pivot)
    tables = predictions(read, choice, score=score)
    notes = [*read.notes, *tables.notes]
    summary = summary_text(tables, score)
    if full:
        typer.echo(f"{full_text(tables, score)}\n\n{summary}")
        options.echo_notes(notes)
    else:
        options.echo_summary(summary, notes, NEXT if output is None else NEXT_WITH_TABLES)
    if output is None:
        return
    fits = shown_fits(tables.fits)
    paths = write(
        *(output, "prediction", tables.fits, fits),
        caption="Accuracy predicted from alignment: errors of leaving one language out; the best "
        "score of each model and benchmark in bold",
        notes=notes,
        bold=best_fits(fits),
    )
    if len(tables.estimates):
        paths += write(
            *(output, "estimates", tables.estimates, shown_estimates(tables.estimates)),
            caption=f"Accuracy estimated from {score.upper()}",
            notes=notes,
        )
    options.echo_files(paths)
