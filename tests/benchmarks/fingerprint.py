"""The fingerprint of a Llama of 1.2 B parameters: time beside a plain read, and peak memory.

Run: python tests/benchmarks/fingerprint.py (on Linux). A plain read is the sum of all weights as
64-bit integers, the least that a program can do with every bit of them.
"""

from __future__ import annotations

import statistics

import torch
from measure import forget_peak, memory, seconds
from record import record
from transformers import LlamaConfig, LlamaModel

from neuronxa_task.scoring.fingerprint import fingerprint

ROUNDS = 3
SHAPE = {
    "vocab_size": 128_256,
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
}


def model_of(dtype: torch.dtype) -> LlamaModel:
    """The shape of Llama 3.2 1B, with weights of random bits."""
    with torch.device("meta"):
        model = LlamaModel(LlamaConfig(**SHAPE)).to(dtype)
    model.to_empty(device="cpu")
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data.view(torch.int16).random_()
    return model.eval()


def read(model: LlamaModel) -> int:
    """Sum every weight once, eight bytes at a time."""
    return sum(
        int(weight.detach().flatten().view(torch.int64).sum()) for weight in model.parameters()
    )


def measured(dtype: torch.dtype) -> dict[str, float]:
    """Figures for weights of `dtype`."""
    model = model_of(dtype)
    fingerprint(model), read(model)
    forget_peak()
    loaded = memory("VmRSS")
    fingerprint(model)
    above = memory("VmHWM") - loaded
    times = [
        (seconds(lambda: fingerprint(model)), seconds(lambda: read(model))) for _ in range(ROUNDS)
    ]
    name = str(dtype).removeprefix("torch.")
    return {
        f"{name}: fingerprint, s": statistics.median(own for own, _ in times),
        f"{name}: plain read, s": statistics.median(plain for _, plain in times),
        f"{name}: fingerprint / plain read": statistics.median(own / plain for own, plain in times),
        f"{name}: peak memory above the model, MiB": above,
    }


def main() -> None:
    """Measure and record."""
    figures = measured(torch.bfloat16) | measured(torch.float32)
    record("fingerprint", "The fingerprint of a Llama of 1.2 B parameters", figures)


if __name__ == "__main__":
    main()
