"""`neuronxa demo`: run the real harness on the packaged model and corpus, and report, offline."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from neuronxa_task.analysis.selection import Selection
from neuronxa_task.demo import MODEL_DIR
from neuronxa_task.errors import NeuronXAError
from neuronxa_task.harness import QUIET, run_module
from neuronxa_task.report import write_report
from neuronxa_task.results import read_results

TASKS = ("neuronxa_phrasebook", "phrasebook_translation")
TITLE = "The demo: a tiny model and its phrasebook in ten languages"


def run(output: Path) -> str:
    """Run `lm_eval` on the demo's two groups of tasks, and write a report on the results.

    Args:
        output: folder for the harness's result file and the report.

    Returns:
        Text: a table of exposure, alignment and translation accuracy by language, and the paths.

    Raises:
        NeuronXAError: the harness failed; its output says why.
    """
    arguments = [
        *("--model", "hf", "--model_args", f"pretrained={MODEL_DIR}"),
        *("--tasks", ",".join(TASKS), "--batch_size", "auto"),
        *("--output_path", str(output / "results.json")),
    ]
    print("$", shlex.join(["lm_eval", *arguments]), flush=True)
    print("This takes about a minute on two CPU cores.", flush=True)
    known = set(output.glob("results_*.json"))
    if run_module("lm_eval", arguments, QUIET) != 0:
        raise NeuronXAError("the lm_eval run above failed")
    written = set(output.glob("results_*.json")) - known
    if len(written) != 1:
        raise NeuronXAError(f"expected one new result file in {output}, found {len(written)}")
    path = written.pop()
    results = json.loads(path.read_text(encoding="utf-8"))["results"]
    report = write_report(read_results([path]), output, TITLE, Selection())
    return f"{summary(results, exposure())}\n\nResult file: {path}\nReport: {report.page}"


def exposure() -> dict[str, int]:
    """Number of sentence pairs of each language that the packaged model was trained on."""
    content = json.loads((MODEL_DIR / "exposure.json").read_text(encoding="utf-8"))
    pairs: dict[str, int] = content["exposure"]
    return pairs


def summary(results: dict[str, dict[str, Any]], seen: dict[str, int]) -> str:
    """Format the demo's table, most-seen language first, and its correlations."""
    from scipy.stats import pearsonr

    languages = sorted(seen, key=lambda code: -seen[code])

    def of(task: str, metric: str) -> list[float]:
        return [float(results[f"{task}_{code}"][f"{metric},none"]) for code in languages]

    columns = {score: of("neuronxa_phrasebook", score) for score in ("nasca", "navca", "mexa")}
    accuracy = of("phrasebook_translation", "acc")
    names = "".join(f"{score.upper():>8}" for score in columns)
    heading = f"{'language':<10}{'pairs seen':>12}{names}{'translation acc':>17}"
    rows = [
        f"{code:<10}{seen[code]:>12,}"
        + "".join(f"{values[index]:>8.3f}" for values in columns.values())
        + f"{accuracy[index]:>17.3f}"
        for index, code in enumerate(languages)
    ]
    correlations = [
        f"Pearson correlation of {score.upper()} with translation accuracy over {len(languages)} "
        f"languages: {pearsonr(values, accuracy).statistic:.3f}"
        for score, values in columns.items()
    ]
    return "\n".join([heading, *rows, "", *correlations])
