"""`neuronxa task-path`."""

from __future__ import annotations

import typer


def task_path() -> None:
    """Print the folder of the task files, for --include_path.

    Needed only where the harness does not find them by itself: packages in a zip file, or with
    NEURONXA_DISCOVERY=0.

    Example: neuronxa task-path
    """
    from neuronxa_task.task_configs import folder

    typer.echo(folder())
