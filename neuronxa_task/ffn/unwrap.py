"""Unwrap models that are data parallel, compiled, sharded or inside another module."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from neuronxa_task.errors import NeuronXAError, one_of


def unwrapped(model: nn.Module) -> nn.Module:
    """The Hugging Face or PEFT model inside `model`.

    Unwraps `DataParallel`, `DistributedDataParallel`, DeepSpeed's engine, `torch.compile`,
    accelerate's `compile_regions`, and any module that contains one model.

    Raises:
        NeuronXAError: it contains several models, or is sharded by FSDP1.
    """
    while (inner := _wrapped(model)) is not None:
        model = inner
    if any(type(module).__name__ == "FullyShardedDataParallel" for module in model.modules()):
        raise NeuronXAError(
            "this model is sharded by FullyShardedDataParallel (FSDP1), whose layers have no "
            "weights of their own to read; use FSDP2 (fully_shard), or score the saved model"
        )
    if _is_model(model):
        return model
    held = dict(_outermost_models(model))
    if len(held) == 1:
        return next(iter(held.values()))
    if held and not hasattr(model, "config"):
        raise NeuronXAError(
            f"{type(model).__name__} contains {len(held)} models ({one_of(held)}); expected one: "
            f"pass the model itself, such as model.{next(iter(held))}"
        )
    return model


def _wrapped(model: nn.Module) -> nn.Module | None:
    """The module inside the outermost wrapper; `None` if `model` is not wrapped."""
    inner: Any = None
    if "_orig_mod" in model._modules:  # torch.compile
        inner = model._modules["_orig_mod"]
    elif "_orig_mod" in vars(model):  # accelerate's compile_regions
        inner = vars(model)["_orig_mod"]
    elif isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)) or (
        type(model).__name__ == "DeepSpeedEngine"
    ):
        inner = model.module
    return inner if isinstance(inner, nn.Module) else None


def _is_model(module: nn.Module) -> bool:
    from transformers import PreTrainedModel

    return isinstance(module, PreTrainedModel) or hasattr(module, "get_base_model")


def _outermost_models(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    for name, child in module.named_children():
        if _is_model(child):
            yield f"{prefix}{name}", child
        else:
            yield from _outermost_models(child, f"{prefix}{name}.")


def eager() -> AbstractContextManager[Any]:
    """Context manager that runs compiled code eagerly, since compiled code may skip hooks."""
    # Without an import of the compiler nothing is compiled, and importing it takes seconds.
    has_compiler = "torch._dynamo" in sys.modules and hasattr(torch.compiler, "set_stance")
    return torch.compiler.set_stance("force_eager") if has_compiler else nullcontext()


# ---------------------------------------------------------------- FSDP2


def _fsdp2() -> type | tuple[()]:
    """The class that FSDP2 mixes into those of the modules that it shards, if it is in use."""
    fsdp: Any = sys.modules.get("torch.distributed.fsdp")
    kind: type | tuple[()] = getattr(fsdp, "FSDPModule", ())
    return kind


def class_of(module: nn.Module) -> type:
    """The class of a module, before FSDP2 exchanged it."""
    sharded = _fsdp2()
    return next(kind for kind in type(module).__mro__ if not issubclass(kind, sharded))


def sharded_around(model: nn.Module, inner: nn.Module) -> tuple[Any, ...]:
    """The modules around `inner`, outermost first, whose weights FSDP2 gathers to run them."""
    kind = _fsdp2()
    return tuple(
        module
        for module in model.modules()
        if isinstance(module, kind) and module is not inner
        if any(part is inner for part in module.modules())
    )


def run_once(model: Any, ids: Tensor) -> None:
    """Run a model that FSDP2 shards; its first pass must start at the outermost module."""
    named = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if getattr(model.config, "is_encoder_decoder", False):
        named["decoder_input_ids"] = ids
    with torch.no_grad(), eager():
        model(**named)


@contextmanager
def gathered(modules: Sequence[Any]) -> Iterator[None]:
    """Context manager in which every process has the modules' whole weights."""
    for module in modules:
        module.unshard()
    try:
        yield
    finally:
        for module in modules:
            module.reshard()
