"""`neuronxa retrieval`."""

from __future__ import annotations

import typer

from neuronxa_task.commands import options


def retrieval(
    results: options.ResultPaths,
    alignment: options.Alignment = None,
    paper: options.Paper = False,
    pattern: options.Patterns = None,
    alias: options.Aliases = None,
    num_fewshot: options.NumFewshot = None,
    chat_template: options.ChatTemplate = None,
    pivot: options.Pivot = None,
    allow_mixed_signatures: options.AllowMixed = False,
    output: options.Output = None,
) -> None:
    """Measure how often a translation is the nearest sentence.

    Compares neuron states, neuron values and hidden states per model, for languages with much data
    (head, classes 3 to 5 of Joshi et al. 2020) and with little (tail, classes 0 to 2). Both
    directions have equal weight. The table has means over layers and each language's best layer.

    Example: neuronxa retrieval demo_results/ --paper
    """
    from neuronxa_task.analysis.retrieval import published_lines, retrieval_table, shown
    from neuronxa_task.tables import screen, write

    read = options.read(results, pattern, alias, num_fewshot, chat_template, pivot)
    retrieved = retrieval_table(
        read,
        options.choice_of(
            *("nasca,navca,mexa", alignment, None, "acc"), allow_mixed=allow_mixed_signatures
        ),
    )
    typer.echo(screen(shown(retrieved.table), more="--output FOLDER"))
    notes = [*read.notes, *retrieved.notes, *(published_lines() if paper else ())]
    options.echo_notes(notes, full=paper, more="--output FOLDER")
    if output is not None:
        paths = write(
            *(output, "retrieval", retrieved.table, shown(retrieved.table)),
            caption="Sentences whose translation is nearest",
            notes=notes,
        )
        options.echo_files(paths)
