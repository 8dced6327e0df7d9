"""Whether scores are comparable, according to the settings in their signatures."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from neuronxa_task.errors import NeuronXAError, one_of
from neuronxa_task.results.files import ResultFile, printable
from neuronxa_task.sampling import FIRST

if TYPE_CHECKING:
    import pandas as pd

SOFTWARE = ("neuronxa", "torch", "transformers", "lm_eval")
OF_A_MODEL = ("model", "dtype", "hooks")
OF_A_LANGUAGE = ("data_hash", "version", "varieties")
FREE = frozenset({*SOFTWARE, *OF_A_MODEL, *OF_A_LANGUAGE, "token_hash", "batch"})
"""Facts that may differ within a benchmark; other languages have other sentences, for example."""


def facts_of(signature: str) -> dict[str, str]:
    """Split a signature into its facts.

    >>> facts_of("n:100|pivot:eng_Latn")
    {'n': '100', 'pivot': 'eng_Latn'}
    """
    return dict(part.split(":", 1) for part in signature.split("|") if ":" in part)


def settings_of(signature: str) -> dict[str, str]:
    """The facts that must agree for all languages and models of a benchmark."""
    return {key: value for key, value in facts_of(signature).items() if key not in FREE}


def weights_of(facts: Mapping[str, str]) -> str:
    """The model's fingerprint in a signature, without the hub commit that may precede it.

    >>> weights_of({"model": "0a1b+2ac1024b"}), weights_of({"model": "2ac1024b"})
    ('2ac1024b', '2ac1024b')
    """
    return facts.get("model", "").rpartition("+")[2]


def _with_defaults(facts: dict[str, str]) -> dict[str, str]:
    """Add the setting that NeuronXA's signatures omit if it is the default."""
    return {"sample": FIRST} | facts if "pivot" in facts else facts


def benchmark_signature(file: ResultFile, task: str) -> str:
    """How the harness ran a downstream task, as a signature like NeuronXA's.

    Facts that the file does not have (in old versions) are left out.
    """
    content, config = file.content, file.part("config")
    facts = {
        "shots": shots_of(file, task),
        "limit": config.get("limit") or "none",
        "chat": "applied" if content.get("chat_template") else "none",
        "multiturn": content.get("fewshot_as_multiturn") or "none",
        "system": _hash(content.get("system_instruction")),
        "generation": _hash(config.get("gen_kwargs")),
        "version": _version(file, task),
        "lm_eval": content.get("lm_eval_version"),
        "model": _common_weights(file.signatures),
    }
    known = (f"{key}:{_plain(value)}" for key, value in facts.items() if value is not None)
    return printable("|".join(known))


def shots_of(file: ResultFile, task: str) -> int | None:
    """Number of few-shot examples of a task; `None` if the file does not say."""
    given = (
        file.part("n-shot").get(task),
        file.of_task("configs", task).get("num_fewshot"),
        file.part("config").get("num_fewshot"),
    )
    numbers = (n for n in given if isinstance(n, int) and not isinstance(n, bool))
    return next(numbers, None)


def _version(file: ResultFile, task: str) -> Any:
    """Version of a task; `None` for lm_eval 0.4.0, which wrote `Yaml` for all tasks."""
    version = file.part("versions").get(task)
    return version if isinstance(version, (int, float)) else None


@lru_cache
def _common_weights(signatures: tuple[str, ...]) -> str | None:
    """The weights of a run's model, if its NeuronXA tasks recorded them."""
    facts = map(facts_of, signatures)
    models = {known["model"] for known in facts if "model" in known}
    return models.pop() if len(models) == 1 else None


def _hash(value: Any) -> str:
    return hashlib.sha256(str(value).encode()).hexdigest()[:8] if value else "none"


def _plain(value: Any) -> str:
    return str(value).replace("|", "/")[:80]


def differences(table: pd.DataFrame) -> list[str]:
    """Differences in settings between rows to compare, one line per fact.

    All settings must agree within a benchmark; sentences and task version within a language of a
    benchmark; weights and precision within a model. A fact that only some signatures have (such as
    how experts count) is compared between those.

    Args:
        table: rows in the columns `neuronxa_task.results.COLUMNS`.
    """
    together: dict[tuple[str, str], dict[str, list[str]]] = {}
    for model, benchmark, language, signature in dict.fromkeys(
        table[["model", "benchmark", "language", "signature"]].itertuples(index=False, name=None)
    ):
        for fact, value in _with_defaults(facts_of(signature)).items():
            what = f"{language} of {model}"
            if fact in OF_A_MODEL:
                where, what = model, f"{benchmark} in {language}"
                value = weights_of({fact: value}) if fact == "model" else value
            elif fact in OF_A_LANGUAGE:
                where = f"{benchmark} in {language}"
            elif fact in FREE:
                continue
            else:
                where = benchmark
            values = together.setdefault((where, fact), {})
            values.setdefault(value, []).append(what)
    return [
        f"{where} has "
        + one_of(
            (f"{fact}:{value} ({one_of(rows, at_most=2)})" for value, rows in values.items()),
            at_most=3,
        )
        for (where, fact), values in together.items()
        if len(values) > 1
    ]


def require_same_settings(table: pd.DataFrame, *, allow_mixed: bool = False) -> list[str]:
    """Refuse to compare rows with different settings.

    Args:
        table: rows in the columns `neuronxa_task.results.COLUMNS`.
        allow_mixed: return the differences as notes instead of raising.

    Raises:
        NeuronXAError: settings differ.
    """
    lines = differences(table)
    if lines and not allow_mixed:
        more = f"; and {len(lines) - 1} more differences" if len(lines) > 1 else ""
        raise NeuronXAError(
            f"{_choice(lines[0])}, or pass --allow-mixed-signatures; results use different "
            f"settings: {lines[0]}{more}"
        )
    return [f"mixed settings: {line}" for line in lines]


def _choice(difference: str) -> str:
    """Advice on a line of `differences`, for the start of the message."""
    for fact, option in CHOSEN_BY.items():
        if f" has {fact}:" in difference:
            return f"choose with {option}"
    return "give only files that match"


CHOSEN_BY = {"shots": "--num-fewshot", "chat": "--chat-template or --no-chat-template"}
"""Options that choose among runs with different settings, by fact."""


def versions(table: pd.DataFrame) -> list[str]:
    """A note for each program that occurs in several versions."""
    signatures = [facts_of(line) for line in table["signature"].unique()]
    lines = []
    for program in SOFTWARE:
        numbers = sorted({facts[program] for facts in signatures if program in facts})
        if len(numbers) > 1:
            lines.append(f"results of several versions of {program}: {one_of(numbers)}")
    return lines


LOADED_MODEL_FACTS = {
    "model_sha": "commits",
    "model_num_parameters": "numbers of parameters",
    "model_dtype": "precisions",
}
"""Facts of the loaded model in every result file, and their names in notes."""


def changed_models(files: Mapping[str, Sequence[tuple[str, ResultFile]]]) -> list[str]:
    """A note for each model and fact that differs between its runs.

    Args:
        files: by model, its benchmarks and the file of each.
    """
    lines = []
    for model, runs in files.items():
        for fact, what in LOADED_MODEL_FACTS.items():
            values: dict[str, dict[str, None]] = {}
            for benchmark, file in runs:
                if value := file.part("config").get(fact):
                    values.setdefault(printable(_plain(value)), {})[benchmark] = None
            if len(values) > 1:
                lists = (f"{value} ({one_of(names, at_most=3)})" for value, names in values.items())
                lines.append(f"{model} ran with several {what}: {one_of(lists, at_most=3)}")
    return lines
