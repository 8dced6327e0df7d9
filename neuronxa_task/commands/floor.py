"""`neuronxa floor`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from neuronxa_task.commands import options


def floor(
    model: Annotated[
        str,
        typer.Argument(help="Hub name or folder of the model whose configuration is copied."),
    ],
    tasks: Annotated[str, typer.Option(help="NeuronXA tasks, comma-separated.")] = (
        "neuronxa_flores_core"
    ),
    include_path: Annotated[
        Optional[Path],  # noqa: UP045 -- typer reads it at run time, on Python 3.10 too
        typer.Option(
            "--include-path",
            "--include_path",
            help="Folder of your own task files, as lm_eval takes it.",
        ),
    ] = None,
    metadata: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Settings, as lm_eval takes them: '{\"sample\": 1}'."),
    ] = None,
    model_args: Annotated[
        str,
        typer.Option(
            "--model-args",
            "--model_args",
            help="Further model arguments, as lm_eval takes them: revision=…, dtype=….",
        ),
    ] = "",
    batch_size: Annotated[
        str, typer.Option("--batch-size", "--batch_size", help="As lm_eval takes it.")
    ] = "auto",
    device: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Device, as lm_eval takes it: cuda:0, cpu."),
    ] = None,
    limit: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=2, help="Score only the first pairs."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random weights.")] = 0,
    output: Annotated[Path, typer.Option(help="Folder for the result file and the table.")] = Path(
        "floor_results"
    ),
) -> None:
    """Score a copy of a model that has random weights.

    The copy has the model's configuration and tokenizer, and weights as transformers initializes
    them. Its scores are the floor for the model's own on the same tasks and settings.

    Example: neuronxa floor org/model --tasks neuronxa_flores_core --output floor/
    """
    from neuronxa_task.floor import floor_table, floor_text, score_random_copy, shown_floor
    from neuronxa_task.tables import write

    given = {
        "--tasks": tasks,
        "--include_path": include_path,
        "--metadata": metadata,
        "--batch_size": batch_size,
        "--device": device,
        "--limit": limit,
    }
    of_harness = [
        word
        for option, value in given.items()
        if value is not None
        for word in (option, str(value))
    ]
    path = score_random_copy(model, seed, model_args, of_harness, output)
    table = floor_table(path)
    typer.echo("\n" + floor_text(model, seed, model_args, of_harness, path, table))
    paths = write(
        *(output, "floor", table, shown_floor(table)),
        caption=f"Scores of {model} with random weights, seed {seed}",
        formats=("csv", "md"),
    )
    options.echo_files([*paths, path])
