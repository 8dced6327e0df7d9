"""The request type answered: sentence pairs of a run in; the layers that align each, out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from neuronxa_task.corpus import data_hash
from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn import Body, Experts, Site, find_body, find_sites, neurons_by_layer
from neuronxa_task.scoring.alignment import (
    best_other_target,
    cosine,
    finds_pivot,
    own_similarity,
    products,
)
from neuronxa_task.scoring.data_parallel import Processes, Ranks
from neuronxa_task.scoring.language_pairs import LanguagePair, PairAlignment, language_pairs
from neuronxa_task.scoring.signature import ModelFacts, model_facts, software
from neuronxa_task.scoring.state_cache import Sentence, SharedStates
from neuronxa_task.scoring.states import SentenceStates, UnreadableSentenceError, encode
from neuronxa_task.scoring.tensor_parallel import Shards, Share, share_of
from neuronxa_task.scoring.tokens import TokenCache, asked_for_bos
from neuronxa_task.settings import REQUEST_TYPE, SCORE_OF, Side, StateSettings

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM


def neuron_alignment(lm: HFLM, instances: Sequence[Instance]) -> list[PairAlignment]:
    """Answer the requests of every NeuronXA task of a run (a method of the harness's `HFLM`).

    Raises:
        NeuronXAError: the backend shows no activations, the model has no feed-forward neurons, an
            activation is not finite, or a task has a single sentence pair.
    """
    _require_readable(lm)
    ranks = Ranks.of(lm)
    pairs = language_pairs(instances, ranks)
    answers = _Scorer(lm, ranks).answers(pairs)
    return [answers[instance.task_name][instance.doc_id] for instance in instances]


def _require_readable(lm: HFLM) -> None:
    """The body of the model is called as it is: a backend that calls it otherwise is refused."""
    from lm_eval.models.huggingface import HFLM

    if isinstance(lm, HFLM) and isinstance(lm.model, nn.Module):
        if type(lm)._model_call is HFLM._model_call:
            return
        reason = "changes how the model is called, which would not be seen in its neurons"
    else:
        reason = "does not show a model's activations"
    raise NeuronXAError(
        f"the backend {type(lm).__name__} {reason}; NeuronXA tasks work with --model hf"
    )


@dataclass(frozen=True)
class _Readable:
    """A model, or one half of it, whose neurons were found.

    Attributes:
        body: what is run.
        sites: where its neurons are.
        layers: those that have neurons.
        facts: what of it can change a score.
        share: the neurons that this process counts.
    """

    body: Body
    sites: tuple[Site | Experts, ...]
    layers: tuple[int, ...]
    facts: ModelFacts
    share: Share


class _Scorer:
    """Scores one language after the other, so that memory does not grow with their number."""

    def __init__(self, lm: HFLM, ranks: Ranks) -> None:
        self.lm, self.ranks = lm, ranks
        self.shards = Shards.of(lm.model)
        self.together: Processes = self.shards if self.shards.size > 1 else ranks
        self._facts = model_facts(lm)
        self._readable: dict[Side, _Readable] = {}
        self.tokens = TokenCache(lm.tokenizer, lm.model, lm.max_length, asked_for_bos(lm))
        self.batch_size = lm.max_batch_size if lm.batch_size == "auto" else int(lm.batch_size)

    def readable(self, side: Side) -> _Readable:
        """The model, or its encoder or decoder, with its neurons; found once."""
        if side not in self._readable:
            dtype = getattr(self.lm, "mixed_precision_dtype", None)
            body = find_body(self.lm.model, mixed_precision=dtype, side=side)
            sites = find_sites(body)
            settings = ["side"] if body.is_half else []
            settings += ["expert_values"] if any(isinstance(s, Experts) for s in sites) else []
            facts = replace(self._facts, settings=tuple(settings))
            layers, share = tuple(neurons_by_layer(sites)), share_of(self.shards, body, sites)
            self._readable[side] = _Readable(body, sites, layers, facts, share)
        return self._readable[side]

    def answers(self, pairs: Sequence[LanguagePair]) -> dict[str, dict[int, PairAlignment]]:
        """Answers by task and document."""
        from tqdm import tqdm

        answers = {pair.task: found for pair in pairs if (found := self._cached(pair)) is not None}
        open_pairs = [pair for pair in pairs if pair.task not in answers]
        shared = SharedStates(map(self._sentences, open_pairs), self._encode, self._size)
        self.tokens.warn_of_truncation()
        with tqdm(
            total=shared.distinct,
            desc=f"Running {REQUEST_TYPE} requests",
            unit=" sentences",
            disable=self.together.rank != 0,
        ) as self.bar:
            for pair in open_pairs:
                self.bar.set_postfix_str(pair.task, refresh=False)
                answers[pair.task] = self._answer(pair, shared)
                self._cache(pair, answers[pair.task])
        return answers

    # ------------------------------------------------------------ sentences to states

    def _sentences(self, pair: LanguagePair) -> set[Sentence]:
        texts = [*pair.pivot, *(pair.target[k] for k in pair.own)] if pair.own else []
        return {(pair.settings, self.tokens[text]) for text in texts}

    def _encode(self, settings: StateSettings, sentences: list[tuple[int, ...]]) -> SentenceStates:
        """States of the sentences; `--batch_size auto` is halved until a batch fits in memory."""
        from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size

        model = self.readable(settings.side)
        done = 0

        def progress(count: int) -> None:
            nonlocal done
            done += count
            self.bar.update(count)

        while True:
            try:
                states = encode(
                    model.body,
                    model.sites,
                    sentences,
                    batch_size=self.batch_size,
                    settings=settings,
                    pad_id=self.lm.tokenizer.pad_token_id or 0,
                    progress=progress,
                )
                return model.share.of(states)
            except UnreadableSentenceError as error:
                raise error.in_text(self.lm.tok_decode(sentences[error.sentence])) from None
            except RuntimeError as error:
                # The processes of a split model would wait for one that starts anew.
                fixed = self.lm.batch_size != "auto" or self.shards.size > 1
                if fixed or self.batch_size == 1 or not should_reduce_batch_size(error):
                    raise
            # accelerate's find_executable_batch_size would also collect garbage before every
            # language, which takes longer than scoring it.
            progress(-done)
            clear_device_cache(garbage_collection=True)
            self.batch_size //= 2

    def _size(self, states: SentenceStates) -> int:
        """Memory of one sentence, the same on all processes that must keep the same ones."""
        sizes: list[int] = self.shards.gather(states.bytes_per_sentence)
        return max(sizes)

    # ------------------------------------------------------------ states to answers

    def _answer(self, pair: LanguagePair, shared: SharedStates) -> dict[int, PairAlignment]:
        halves = {name: half.T.tolist() for name, half in self._halves(pair, shared).items()}
        hashes = data_hash(pair.pivot, pair.target), self._token_hash(pair)
        model = self.readable(pair.settings.side)
        answers = {
            pair.documents[k]: PairAlignment(
                {
                    name: "".join("01"[aligned] for aligned in half[place])
                    for name, half in halves.items()
                },
                *hashes,
                model.facts,
                model.layers,
            )
            for place, k in enumerate(pair.own)
        }
        if not self.ranks.replicated:
            return answers
        return {k: answer for part in self.ranks.gather(answers) for k, answer in part.items()}

    def _token_hash(self, pair: LanguagePair) -> str:
        texts = (pair.pivot, pair.target)
        return data_hash(*([str(self.tokens[text]) for text in side] for side in texts))

    def _halves(self, pair: LanguagePair, shared: SharedStates) -> dict[str, Tensor]:
        """`nas_from_pivot`, … `emb_to_pivot`, each `[layers, own pairs]` bool."""
        model = self.readable(pair.settings.side)
        sizes = [len(model.layers), len(model.layers), len(model.body.layers) + 1]
        own = torch.tensor(pair.own, dtype=torch.long)
        others = torch.full((sum(sizes), len(pair.pivot)), -torch.inf, dtype=torch.float64)
        own_similarities, to_pivot = [], []
        for index, similarity in enumerate(self._similarities(pair, shared)):
            column = own.to(similarity.device)
            own_similarities.append(own_similarity(similarity, column).cpu())
            to_pivot.append(finds_pivot(similarity, column).cpu())
            others[index] = best_other_target(similarity, column).cpu()
        others = self.ranks.maximum(others)
        if not pair.own:
            return {}
        from_pivot = torch.stack(own_similarities) > others[:, own]
        # Equal sentences tie wherever they are computed, which rounding on two ranks could hide.
        from_pivot &= ~_repeated([self.tokens[text] for text in pair.target])[own]
        found = torch.stack(to_pivot) & ~_repeated([self.tokens[text] for text in pair.pivot])[own]
        return {
            f"{name}_{direction}": half
            for direction, stacked in (("from_pivot", from_pivot), ("to_pivot", found))
            for name, half in zip(SCORE_OF, torch.split(stacked, sizes), strict=True)
        }

    def _similarities(self, pair: LanguagePair, shared: SharedStates) -> Iterator[Tensor]:
        """`[n, own pairs]` for every layer of the neuron states, the values, the hidden states."""
        failure = None
        try:
            states, row = shared.of(self._sentences(pair)) if pair.own else (None, {})
        except NeuronXAError as error:
            failure = error
        self.together.fail_together(failure)
        if states is None:
            return
        pivot = [row[pair.settings, self.tokens[text]] for text in pair.pivot]
        target = [row[pair.settings, self.tokens[pair.target[k]]] for k in pair.own]
        for layers in (states.nas, states.nav, states.emb):
            for layer in layers:
                yield cosine(self.shards.sum(products(layer[pivot], layer[target])))

    # ------------------------------------------------------------ --use_cache

    def _cached(self, pair: LanguagePair) -> dict[int, PairAlignment] | None:
        """The answers of an earlier run, if every process has its own of them."""
        database = self.lm.cache_hook.dbdict
        if database is None:
            return None
        found = database.get(self._cache_key(pair))
        return found if all(self.together.gather(found is not None)) else None

    def _cache(self, pair: LanguagePair, answers: dict[int, PairAlignment]) -> None:
        if self.lm.cache_hook.dbdict is not None:
            self.lm.cache_hook.dbdict[self._cache_key(pair)] = answers

    def _cache_key(self, pair: LanguagePair) -> str:
        from lm_eval.api.model import hash_args

        facts = {**asdict(pair.settings), **asdict(self._facts), **software()}
        share = [self.ranks.rank, self.ranks.size]
        texts = [pair.pivot, pair.target, self._token_hash(pair)]
        request = [facts, pair.documents, *texts, share]
        return str(hash_args(REQUEST_TYPE, request))


def _repeated(sentences: Sequence[tuple[int, ...]]) -> Tensor:
    """`[n]` bool: the same tokens stand at another place, too."""
    count = Counter(sentences)
    return torch.tensor([count[sentence] > 1 for sentence in sentences])
