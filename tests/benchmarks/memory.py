"""Peak memory of the scored pass above the bare forward pass, for a mixture of 64 experts.

Run: python tests/benchmarks/memory.py (a minute). Each measurement is a process of its own, since
a process's peak never falls again. The model has the shape of Qwen3-MoE, scaled down in width and
depth: 64 experts of which each token visits 8.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys

import torch
from record import record

SENTENCES, TOKENS, BATCH = 100, 40, 32
SHAPE = {
    "hidden_size": 512,
    "moe_intermediate_size": 192,
    "num_hidden_layers": 12,
    "num_experts": 64,
    "num_experts_per_tok": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 64,
    "vocab_size": 4096,
}


def measured(what: str) -> dict[str, float]:
    """Peak memory of this process in MiB, after loading and after one pass over the sentences."""
    from transformers import Qwen3MoeConfig, Qwen3MoeForCausalLM

    from neuronxa_task.ffn import evaluation, find_body, find_sites, neurons_by_layer
    from neuronxa_task.scoring.states import encode
    from neuronxa_task.settings import StateSettings

    torch.manual_seed(0)
    model = Qwen3MoeForCausalLM(Qwen3MoeConfig(**SHAPE)).eval()
    ids = torch.randint(0, SHAPE["vocab_size"], (SENTENCES, TOKENS))
    body = find_body(model)
    loaded = peak()
    if what == "bare":
        with evaluation(body):
            for batch in ids.split(BATCH):
                body(batch, torch.ones_like(batch))
        return {"loaded": loaded, "peak": peak()}
    sites = find_sites(body)
    states = encode(body, sites, ids.tolist(), batch_size=BATCH, settings=StateSettings())
    vectors = sum(neurons_by_layer(sites).values()) * 2 * 4 * SENTENCES / 2**20
    assert len(states.nas) == SHAPE["num_hidden_layers"]
    return {"loaded": loaded, "peak": peak(), "vectors": vectors}


def peak() -> float:
    """MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure both passes, print and record."""
    bare, scored = (
        json.loads(
            subprocess.run(
                [sys.executable, __file__, what], check=True, capture_output=True, text=True
            ).stdout.splitlines()[-1]
        )
        for what in ("bare", "scored")
    )
    figures = {
        "model loaded, MiB": bare["loaded"],
        "bare forward pass, peak, MiB": bare["peak"],
        "scored pass, peak, MiB": scored["peak"],
        "neuron vectors of all sentences (within the peak), MiB": scored["vectors"],
    }
    record("memory", f"Memory of a mixture of 64 experts, {SENTENCES} sentences", figures)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measured(sys.argv[1])))
    else:
        main()
