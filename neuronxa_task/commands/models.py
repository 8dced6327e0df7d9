"""`neuronxa models`."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from neuronxa_task.errors import NeuronXAError


def models(
    model: Annotated[
        Optional[str],  # noqa: UP045 -- typer reads it at run time, on Python 3.10 too
        typer.Argument(
            help="Hub name or folder of a model to show layer by layer; default: list all families."
        ),
    ] = None,
    kind: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="Only families of one kind: causal, encoder-only, encoder, decoder or vision."
        ),
    ] = None,
    model_args: Annotated[
        str,
        typer.Option(
            "--model-args",
            "--model_args",
            help="How MODEL is loaded, as lm_eval takes it: revision=…, trust_remote_code=True, "
            "gguf_file=…, peft=…, dtype=….",
        ),
    ] = "",
    side: Annotated[
        str, typer.Option(help="Half of an encoder-decoder model: encoder or decoder.")
    ] = "encoder",
) -> None:
    """List model families that can be scored, or a model's neurons.

    Example: neuronxa models --kind causal
    """
    from neuronxa_task.ffn.families import overview

    if model is None and not model_args:
        typer.echo(overview(kind))
        return
    from lm_eval.utils import simple_parse_args_string

    from neuronxa_task.ffn.layers import layers_of

    arguments = simple_parse_args_string(model_args)
    name = arguments.pop("pretrained", model) if model is None else model
    if name is None or arguments.get("pretrained", name) != name:
        raise NeuronXAError(
            f"MODEL is {model!r} and --model_args is {model_args!r}; expected one model: "
            "neuronxa models MODEL --model_args gguf_file=FILE"
        )
    arguments.pop("pretrained", None)
    typer.echo(layers_of(name, arguments, side))  # type: ignore[arg-type]
