"""Alignment tracked by a real `Trainer`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import byte_tokenizer, sentences, tiny_llama, translated
from transformers import DataCollatorForLanguageModeling, Trainer, TrainingArguments

from neuronxa_task import AlignmentCallback, NeuronXAError, score

pytestmark = pytest.mark.slow

PIVOT = sentences(8)
TARGETS = {"near": translated(PIVOT, 0.2), "far": translated(PIVOT, 0.7)}


def trainer(folder: Path, **options: Any) -> Trainer:
    tokenizer = byte_tokenizer()
    tokenizer.pad_token = tokenizer.eos_token
    data = [tokenizer(text) for text in PIVOT]
    return Trainer(
        model=tiny_llama(),
        args=TrainingArguments(
            output_dir=str(folder),
            max_steps=2,
            eval_strategy="steps",
            eval_steps=1,
            per_device_train_batch_size=4,
            use_cpu=True,
            report_to=[],
            learning_rate=0.05,
        ),
        train_dataset=data,
        eval_dataset=data,
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
        **{"processing_class": tokenizer, **options},
    )


def test_scores_are_logged_at_every_evaluation(tmp_path: Path) -> None:
    training = trainer(tmp_path)
    training.add_callback(AlignmentCallback(training, PIVOT, TARGETS))
    training.train()
    logged = [entry for entry in training.state.log_history if "eval_nasca" in entry]
    assert len(logged) == 2
    last = {
        language: score(training.model, byte_tokenizer(), PIVOT, sentences)
        for language, sentences in TARGETS.items()
    }
    for name in ("nasca", "navca", "mexa"):
        for language, alignment in last.items():
            assert logged[-1][f"eval_{name}_{language}"] == getattr(alignment, name)
        mean = sum(getattr(alignment, name) for alignment in last.values()) / 2
        assert logged[-1][f"eval_{name}"] == pytest.approx(mean)
    assert training.evaluate()["eval_nasca"] == logged[-1]["eval_nasca"]


def test_what_cannot_be_tracked(tmp_path: Path) -> None:
    with pytest.raises(NeuronXAError, match="target is an empty mapping"):
        AlignmentCallback(trainer(tmp_path), PIVOT, {})
    with pytest.raises(NeuronXAError, match=r"target\['near'\] is the text 'one'; expected a list"):
        AlignmentCallback(trainer(tmp_path), PIVOT, {"near": "one"})
    with pytest.raises(NeuronXAError, match="no tokenizer"):
        AlignmentCallback(trainer(tmp_path, processing_class=None), PIVOT, TARGETS)
