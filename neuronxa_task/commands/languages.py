"""`neuronxa languages`."""

from __future__ import annotations

import sys
from typing import Annotated, Optional

import typer

from neuronxa_task.commands import options

ON_SCREEN = 20


def languages(
    names: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(
            metavar="[LANGUAGE]...", help="Codes or English names: fra_Latn French; all by default."
        ),
    ] = None,
    benchmarks: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="Only languages in all of these benchmarks, comma-separated: "
            "belebele,neuronxa_flores."
        ),
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print the table as csv.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Print all languages.")] = False,
) -> None:
    """List languages with their script, resources and benchmarks.

    Codes are those of FLORES-200. Resource levels are the classes of Joshi et al. 2020, from 5
    (most data) to 0. Benchmarks are those of the installed lm_eval.

    Example: neuronxa languages --benchmarks belebele,m_mmlu
    """
    from neuronxa_task.harness import task_names
    from neuronxa_task.languages.table import chosen, language_table, shown
    from neuronxa_task.tables import screen, text

    table = language_table(task_names(), options.names(benchmarks))
    if names:
        table = chosen(table, names)
    if csv:
        table.to_csv(sys.stdout, index=False)
    else:
        lines = shown(table)
        typer.echo(text(lines) if full else screen(lines, rows=ON_SCREEN, more="--full or --csv"))
        typer.echo(f"{len(table)} languages; --csv prints all benchmarks of each")
