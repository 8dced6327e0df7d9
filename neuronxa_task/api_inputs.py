"""Checks of what Python users hand to `score` and to the callback."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from torch import nn

from neuronxa_task.corpus.parallel import sentence_fault
from neuronxa_task.errors import NeuronXAError, shortened

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def require_model(model: object) -> None:
    """Refuse anything but a loaded model.

    Raises:
        NeuronXAError: it is a model's name, or something else.
    """
    if isinstance(model, nn.Module):
        return
    load = f"AutoModelForCausalLM.from_pretrained({model!r})" if isinstance(model, str) else "one"
    raise NeuronXAError(f"model is {_kind(model)}; expected a loaded model: load {load} first")


def checked_tokenizer(tokenizer: Any) -> PreTrainedTokenizerBase:
    """The tokenizer that is given, or that a processor holds.

    Raises:
        NeuronXAError: it is not a tokenizer.
    """
    for candidate in (tokenizer, getattr(tokenizer, "tokenizer", None)):
        if callable(candidate) and hasattr(candidate, "all_special_ids"):
            return candidate
    load = f"AutoTokenizer.from_pretrained({tokenizer!r})" if isinstance(tokenizer, str) else "one"
    raise NeuronXAError(
        f"tokenizer is {_kind(tokenizer)}; expected a tokenizer of transformers: load {load} first"
    )


def parallel_text(
    pivot: Iterable[str], target: Iterable[str] | Mapping[str, Iterable[str]]
) -> tuple[list[str], dict[str, list[str]]]:
    """The pivot's sentences, and every language's.

    Args:
        pivot: n sentences.
        target: their translations (a language called `target`), or a mapping of languages to them.

    Raises:
        NeuronXAError: lists of unequal length or of fewer than two sentences, or an item that is
            empty or not a sentence.
    """
    several = isinstance(target, Mapping)
    targets: dict[str, Any] = dict(target) if isinstance(target, Mapping) else {"target": target}
    if not targets:
        raise NeuronXAError("target is an empty mapping; expected sentences by language")
    sentences = _sentences("pivot", pivot)
    return sentences, {
        language: _translations(f"target[{language!r}]" if several else "target", given, sentences)
        for language, given in targets.items()
    }


def _sentences(name: str, given: Any) -> list[str]:
    """The sentences of a side, each checked."""
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
        raise NeuronXAError(f"{name} is {_kind(given)}; expected a list of sentences")
    if hasattr(given, "columns"):  # a table iterates over its columns' names
        raise NeuronXAError(f"{name} is {_kind(given)}; expected one column of it")
    sentences = list(given)
    for number, sentence in enumerate(sentences, start=1):
        if fault := sentence_fault(sentence):
            raise NeuronXAError(f"sentence {number} of {name} {fault}; expected text")
    return sentences


def _translations(name: str, given: Any, pivot: list[str]) -> list[str]:
    sentences = _sentences(name, given)
    if len(sentences) != len(pivot) or len(pivot) < 2:
        raise NeuronXAError(
            f"pivot has {len(pivot)} sentences and {name} {len(sentences)}; expected lists of "
            "equal length, of 2 or more"
        )
    return sentences


def _kind(given: object) -> str:
    """What was given instead, in a few words.

    >>> _kind("gpt2"), _kind(None), _kind(3.0)
    ("the text 'gpt2'", 'None', 'a float')
    """
    if given is None:
        return "None"
    if isinstance(given, str):
        return f"the text {shortened(given)!r}"
    name = type(given).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
