"""Track alignment during training with a callback of the transformers `Trainer`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from transformers import Trainer, TrainerCallback

from neuronxa_task.api import score
from neuronxa_task.api_inputs import checked_tokenizer, parallel_text
from neuronxa_task.errors import NeuronXAError
from neuronxa_task.settings import SCORE_OF


class AlignmentCallback(TrainerCallback):
    """Scores alignment at every evaluation and logs it where the trainer logs.

    When: after each evaluation of the trainer, as `eval_strategy` and `eval_steps` say, and on
    `trainer.evaluate()`; never during training steps. With several evaluation data sets, the
    trainer evaluates, and so scores, once for each.

    What: `eval_nasca_<language>`, `eval_navca_<language>`, `eval_mexa_<language>`, and their means
    over languages `eval_nasca`, `eval_navca`, `eval_mexa`, all 0 to 1. They are among the
    evaluation's metrics, so `metric_for_best_model="eval_nasca"` (with
    `greater_is_better=True`) keeps the checkpoint with the best alignment.

    Example:
        ```python
        from transformers import Trainer, TrainingArguments

        from neuronxa_task import AlignmentCallback

        english = ["Good morning.", "The cat sleeps.", "Where is the station?"]
        french = ["Bonjour.", "Le chat dort.", "Où est la gare ?"]

        trainer = Trainer(
            model=model,
            args=TrainingArguments("out", eval_strategy="steps", eval_steps=500),
            train_dataset=train,
            eval_dataset=held_out,
            processing_class=tokenizer,
        )
        trainer.add_callback(AlignmentCallback(trainer, pivot=english, targets={"fra": french}))
        trainer.train()
        ```
    """

    def __init__(
        self,
        trainer: Trainer,
        pivot: Iterable[str],
        targets: Mapping[str, Iterable[str]],
        *,
        batch_size: int = 32,
    ) -> None:
        """Set the sentences to score.

        Args:
            trainer: the trainer, with the model to score and the tokenizer as `processing_class`.
            pivot: n sentences; with 100 or more, scores differ little between samples.
            targets: their n translations, by language.
            batch_size: sentences per forward pass; halved if a batch does not fit in memory.

        Raises:
            NeuronXAError: a trainer without tokenizer, no target language, or sentences that cannot
                be scored (see `score`).
        """
        if trainer.processing_class is None:
            raise NeuronXAError("the trainer has no tokenizer; give it one as processing_class")
        self._trainer, self._batch_size = trainer, batch_size
        self._tokenizer = checked_tokenizer(trainer.processing_class)
        self._pivot, self._targets = parallel_text(pivot, targets)

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: dict[str, float], **_: Any
    ) -> None:
        """Score every language with the current model."""
        alignments = score(
            self._trainer.model,
            self._tokenizer,
            self._pivot,
            self._targets,
            batch_size=self._batch_size,
        )
        logged: dict[str, float] = {}
        for name in SCORE_OF.values():
            values = {code: getattr(alignment, name) for code, alignment in alignments.items()}
            logged |= {f"eval_{name}_{language}": value for language, value in values.items()}
            logged[f"eval_{name}"] = sum(values.values()) / len(values)
        metrics.update(logged)
        self._trainer.log(logged)
