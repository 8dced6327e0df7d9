"""`lm_eval`, and then `neuronxa_task.score`, on models that are split over processes.

Run by torchrun. Arguments: a folder of models, which may have an adapter in them, and those of
`lm_eval`. Each process writes what it found of the models to `<folder>/<its rank>.json`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from conftest import byte_tokenizer, translated
from runs import PIVOT
from torch import Tensor, nn

from neuronxa_task import score
from neuronxa_task.ffn import find_body, find_sites
from neuronxa_task.scoring import state_cache
from neuronxa_task.scoring.fingerprint import fingerprint
from neuronxa_task.scoring.similarity import cosine, inner_products
from neuronxa_task.scoring.states import encode
from neuronxa_task.scoring.tensor_parallel import Split, owned_columns
from neuronxa_task.settings import StateSettings

KEPT_BYTES = 9 * 4 * (2 * 25 + 2 * 25 + 3 * 32)
"""Nine sentences of the first process's part of a model of 49 neurons in two layers."""


def loaded(folder: Path, **options: Any) -> nn.Module:
    """The model of a folder, with the adapter that lies in it, if any."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model: nn.Module = AutoModelForCausalLM.from_pretrained(folder, **options)
    adapter = folder / "adapter"
    return PeftModel.from_pretrained(model, adapter) if adapter.is_dir() else model


def scored(model: nn.Module) -> dict[str, Any]:
    """The weights' fingerprint, the pairs that find each other, and all similarities by layer."""
    target = translated(PIVOT, 0.35, seed=9)
    found = score(model, byte_tokenizer(), PIVOT, target)
    halves = [
        getattr(getattr(found, name), half).tolist()
        for name in ("nas", "nav", "emb")
        for half in ("from_pivot", "to_pivot")
    ]
    return {
        "fingerprint": fingerprint(model),
        "halves": halves,
        "similarities": [layer.flatten().tolist() for layer in similarities(model, target)],
    }


def similarities(model: nn.Module, target: list[str]) -> Iterator[Tensor]:
    body, shards = find_body(model), Split.of(model)
    sites = find_sites(body)
    ids = byte_tokenizer()([*PIVOT, *target])["input_ids"]
    states = encode(body, sites, ids, batch_size=8, settings=StateSettings())
    share = owned_columns(shards, body, sites).of(states)
    for layer in (*share.nas, *share.nav, *share.emb):
        yield cosine(shards.sum(inner_products(layer[: len(PIVOT)], layer[len(PIVOT) :])))


def main(models: Path, *arguments: str) -> None:
    from lm_eval.__main__ import cli_evaluate
    from transformers.distributed import DistributedConfig

    state_cache.KEPT_BYTES = KEPT_BYTES
    sys.argv = ["lm_eval", *arguments]
    cli_evaluate()
    found = {
        folder.name: scored(loaded(folder, distributed_config=DistributedConfig(tp_plan="auto")))
        for folder in sorted(models.iterdir())
        if folder.is_dir()
    }
    output = models / f"{torch.distributed.get_rank()}.json"
    output.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
