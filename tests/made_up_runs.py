"""Result files as the harness writes them, of models that do not exist, with a known relation."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SETTINGS = "split:devtest|n:100|pivot:eng_Latn|nas:gate>0|nav:abs(product)|pool:position"

HOW = {
    "batch_size": "auto",
    "random_seed": 0,
    "numpy_seed": 1234,
    "torch_seed": 1234,
    "fewshot_seed": 1234,
}


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
) -> Path:
    """Write one result file: alignment in `languages`, accuracy in those of each benchmark.

    A language's accuracy is 0.25 plus 0.6 times its NASCA, and normal noise.
    """
    chance = random.Random(seed)
    weights = zlib.crc32(model.encode())  # of its own: models of equal weights are joined
    skill = {code: chance.betavariate(1.2, 1.6) for code in languages}
    results: dict[str, Any] = {}
    configs: dict[str, Any] = {}
    for code in languages:
        profiles = {
            name: [
                share(skill[code], layer / layers, chance) for layer in range(1 - more, layers + 1)
            ]
            for name, more in PROFILES.items()
        }
        task = f"{text}_{code}"
        results[task] = {"alias": task, "sample_len": 100}
        for score in ("nasca", "navca", "mexa"):
            values = profiles[score]
            mean = sum(values) / len(values)
            results[task] |= {f"{score},none": mean, f"{score}_stderr,none": 0.02}
            results[task] |= {f"{score}_max,none": max(values), f"{score}_max_stderr,none": "N/A"}
        signature = f"neuronxa:0.1.0|data:{text}@abc|{SETTINGS}|data_hash:{code}|model:{weights:x}"
        configs[task] = {
            "metadata": {"layers": profiles, "signature": signature, "target": code, **metadata}
        }
    for benchmark, codes in benchmarks.items():
        for code in codes:
            aligned = results.get(f"{text}_{code}", {}).get("nasca,none", 0.5)
            accuracy = min(1.0, max(0.0, 0.25 + 0.6 * aligned + chance.gauss(0, noise)))
            task = f"{benchmark}_{code}"
            results[task] = {"alias": task, "acc,none": accuracy, "acc_stderr,none": 0.01}
            configs[task] = {"metadata": {"version": 1.0}}
    content = {
        "results": results,
        "configs": configs,
        "config": {"model": "hf", "model_args": {"pretrained": model}, **HOW},
        "n-shot": dict.fromkeys(results, 0),
        "date": 1_790_000_000.0 + seed,
        "lm_eval_version": "0.4.13",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


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


def share(skill: float, depth: float, chance: random.Random) -> float:
    """A share of 100 pairs: low at both ends of the model, as real ones are."""
    bow = 4 * depth * (1 - depth)
    exact = skill * (0.25 + 0.75 * bow) + chance.gauss(0, 0.03)
    return round(min(1.0, max(0.0, exact)), 2)
