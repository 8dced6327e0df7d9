"""Read any number of result files in little memory, and store the table, so that more can be added.

Each file is read twice: once to name its model, which depends on all files, and once for its
results, for a few models at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuronxa_task.errors import NeuronXAError, one_of
from neuronxa_task.languages.benchmarks import patterns_of
from neuronxa_task.results.collection import Collection, RunChoice
from neuronxa_task.results.comparable import facts_of, versions, weights_of
from neuronxa_task.results.files import ResultFile, read_file, read_files
from neuronxa_task.results.identity import name_models
from neuronxa_task.results.table import COLUMNS, EVERY_RUN, Results

if TYPE_CHECKING:
    import pandas as pd

FILES_AT_ONCE = 24
TEXTS = ("model", "benchmark", "language", "metric", "signature", "task", "file", "date")
PER_LAYER = (
    *("layers", "stability", "intervals", "surface", "pairs", "pivots"),
    *("aligned_layers", "pivot_hash"),
)
"""What a NeuronXA task records besides its scores: most of a file, and not in the table."""


def read_many(
    paths: Sequence[Path],
    *,
    stored: Path | None = None,
    patterns: Sequence[str] = (),
    aliases: Sequence[str] = (),
    runs: RunChoice = EVERY_RUN,
) -> Results:
    """As `read_results`, without layers and commands.

    Args:
        paths: files and folders.
        stored: a table that `store` wrote, to which the files' results are added. The newer result
            of a model and task counts.
        patterns: names of further benchmarks' tasks.
        aliases: new names of models, as `OLD=NEW`.
        runs: which of the benchmarks' runs are read.

    Raises:
        NeuronXAError: as `read_results`, or the stored table cannot be read.
    """
    import pandas as pd

    before = None if stored is None else load(stored)
    outlines, notes = read_files(paths, keep=_outline)
    names = name_models(outlines, aliases)
    collected = Collection(patterns_of(patterns), runs)
    tables, pivots = [], dict[str, set[str]]()
    for chunk in _chunks(list(zip(outlines, names.of_file, strict=True))):
        for outline, model in chunk:
            collected.add(_without_layers(read_file(outline.path)), model)
        of_chunk = collected.runs_by_language()
        for run in of_chunk:
            if run.pivot:
                pivots.setdefault(run.benchmark, set()).add(run.pivot)
        rows = [row for run in of_chunk for row in run.rows()]
        tables.append(_categories(pd.DataFrame(rows, columns=list(COLUMNS))))
        collected.forget()
    notes = [*notes, *names.notes, *collected.notes(), *names.hints]
    if before is not None:
        notes += _same_weights(before, tables)
        tables.insert(0, before)
    table = _newest(_concatenated(tables))
    if table.empty:
        reasons = "; ".join(notes[:3])
        raise NeuronXAError(
            "name your benchmark's tasks with --pattern mybench=mytask_{lang}: the result files "
            f"hold no NeuronXA score and no known benchmark{'; ' if reasons else ''}{reasons}"
        )
    return Results(
        table=table,
        profiles={},
        pivots={name: codes.pop() for name, codes in pivots.items() if len(codes) == 1},
        commands={},
        notes=(*notes, *versions(table)),
        hints=tuple(names.hints),
    )


def store(results: Results, path: Path) -> None:
    """Write the table of results as parquet.

    Raises:
        NeuronXAError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        results.table.to_parquet(path, index=False)
    except OSError as error:
        raise NeuronXAError(f"{path} cannot be written: {error.strerror}") from error


def load(path: Path) -> pd.DataFrame:
    """Read a table that `store` wrote.

    Raises:
        NeuronXAError: there is none, or it is another table.
    """
    import pandas as pd

    try:
        table = pd.read_parquet(path)
    except FileNotFoundError:
        raise NeuronXAError(
            f"{path} does not exist; expected the table of results that `neuronxa leaderboard "
            "RESULTS --output FOLDER` wrote"
        ) from None
    except (OSError, ValueError) as error:
        raise NeuronXAError(f"{path} cannot be read as parquet: {error}") from error
    if list(table.columns) != list(COLUMNS):
        raise NeuronXAError(
            f"{path} has the columns {one_of(table.columns, at_most=6)}; expected: "
            f"{one_of(COLUMNS)}; write it again with --output"
        )
    return _categories(table)


def _outline(file: ResultFile) -> ResultFile:
    """The part of a file that decides its model's name: a task per fingerprint, and one without."""
    tasks: dict[tuple[str, ...] | None, str] = {}
    for task in (*file.part("configs"), *file.part("results")):
        signature = file.metadata(task).get("signature")
        facts = facts_of(signature) if isinstance(signature, str) else {}
        known = tuple(facts.get(name, "") for name in ("model", "dtype", "hooks", "pivot"))
        tasks.setdefault(known if isinstance(signature, str) else None, task)
    content: dict[str, Any] = {
        "config": {"model_args": file.part("config").get("model_args")},
        "model_name": file.content.get("model_name"),
        "date": file.content.get("date"),
        "configs": {
            task: {"metadata": {"signature": file.metadata(task)["signature"]}}
            for known, task in tasks.items()
            if known is not None
        },
        "results": {task: {} for task in tasks.values() if task in file.part("results")},
    }
    return ResultFile(file.path, content, file.date)


def _without_layers(file: ResultFile) -> ResultFile:
    for task in file.part("configs"):
        metadata = file.metadata(task)
        for name in PER_LAYER:
            if isinstance(metadata, dict):
                metadata.pop(name, None)
    return file


def _chunks(
    named: Sequence[tuple[ResultFile, str]],
) -> Iterator[list[tuple[ResultFile, str]]]:
    """The files, oldest first within a chunk, all of a model in one chunk."""
    by_model: dict[str, list[tuple[ResultFile, str]]] = {}
    for pair in named:
        by_model.setdefault(pair[1], []).append(pair)
    chunk: list[tuple[ResultFile, str]] = []
    for files in by_model.values():
        chunk += files
        if len(chunk) >= FILES_AT_ONCE:
            yield sorted(chunk, key=lambda pair: (pair[0].date, str(pair[0].path)))
            chunk = []
    if chunk:
        yield sorted(chunk, key=lambda pair: (pair[0].date, str(pair[0].path)))


def _categories(table: pd.DataFrame) -> pd.DataFrame:
    kinds: Mapping[str, Any] = {
        "value": float,
        "stderr": float,
        "n": "Int64",
        **dict.fromkeys(TEXTS, "category"),
    }
    made: pd.DataFrame = table.astype(dict(kinds))
    return made


def _concatenated(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The tables below each other, their categories united."""
    import pandas as pd
    from pandas.api.types import union_categoricals

    columns = {
        name: union_categoricals([table[name] for table in tables])
        if name in TEXTS
        else pd.concat([table[name] for table in tables], ignore_index=True)
        for name in COLUMNS
    }
    made: pd.DataFrame = pd.DataFrame(columns)
    return made


def _newest(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the newest run of each model, benchmark and language."""
    keys = ["model", "benchmark", "language"]
    order = table["date"].cat.reorder_categories(sorted(table["date"].cat.categories)).cat.codes
    newest = order.groupby([table[key] for key in keys], observed=True).transform("max")
    kept = table[order == newest].drop_duplicates([*keys, "metric"], keep="last")
    texts = {name: kept[name].astype(object) for name in TEXTS}
    made: pd.DataFrame = kept.assign(**texts).sort_values(keys, kind="stable", ignore_index=True)
    return made


def _same_weights(before: pd.DataFrame, tables: Sequence[pd.DataFrame]) -> Iterator[str]:
    """Notes on models of equal fingerprints under two names, of which one is stored."""
    stored = _by_weights([before])
    for weights, models in _by_weights(tables).items():
        for model in sorted(models - stored.get(weights, models)):
            for old in sorted(stored[weights] - {model})[:1]:
                yield f"{model} has the weights of {old}: join them with --alias '{model}={old}'"


def _by_weights(tables: Sequence[pd.DataFrame]) -> dict[tuple[str, str], set[str]]:
    models: dict[tuple[str, str], set[str]] = {}
    for table in tables:
        pairs = table[["model", "signature"]].drop_duplicates()
        for model, signature in pairs.itertuples(index=False, name=None):
            facts = facts_of(signature)
            if facts.get("model") and "pivot" in facts and "hooks" not in facts:
                key = (weights_of(facts), facts.get("dtype", ""))
                models.setdefault(key, set()).add(model)
    return models
