"""`neuronxa reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def reproduce(
    config: Annotated[
        Path,
        typer.Argument(
            metavar="CONFIG",
            help="YAML file with lists of models and tasks and, as wanted, batch_size, "
            "num_fewshot, limit, metadata, device, log_samples, include_path and output (a folder, "
            "by default named like the file). Examples: results/demo.yaml, results/paper.yaml.",
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the commands and run none.")
    ] = False,
) -> None:
    """Run lm_eval for a list of models and tasks, then correlate and report.

    What an earlier call has finished is not run again; after a failed run the next one follows.

    Example: neuronxa reproduce results/demo.yaml --dry-run
    """
    from neuronxa_task.study.reproduce import reproduce as run

    run(config, dry_run=dry_run)
