"""`neuronxa reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def reproduce(
    config: Annotated[
        Path,
        typer.Argument(
            metavar="STUDY",
            help="YAML file with lists of models and tasks and, optionally, output (a folder; "
            "default: the file's name) and any key of `lm_eval run --config`: batch_size, "
            "num_fewshot, limit, metadata, device, log_samples, include_path, … A model or task "
            "can override them. Examples: results/demo.yaml, results/paper.yaml.",
        ),
    ],
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print each run's configuration; run and write nothing."),
    ] = False,
) -> None:
    """Run lm_eval on the models and tasks of a file, then report.

    Runs that have finished before are skipped. If a run fails, the next one starts.

    Example: neuronxa reproduce results/demo.yaml --dry-run
    """
    from neuronxa_task.study.reproduce import reproduce as run

    run(config, dry_run=dry_run)
