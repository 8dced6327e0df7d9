"""NeuronXA for notebooks and training loops: a model, a tokenizer and parallel sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, overload

from torch import nn

from neuronxa_task.api_inputs import checked_tokenizer, parallel_text, require_model
from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn import unwrapped
from neuronxa_task.scoring.alignment import Alignment
from neuronxa_task.scoring.encoder import LoadedModel, SentenceEncoder
from neuronxa_task.scoring.max_length import max_length
from neuronxa_task.scoring.measure import measure
from neuronxa_task.scoring.rivals import Combine, rivals_by_layer
from neuronxa_task.scoring.state_cache import Sentence, StateCache
from neuronxa_task.scoring.surface import surface
from neuronxa_task.scoring.tokens import TokenCache
from neuronxa_task.settings import Activation, ExpertValues, Pooling, Side, StateSettings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@overload
def score(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    pivot: Iterable[str],
    target: Mapping[str, Iterable[str]],
    *,
    batch_size: int = ...,
    nas_site: Activation = ...,
    nav_site: Activation = ...,
    pooling: Pooling = ...,
    expert_values: ExpertValues = ...,
    side: Side = ...,
) -> dict[str, Alignment]: ...


@overload
def score(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    pivot: Iterable[str],
    target: Iterable[str],
    *,
    batch_size: int = ...,
    nas_site: Activation = ...,
    nav_site: Activation = ...,
    pooling: Pooling = ...,
    expert_values: ExpertValues = ...,
    side: Side = ...,
) -> Alignment: ...


def score(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    pivot: Iterable[str],
    target: Iterable[str] | Mapping[str, Iterable[str]],
    *,
    batch_size: int = 32,
    nas_site: Activation = "gate",
    nav_site: Activation = "product",
    pooling: Pooling = "position",
    expert_values: ExpertValues = "weighted",
    side: Side = "encoder",
) -> Alignment | dict[str, Alignment]:
    """Score how well `model` aligns parallel sentences.

    Each distinct sentence passes through the model once, so several languages are scored faster in
    one call. Memory holds the states of the pivot and of one language at a time.

    Args:
        model: any Hugging Face model with feed-forward neurons; it may be compiled, data parallel
            or inside another module. Its mode is restored. If it is split by tensor parallelism
            or FSDP2, all processes must call this function together with the same sentences.
        tokenizer: the model's tokenizer, called with its defaults, including special tokens.
            Sentences are truncated to the model's maximum length, with a warning.
        pivot: n sentences.
        target: their n translations, in the same order; or a mapping of languages to such
            translations.
        batch_size: sentences per forward pass; halved if a batch does not fit in memory.
        nas_site: activation whose sign is the neuron's state.
        nav_site: activation whose magnitude is the neuron's value.
        pooling: how tokens become a sentence vector.
        expert_values: whether the values of an expert's neurons are multiplied by the router's
            weight.
        side: which half of an encoder-decoder model is read.

    Returns:
        The alignment of `target` with the pivot; for a mapping, a dictionary with the alignment of
        each language.

    Raises:
        NeuronXAError: lists of unequal length or of fewer than two sentences, an item that is empty
            or not a sentence, a model without feed-forward neurons, or activations that are not
            finite.

    Example:
        >>> by_language = score(model, tokenizer, english, {"fra": french, "deu": german})
        ... # doctest: +SKIP
        >>> by_language["fra"].nasca  # doctest: +SKIP
        0.61
    """
    settings = StateSettings(nas_site, nav_site, pooling, expert_values, side)
    require_model(model)
    tokenizer = checked_tokenizer(tokenizer)
    if not isinstance(batch_size, int) or batch_size < 1:
        raise NeuronXAError(f"batch_size is {batch_size!r}; expected a whole number of 1 or more")
    several = isinstance(target, Mapping)
    sentences, translations = parallel_text(pivot, target)
    alignments = _Run(model, tokenizer, batch_size, settings).score(sentences, translations)
    return alignments if several else alignments["target"]


class _Run:
    """A model that is ready to score; its parts are those of the harness's runs."""

    def __init__(
        self,
        model: nn.Module,
        tokenizer: PreTrainedTokenizerBase,
        batch_size: int,
        settings: StateSettings,
    ) -> None:
        model = unwrapped(model)
        self._texts: dict[tuple[int, ...], str] = {}
        self._settings = settings
        self._model = LoadedModel(
            model=model,
            tokens=TokenCache(tokenizer, model, max_length(model.config, tokenizer)),
            decode=self._texts.__getitem__,
            pad_id=tokenizer.pad_token_id or 0,
            special_ids=frozenset(tokenizer.all_special_ids),
            batch_size=batch_size,
            shrinks_batches=True,
        )
        self._encoder = SentenceEncoder(self._model)

    def score(self, pivot: list[str], targets: Mapping[str, list[str]]) -> dict[str, Alignment]:
        """The alignment of every language with the pivot."""
        pivot_ids = self._ids(pivot)
        ids = {language: self._ids(sentences) for language, sentences in targets.items()}
        self._model.tokens.warn_of_truncation()
        cache = StateCache(self._distinct(pivot_ids, target_ids) for target_ids in ids.values())
        return {
            language: self._alignment(cache, pivot_ids, target_ids)
            for language, target_ids in ids.items()
        }

    def _ids(self, sentences: list[str]) -> list[tuple[int, ...]]:
        ids = [self._model.tokens[sentence] for sentence in sentences]
        self._texts.update(zip(ids, sentences, strict=True))
        return ids

    def _distinct(self, *sides: list[tuple[int, ...]]) -> set[Sentence]:
        return {(self._settings, ids) for side in sides for ids in side}

    def _alignment(
        self, cache: StateCache, pivot: list[tuple[int, ...]], target: list[tuple[int, ...]]
    ) -> Alignment:
        sentences = self._distinct(pivot, target)
        states, rows = self._encoder.states(cache, self._settings, sentences)
        assert states is not None
        side = self._encoder.side(self._settings.side)
        vectors = (
            states.vectors([rows[self._settings, ids] for ids in texts])
            for texts in (pivot, target)
        )
        layers = rivals_by_layer(*vectors, combine=Combine(self._encoder.split.sum))
        alignment = measure(layers, side.layers, len(states.emb), len(pivot)).alignment
        return replace(alignment, surface=surface(pivot, target, self._model.special_ids))
