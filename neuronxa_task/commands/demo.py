"""`neuronxa demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    output: Annotated[Path, typer.Option(help="Folder for the result file and the report.")] = Path(
        "demo_results"
    ),
) -> None:
    """Score the packaged tiny model on the packaged phrasebook.

    Example: neuronxa demo --output demo_results
    """
    from neuronxa_task.demo.command import run

    typer.echo(run(output))
