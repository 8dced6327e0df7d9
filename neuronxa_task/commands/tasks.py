"""`neuronxa tasks`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from neuronxa_task.commands import options


def tasks(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="Folder with one file per language (eng_Latn.txt, corpus.en, FLORES' "
            "devtest/eng_Latn.devtest), or a csv, tsv, json, jsonl or parquet table with one "
            "column per language, also compressed (.gz, .zip). Line i must be parallel.",
        ),
    ],
    name: Annotated[str, typer.Option(help="Name of the group of tasks.")],
    output: Annotated[Path, typer.Option(help="Folder for the task files.")],
    pivot: Annotated[
        str, typer.Option(help="Language that the others are compared with.")
    ] = "eng_Latn",
    languages: Annotated[
        Optional[str],  # noqa: UP045 -- typer reads it at run time, on Python 3.10 too
        typer.Option(help="Target languages, comma-separated; by default all but the pivot."),
    ] = None,
    columns: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Columns or files to read, comma-separated, if some are not languages."),
    ] = None,
    num_sentences: Annotated[
        int, typer.Option(help="Score at most this many sentence pairs, starting with the first.")
    ] = 100,
    split: Annotated[str, typer.Option(help="Split, if the folder has several.")] = "devtest",
) -> None:
    """Make harness tasks from your own parallel text.

    Example: neuronxa tasks my_corpus/ --name mycorpus --pivot eng_Latn --output my_tasks/
    """
    from neuronxa_task.own_text import make_tasks

    typer.echo(
        make_tasks(
            *(source, name, pivot, output, _listed(languages), num_sentences, split),
            columns=_listed(columns),
        )
    )


def _listed(names: str | None) -> list[str] | None:
    return None if names is None else options.names(names)
