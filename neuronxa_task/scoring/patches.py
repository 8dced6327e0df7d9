"""Detect user code that changes what a model computes, which no fingerprint covers."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Iterator
from typing import Any

import torch
from torch import nn

from neuronxa_task.ffn.body import running_parts
from neuronxa_task.ffn.unwrap import unwrapped

LIBRARIES = frozenset(
    "torch transformers accelerate peft torchao bitsandbytes optimum deepspeed gptqmodel hqq "
    "kernels".split()
)
"""Packages whose hooks place, shard or quantise a model without changing what it computes."""


def count_patches(model: nn.Module) -> int:
    """Count hooks, replaced forwards and replaced functions that may change what `model` computes.

    Those of libraries that place, shard, quantise or adapt a model are not counted, since their
    effect is covered by the weights and the configuration.

    Raises:
        NeuronXAError: the model has no text layers.
    """
    parts = running_parts(unwrapped(model))
    modules = {module for part in parts for module in part.modules()}
    of_modules = sum(1 for module in modules for _ in _patches_of(module))
    return of_modules + sum(1 for _ in _patches_of_torch())


def _patches_of(module: nn.Module) -> Iterator[object]:
    """Foreign hooks and forwards of a module."""
    for hook in (*module._forward_pre_hooks.values(), *module._forward_hooks.values()):
        if _is_foreign(hook):
            yield hook
    of_accelerate: Any = getattr(module, "_hf_hook", None)
    for hook in getattr(of_accelerate, "hooks", [of_accelerate]):
        if hook is not None and _is_foreign(hook):
            yield hook
    kind = type(module)
    home = next(base for base in kind.__mro__ if "forward" in vars(base))
    if _is_foreign(vars(home)["forward"], also={_package(home)}):
        yield home
    for name, value in vars(module).items():
        if not (inspect.isroutine(value) or isinstance(value, functools.partial)):
            continue
        # A model's own code may store functions, but does not replace forward.
        own = set() if name in {"forward", "_old_forward"} else {_package(kind)}
        if _is_foreign(value, also=own, besides=vars(home)["forward"]):
            yield value


def _patches_of_torch() -> Iterator[object]:
    """Foreign global hooks, replaced functions of torch, and modes that intercept every call."""
    from torch.nn.modules import module as torch_module

    for hooks in (torch_module._global_forward_pre_hooks, torch_module._global_forward_hooks):
        yield from filter(_is_foreign, hooks.values())
    yield from filter(_is_foreign, filter(inspect.isfunction, vars(torch.nn.functional).values()))
    modes = getattr(torch.overrides, "_get_current_function_mode_stack", list)
    yield from filter(_is_foreign, modes())


def _is_foreign(
    value: Any, *, also: Collection[str] = (), besides: Callable[..., Any] | None = None
) -> bool:
    """Whether a callable contains code from outside the libraries.

    Args:
        value: function, method, partial application, decorated function, or callable object.
        also: further packages that are not foreign.
        besides: a function that is not foreign, including everything it wraps.
    """
    known = set() if besides is None else set(map(id, _layers(besides)))
    return any(
        id(layer) not in known and _package(layer) not in {*LIBRARIES, "builtins", *also}
        for layer in _layers(value)
    )


def _layers(value: Any) -> Iterator[Any]:
    """The functions that run if `value` is called, from the outermost decorator inwards."""
    while value is not None:
        if isinstance(value, functools.partial):
            value = value.func
        elif inspect.ismethod(value):
            value = value.__func__
        else:
            yield value
            value = getattr(value, "__wrapped__", None)


def _package(value: Any) -> str:
    """The top-level package that defines a function, or the class of an object."""
    if inspect.isfunction(value):  # decorators copy `__module__`
        name = value.__globals__.get("__name__")
    elif inspect.isroutine(value) or isinstance(value, type):
        name = value.__module__
    else:
        name = type(value).__module__
    return (name or "torch").partition(".")[0]
