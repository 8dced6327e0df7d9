"""Arguments and options that several commands share."""

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
        help="Result files of lm_eval 0.3 or later, and folders that are searched for them at any "
        "depth. One or many models, NeuronXA and benchmarks in the same or in separate runs; the "
        "newest run of a model and task counts.",
    ),
]
Patterns = Annotated[
    Optional[list[str]],  # noqa: UP045 -- typer reads these at run time, on Python 3.10 too
    typer.Option(
        "--pattern",
        help="Names of another benchmark's tasks, as NAME=TASK with {lang} in the language's "
        "place: mybench=mytask_{lang}. May be given several times.",
    ),
]
Aliases = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--alias",
        help="A model under another name, as 'NAME=NAME': the one that is shown, and the one to "
        "show instead: '/data/Qwen2.5-7B=Qwen/Qwen2.5-7B'. May be given several times.",
    ),
]
NumFewshot = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option(
        "--num-fewshot",
        min=0,
        help="Read only benchmarks that were run with this number of examples in the prompt.",
    ),
]
ChatTemplate = Annotated[
    Optional[bool],  # noqa: UP045
    typer.Option(
        "--chat-template/--no-chat-template",
        help="Read only benchmarks that were run with, or without, the model's chat template.",
        show_default=False,
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
    typer.Option(help="Downstream metric; a benchmark without it is read by another, and says so."),
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
        "--include-pivot", help="Add the pivot language, whose alignment with itself is 1."
    ),
]
Chance = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--chance",
        metavar="BENCHMARK=LEVEL",
        help="Chance level of a benchmark, as in mybench=0.25 or mybench=1/3; those of the "
        "harness's benchmarks are known. May be given several times.",
    ),
]
ChanceCorrected = Annotated[
    bool,
    typer.Option(
        "--chance-corrected",
        help="Take accuracy above chance, as a share of what is left above chance.",
    ),
]
Full = Annotated[bool, typer.Option("--full", help="Print all tables and notes.")]
Paper = Annotated[
    bool, typer.Option("--paper", help="Set the figures that the paper reports beside.")
]
AllowMixed = Annotated[
    bool,
    typer.Option(
        "--allow-mixed-signatures",
        help="Go on where scores were made with different settings, and name the differences.",
    ),
]
Output = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(help="Folder to write the tables to, as csv, JSON, Markdown and LaTeX."),
]


def names(text: str | None) -> list[str]:
    """The parts of a comma-separated list.

    >>> names("nasca, mexa")
    ['nasca', 'mexa']
    """
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def read(
    results: Sequence[Path],
    pattern: Sequence[str] | None,
    alias: Sequence[str] | None,
    num_fewshot: int | None,
    chat_template: bool | None,
) -> Results:
    """Read result files as the options say."""
    from neuronxa_task.results import RunChoice, read_results

    return read_results(
        results,
        patterns=pattern or (),
        aliases=alias or (),
        runs=RunChoice(num_fewshot, chat_template),
    )


def choice_of(
    scores: str,
    alignment: str | None,
    benchmarks: str | None,
    metric: str,
    *,
    relative: bool,
    include_pivot: bool,
    allow_mixed: bool,
    chance: Sequence[str] | None = None,
    chance_corrected: bool = False,
) -> Selection:
    """The choice that the options make, checked before any file is read."""
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


SHOWN_NOTES = 6


def echo_notes(notes: Sequence[str], *, full: bool = True, more: str = "--full") -> None:
    """Print notes, if any, below the tables; unless `full`, the first and what shows more."""
    shown = notes if full or len(notes) <= SHOWN_NOTES else notes[: SHOWN_NOTES - 1]
    lines = [f"note: {note}" for note in shown]
    if len(shown) < len(notes):
        lines.append(f"note: … {len(notes) - len(shown)} more: {more}")
    if lines:
        typer.echo("\n" + "\n".join(lines))


def echo_files(paths: Sequence[Path]) -> None:
    """Say which files were written."""
    typer.echo(f"\nWrote {', '.join(path.name for path in paths)} to {paths[0].parent}")
