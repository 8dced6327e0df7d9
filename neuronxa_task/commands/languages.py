"""`neuronxa languages`."""

from __future__ import annotations

import sys
from typing import Annotated, Optional

import typer

from neuronxa_task.commands import options


def languages(
    benchmarks: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="Only languages in all of these benchmarks, comma-separated: "
            "belebele,neuronxa_flores."
        ),
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print the table as csv.")] = False,
) -> None:
    """List languages with their script, resources, benchmarks.

    Codes are those of FLORES-200. Resource levels are the classes of Joshi et al. 2020, from 5
    (most data) to 0. Benchmarks are those of the installed lm_eval.

    Example: neuronxa languages --benchmarks belebele,m_mmlu
    """
    from neuronxa_task.languages.table import harness_tasks, language_table, shown
    from neuronxa_task.tables import text

    table = language_table(harness_tasks(), options.names(benchmarks))
    if csv:
        table.to_csv(sys.stdout, index=False)
    else:
        typer.echo(text(shown(table)))
        typer.echo(f"{len(table)} languages; --csv lists all benchmarks of each")
