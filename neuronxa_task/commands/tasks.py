"""`neuronxa tasks`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer


def tasks(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="Folder with one text file per language (eng_Latn.txt, or FLORES' "
            "devtest/eng_Latn.devtest), or a csv, tsv, jsonl or parquet table with one column per "
            "language. Line i is parallel everywhere.",
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
    num_sentences: Annotated[
        int, typer.Option(help="Sentence pairs to score: the first ones, at most this many.")
    ] = 100,
    split: Annotated[str, typer.Option(help="Split, where the folder has several.")] = "devtest",
) -> None:
    """Make harness tasks of your own parallel text.

    Example: neuronxa tasks my_corpus/ --name mycorpus --pivot eng_Latn --output my_tasks/
    """
    from neuronxa_task.own_text import make_tasks

    chosen = None if languages is None else [code.strip() for code in languages.split(",")]
    typer.echo(make_tasks(source, name, pivot, output, chosen, num_sentences, split))
