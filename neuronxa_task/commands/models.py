"""`neuronxa models`."""

from __future__ import annotations

from typing import Annotated, Optional

import typer


def models(
    model: Annotated[
        Optional[str],  # noqa: UP045 -- typer reads it at run time, on Python 3.10 too
        typer.Argument(help="A hub name or folder, whose layers are shown; without, all families."),
    ] = None,
    kind: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Only families of one kind: causal, encoder, decoder or vision."),
    ] = None,
) -> None:
    """Show which model families can be scored, or one's neurons.

    Example: neuronxa models --kind causal
    """
    from neuronxa_task.ffn.families import layers_of, overview

    typer.echo(overview(kind) if model is None else layers_of(model))
