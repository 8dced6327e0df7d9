"""`neuronxa task-path`."""

from __future__ import annotations

import typer


def task_path() -> None:
    """Print the folder of the task files, if the harness does not find them by itself.

    Example: lm_eval run --include_path "$(neuronxa task-path)" --tasks neuronxa_flores_core
    """
    from neuronxa_task.task_configs import folder

    typer.echo(folder())
