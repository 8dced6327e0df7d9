"""Which models in several result files are the same, possibly under different names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from neuronxa_task.errors import NeuronXAError, did_you_mean, one_of
from neuronxa_task.results.comparable import facts_of, weights_of
from neuronxa_task.results.files import ResultFile
from neuronxa_task.results.model_names import ModelName, name_of_model


@dataclass
class _Model:
    """What the files under one name say about the model.

    Attributes:
        weights: fingerprint and precision in each NeuronXA signature.
        has_alignment: whether a file has NeuronXA scores.
        has_other: whether a file has other results.
    """

    weights: set[tuple[str, str]] = field(default_factory=set)
    has_alignment: bool = False
    has_other: bool = False


@dataclass(frozen=True)
class ModelNames:
    """Names of the models in result files.

    Attributes:
        of_file: name of each file's model, in the order of the files.
        notes: which names were joined.
        hints: which models may be the same.
    """

    of_file: Sequence[str]
    notes: Sequence[str]
    hints: Sequence[str]


def name_models(files: Sequence[ResultFile], aliases: Sequence[str] = ()) -> ModelNames:
    """Name the models of all files, with equal names for equal models.

    Two names are the same model if they differ only in the case of a hub name or have equal
    fingerprints. The user's aliases join further names.

    Args:
        files: the result files.
        aliases: `OLD=NEW` each: a name as shown in tables, and its replacement.

    Raises:
        NeuronXAError: an alias has another form, or does not name a model.
    """
    names = [name_of_model(file) for file in files]
    models: dict[ModelName, _Model] = defaultdict(_Model)
    for name, file in zip(names, files, strict=True):
        _add(models[name], file)
    shown = {name: str(name) for name in models}
    notes = []
    for group in (*_of_other_case(models), *_of_equal_weights(models)):
        spelled = {shown[name] for name in group}
        chosen = _best_name(spelled)
        if len(spelled) > 1:
            notes.append(f"joined as one model, {chosen}: {one_of(sorted(spelled - {chosen}))}")
        shown |= {name: chosen for name, old in shown.items() if old in spelled}
    renamed = _renamings(aliases, set(shown.values()))
    shown = {name: renamed.get(old, old) for name, old in shown.items()}
    return ModelNames([shown[name] for name in names], notes, list(_hints(models, shown)))


def _add(model: _Model, file: ResultFile) -> None:
    aligned = False
    for task in file.part("configs"):
        signature = file.metadata(task).get("signature")
        if isinstance(signature, str) and (facts := facts_of(signature)).get("pivot"):
            aligned = True
            # A fingerprint does not cover what hooks do to a model.
            if "model" in facts and "hooks" not in facts:
                model.weights.add((weights_of(facts), facts.get("dtype", "")))
    model.has_alignment |= aligned
    model.has_other |= any("signature" not in file.metadata(task) for task in file.part("results"))


def _of_other_case(models: Mapping[ModelName, _Model]) -> Iterator[list[ModelName]]:
    """Hub names that differ only in case, unless their fingerprints differ."""
    groups: dict[tuple[str, tuple[str, ...]], list[ModelName]] = defaultdict(list)
    for name in models:
        if name.is_hub_name:
            groups[name.base.casefold(), name.others].append(name)
    for group in groups.values():
        if len(set().union(*(models[name].weights for name in group))) <= 1:
            yield group


def _of_equal_weights(models: Mapping[ModelName, _Model]) -> Iterator[list[ModelName]]:
    """Names with the same fingerprint."""
    groups: dict[tuple[tuple[str, str], tuple[str, ...]], list[ModelName]] = defaultdict(list)
    for name, model in models.items():
        if len(model.weights) == 1:
            (weights,) = model.weights
            groups[weights, name.behaviour].append(name)
    yield from groups.values()


def _best_name(names: Iterable[str]) -> str:
    """Prefer hub names to paths, then short names, then capitals (the owner's spelling)."""

    def rank(name: str) -> tuple[bool, int, int, str]:
        path = name[:1] in (".", "/", "~") or name.count("/") > 1
        return path, len(name), -sum(map(str.isupper, name)), name

    return min(names, key=rank)


def _renamings(aliases: Sequence[str], known: set[str]) -> Mapping[str, str]:
    """New names by old ones."""
    renamed = {}
    for alias in aliases:
        signs = [index for index, character in enumerate(alias) if character == "="]
        splits = [(alias[:index].strip(), alias[index + 1 :].strip()) for index in signs]
        splits = [(old, new) for old, new in splits if old and new]
        if not splits:
            raise NeuronXAError(
                f"--alias is {alias!r}; expected 'OLD=NEW': a model as shown in tables, and its "
                "new name"
            )
        # A name may contain `=`, as in `org/model [revision=v2]`.
        fitting = [split for split in splits if split[0] in known]
        if not fitting:
            raise NeuronXAError(
                f"--alias is {alias!r}; expected one of the models of the results: "
                f"{one_of(sorted(known), at_most=6)}" + did_you_mean(splits[0][0], sorted(known))
            )
        old, new = max(fitting, key=lambda split: split[1] in known)
        renamed[old] = new
    return renamed


def _hints(models: Mapping[ModelName, _Model], shown: Mapping[ModelName, str]) -> Iterator[str]:
    """Hints on models with similar names, one with only alignment and one without."""
    only_aligned: dict[str, str] = {}
    only_measured: dict[str, str] = {}
    aligned = {shown[name] for name, model in models.items() if model.has_alignment}
    measured = {shown[name] for name, model in models.items() if model.has_other}
    for name, label in shown.items():
        last = name.base.rstrip("/").rpartition("/")[2].casefold()
        if label in aligned - measured:
            only_aligned[last] = label
        elif label in measured - aligned:
            only_measured[last] = label
    for last in only_aligned.keys() & only_measured.keys():
        old, new = only_measured[last], only_aligned[last]
        yield f"if {old} is {new}, join them with --alias '{old}={new}'"
