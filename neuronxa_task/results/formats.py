"""Recognise result files of the harness (0.3 or later), and those of other programs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neuronxa_task.errors import NeuronXAError

NO_RESULT_FILE = "not result files of lm_eval"
FORMATS = {
    "Open LLM Leaderboard 1": "results of the Open LLM Leaderboard 1 (English tasks)",
    "lighteval": "results of lighteval",
    "bigcode": "results of bigcode-evaluation-harness",
    "MTEB": "results of MTEB",
    "Inspect": "results of Inspect",
}


class ForeignFileError(NeuronXAError):
    """JSON that the harness did not write.

    Attributes:
        format: description of such files, for notes.
    """

    def __init__(self, path: Path, format: str, reason: str):
        super().__init__(f"{path} is not a result file of lm_eval: {reason}")
        self.format = format


def require_result_file(path: Path, content: Any) -> Mapping[str, Any]:
    """Check that JSON is a result file, with the objects `results` and `config`.

    Raises:
        ForeignFileError: it is not.
    """
    if not isinstance(content, dict):
        raise ForeignFileError(path, NO_RESULT_FILE, f"a JSON {type(content).__name__}")
    if (name := _foreign_format(content)) is not None:
        kind = FORMATS[name]
        raise ForeignFileError(path, kind, f"it contains {kind}; run the tasks with lm_eval")
    for part in ("results", "config"):
        if not isinstance(content.get(part), dict):
            raise ForeignFileError(path, NO_RESULT_FILE, f"it has no object {part!r}")
    return content


def _foreign_format(content: Mapping[str, Any]) -> str | None:
    results = content.get("results")
    if isinstance(results, dict) and isinstance(content.get("config_general"), dict):
        of_leaderboard = any(str(task).startswith("harness|") for task in results)
        return "Open LLM Leaderboard 1" if of_leaderboard else "lighteval"
    if {"eval", "plan", "stats"} <= content.keys():
        return "Inspect"
    if "task_name" in content and {"mteb_version", "mteb_dataset_name"} & content.keys():
        return "MTEB"
    config = content.get("config")
    if isinstance(config, dict) and "results" not in content and "n_samples" in config:
        return "bigcode"
    return None
