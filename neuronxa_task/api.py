"""NeuronXA for notebooks and training loops: a model, a tokenizer and two lists of sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import nn

from neuronxa_task.alignment import Alignment, retrieval
from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn import find_body, find_sites
from neuronxa_task.settings import Pooling, Site, StateSettings
from neuronxa_task.sharing import TokenCache
from neuronxa_task.states import encode

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
) -> Alignment:
    """Score how well `model` aligns parallel sentences.

    Args:
        model: any Hugging Face model with feed-forward neurons; its mode is restored.
        tokenizer: its tokenizer; called with its defaults, special tokens included. Sentences are
            cut at the model's maximum length, with a warning.
        pivot: n sentences.
        target: their n translations, in the same order.
        batch_size: sentences per forward pass.
        nas_site: activation whose sign is the neuron's state.
        nav_site: activation whose magnitude is the neuron's value.
        pooling: how tokens become a sentence vector.

    Raises:
        NeuronXAError: lists of unequal length or of fewer than two sentences, a model without
            feed-forward neurons, or activations that are not finite.
    """
    if len(pivot) != len(target) or len(pivot) < 2:
        raise NeuronXAError(
            f"{len(pivot)} pivot and {len(target)} target sentences; expected two lists of equal "
            "length, of 2 or more"
        )
    from lm_eval.models.utils import resolve_max_length

    settings = StateSettings(nas_site=nas_site, nav_site=nav_site, pooling=pooling)
    tokens = TokenCache(
        lambda text: tokenizer(text)["input_ids"], resolve_max_length(model.config, tokenizer)
    )
    sentences = sorted({tokens[text] for text in (*pivot, *target)})
    tokens.warn_of_truncation()
    row = {sentence: place for place, sentence in enumerate(sentences)}
    was_training = model.training
    model.eval()
    try:
        body = find_body(model)
        states = encode(
            body,
            find_sites(body),
            sentences,
            batch_size=batch_size,
            settings=settings,
            pad_id=tokenizer.pad_token_id or 0,
        )
    finally:
        model.train(was_training)
    pivot_states = states[[row[tokens[text]] for text in pivot]]
    target_states = states[[row[tokens[text]] for text in target]]
    return Alignment(
        nas=retrieval(pivot_states.nas, target_states.nas),
        nav=retrieval(pivot_states.nav, target_states.nav),
        emb=retrieval(pivot_states.emb, target_states.emb),
    )
