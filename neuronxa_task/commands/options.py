"""Arguments and options shared by several commands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    from neuronxa_task.analysis.selection import Selection
    from neuronxa_task.results import Results

ResultPaths = Annotated[
    list[Path],
    typer.Argument(
        metavar="RESULTS...",
        help="Result files of lm_eval 0.3 or later, or folders with such files at any depth. One "
        "or many models; NeuronXA and benchmarks in the same run or separate ones. The newest "
        "run of each model and task is used.",
    ),
]
Patterns = Annotated[
    Optional[list[str]],  # noqa: UP045 -- typer reads these at run time, on Python 3.10 too
    typer.Option(
        "--pattern",
        help="Task names of a further benchmark, as NAME=TASK with {lang} for the language: "
        "mybench=mytask_{lang}. Can be repeated.",
    ),
]
Aliases = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--alias",
        help="Rename a model, as 'OLD=NEW': '/data/Qwen2.5-7B=Qwen/Qwen2.5-7B'. Can be repeated.",
    ),
]
NumFewshot = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option(
        "--num-fewshot",
        min=0,
        help="Use only benchmarks that were run with this number of few-shot examples.",
    ),
]
ChatTemplate = Annotated[
    Optional[bool],  # noqa: UP045
    typer.Option(
        "--chat-template/--no-chat-template",
        help="Use only benchmarks that were run with, or without, the model's chat template.",
        show_default=False,
    ),
]
Pivot = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        help="Pivot language to use if a run has several (FLORES code); by default its first one."
    ),
]
Scores = Annotated[
    str, typer.Option(help="Alignment scores: nasca, navca, mexa, nasca_max, navca_max, mexa_max.")
]
Alignment = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        help="Alignment benchmarks, comma-separated, such as neuronxa_flores; all by default."
    ),
]
Benchmarks = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        help="Downstream benchmarks, comma-separated, such as belebele,m_mmlu; all by default."
    ),
]
Metric = Annotated[
    str,
    typer.Option(help="Downstream metric; a benchmark without it uses another, with a note."),
]
Relative = Annotated[
    bool,
    typer.Option(
        "--relative",
        help="Divide accuracy above chance by the pivot language's (transferability).",
    ),
]
IncludePivot = Annotated[
    bool,
    typer.Option(
        "--include-pivot", help="Include the pivot language, whose alignment with itself is 1."
    ),
]
Chance = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--chance",
        metavar="BENCHMARK=LEVEL",
        help="Chance level of a benchmark, such as mybench=0.25 or mybench=1/3; those of the "
        "harness's benchmarks are known. Can be repeated.",
    ),
]
ChanceCorrected = Annotated[
    bool,
    typer.Option(
        "--chance-corrected",
        help="Rescale accuracy to (accuracy - chance) / (1 - chance).",
    ),
]
Full = Annotated[bool, typer.Option("--full", help="Print all tables and notes.")]
Paper = Annotated[bool, typer.Option("--paper", help="Add the figures reported in the paper.")]
AllowMixed = Annotated[
    bool,
    typer.Option(
        "--allow-mixed-signatures",
        help="Continue if results use different settings, and name the differences.",
    ),
]
Output = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(help="Folder for the tables as csv, JSON, Markdown and LaTeX."),
]


def names(text: str | None) -> list[str]:
    """Split a comma-separated list.

    >>> names("nasca, mexa")
    ['nasca', 'mexa']
    """
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def read(
    results: Sequence[Path],
    pattern: Sequence[str] | None = None,
    alias: Sequence[str] | None = None,
    num_fewshot: int | None = None,
    chat_template: bool | None = None,
    pivot: str | None = None,
) -> Results:
    """Read result files according to the shared options."""
    from neuronxa_task.results import RunChoice, read_results

    return read_results(
        results,
        patterns=pattern or (),
        aliases=alias or (),
        runs=RunChoice(num_fewshot, chat_template, pivot),
    )


def choice_of(
    scores: str,
    alignment: str | None,
    benchmarks: str | None,
    metric: str,
    *,
    allow_mixed: bool,
    relative: bool = False,
    include_pivot: bool = False,
    chance: Sequence[str] | None = None,
    chance_corrected: bool = False,
) -> Selection:
    """Make a `Selection` from the shared options, checked before any file is read."""
    from neuronxa_task.analysis.chance import parse_chance
    from neuronxa_task.analysis.selection import Selection

    made = Selection(
        scores=tuple(dict.fromkeys(names(scores))),
        alignment=names(alignment),
        benchmarks=names(benchmarks),
        metric=metric,
        relative=relative,
        include_pivot=include_pivot,
        allow_mixed=allow_mixed,
        chance_corrected=chance_corrected,
        chance=parse_chance(chance or ()),
    )
    made.require_scores()
    return made


NOTE_LINES = 8
"""Lines of notes below a table without --full."""
SUMMARY_LINES = 25
"""Lines of a summary, with its notes and what comes next."""


def echo_notes(
    notes: Sequence[str], *, full: bool = True, more: str = "--full", lines: int = NOTE_LINES
) -> None:
    """Print notes below the tables; without `full`, the first ones and how to see the others.

    Args:
        notes: one line each, of any length.
        full: whether to print all of them.
        more: the option that shows the others.
        lines: most lines of the screen for notes without `full`; at least 1.
    """
    from neuronxa_task.tables import wrapped

    made = [wrapped(f"note: {note}", hanging="      ") for note in notes]
    shown = made
    if not full and _lines(made) > lines:
        count = 0
        while _lines(made[: count + 1]) < lines:
            count += 1
        shown = [*made[:count], f"note: … {len(made) - count} more: {more}"]
    if shown:
        typer.echo("\n" + "\n".join(shown))


def _lines(texts: Sequence[str]) -> int:
    return sum(text.count("\n") + 1 for text in texts)


def echo_summary(text: str, notes: Sequence[str], next_steps: str) -> None:
    """Print a summary that fits on a screen: its text, notes, and what to run next."""
    from neuronxa_task.tables import wrapped

    last = wrapped(next_steps)
    typer.echo(text)
    echo_notes(notes, full=False, lines=max(1, SUMMARY_LINES - _lines([text, last]) - 2))
    typer.echo("\n" + last)


def echo_files(paths: Sequence[Path]) -> None:
    """Print the names of the files written."""
    typer.echo(f"\nWrote {', '.join(path.name for path in paths)} to {paths[0].parent}")
