"""`neuronxa task-path`."""

from __future__ import annotations

import typer


def task_path() -> None:
    """Print the folder of the packaged task files.

    For harnesses that do not find them by themselves: lm_eval run --include_path FOLDER.

    Example: neuronxa task-path
    """
    from neuronxa_task.task_configs import folder

    typer.echo(folder())
