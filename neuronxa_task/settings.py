"""Settings of a NeuronXA score, from `--metadata` or a task YAML's `metadata`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Literal, get_args, get_type_hints

from neuronxa_task.errors import NeuronXAError, closest, one_of
from neuronxa_task.sampling import ALL, FIRST

log = logging.getLogger(__name__)

REQUEST_TYPE = "neuron_alignment"
SCORE_OF = {"nas": "nasca", "nav": "navca", "emb": "mexa"}
"""Score of each representation: neuron states, neuron values, hidden states."""

SCORES = (*SCORE_OF.values(), *(f"{score}_max" for score in SCORE_OF.values()))
"""Metrics of a NeuronXA task: means over layers, then values of the best layer."""

METADATA_OF_OTHER_TASKS = frozenset({"bmlama53", "max_seq_lengths"})
"""Keys of `--metadata` for BMLAMA-53 (folder of its data), and for RULER and similar tasks."""

TASK_METADATA = frozenset(
    {"version", "language", "target", "config_source", "signature"}
    | {"layers", "neuron_layers", "intervals", "surface", "pivots"}
    | {"aligned_layers", "pivot_hash"}
)
"""Metadata of a NeuronXA task other than settings: its identity, and what its results add."""

SIMILAR = 0.8
"""difflib ratio above which an unknown key counts as a misspelt setting."""

Activation = Literal["gate", "product"]
Pooling = Literal["position", "mean", "last"]
ExpertValues = Literal["weighted", "unweighted"]
Side = Literal["encoder", "decoder"]


@dataclass(frozen=True)
class StateSettings:
    """How sentence vectors are computed (paper, section 3).

    Attributes:
        nas_site: activation whose sign is the neuron's state.
        nav_site: activation whose magnitude is the neuron's value.
        pooling: how tokens become a sentence vector.
        expert_values: whether to multiply the value of an expert's neuron by the router's weight,
            which makes it the neuron's contribution to the layer's output.
        side: which side of an encoder-decoder model to read; other models have only one.
    """

    nas_site: Activation = "gate"
    nav_site: Activation = "product"
    pooling: Pooling = "position"
    expert_values: ExpertValues = "weighted"
    side: Side = "encoder"

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                raise NeuronXAError(f"{name} is {value!r}; expected one of: {one_of(choices)}")


CHOICES = {name: get_args(kind) for name, kind in get_type_hints(StateSettings).items()}


@dataclass(frozen=True)
class Settings(StateSettings):
    """All settings of a task: how to score, and on which parallel text.

    Attributes:
        pivot: language to compare all others with, by its name in the data; or several, of which
            the first gives the metrics.
        num_sentences: number of parallel sentences to score, or `all`.
        sample: `first` for the first sentences, or the seed of a random sample.
        split: split of the data set.
        dataset: hub name or local path to use instead of the task's own data.
        stability: also record the scores of random subsets of the pairs.
        pairs: also score every pair of the run's languages.
        max_batch_tokens: most tokens in a batch, padding included; `None` for no limit.
    """

    pivot: str | Sequence[str] = "eng_Latn"
    num_sentences: int | Literal["all"] = 100
    sample: int | Literal["first"] = FIRST
    split: str = "devtest"
    dataset: str | None = None
    stability: bool = False
    pairs: bool = False
    max_batch_tokens: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_pivots()
        if not isinstance(self.split, str):
            raise NeuronXAError(f"split is {self.split!r}; expected a name")
        if self.num_sentences != ALL and not _is_whole(self.num_sentences):
            raise NeuronXAError(
                f"num_sentences is {self.num_sentences!r}; expected a whole number of at least 2, "
                "or all"
            )
        if self.sample != FIRST and not (_is_whole(self.sample) and int(self.sample) >= 0):
            raise NeuronXAError(
                f"sample is {self.sample!r}; expected first, or the seed of a random sample: a "
                "whole number of 0 or more"
            )
        if self.count is not None and self.count < 2:
            raise NeuronXAError(
                f"num_sentences is {self.num_sentences}; at least 2 are needed: a pair is aligned "
                "when it is closer than every other pair"
            )
        if self.dataset is not None and not isinstance(self.dataset, str):
            raise NeuronXAError(f"dataset is {self.dataset!r}; expected a hub name or a path")
        for name in ("stability", "pairs"):
            if not isinstance(getattr(self, name), bool):
                raise NeuronXAError(f"{name} is {getattr(self, name)!r}; expected true or false")
        limit = self.max_batch_tokens
        if limit is not None and not (_is_whole(limit) and limit > 0):
            raise NeuronXAError(
                f"max_batch_tokens is {limit!r}; expected a whole number of 1 or more"
            )

    def _check_pivots(self) -> None:
        one_or_more = isinstance(self.pivot, (str, list, tuple)) and len(self.pivot) > 0
        if not one_or_more or not all(isinstance(name, str) and name for name in self.pivots):
            raise NeuronXAError(
                f"pivot is {self.pivot!r}; expected a language, or a list of languages such as "
                "[eng_Latn, zho_Hans]"
            )
        if repeated := [name for name in self.pivots if self.pivots.count(name) > 1]:
            raise NeuronXAError(f"pivot names {repeated[0]!r} more than once; name each once")

    @property
    def pivots(self) -> tuple[str, ...]:
        """All pivots; the first gives the metrics."""
        return (self.pivot,) if isinstance(self.pivot, str) else tuple(self.pivot)

    @property
    def count(self) -> int | None:
        """Number of pairs to score; `None` for all."""
        return None if self.num_sentences == ALL else self.num_sentences

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> Settings:
        """Read the settings from a task's metadata.

        The harness merges the task's metadata, `--model_args` and `--metadata`, and does not record
        the origin of a key. So an unknown key that is similar to a setting is an error, and other
        unknown keys are assumed to belong to the model or to other tasks, and logged once.

        Raises:
            NeuronXAError: a key is a misspelt setting, or a value is invalid.
        """
        others = [key for key in metadata if key not in SETTINGS and key not in TASK_METADATA]
        for key in others:
            name = str(key).casefold().replace("-", "_")
            if similar := closest(name, SETTINGS, at_least=SIMILAR):
                raise NeuronXAError(
                    f"unknown metadata key {key!r}; did you mean {similar!r}? "
                    f"Settings: {one_of(SETTINGS)}"
                )
        if others:
            _log_once(one_of(sorted(map(str, others)), at_most=40))
        return cls(**{key: metadata[key] for key in SETTINGS if key in metadata})


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


SETTINGS: tuple[str, ...] = tuple(field.name for field in fields(Settings))


@cache
def _log_once(names: str) -> None:
    log.info("ignored metadata, assumed to be for the model or other tasks: %s", names)
