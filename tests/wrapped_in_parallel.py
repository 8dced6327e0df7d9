"""Scores of models in the wrappers of `torch.distributed`.

Arguments: a folder to write into, the rank and the number of processes. Prints the name of every
wrapper whose scores are right.
"""

from __future__ import annotations

import sys

import torch
from conftest import byte_tokenizer, sentences, tiny_llama, translated
from torch import distributed

from neuronxa_task import NeuronXAError, score
from neuronxa_task.scoring.fingerprint import fingerprint

TEXT = sentences(12, seed=5)
OTHER = translated(TEXT, 0.35, seed=9)


def main(folder: str, rank: int, size: int) -> None:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
    from torch.nn.parallel import DistributedDataParallel

    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=size
    )
    mesh = init_device_mesh("cpu", (size,))
    expected = score(tiny_llama(), byte_tokenizer(), TEXT, OTHER).layers()

    def scores(model: torch.nn.Module) -> bool:
        return bool(score(model, byte_tokenizer(), TEXT, OTHER).layers() == expected)

    if scores(DistributedDataParallel(tiny_llama())):
        print("ddp")
    model = tiny_llama()
    for layer in model.model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    if scores(model):
        print("fsdp2")
    model(torch.arange(2, 9)[None])
    if scores(model):
        print("fsdp2-again")
    if fingerprint(model) == fingerprint(tiny_llama()):
        print("fsdp2-fingerprint")
    replicas = init_device_mesh("cpu", (size, 1), mesh_dim_names=("replicated", "sharded"))
    twice = fully_shard(tiny_llama(), mesh=replicas)
    if fingerprint(twice) == fingerprint(tiny_llama()):
        print("hsdp-fingerprint")
    try:
        scores(twice)
    except NeuronXAError as error:
        print("hsdp-refused" if "in more than one dimension; use either" in str(error) else error)
    try:
        score(
            FullyShardedDataParallel(tiny_llama(), device_id=torch.device("cpu")),
            byte_tokenizer(),
            TEXT,
            OTHER,
        )
    except NeuronXAError as error:
        print("fsdp1-refused" if "use FSDP2" in str(error) else error)
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
