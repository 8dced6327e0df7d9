"""Encode sentences with a model: find its neurons once, and fit batches into memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, MutableMapping
from dataclasses import dataclass, field

import torch
from torch import nn

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn import Body, DenseNeurons, Experts, find_body, find_sites, neurons_by_layer
from neuronxa_task.scoring.data_parallel import DataParallel, Processes
from neuronxa_task.scoring.out_of_memory import Agreement, BatchTooLargeError
from neuronxa_task.scoring.signature import ModelFacts
from neuronxa_task.scoring.state_cache import Sentence, StateCache
from neuronxa_task.scoring.states import SentenceStates, UnreadableSentenceError, encode
from neuronxa_task.scoring.tensor_parallel import OwnedColumns, Split, owned_columns
from neuronxa_task.scoring.tokens import TokenCache
from neuronxa_task.settings import Side, StateSettings


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A model, its tokenizer, and how sentences are run through it.

    Attributes:
        model: any Hugging Face model.
        tokens: its tokenizer's ids of a text.
        decode: token ids to text, for messages.
        pad_id: any id of the vocabulary.
        special_ids: ids of special tokens.
        batch_size: sentences per forward pass.
        shrinks_batches: halve the batch size where a batch does not fit in memory.
        mixed_precision: autocast to this type.
        processes: those that each hold the whole model and share the sentences.
    """

    model: nn.Module
    tokens: TokenCache
    decode: Callable[[tuple[int, ...]], str]
    pad_id: int
    special_ids: frozenset[int]
    batch_size: int
    shrinks_batches: bool = False
    mixed_precision: torch.dtype | None = None
    processes: DataParallel = field(default_factory=DataParallel)


@dataclass(frozen=True, kw_only=True)
class ScoredModel(LoadedModel):
    """The harness's model, whose results are written to files.

    Attributes:
        facts: facts of the model and of the run that can change a score.
        finished: results of earlier runs and of this one as text, by key; `None` for no resumption.
    """

    facts: ModelFacts
    finished: MutableMapping[str, str] | None = None


@dataclass(frozen=True)
class ModelSide:
    """A model, or one half of an encoder-decoder, whose neurons were found.

    Attributes:
        sites: where its neurons are.
        layers: those that have neurons.
        settings: names of the settings that matter to this kind of model only: `side` of an
            encoder-decoder, `expert_values` of a mixture of experts.
        owned: the neurons that this process counts.
    """

    body: Body
    sites: tuple[DenseNeurons | Experts, ...]
    layers: tuple[int, ...]
    settings: tuple[str, ...]
    owned: OwnedColumns


class SentenceEncoder:
    """Encodes sentences of token ids with either side of a model."""

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self._batch_size = model.batch_size
        self._sides: dict[Side, ModelSide] = {}
        self.split = Split.of(model.model)
        self._agreement = Agreement(self.split)

    @property
    def together(self) -> Processes:
        """The processes over which the model is split or, if it is not, the sentences."""
        return self.split if self.split.size > 1 else self._model.processes

    def side(self, side: Side) -> ModelSide:
        """The model, or its encoder or decoder, with its neurons; computed once per side.

        Raises:
            NeuronXAError: it has no readable feed-forward neurons.
        """
        if side not in self._sides:
            body = find_body(
                self._model.model, mixed_precision=self._model.mixed_precision, side=side
            )
            sites = find_sites(body)
            settings = ["side"] if body.is_half else []
            settings += ["expert_values"] if any(isinstance(s, Experts) for s in sites) else []
            layers, owned = tuple(neurons_by_layer(sites)), owned_columns(self.split, body, sites)
            self._sides[side] = ModelSide(body, sites, layers, tuple(settings), owned)
        return self._sides[side]

    def states(
        self,
        cache: StateCache,
        settings: StateSettings,
        sentences: Collection[Sentence],
        *,
        max_batch_tokens: int | None = None,
        progress: Callable[[int], object] = lambda count: None,
    ) -> tuple[SentenceStates | None, dict[Sentence, int]]:
        """States that include those of a task's sentences, and rows; `None` without sentences.

        Args:
            cache: holds states of earlier tasks, and takes up those of this one.
            settings: which activations are read, and how they are pooled.
            sentences: the task's, on this process.
            max_batch_tokens: most tokens in a batch, padding included.
            progress: called after every batch with the number of sentences done; with a negative
                number if a batch did not fit in memory and sentences are run again.

        Raises:
            NeuronXAError: on all processes, if one has a sentence without finite states.
            RuntimeError: a batch does not fit in memory, on one process of several or as the only
                sentence.
        """
        failure = None
        states: SentenceStates | None = None
        rows: dict[Sentence, int] = {}
        try:
            if sentences:
                if cache.states is not None:
                    sizes = self.split.gather(cache.states.bytes_per_sentence)
                    cache.drop_unneeded(max(sizes), sentences)  # all processes drop the same
                if missing := cache.missing(sentences):
                    ids = [ids for _, ids in missing]
                    cache.add(missing, self._encode(settings, ids, max_batch_tokens, progress))
                states, rows = cache.take(sentences)
        except NeuronXAError as error:
            failure = error
        self.together.fail_together(failure)
        return states, rows

    def _encode(
        self,
        settings: StateSettings,
        sentences: list[tuple[int, ...]],
        max_batch_tokens: int | None,
        progress: Callable[[int], object],
    ) -> SentenceStates:
        """States of the sentences, of the neurons that this process counts."""
        from accelerate.utils.memory import clear_device_cache

        side = self.side(settings.side)
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            progress(count)

        while True:
            try:
                states = encode(
                    side.body,
                    side.sites,
                    sentences,
                    batch_size=self._batch_size,
                    settings=settings,
                    pad_id=self._model.pad_id,
                    max_batch_tokens=max_batch_tokens,
                    progress=advance,
                )
                return side.owned.of(states)
            except UnreadableSentenceError as error:
                raise error.in_text(self._model.decode(sentences[error.sentence])) from None
            except BatchTooLargeError as error:
                if not self._model.shrinks_batches or self._batch_size == 1:
                    raise error.__cause__ or error from None
                if not self._agreement.all_failed(error.at):
                    # Not an error of ours: those are told to the other processes, which wait for
                    # a part of a layer.
                    raise RuntimeError(
                        f"a batch of {self._batch_size} sentences does not fit in the memory of "
                        f"process {self.split.rank}, and the other processes over which the model "
                        "is split did not run out of memory at the same layer; give a smaller "
                        "--batch_size"
                    ) from error
            # accelerate's find_executable_batch_size would collect garbage before every language,
            # which takes longer than scoring it.
            advance(-done)
            clear_device_cache(garbage_collection=True)
            self._batch_size //= 2
