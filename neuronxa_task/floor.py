"""`neuronxa floor`: scores of a copy of a model with random weights, on the same tasks."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.harness import QUIET, RANDOM_MODEL, RANDOM_RUNNER, run_module
from neuronxa_task.output import require_writable
from neuronxa_task.results import Results, read_results
from neuronxa_task.settings import SCORE_OF
from neuronxa_task.tables import number, records, text

if TYPE_CHECKING:
    import pandas as pd

SEED = "random_weights"
MEANS = tuple(SCORE_OF.values())


def score_random_copy(
    model: str, seed: int, model_args: str, options: Sequence[str], output: Path
) -> Path:
    """Run the harness on a copy of a model that has random weights.

    Args:
        model: hub name or folder; its configuration and tokenizer are read, and no weights.
        seed: of the weights.
        model_args: further model arguments, as `lm_eval` takes them.
        options: further options of `lm_eval`, `--tasks` among them.
        output: folder for the result file.

    Returns:
        The result file.

    Raises:
        NeuronXAError: the run failed; its output says why.
    """
    require_writable(output, "--output")
    known = set(output.glob("results_*.json"))
    named = ",".join(filter(None, (f"pretrained={model}", model_args, f"{SEED}={seed}")))
    arguments = ["--model", RANDOM_MODEL, "--model_args", named, *options]
    arguments += ["--output_path", str(output / "results.json")]
    if run_module(RANDOM_RUNNER, arguments, QUIET) != 0:
        raise NeuronXAError("the run above failed")
    written = set(output.glob("results_*.json")) - known
    if len(written) != 1:
        raise NeuronXAError(f"expected one new result file in {output}, found {len(written)}")
    return written.pop()


def floor_table(path: Path) -> pd.DataFrame:
    """The scores of a result file, a row per benchmark and language.

    Columns are `alignment`, `language`, `n`, for each score its value and the ends of its 95 %
    interval (`nasca`, `nasca_low`, `nasca_high`, …), and `surface`, the surface baseline. Values
    that the file lacks are NaN.

    Raises:
        NeuronXAError: it has no NeuronXA task.
    """
    import pandas as pd

    results = read_results([path])
    scores = results.alignment
    if scores.empty:
        raise NeuronXAError(
            "no NeuronXA task was run; name some with --tasks, such as neuronxa_flores_core"
        )
    table: pd.DataFrame = pd.DataFrame(list(_rows(results, scores)))
    return table


def _rows(results: Results, scores: pd.DataFrame) -> Iterator[dict[str, object]]:
    for key, rows in scores.groupby(["model", "benchmark", "language"], sort=False):
        model, benchmark, language = map(str, key)
        values = rows.set_index("metric")["value"]
        about = results.uncertainties.get((model, benchmark, language))
        row: dict[str, object] = {
            "alignment": benchmark,
            "language": language,
            "n": rows["n"].iloc[0],
        }
        for score in MEANS:
            ends = about.intervals.get(score) if about else None
            row[score] = values.get(score)
            row[f"{score}_low"], row[f"{score}_high"] = ends or (None, None)
        yield row | {"surface": about.surface if about else None}


def shown_floor(table: pd.DataFrame) -> pd.DataFrame:
    """The table with numbers as text, and the mean of each benchmark's languages."""
    import pandas as pd

    shown = []
    for benchmark, rows in table.groupby("alignment", sort=False):
        shown += [_shown(row) for row in records(rows)]
        if len(rows) > 1:
            means = rows[[*MEANS, "surface"]].astype(float).mean().to_dict()
            shown.append(_shown({"alignment": benchmark, "language": "mean", **means}))
    made: pd.DataFrame = pd.DataFrame(shown)
    return made


def _shown(row: dict[str, object]) -> dict[str, str]:
    cells = {"alignment": str(row["alignment"]), "language": str(row["language"])}
    cells["n"] = number(row.get("n"), 0)
    for score in MEANS:
        low, high = number(row.get(f"{score}_low"), 2), number(row.get(f"{score}_high"), 2)
        ends = f" [{low}, {high}]" if low else ""
        cells[score.upper()] = f"{number(row[score])}{ends}"
    return cells | {"shared tokens": number(row["surface"])}


def floor_text(
    model: str, seed: int, model_args: str, options: Sequence[str], path: Path, table: pd.DataFrame
) -> str:
    """The scores of the copy, and how to read them.

    Args:
        model: the model that was copied; `seed`, `model_args` and `options` are those of the run.
        seed: of the weights.
        model_args: further model arguments.
        options: further options of `lm_eval`.
        path: the result file.
        table: made by `floor_table`.
    """
    blocks = []
    for benchmark, rows in shown_floor(table).groupby("alignment", sort=False):
        blocks.append(f"{benchmark}\n{text(rows.drop(columns='alignment'), indent='  ')}")
    named = ",".join(filter(None, (f"pretrained={model}", model_args)))
    command = shlex.join(["lm_eval", "--model", "hf", "--model_args", named, *options])
    return "\n".join(
        [
            f"{model} with random weights (seed {seed}), 95 % intervals over sentence pairs:",
            "",
            *blocks,
            "",
            "How to read it: these weights have learned nothing. Their scores come from names,",
            "numbers and punctuation that translations share, as far as the tokenizer shows them.",
            "If the model itself scores no higher, its score is not a sign of alignment.",
            "Another --seed makes another copy. To run the model itself in the same way:",
            f"  {command} --output_path RESULTS",
            f"To compare the two: neuronxa report RESULTS {shlex.quote(str(path))}",
        ]
    )
