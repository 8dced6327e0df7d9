"""`NeuronXATask`: turns parallel text into documents and requests, and answers into metrics."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cache, partial
from typing import Any

from neuronxa_task import corpus
from neuronxa_task.corpus.documents import documents
from neuronxa_task.errors import NeuronXAError
from neuronxa_task.output import require_output_of_harness
from neuronxa_task.plugin import Instance, Task, configure, mean, metadata_of_file, register
from neuronxa_task.recorded import Directions, PivotRecord, record
from neuronxa_task.sampling import ALL, FIRST
from neuronxa_task.scoring.language_pairs import PairResult, RequestOptions
from neuronxa_task.scoring.signature import signature
from neuronxa_task.settings import REQUEST_TYPE, SCORE_OF, Settings, StateSettings

log = logging.getLogger(__name__)


class NeuronXATask(Task):
    """Alignment of one language with the pivot, as a task of the harness.

    A task's YAML names the data (`dataset_path`, `dataset_name`, `test_split`, the revision in
    `dataset_kwargs`) and, in its `metadata`, the `language`, the `pivot`, and other settings. If
    the user chooses the language itself as the pivot, the file's own pivot is scored instead, so
    that a group still compares the pivot with every other language. Few-shot examples, chat
    templates and descriptions do not apply, since each sentence is read alone.
    """

    OUTPUT_TYPE = REQUEST_TYPE
    VERSION = "1.0"

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        """Read the configuration and load the sentence pairs.

        Raises:
            NeuronXAError: a setting is unknown, or the parallel text cannot be scored.
        """
        options = dict(config or {})
        options.pop("class", None)
        if not isinstance(options.get("task"), str):
            raise NeuronXAError(
                "a NeuronXA task was loaded without its name; name the folder of its file with "
                "--include_path, and the task with --tasks"
            )
        # Loggers read the names of the metrics from the configuration.
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
        self._answered: Sequence[PairResult] = ()
        self._load(self._language())

    def _language(self) -> str:
        """The language that the task's file names."""
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
        return language

    def _target_of(self, pivot: str, language: str) -> str:
        """The language to compare with a pivot: the file's, or its pivot if both are equal."""
        if language != pivot or "pivot" not in (own := metadata_of_file(self.config.metadata)):
            return language
        others = [name for name in Settings(pivot=own["pivot"]).pivots if name != pivot]
        if others:
            log.info("%s: the pivot's own task scores %s", self.config.task, others[0])
        return next(iter(others), language)

    @property
    def task_name(self) -> str:
        """Name of the task; lm_eval 0.4.10 and 0.4.11 need it but set it only for YAML tasks."""
        return str(self.config.task)

    # ------------------------------------------------------------ documents

    def _load(self, language: str) -> None:
        """Load the sentence pairs of a language with every pivot."""
        self.targets = {pivot: self._target_of(pivot, language) for pivot in self.settings.pivots}
        self.config.metadata["target"] = self.targets[self.settings.pivots[0]]
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
            self.documents = documents(
                self.corpus, self.targets, self.settings.count, self.settings.sample
            )
        except NeuronXAError as error:
            raise NeuronXAError(f"{self.config.task}: {error}") from None

    def has_training_docs(self) -> bool:
        """False: NeuronXA tasks have only test documents."""
        return False

    def has_validation_docs(self) -> bool:
        """False: NeuronXA tasks have only test documents."""
        return False

    def has_test_docs(self) -> bool:
        """True: the sentence pairs are the test documents."""
        return True

    def test_docs(self) -> list[dict[str, Any]]:
        """Documents `{"id", "pivot", "target"}`, one per sentence pair."""
        return self.documents

    def doc_to_text(self, doc: dict[str, Any]) -> str:
        """The pivot sentence of a document."""
        return str(doc["pivot"])

    def doc_to_target(self, doc: dict[str, Any]) -> str:
        """The target sentence of a document."""
        return str(doc["target"])

    # ------------------------------------------------------------ requests

    def build_all_requests(self, *, rank: int = 0, world_size: int = 1, **options: Any) -> None:
        """Build one request per sentence pair of this process.

        Raises:
            NeuronXAError: a process would be without documents, or --output_path is unusable.
        """
        count = len(range(*slice(options.get("limit")).indices(len(self.documents))))
        count = len(options.get("samples") or ()) or count
        if count < world_size:
            raise NeuronXAError(
                f"{self.config.task}: {count} sentence pairs cannot be split over {world_size} "
                "processes by the harness; launch at most as many processes as there are pairs, or "
                "increase --limit"
            )
        if rank == 0:
            require_output_of_harness()
            if prompts := _prompt_options(self.config.num_fewshot, options):
                _warn_of_prompts(prompts)
        # The harness's cache of requests ignores the metadata, so it would mix up two pivots.
        options["cache_requests"] = False
        super().build_all_requests(rank=rank, world_size=world_size, **options)

    def fewshot_context(self, doc: dict[str, Any], *_args: Any, **_kwargs: Any) -> str:
        """The pivot sentence itself, without a prompt."""
        return self.doc_to_text(doc)

    def construct_requests(self, doc: dict[str, Any], ctx: str, **kwargs: Any) -> list[Instance]:
        """A request per pivot: pivot sentence, target sentence, and how they are compared."""
        states = {name: getattr(self.settings, name) for name in asdict(StateSettings())}
        requests = []
        for index, (pivot, target) in enumerate(self.targets.items()):
            sentences = doc["pivots"][pivot] if index else doc
            options = RequestOptions(
                states=states,
                target=target,
                pivot=pivot,
                pairs=self.settings.pairs and index == 0,  # they are the same for every pivot
                max_batch_tokens=self.settings.max_batch_tokens,
            )
            arguments = (sentences["pivot"], sentences["target"], asdict(options))
            requests.append(
                Instance(REQUEST_TYPE, doc, arguments, index, metadata=kwargs["metadata"])
            )
        return requests

    # ------------------------------------------------------------ metrics

    def process_results(
        self, doc: dict[str, Any], results: Sequence[PairResult]
    ) -> dict[str, float | Directions]:
        """Fraction of layers at which the pair is aligned; for `…_max`, both directions.

        The fraction is that with the first pivot. The directions are those with every pivot, since
        the harness gathers nothing but metrics from its processes.
        """
        self._answered = results
        metrics: dict[str, float | Directions] = {}
        for name, score in SCORE_OF.items():
            directions = tuple(
                answer.bits[f"{name}_{direction}_pivot"]
                for answer in results
                for direction in ("from", "to")
            )
            metrics[score] = mean([a == b == "1" for a, b in zip(*directions[:2], strict=True)])
            metrics[f"{score}_max"] = directions, doc["id"]
        return metrics

    def aggregation(self) -> dict[str, Callable[[Any], float]]:
        """Aggregate scores by the harness's mean over pairs, and `…_max` by the best layer."""
        aggregations: dict[str, Callable[[Any], float]] = {}
        for name, score in SCORE_OF.items():
            aggregations[score] = mean
            aggregations[f"{score}_max"] = partial(self._best_layer, name)
        return aggregations

    def higher_is_better(self) -> dict[str, bool]:
        """Whether higher is better: true for every metric."""
        return dict.fromkeys(self.aggregation(), True)

    def dump_config(self) -> dict[str, Any]:
        """The configuration for the result file, with the metadata object itself and not a copy.

        lm_eval 0.4.10 and 0.4.11 call this before `_best_layer` adds to the metadata.
        """
        return {**super().dump_config(), "metadata": self.config.metadata}

    def _best_layer(self, representation: str, answered: Sequence[Directions]) -> float:
        """The best layer's fraction of aligned pairs; also records all layers in the metadata.

        The harness aggregates on the process that writes the result file, process after process.
        """
        pivots = [
            PivotRecord(pivot, target, answer.task, self._signature(pivot, answer, len(answered)))
            for (pivot, target), answer in zip(self.targets.items(), self._answered, strict=True)
        ]
        in_order = sorted(answered, key=lambda directions: directions[1])
        sentences = [self.doc_to_text(self.documents[document]) for _, document in in_order]
        self.config.metadata["pivot_hash"] = corpus.data_hash(sentences, sentences)
        return record(
            self.config.metadata,
            representation,
            [directions for directions, _ in in_order],
            pivots,
            stability=self.settings.stability,
            pairs=self.settings.pairs,
        )

    def _signature(self, pivot: str, answer: PairResult, pairs: int) -> str:
        scores_all = self.settings.count is None and pairs == len(self.documents)
        count = ALL if scores_all else pairs
        return signature(self.settings, self.corpus, pivot, count, answer.task)


def _prompt_options(num_fewshot: int | None, options: Mapping[str, Any]) -> str:
    """The options of the run that would build a prompt, as the command has them."""
    given = {
        f"--num_fewshot {num_fewshot}": num_fewshot,
        "--apply_chat_template": options.get("apply_chat_template"),
        "--system_instruction": options.get("system_instruction"),
    }
    return ", ".join(option for option, value in given.items() if value)


@cache
def _warn_of_prompts(options: str) -> None:
    log.warning("NeuronXA tasks read each sentence alone, without a prompt; ignored: %s", options)


@cache
def _warn_of_first_sentences(num_sentences: int | str) -> None:
    """Logged once in a run; the first Arabic pairs, say, are nearly all on one name and money."""
    if num_sentences != ALL:
        log.warning(
            "Tatoeba's first %s sentences are not representative; score a random sample with "
            "--metadata '{\"sample\": 1}'",
            num_sentences,
        )


register()
