"""Batches that are too large for the processes over which a model is split.

Arguments: a folder, the rank and the number of processes. First all processes are out of memory for
a batch, then the last one alone.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from conftest import byte_tokenizer, sentences, tiny_llama, translated
from torch import distributed

from neuronxa_task import score
from neuronxa_task.scoring import out_of_memory

TEXT = sentences(12, seed=5)
OTHER = translated(TEXT, 0.35, seed=9)
FITS = 4


def main(folder: Path, rank: int, size: int) -> None:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    torch.set_num_threads(1)
    out_of_memory.WAIT = timedelta(seconds=3)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=size
    )
    mesh = init_device_mesh("cpu", (size,))
    expected = score(tiny_llama(), byte_tokenizer(), TEXT, OTHER).layers()
    model: Any = tiny_llama()
    for layer in model.model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    sizes = []
    is_out_of_memory = True

    def allocate(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        sizes.append(len(inputs[0]))
        if sizes[-1] > FITS and is_out_of_memory:
            raise RuntimeError("CUDA out of memory. Tried to allocate 1 GiB")

    model.model.layers[0].mlp.register_forward_pre_hook(allocate)
    found = score(model, byte_tokenizer(), TEXT, OTHER, batch_size=16).layers()
    assert found == expected and max(sizes) > FITS
    print("halved together", flush=True)
    is_out_of_memory = rank == size - 1
    score(model, byte_tokenizer(), TEXT, OTHER, batch_size=16)
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
