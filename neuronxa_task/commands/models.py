"""`neuronxa models`."""

from __future__ import annotations

from typing import Annotated, Optional

import typer


def models(
    model: Annotated[
        Optional[str],  # noqa: UP045 -- typer reads it at run time, on Python 3.10 too
        typer.Argument(
            help="Hub name or folder of a model whose layers to show; default: list all families."
        ),
    ] = None,
    kind: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Only families of one kind: causal, encoder, decoder or vision."),
    ] = None,
) -> None:
    """List the model families that can be scored, or a model's neurons.

    Example: neuronxa models --kind causal
    """
    from neuronxa_task.ffn.families import layers_of, overview

    typer.echo(overview(kind) if model is None else layers_of(model))
