"""NeuronXA for notebooks and training loops: a model, a tokenizer and two lists of sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from torch import nn

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn import find_body, find_sites
from neuronxa_task.scoring.alignment import Alignment, retrieval
from neuronxa_task.scoring.states import SentenceStates, UnreadableSentenceError, encode
from neuronxa_task.scoring.tensor_parallel import Shards, share_of
from neuronxa_task.scoring.tokens import TokenCache
from neuronxa_task.settings import ExpertValues, Pooling, Side, Site, StateSettings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def score(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    pivot: Sequence[str],
    target: Sequence[str],
    *,
    batch_size: int = 32,
    nas_site: Site = "gate",
    nav_site: Site = "product",
    pooling: Pooling = "position",
    expert_values: ExpertValues = "weighted",
    side: Side = "encoder",
) -> Alignment:
    """Score how well `model` aligns parallel sentences.

    Args:
        model: any Hugging Face model with feed-forward neurons; its mode is restored. One that is
            split by tensor parallelism is scored by all of its processes at once.
        tokenizer: its tokenizer; called with its defaults, special tokens included. Sentences are
            cut at the model's maximum length, with a warning.
        pivot: n sentences.
        target: their n translations, in the same order.
        batch_size: sentences per forward pass.
        nas_site: activation whose sign is the neuron's state.
        nav_site: activation whose magnitude is the neuron's value.
        pooling: how tokens become a sentence vector.
        expert_values: whether an expert's neurons count times the router's weight.
        side: which half of an encoder-decoder model is read.

    Raises:
        NeuronXAError: lists of unequal length or of fewer than two sentences, a model without
            feed-forward neurons, or activations that are not finite.
    """
    settings = StateSettings(nas_site, nav_site, pooling, expert_values, side)
    languages = {"target": target}
    return score_languages(
        model, tokenizer, pivot, languages, batch_size=batch_size, settings=settings
    )["target"]


def score_languages(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    pivot: Sequence[str],
    targets: Mapping[str, Sequence[str]],
    *,
    batch_size: int = 32,
    settings: StateSettings = StateSettings(),  # noqa: B008 -- frozen
) -> dict[str, Alignment]:
    """Score several languages against one pivot, each distinct sentence encoded once.

    Args and errors are those of `score`; `targets` and the answer are by language.
    """
    from lm_eval.models.utils import resolve_max_length

    for language, sentences in targets.items():
        if len(pivot) != len(sentences) or len(pivot) < 2:
            raise NeuronXAError(
                f"{len(pivot)} pivot and {len(sentences)} {language} sentences; expected lists of "
                "equal length, of 2 or more"
            )
    tokens = TokenCache(tokenizer, model, resolve_max_length(model.config, tokenizer))
    texts = {tokens[text]: text for side in (pivot, *targets.values()) for text in side}
    distinct = sorted(texts)
    row = {ids: place for place, ids in enumerate(distinct)}
    tokens.warn_of_truncation()
    body, shards = find_body(model, side=settings.side), Shards.of(model)
    sites = find_sites(body)
    failure = None
    try:
        states = encode(
            body,
            sites,
            distinct,
            batch_size=batch_size,
            settings=settings,
            pad_id=tokenizer.pad_token_id or 0,
        )
    except UnreadableSentenceError as error:
        failure = error.in_text(texts[distinct[error.sentence]])
    shards.fail_together(failure)
    states = share_of(shards, body, sites).of(states)

    def states_of(side: Sequence[str]) -> SentenceStates:
        return states[[row[tokens[text]] for text in side]]

    of_pivot = states_of(pivot)
    return {
        language: Alignment(
            nas=retrieval(of_pivot.nas, found.nas, summed=shards.sum),
            nav=retrieval(of_pivot.nav, found.nav, summed=shards.sum),
            emb=retrieval(of_pivot.emb, found.emb, summed=shards.sum),
        )
        for language, sentences in targets.items()
        for found in [states_of(sentences)]
    }
