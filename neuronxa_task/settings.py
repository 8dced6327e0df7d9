"""What a user can choose of a NeuronXA score (`--metadata`, or a task YAML's `metadata`)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cache
from typing import Any, Literal, get_args

from neuronxa_task.errors import NeuronXAError, one_of
from neuronxa_task.sampling import ALL, FIRST

log = logging.getLogger(__name__)

REQUEST_TYPE = "neuron_alignment"
SCORE_OF = {"nas": "nasca", "nav": "navca", "emb": "mexa"}
"""Representation (neuron state, neuron value, embedding) to the score made of it."""

SCORES = (*SCORE_OF.values(), *(f"{score}_max" for score in SCORE_OF.values()))
"""The metrics of a NeuronXA task: means over layers, then the best layers'."""

METADATA_OF_OTHER_TASKS = frozenset({"bmlama53", "max_seq_lengths"})
"""What BMLAMA-53 (a folder with its data), RULER and its kin read from `--metadata`."""

TASK_METADATA = frozenset(
    {"version", "language", "target", "config_source", "signature"}
    | {"layers", "neuron_layers", "intervals", "surface"}
)
"""Metadata of a NeuronXA task beside its settings: what names it, and what its results add."""

SIMILAR = 0.8
"""Likeness (difflib's ratio) from which an unknown key is taken for a mistyped setting."""

Activation = Literal["gate", "product"]
Pooling = Literal["position", "mean", "last"]
ExpertValues = Literal["weighted", "unweighted"]
Side = Literal["encoder", "decoder"]

CHOICES: dict[str, tuple[str, ...]] = {
    "nas_site": get_args(Activation),
    "nav_site": get_args(Activation),
    "pooling": get_args(Pooling),
    "expert_values": get_args(ExpertValues),
    "side": get_args(Side),
}


@dataclass(frozen=True)
class StateSettings:
    """Which numbers a sentence's vectors are made of (paper, section 3).

    Attributes:
        nas_site: activation whose sign is the neuron's state.
        nav_site: activation whose magnitude is the neuron's value.
        pooling: how tokens become a sentence vector.
        expert_values: whether the value of an expert's neuron counts times the router's weight, so
            that it is the neuron's contribution to the layer's output.
        side: which half of an encoder-decoder model is read; other models have one side.
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


@dataclass(frozen=True)
class Settings(StateSettings):
    """All settings of a task: what is scored, and on which parallel text.

    Attributes:
        pivot: language every other one is compared with, named as the data names it.
        num_sentences: parallel sentences that are scored, or `all` of the split.
        sample: which they are: the `first` ones of the split, or a random sample of this seed.
        split: split of the data set.
        dataset: hub name or local path that replaces the task's own data.
        stability: record the scores of random subsets of the pairs, too.
        pairs: score every pair of the run's languages, too.
        max_batch_tokens: most tokens of a batch, padding included; `None` for no limit.
    """

    pivot: str = "eng_Latn"
    num_sentences: int | Literal["all"] = 100
    sample: int | Literal["first"] = FIRST
    split: str = "devtest"
    dataset: str | None = None
    stability: bool = False
    pairs: bool = False
    max_batch_tokens: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("pivot", "split"):
            if not isinstance(getattr(self, name), str):
                raise NeuronXAError(f"{name} is {getattr(self, name)!r}; expected a name")
        if self.num_sentences != ALL and not _is_whole(self.num_sentences):
            raise NeuronXAError(
                f"num_sentences is {self.num_sentences!r}; expected a whole number of 2 or more, "
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

    @property
    def count(self) -> int | None:
        """How many pairs are scored; `None` for all."""
        return None if self.num_sentences == ALL else self.num_sentences

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> Settings:
        """Read the settings out of a task's metadata.

        The harness merges the task's own metadata, `--model_args` and `--metadata`, and does not
        say which key came from where. So a key that is almost a setting's name is a mistake, and
        any other belongs to the model or to other tasks; those are logged once.

        Raises:
            NeuronXAError: a key is a mistyped setting, or a value impossible.
        """
        others = [key for key in metadata if key not in SETTINGS and key not in TASK_METADATA]
        for key in others:
            if similar := _similar_setting(key):
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


def _similar_setting(key: object) -> str | None:
    name = str(key).casefold().replace("-", "_")
    return next(iter(get_close_matches(name, SETTINGS, n=1, cutoff=SIMILAR)), None)


@cache
def _log_once(names: str) -> None:
    log.info("metadata that is not NeuronXA's, left to the model and other tasks: %s", names)
