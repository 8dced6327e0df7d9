"""Train the demo's tiny model: ``python -m neuronxa_task.demo.train --output DIR``.

A Llama of about 1.6 million parameters learns to translate phrasebook sentences between English and
nine languages that it sees unequally often. Two losses are added:

- the language-model loss of the translation in ``<bos>sentence<fra_Latn>translation<eos>``, from
  English and into it;
- InfoNCE between the encodings of parallel sentences, in both directions. Without it the model
  translates perfectly while its languages share no neurons.

Each batch is in one language, so that a sentence is told apart from others of its own language, as
in the evaluation. How often each language was seen is written to ``exposure.json``.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tqdm import tqdm
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from neuronxa_task.demo.phrasebook import PIVOT, Meaning, render, training_meanings
from neuronxa_task.demo.tokenizer import EOS, MAX_LENGTH, build_tokenizer
from neuronxa_task.demo.translation import prompt

BY_EXPOSURE = tuple(
    "fra_Latn zho_Hans spa_Latn rus_Cyrl deu_Latn jpn_Jpan ita_Latn arb_Arab hin_Deva".split()
)
"""Targets from most to least seen, with scripts mixed so that exposure is independent of script."""

IGNORED = -100


@dataclass(frozen=True)
class Recipe:
    """Everything that the trained weights depend on, except the machine."""

    steps: int = 1000
    seed: int = 0
    pairs_per_step: int = 32
    exposure_ratio: float = 0.65
    """How often a language is seen, relative to the next more frequent one."""
    learning_rate: float = 3e-3
    warmup: float = 0.05
    contrastive_layer: int = 4
    contrastive_weight: float = 0.25
    temperature: float = 0.07
    threads: int = 2


def schedule(recipe: Recipe) -> list[str]:
    """The language of each step: geometric frequencies, evenly spread over the run."""
    weights = {name: recipe.exposure_ratio**rank for rank, name in enumerate(BY_EXPOSURE)}
    frequency = {name: weight / sum(weights.values()) for name, weight in weights.items()}
    steps: list[str] = []
    for step in range(1, recipe.steps + 1):
        steps.append(max(BY_EXPOSURE, key=lambda name: frequency[name] * step - steps.count(name)))
    return steps


def make_batch(
    meanings: list[Meaning], language: str, tokenizer: PreTrainedTokenizerFast
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Tokenize the translations of the n ``meanings`` between English and ``language``.

    Returns:
        The model's inputs, [2n, tokens] each: n prompts from English, then their n reverses,
        right-padded; and [2n], the number of tokens of ``<bos>sentence``, with which a row begins.
    """
    english = [render(meaning, PIVOT) for meaning in meanings]
    foreign = [render(meaning, language) for meaning in meanings]
    prompts = [prompt(sentence, language) for sentence in english]
    prompts += [prompt(sentence, PIVOT) for sentence in foreign]
    translations = foreign + english
    texts = [asked + answer + EOS for asked, answer in zip(prompts, translations, strict=True)]
    encoded = tokenizer(texts, padding=True, return_tensors="pt", return_token_type_ids=False)
    prompt_lengths = torch.tensor([len(ids) for ids in tokenizer(prompts)["input_ids"]])
    # A sentence's content cannot be guessed, so only the translation is predicted.
    in_prompt = torch.arange(encoded["input_ids"].shape[1]) < prompt_lengths[:, None]
    unscored = in_prompt | (encoded["attention_mask"] == 0)
    labels = encoded["input_ids"].masked_fill(unscored, IGNORED)
    return {**encoded, "labels": labels}, prompt_lengths - 1  # the language's mark is one token


def encode_sources(hidden: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """The position-weighted mean of each row's first ``lengths`` tokens, as [rows, width].

    In a causal model these hidden states, [rows, tokens, width], do not depend on later tokens, so
    they equal those of ``<bos>sentence`` alone, which is how the evaluation encodes a sentence.
    """
    positions = torch.arange(1, hidden.shape[1] + 1)
    weights = positions * (positions <= lengths[:, None])
    weights = weights / weights.sum(dim=1, keepdim=True)
    return torch.einsum("rt,rtw->rw", weights, hidden)


def contrastive_loss(encodings: torch.Tensor, recipe: Recipe) -> torch.Tensor:
    """InfoNCE in both directions; encodings [2n, width], n in English, then n parallel ones."""
    english, foreign = F.normalize(encodings, dim=1).chunk(2)
    similarity = english @ foreign.T / recipe.temperature
    same = torch.arange(len(similarity))
    both_ways = F.cross_entropy(similarity, same) + F.cross_entropy(similarity.T, same)
    return recipe.contrastive_weight * both_ways


def train(recipe: Recipe) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast, dict[str, Any]]:
    """Train, and return the model, its tokenizer and the content of ``exposure.json``."""
    torch.set_num_threads(recipe.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(recipe.seed)
    tokenizer = build_tokenizer(recipe.seed)
    model = LlamaForCausalLM(_architecture(tokenizer))
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, recipe))
    meanings = training_meanings(recipe.seed)
    languages = schedule(recipe)
    losses: list[tuple[float, float]] = []
    for language in (progress := tqdm(languages, desc="training", unit="step")):
        drawn = list(islice(meanings, recipe.pairs_per_step))
        inputs, source_lengths = make_batch(drawn, language, tokenizer)
        output = model(**inputs, output_hidden_states=True, use_cache=False)
        hidden = output.hidden_states[recipe.contrastive_layer]
        contrast = contrastive_loss(encode_sources(hidden, source_lengths), recipe)
        (output.loss + contrast).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        rate.step()
        optimizer.zero_grad()
        losses.append((output.loss.item(), contrast.item()))
        progress.set_postfix(lm=f"{losses[-1][0]:.2f}", contrast=f"{losses[-1][1]:.2f}")
    last = [round(fmean(of_kind), 3) for of_kind in zip(*losses[-50:], strict=True)]
    exposure = {
        "exposure": {name: languages.count(name) * recipe.pairs_per_step for name in BY_EXPOSURE},
        "recipe": asdict(recipe),
        "final_loss": dict(zip(("language_model", "contrastive"), last, strict=True)),
        "torch": str(torch.__version__),
    }
    return model.eval(), tokenizer, exposure


def save(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    exposure: dict[str, Any],
    folder: Path,
) -> None:
    """Write a folder for ``from_pretrained``: weights in float16, to be computed in float32."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    _let_transformers_4_read_it(folder / "tokenizer_config.json")
    model.config.save_pretrained(folder)
    # ``dtype="auto"`` follows the configuration, not the file: half precision is for storage only.
    changes = {"architectures": ["LlamaForCausalLM"], "dtype": "float32"}
    config = json.loads((folder / "config.json").read_text(encoding="utf-8")) | changes
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    weights = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    del weights["lm_head.weight"]  # tied to the embeddings
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "exposure.json").write_text(json.dumps(exposure, indent=2) + "\n", encoding="utf-8")


def _let_transformers_4_read_it(path: Path) -> None:
    """Rename keys of a tokenizer configuration to those of transformers 4; version 5 reads both."""
    config = json.loads(path.read_text(encoding="utf-8"))
    if "extra_special_tokens" in config:
        config["additional_special_tokens"] = config.pop("extra_special_tokens")
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _architecture(tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=352,
        num_hidden_layers=6,
        num_attention_heads=4,
        max_position_embeddings=MAX_LENGTH,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _rate(step: int, recipe: Recipe) -> float:
    """Factor of the learning rate: linear warm-up, then half a cosine down to 0."""
    warmup = recipe.warmup * recipe.steps
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (recipe.steps - warmup)))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m neuronxa_task.demo.train", description="Train the demo's tiny model."
    )
    parser.add_argument("--output", type=Path, required=True, help="folder to write the model to")
    parser.add_argument(
        "--steps", type=int, default=Recipe.steps, help="training steps (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=Recipe.seed, help="random seed (default: %(default)s)"
    )
    arguments = parser.parse_args()
    save(*train(Recipe(steps=arguments.steps, seed=arguments.seed)), arguments.output)


if __name__ == "__main__":
    main()
