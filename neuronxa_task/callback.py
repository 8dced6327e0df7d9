"""Alignment during training, as a callback of the transformers `Trainer`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from transformers import Trainer, TrainerCallback

from neuronxa_task.api import score_languages
from neuronxa_task.errors import NeuronXAError


class AlignmentCallback(TrainerCallback):
    """Scores alignment at every evaluation and logs it where the trainer logs.

    The scores are among the evaluation's metrics, too, so `metric_for_best_model` can name one:
    `eval_nasca_<language>`, `eval_navca_<language>`, `eval_mexa_<language>`, and the means over
    languages `eval_nasca`, `eval_navca`, `eval_mexa`.

    Example:
        trainer.add_callback(AlignmentCallback(trainer, pivot=english, targets={"fra": french}))
    """

    def __init__(
        self,
        trainer: Trainer,
        pivot: Sequence[str],
        targets: Mapping[str, Sequence[str]],
        *,
        batch_size: int = 32,
    ) -> None:
        """Remember the sentences.

        Args:
            trainer: its model is scored, with its `processing_class` as tokenizer.
            pivot: n sentences.
            targets: their n translations, by language.
            batch_size: sentences per forward pass.

        Raises:
            NeuronXAError: no target language, or a trainer without tokenizer.
        """
        if not targets:
            raise NeuronXAError("targets is empty; expected sentences by language")
        if trainer.processing_class is None:
            raise NeuronXAError("the trainer has no tokenizer; give it one as processing_class")
        self._trainer, self._pivot, self._targets = trainer, pivot, targets
        self._batch_size = batch_size

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: dict[str, float], **_: Any
    ) -> None:
        """Score every language with the model as it now is."""
        by_language = score_languages(
            self._trainer.model,
            self._trainer.processing_class,
            self._pivot,
            self._targets,
            batch_size=self._batch_size,
        )
        found: dict[str, float] = {}
        for name in ("nasca", "navca", "mexa"):
            values = {
                language: getattr(alignment, name) for language, alignment in by_language.items()
            }
            found |= {f"eval_{name}_{language}": value for language, value in values.items()}
            found[f"eval_{name}"] = sum(values.values()) / len(values)
        metrics.update(found)
        self._trainer.log(found)
