"""Which models of several result files are the same one, under one name or several."""

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
    """What the files under one name tell of the model.

    Attributes:
        weights: fingerprint and precision of each NeuronXA signature.
        has_alignment: whether a file has NeuronXA scores.
        has_other: whether a file has no such scores.
    """

    weights: set[tuple[str, str]] = field(default_factory=set)
    has_alignment: bool = False
    has_other: bool = False


@dataclass(frozen=True)
class ModelNames:
    """Names of the models of result files.

    Attributes:
        of_file: the name of each file's model, in the order of the files.
        notes: what was joined.
        hints: which models may be the same one.
    """

    of_file: Sequence[str]
    notes: Sequence[str]
    hints: Sequence[str]


def name_models(files: Sequence[ResultFile], aliases: Sequence[str] = ()) -> ModelNames:
    """Name the models of all files, the same model the same.

    Two names are one model where they differ in the case of a hub name alone, or have equal
    fingerprints; the user's aliases join others.

    Args:
        files: the files.
        aliases: `NAME=NAME` each: a name as tables show it, and the name to show instead.

    Raises:
        NeuronXAError: an alias has another form, or names no model.
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
            # A fingerprint says nothing of what hooks do to a model.
            if "model" in facts and "hooks" not in facts:
                model.weights.add((weights_of(facts), facts.get("dtype", "")))
    model.has_alignment |= aligned
    model.has_other |= any("signature" not in file.metadata(task) for task in file.part("results"))


def _of_other_case(models: Mapping[ModelName, _Model]) -> Iterator[list[ModelName]]:
    """Hub names that differ in case alone, if no fingerprints tell them apart."""
    groups: dict[tuple[str, tuple[str, ...]], list[ModelName]] = defaultdict(list)
    for name in models:
        if name.is_hub_name:
            groups[name.base.casefold(), name.others].append(name)
    for group in groups.values():
        if len(set().union(*(models[name].weights for name in group))) <= 1:
            yield group


def _of_equal_weights(models: Mapping[ModelName, _Model]) -> Iterator[list[ModelName]]:
    """Names of the same fingerprint."""
    groups: dict[tuple[tuple[str, str], tuple[str, ...]], list[ModelName]] = defaultdict(list)
    for name, model in models.items():
        if len(model.weights) == 1:
            (weights,) = model.weights
            groups[weights, name.behaviour].append(name)
    yield from groups.values()


def _best_name(names: Iterable[str]) -> str:
    """A hub's name before a path, as its owner spells it, as far as one can tell by capitals."""

    def rank(name: str) -> tuple[bool, int, int, str]:
        path = name[:1] in (".", "/", "~") or name.count("/") > 1
        return path, len(name), -sum(map(str.isupper, name)), name

    return min(names, key=rank)


def _renamings(aliases: Sequence[str], known: set[str]) -> Mapping[str, str]:
    """New names by old ones."""
    renamed = {}
    for alias in aliases:
        marks = [place for place, mark in enumerate(alias) if mark == "="]
        splits = [(alias[:place].strip(), alias[place + 1 :].strip()) for place in marks]
        splits = [(old, new) for old, new in splits if old and new]
        if not splits:
            raise NeuronXAError(
                f"--alias {alias!r}; expected 'NAME=NAME': a model as tables show it, and the name "
                "to show instead"
            )
        # A name may itself hold `=`, as in `org/model [revision=v2]`.
        fitting = [split for split in splits if split[0] in known]
        if not fitting:
            raise NeuronXAError(
                f"--alias {alias!r} names no model of the results; they are: "
                f"{one_of(sorted(known), at_most=6)}" + did_you_mean(splits[0][0], sorted(known))
            )
        old, new = max(fitting, key=lambda split: split[1] in known)
        renamed[old] = new
    return renamed


def _hints(models: Mapping[ModelName, _Model], shown: Mapping[ModelName, str]) -> Iterator[str]:
    """Pairs of models of alike names, one with alignment alone and one without any."""
    lone: dict[str, str] = {}
    other: dict[str, str] = {}
    aligned = {shown[name] for name, model in models.items() if model.has_alignment}
    measured = {shown[name] for name, model in models.items() if model.has_other}
    for name, label in shown.items():
        last = name.base.rstrip("/").rpartition("/")[2].casefold()
        if label in aligned - measured:
            lone[last] = label
        elif label in measured - aligned:
            other[last] = label
    for last in lone.keys() & other.keys():
        yield (
            f"if {other[last]} is {lone[last]}, join them with --alias '{other[last]}={lone[last]}'"
        )
