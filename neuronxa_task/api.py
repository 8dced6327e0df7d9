"""NeuronXA for notebooks and training loops: a model, a tokenizer and two lists of sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn import find_body, find_sites, neurons_by_layer, unwrapped
from neuronxa_task.scoring.alignment import Alignment
from neuronxa_task.scoring.max_length import max_length
from neuronxa_task.scoring.measure import measure
from neuronxa_task.scoring.rivals import Combine, rivals_by_layer
from neuronxa_task.scoring.states import UnreadableSentenceError, encode
from neuronxa_task.scoring.tensor_parallel import Split, owned_columns
from neuronxa_task.scoring.tokens import TokenCache
from neuronxa_task.settings import Activation, ExpertValues, Pooling, Side, StateSettings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def score(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    pivot: Sequence[str],
    target: Sequence[str],
    *,
    batch_size: int = 32,
    nas_site: Activation = "gate",
    nav_site: Activation = "product",
    pooling: Pooling = "position",
    expert_values: ExpertValues = "weighted",
    side: Side = "encoder",
) -> Alignment:
    """Score how well `model` aligns parallel sentences.

    Args:
        model: any Hugging Face model with feed-forward neurons, also compiled, data parallel, or
            held by another module; its mode is restored. One that is split by tensor parallelism
            or FSDP2 is scored by all of its processes at once, with the same sentences.
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
    for language, sentences in targets.items():
        if len(pivot) != len(sentences) or len(pivot) < 2:
            raise NeuronXAError(
                f"{len(pivot)} pivot and {len(sentences)} {language} sentences; expected lists of "
                "equal length, of 2 or more"
            )
    model = unwrapped(model)
    tokens = TokenCache(tokenizer, model, max_length(model.config, tokenizer))
    texts = {tokens[text]: text for side in (pivot, *targets.values()) for text in side}
    distinct = sorted(texts)
    row = {ids: place for place, ids in enumerate(distinct)}
    tokens.warn_of_truncation()
    body, split = find_body(model, side=settings.side), Split.of(model)
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
    split.fail_together(failure)
    states = owned_columns(split, body, sites).of(states)

    def vectors(side: Sequence[str]) -> list[Tensor]:
        """Layer by layer: neuron states, values, hidden states."""
        of_side = states[[row[tokens[text]] for text in side]]
        return [*of_side.nas, *of_side.nav, *of_side.emb]

    of_pivot, layers = vectors(pivot), tuple(neurons_by_layer(sites))
    return {
        language: measure(
            rivals_by_layer(of_pivot, vectors(sentences), combine=Combine(split.sum)),
            layers,
            len(states.emb),
            len(pivot),
        ).alignment
        for language, sentences in targets.items()
    }
