"""The `neuronxa` command: everything but scoring, which the stock `lm_eval` does."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from neuronxa_task.commands.correlate import correlate
from neuronxa_task.commands.demo import demo
from neuronxa_task.commands.floor import floor
from neuronxa_task.commands.languages import languages
from neuronxa_task.commands.leaderboard import leaderboard
from neuronxa_task.commands.models import models
from neuronxa_task.commands.pairs import pairs
from neuronxa_task.commands.predict import predict
from neuronxa_task.commands.rankc import rankc
from neuronxa_task.commands.report import report
from neuronxa_task.commands.reproduce import reproduce
from neuronxa_task.commands.retrieval import retrieval
from neuronxa_task.commands.stability import stability
from neuronxa_task.commands.task_path import task_path
from neuronxa_task.commands.tasks import tasks
from neuronxa_task.errors import INTERRUPTED, NeuronXAError, printable, stopped

app = typer.Typer(
    name="neuronxa",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Cross-lingual alignment of language models from their feed-forward neurons (NeuronXA). "
    "Models are scored by the stock command: lm_eval --model hf --model_args pretrained=MODEL "
    "--tasks neuronxa_flores_core --batch_size auto",
)


def _version(is_asked: bool) -> None:
    if is_asked:
        import importlib.metadata

        typer.echo(f"neuronxa {importlib.metadata.version('lm-eval-neuronxa')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Handle the options that come before a command."""


for command in (
    *(demo, models, floor, tasks, task_path, correlate, predict, leaderboard, retrieval, pairs),
    *(report, stability, rankc, reproduce, languages),
):
    app.command()(command)


def main() -> None:
    """Run the command line; a `NeuronXAError` is printed as one line, with exit code 1."""
    try:
        app(prog_name="neuronxa")
    except NeuronXAError as error:
        print(f"neuronxa: error: {printable(str(error))}", file=sys.stderr)
        raise SystemExit(1) from None
    except SystemExit as end:
        if end.code == INTERRUPTED:
            print(f"\n{stopped(sys.argv)}", file=sys.stderr)
        raise


if __name__ == "__main__":
    main()
