"""Result files as lm_eval 0.4.13 writes them, with made-up values: only what is read of them."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SCORES = ("nasca", "navca", "mexa")
SIGNATURE: dict[str, str] = {
    "neuronxa": "0.1.0",
    "data": "mteb/FloresBitextMining@2144d16c",
    "split": "devtest",
    "n": "100",
    "pivot": "eng_Latn",
    "nas": "gate>0",
    "nav": "abs(product)",
    "pool": "position",
    "sim": "cosine64",
    "data_hash": "00000000",
    "token_hash": "00000000",
    "dtype": "float32",
    "batch": "auto",
    "model": "2ac1024b",
    "torch": "2.13.0",
    "transformers": "5.23.0",
    "lm_eval": "0.4.13",
}


def signature(**facts: str) -> str:
    """A signature with some of its facts changed."""
    return "|".join(f"{key}:{value}" for key, value in (SIGNATURE | facts).items())


def navca(language: str, nasca: float) -> float:
    """A score of its own: near NASCA, and in another order of languages."""
    return round(0.1 + 0.7 * nasca + 0.2 * (zlib.crc32(language.encode()) % 100) / 100, 3)


class MadeRun:
    """A run of lm_eval in the making: add tasks, then write its result file."""

    def __init__(self, model: str = "org/model", date: float = 1_750_000_000.0, **args: Any):
        # Models of other names have other weights, as the reader joins those of equal ones.
        self.weights = {} if model == "org/model" else {"model": f"{zlib.crc32(model.encode()):x}"}
        self.content: dict[str, Any] = {
            "results": {},
            "groups": {},
            "group_subtasks": {},
            "configs": {},
            "versions": {},
            "n-shot": {},
            "n-samples": {},
            "config": {
                "model": "hf",
                "model_args": {"pretrained": model, **args},
                "batch_size": "auto",
                "limit": None,
                "gen_kwargs": {},
                "random_seed": 0,
                "numpy_seed": 1234,
                "torch_seed": 1234,
                "fewshot_seed": 1234,
            },
            "date": date,
            "lm_eval_version": "0.4.13",
            "model_name": model,
            "chat_template": None,
        }

    def task(
        self,
        name: str,
        values: Mapping[str, Any],
        *,
        metadata: Mapping[str, Any] | None = None,
        shots: int = 0,
        version: float = 1.0,
        samples: int = 100,
    ) -> MadeRun:
        """Add a task's row and configuration; `values` by metric, of the filter `none`."""
        row: dict[str, Any] = {"alias": name, "name": name, "sample_len": samples}
        for metric, value in values.items():
            key, chosen = metric.split(",") if "," in metric else (metric, "none")
            row[f"{key},{chosen}"] = value
            row[f"{key}_stderr,{chosen}"] = 0.01
        self.content["results"][name] = row
        self.content["configs"][name] = {"task": name, "metadata": dict(metadata or {})}
        self.content["versions"][name] = version
        self.content["n-shot"][name] = shots
        self.content["n-samples"][name] = {"original": samples, "effective": samples}
        return self

    def aligned(
        self,
        language: str,
        nasca: float,
        *,
        group: str = "neuronxa_flores",
        target: str | None = None,
        facts: Mapping[str, str] | None = None,
        **scores: float,
    ) -> MadeRun:
        """Add a NeuronXA task; scores not given are near `nasca`."""
        values = {"nasca": nasca, "navca": navca(language, nasca), "mexa": nasca**2} | scores
        values |= {f"{score}_max": min(1.0, values[score] + 0.05) for score in SCORES}
        layers = {score: [values[score], values[score]] for score in SCORES}
        self.task(
            f"{group}_{language}",
            values,
            metadata={
                "target": target or language,
                "pivot": "eng_Latn",
                "num_sentences": 100,
                "layers": layers,
                "signature": signature(**{**self.weights, **(facts or {})}),
            },
        )
        self.content["group_subtasks"].setdefault(group, []).append(f"{group}_{language}")
        return self

    def without(self, task: str, *metrics: str) -> MadeRun:
        """Make some of a task's numbers "N/A", as the harness writes what it cannot compute."""
        row = self.content["results"][task]
        assert all(f"{metric},none" in row for metric in metrics)
        row.update({f"{metric},none": "N/A" for metric in metrics})
        return self

    def write(self, folder: Path, name: str | None = None) -> Path:
        """Write the file as the harness names it."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / (name or f"results_{self.content['date']}.json")
        path.write_text(json.dumps(self.content), encoding="utf-8")
        return path


LANGUAGES = tuple("fra_Latn deu_Latn zho_Hans rus_Cyrl arb_Arab hin_Deva".split())
NASCA = (0.9, 0.8, 0.7, 0.65, 0.4, 0.2)
ACCURACY = (0.85, 0.8, 0.75, 0.6, 0.45, 0.3)


def full_run(
    model: str = "org/model",
    *,
    nasca: Sequence[float] = NASCA,
    accuracy: Sequence[float] = ACCURACY,
    pivot_accuracy: float | None = 0.9,
    benchmark: str = "belebele",
    **options: Any,
) -> MadeRun:
    """Alignment and a benchmark in the same six languages, and the benchmark in English."""
    run = MadeRun(model, **options)
    for language, score, value in zip(LANGUAGES, nasca, accuracy, strict=True):
        run.aligned(language, score).task(f"{benchmark}_{language}", {"acc": value})
    if pivot_accuracy is not None:
        run.task(f"{benchmark}_eng_Latn", {"acc": pivot_accuracy})
    return run


PROFILES = {
    "nasca": 0,
    "nas_from_pivot": 0,
    "nas_to_pivot": 0,
    "navca": 0,
    "nav_from_pivot": 0,
    "nav_to_pivot": 0,
    "mexa": 1,
    "emb_from_pivot": 1,
    "emb_to_pivot": 1,
}
"""Per-layer lists of a NeuronXA task, and how many entries they have beside the layers."""


def write_run(
    path: Path,
    model: str,
    languages: Sequence[str],
    benchmarks: Mapping[str, Sequence[str]] = {},
    *,
    layers: int = 12,
    seed: int = 0,
    noise: float = 0.05,
    text: str = "neuronxa_flores",
    metadata: Mapping[str, Any] = {},
    skills: Sequence[float] | None = None,
    pairs: bool = False,
) -> Path:
    """Write one result file with profiles over layers, accuracies following from the alignment.

    A language's accuracy is 0.25 plus 0.6 times its NASCA, and normal noise.

    Args:
        path: of the file.
        model: its name.
        languages: those with alignment.
        benchmarks: languages of each.
        layers: of the model.
        seed: of all that is random.
        noise: standard deviation.
        text: alignment benchmark.
        metadata: of the alignment's tasks, beside what they have.
        skills: how well each language is aligned, 0 to 1; random if not given.
        pairs: record how far each sentence pair is aligned.
    """
    chance = random.Random(seed)
    known = skills or [chance.betavariate(1.2, 1.6) for _ in languages]
    run = MadeRun(model, 1_790_000_000.0 + seed)
    aligned: dict[str, float] = {}
    for code, skill in zip(languages, known, strict=True):
        profiles = {
            name: [share(skill, layer / layers, chance) for layer in range(1 - more, layers + 1)]
            for name, more in PROFILES.items()
        }
        values = {score: sum(profiles[score]) / len(profiles[score]) for score in SCORES}
        aligned[code] = values["nasca"]
        about = {
            "layers": profiles,
            "signature": signature(
                data_hash=f"{zlib.crc32(code.encode()):08x}",
                model=f"{zlib.crc32(model.encode()):08x}",  # models of equal weights are joined
            ),
            "target": code,
            **metadata,
        }
        if pairs:
            about |= {"aligned_layers": recorded(profiles, code), "pivot_hash": "11111111"}
        run.task(f"{text}_{code}", values, metadata=about)
    for benchmark, codes in benchmarks.items():
        for code in codes:
            accuracy = 0.25 + 0.6 * aligned.get(code, 0.5) + chance.gauss(0, noise)
            run.task(f"{benchmark}_{code}", {"acc": min(1.0, max(0.0, accuracy))})
    return run.write(path.parent, path.name)


def recorded(profiles: Mapping[str, Sequence[float]], code: str) -> dict[str, str]:
    """`aligned_layers` of 100 pairs: at each layer the easiest ones, the same for all models."""
    ease = list(range(100))
    random.Random(code).shuffle(ease)
    return {
        score: bytes(
            sum(place < round(100 * at_layer) for at_layer in profiles[score]) for place in ease
        ).hex()
        for score in SCORES
    }


def share(skill: float, depth: float, chance: random.Random) -> float:
    """A share of 100 pairs: low at both ends of the model, as real ones are."""
    bow = 4 * depth * (1 - depth)
    exact = skill * (0.25 + 0.75 * bow) + chance.gauss(0, 0.03)
    return round(min(1.0, max(0.0, exact)), 2)
