"""`NeuronXATask`: parallel text in as documents and requests, answers out as metrics."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cache, partial
from typing import Any

import torch

from neuronxa_task import corpus
from neuronxa_task.errors import NeuronXAError
from neuronxa_task.plugin import (
    Instance,
    Task,
    configure,
    mean,
    metadata_of_file,
    register,
)
from neuronxa_task.sampling import ALL, FIRST
from neuronxa_task.scoring.alignment import Retrieval, layer_profile
from neuronxa_task.scoring.language_pairs import PairResult, RequestOptions
from neuronxa_task.scoring.signature import DataFacts, signature
from neuronxa_task.settings import REQUEST_TYPE, SCORE_OF, Settings, StateSettings

log = logging.getLogger(__name__)

Halves = tuple[str, str]


class NeuronXATask(Task):
    """Alignment of one language with the pivot, as a task of the harness.

    A task's YAML names the data (`dataset_path`, `dataset_name`, `test_split`, the revision in
    `dataset_kwargs`) and, in its `metadata`, the `language`, the `pivot`, and other settings. If
    the user makes the language itself the pivot, the file's own pivot takes its place, so that a
    group still compares the pivot with every other language. Few-shot examples, chat templates and
    descriptions do not apply: a sentence is read alone.
    """

    OUTPUT_TYPE = REQUEST_TYPE
    VERSION = "1.0"

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        """Read the configuration and load the sentence pairs.

        Raises:
            NeuronXAError: an unknown setting, or parallel text that cannot be scored.
        """
        options = dict(config or {})
        options.pop("class", None)
        if not isinstance(options.get("task"), str):
            raise NeuronXAError(
                "a NeuronXA task was loaded without its name; name the folder of its file with "
                "--include_path, and the task with --tasks"
            )
        # Loggers read which metrics a task has from its configuration.
        options["metric_list"] = [
            {"metric": name, "aggregation": "mean", "higher_is_better": True}
            for name in self.aggregation()
        ]
        configure(self, options)
        metadata = dict(self.config.metadata or {})
        self.VERSION = metadata.get("version", self.VERSION)
        defaults = {"split": self.config.test_split, "dataset": self.config.dataset_path}
        self.settings = Settings.from_metadata(
            {key: value for key, value in defaults.items() if value} | metadata
        )
        self.config.metadata = metadata
        self._answered: PairResult | None = None
        self._load(self._language())

    def _language(self) -> str:
        """The language to compare with the pivot: the file's, or its pivot if that was swapped."""
        own = metadata_of_file(self.config.metadata)
        language, task = own.get("language"), self.config.task
        if not isinstance(language, str):
            raise NeuronXAError(
                f"task {task} names no language; expected `language: ...` in its file's metadata "
                "(`neuronxa tasks` writes such files)"
            )
        if (given := self.config.metadata.get("language", language)) != language:
            raise NeuronXAError(
                f"--metadata has language {given!r}, but {task} is about {language!r}; "
                "choose the language by the task's name"
            )
        if language == self.settings.pivot and isinstance(own.get("pivot"), str):
            language = own["pivot"]
            log.info("%s: the pivot's own task scores %s", task, language)
        return language

    @property
    def task_name(self) -> str:
        """Its name, which lm_eval 0.4.10 and 0.4.11 ask every task for but give to YAML tasks."""
        return str(self.config.task)

    # ------------------------------------------------------------ documents

    def _load(self, language: str) -> None:
        """Load the sentence pairs of a language."""
        self.config.metadata["target"] = language
        own = self.settings.dataset == self.config.dataset_path
        self.corpus = corpus.load(
            str(self.settings.dataset),
            self.config.dataset_name,
            self.settings.split,
            (self.config.dataset_kwargs or {}).get("revision") if own else None,
        )
        if "tatoeba" in self.corpus.name and self.settings.sample == FIRST:
            _warn_of_first_sentences(self.settings.num_sentences)
        try:
            pivot, target = self.corpus.pairs(
                self.settings.pivot, language, self.settings.count, self.settings.sample
            )
        except NeuronXAError as error:
            raise NeuronXAError(f"{self.config.task}: {error}") from None
        self.documents = [
            {"id": number, "pivot": pair[0], "target": pair[1]}
            for number, pair in enumerate(zip(pivot, target, strict=True))
        ]

    def has_training_docs(self) -> bool:
        """There are none."""
        return False

    def has_validation_docs(self) -> bool:
        """There are none."""
        return False

    def has_test_docs(self) -> bool:
        """The sentence pairs."""
        return True

    def test_docs(self) -> list[dict[str, Any]]:
        """Documents `{"id", "pivot", "target"}`, one per sentence pair."""
        return self.documents

    def doc_to_text(self, doc: dict[str, Any]) -> str:
        """The pivot sentence."""
        return str(doc["pivot"])

    def doc_to_target(self, doc: dict[str, Any]) -> str:
        """Its translation."""
        return str(doc["target"])

    # ------------------------------------------------------------ requests

    def build_all_requests(self, *, rank: int = 0, world_size: int = 1, **options: Any) -> None:
        """Build one request per sentence pair of this process.

        Raises:
            NeuronXAError: the harness would leave a process without documents.
        """
        documents = len(range(*slice(options.get("limit")).indices(len(self.documents))))
        documents = len(options.get("samples") or ()) or documents
        if documents < world_size:
            raise NeuronXAError(
                f"{self.config.task}: {documents} sentence pairs cannot be split over {world_size} "
                "processes by the harness; launch at most as many processes as there are pairs, or "
                "raise --limit"
            )
        # The harness's request cache does not know the metadata: it would mix up two pivots.
        options["cache_requests"] = False
        super().build_all_requests(rank=rank, world_size=world_size, **options)

    def fewshot_context(self, doc: dict[str, Any], *_args: Any, **_kwargs: Any) -> str:
        """The sentence itself: no prompt is built around it."""
        return self.doc_to_text(doc)

    def construct_requests(self, doc: dict[str, Any], ctx: str, **kwargs: Any) -> Instance:
        """The request: pivot sentence, target sentence, and how they are compared."""
        options = RequestOptions(
            states={name: getattr(self.settings, name) for name in asdict(StateSettings())},
            target=self.config.metadata["target"],
            pivot=self.settings.pivot,
            pairs=self.settings.pairs,
            max_batch_tokens=self.settings.max_batch_tokens,
        )
        return Instance(
            request_type=REQUEST_TYPE,
            doc=doc,
            arguments=(doc["pivot"], doc["target"], asdict(options)),
            idx=0,
            metadata=kwargs["metadata"],
        )

    # ------------------------------------------------------------ metrics

    def process_results(
        self, doc: dict[str, Any], results: Sequence[PairResult]
    ) -> dict[str, float | Halves]:
        """Share of layers at which the pair is aligned; for `…_max`, both halves by layer."""
        answer = results[0]
        self._answered = answer
        metrics: dict[str, float | Halves] = {}
        for name, score in SCORE_OF.items():
            halves = (answer.bits[f"{name}_from_pivot"], answer.bits[f"{name}_to_pivot"])
            metrics[score] = mean([a == b == "1" for a, b in zip(*halves, strict=True)])
            metrics[f"{score}_max"] = halves
        return metrics

    def aggregation(self) -> dict[str, Callable[[Any], float]]:
        """The harness's mean over pairs, and the best layer's share."""
        aggregations: dict[str, Callable[[Any], float]] = {}
        for name, score in SCORE_OF.items():
            aggregations[score] = mean
            aggregations[f"{score}_max"] = partial(self._best_layer, name)
        return aggregations

    def higher_is_better(self) -> dict[str, bool]:
        """All are."""
        return dict.fromkeys(self.aggregation(), True)

    def dump_config(self) -> dict[str, Any]:
        """The configuration for the result file, with the metadata itself, not a copy of it.

        `_best_layer` adds to the metadata; lm_eval 0.4.10 and 0.4.11 dump before they aggregate.
        """
        return {**super().dump_config(), "metadata": self.config.metadata}

    def _best_layer(self, representation: str, pairs: Sequence[Halves]) -> float:
        """The best layer's share; every layer's goes into the configuration of the result file.

        The harness aggregates on the process that writes.
        """
        retrieval = Retrieval(
            *(
                torch.tensor([[bit == "1" for bit in pair[half]] for pair in pairs]).T
                for half in (0, 1)
            )
        )
        recorded = self.config.metadata
        recorded.setdefault("layers", {}).update(layer_profile(representation, retrieval))
        recorded["signature"] = self._signature(len(pairs))
        assert self._answered is not None
        facts = self._answered.task
        recorded["intervals"] = {score: list(ends) for score, ends in facts.intervals.items()}
        recorded["surface"] = facts.surface
        if self.settings.stability:
            recorded["stability"] = facts.stability
        if self.settings.pairs:
            recorded["pairs"] = facts.pairs
        recorded["neuron_layers"] = list(facts.neuron_layers)
        return retrieval.best

    def _signature(self, pairs: int) -> str:
        answer = self._answered
        assert answer is not None
        scores_all = self.settings.count is None and pairs == len(self.documents)
        data = DataFacts(
            self.corpus.name,
            self.corpus.revision,
            self.corpus.split,
            self.settings.pivot,
            ALL if scores_all else pairs,
            answer.task.data_hash,
            answer.task.token_hash,
            self.settings.sample,
        )
        return signature(self.settings, data, answer.task.model)


@cache
def _warn_of_first_sentences(num_sentences: int | str) -> None:
    """Said once in a run: the first Arabic pairs, say, are nearly all about one name and money."""
    if num_sentences != ALL:
        log.warning(
            "Tatoeba's first %s sentences are not representative; score a random sample with "
            "--metadata '{\"sample\": 1}'",
            num_sentences,
        )


register()
