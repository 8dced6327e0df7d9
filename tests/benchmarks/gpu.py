"""The scored pass beside the bare body on a GPU: `python tests/benchmarks/gpu.py`.

Eight layers in the shape of an 8 B Llama, and four of Qwen3-MoE with 64 and 128 experts, in
bfloat16 with random weights; 256 sentences of 15 to 60 tokens. Passes are timed in turns, and the
kernels of one batch are counted by torch's profiler. `--small` runs tiny models on the CPU, to try
this file.
"""

from __future__ import annotations

import random
import statistics
import time
from typing import Annotated, Any

import torch
import typer
from record import record
from torch.profiler import ProfilerActivity, profile

from neuronxa_task.ffn import Body, find_body, find_sites
from neuronxa_task.scoring.states import batches, encode, pad
from neuronxa_task.settings import StateSettings

ROUNDS = 7
BATCHES = (16, 64)


def models(small: bool) -> dict[str, Any]:
    """Configurations by name."""
    from transformers import LlamaConfig, Qwen3MoeConfig

    by = 32 if small else 1
    dense = LlamaConfig(
        vocab_size=32_000,
        hidden_size=4096 // by,
        intermediate_size=14_336 // by,
        num_hidden_layers=8,
        num_attention_heads=32 // (8 if small else 1),
        num_key_value_heads=8 // (8 if small else 1),
    )
    mixtures = {
        f"{experts} experts": Qwen3MoeConfig(
            vocab_size=32_000,
            hidden_size=2048 // by,
            moe_intermediate_size=768 // by,
            num_hidden_layers=4,
            num_attention_heads=16 // (4 if small else 1),
            num_key_value_heads=4,
            head_dim=128 // by,
            num_experts=experts,
            num_experts_per_tok=8,
        )
        for experts in (64, 128)
    }
    return {"8 B Llama": dense, **mixtures}


def measure(name: str, config: Any, device: torch.device) -> dict[str, float]:
    """Ratios, memory and kernels of one model."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    with device:
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()
    body, draw = find_body(model), random.Random(0)
    sites = find_sites(body)
    ids = [
        [1, *(draw.randrange(3, 32_000) for _ in range(draw.randint(15, 60)))] for _ in range(256)
    ]
    figures = {}
    for size in BATCHES:
        bare, scored = Pass(body, sites, ids, size, False), Pass(body, sites, ids, size, True)
        bare(), scored()
        times = [(bare.seconds(), scored.seconds()) for _ in range(ROUNDS)]
        of_bare, of_scored = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"{name}, batch {size}: bare {of_bare:.4f} s, scored {of_scored:.4f} s", flush=True)
        figures[f"{name}, batches of {size}: scored pass / bare body"] = of_scored / of_bare
        more = (scored.kernels() - bare.kernels()) / config.num_hidden_layers
        figures[f"{name}, batches of {size}: kernels a layer more than the bare body's"] = more
        if device.type == "cuda":
            above = (scored.peak() - bare.peak()) / 2**20
            figures[f"{name}, batches of {size}: peak memory above the bare body's, MiB"] = above
    return figures


class Pass:
    """A pass over sentences: scored, or of the bare body."""

    def __init__(
        self, body: Body, sites: Any, ids: list[list[int]], size: int, is_scored: bool
    ) -> None:
        self.body, self.sites, self.ids, self.size = body, sites, ids, size
        self.is_scored, self.device = is_scored, body.device

    @torch.no_grad()
    def __call__(self, limit: int | None = None) -> None:
        grouped = batches(self.ids, self.size)[:limit]
        if self.is_scored:
            ids = [self.ids[row] for rows in grouped for row in rows]
            encode(self.body, self.sites, ids, batch_size=self.size, settings=StateSettings())
        else:
            for rows in grouped:
                batch, mask = pad([self.ids[row] for row in rows], 0)
                self.body(batch.to(self.device), mask.to(self.device))
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def seconds(self) -> float:
        """Wall time."""
        start = time.perf_counter()
        self()
        return time.perf_counter() - start

    def kernels(self) -> int:
        """Kernels of one batch; on a CPU, operations."""
        on_gpu = self.device.type == "cuda"
        kind = ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU
        with profile(activities=[kind]) as profiler:
            self(1)
        wanted = "CUDA" if on_gpu else "CPU"
        return sum(event.device_type.name == wanted for event in profiler.events())

    def peak(self) -> int:
        """Most bytes on the GPU."""
        torch.cuda.reset_peak_memory_stats()
        self()
        return int(torch.cuda.max_memory_allocated())


def main(
    small: Annotated[bool, typer.Option(help="Tiny models on the CPU; records nothing.")] = False,
) -> None:
    """Measure, print and record."""
    device = torch.device("cpu" if small else "cuda")
    figures: dict[str, float] = {}
    for name, config in models(small).items():
        figures |= measure(name, config, device)
    for what, value in figures.items():
        print(f"{what:75s} {value:10.3f}")
    if not small:
        record("gpu", "The scored pass on a GPU, bfloat16, 256 sentences", figures)


if __name__ == "__main__":
    typer.run(main)
