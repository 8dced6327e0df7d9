"""Run a model's experts so that their neurons can be read, and restore the model afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn.body import Body
from neuronxa_task.ffn.moe.rows import AllRows, Rows
from neuronxa_task.ffn.moe.stacked import IMPLEMENTATION, Mixture, Show
from neuronxa_task.ffn.site import SUPPORTED, Experts

_SHOWN: dict[nn.Module, tuple[Mixture, Show]] = {}
"""What the registered experts function runs for each module that is being read."""


@contextmanager
def experts_shown(
    body: Body, sites: Sequence[Experts], show: Callable[[Experts, Rows | AllRows], None]
) -> Iterator[None]:
    """Context manager in which `show` receives the rows of every expert of `sites` that runs.

    Afterwards, also after an exception, the model computes its experts as before.

    Raises:
        NeuronXAError: transformers cannot replace the computation of this model's experts.
    """
    with ExitStack() as changes:
        for site in sites:
            shown = _shown(site, show)
            if site.mixture.is_registered:
                _SHOWN[site.module] = shown
                changes.callback(_SHOWN.pop, site.module)
            else:
                changes.enter_context(_in_place_of_forward(site.module, *shown))
        if registered := [site for site in sites if site.mixture.is_registered]:
            changes.enter_context(_implementation(body, registered))
        yield


def _shown(site: Experts, show: Callable[[Experts, Rows | AllRows], None]) -> tuple[Mixture, Show]:
    return site.mixture, lambda rows: show(site, rows)


def _run_registered(module: nn.Module, *inputs: Tensor, **named: Tensor) -> Tensor:
    mixture, show = _SHOWN[module]
    return mixture.run(module, show, *inputs, **named)


@contextmanager
def _implementation(body: Body, sites: Sequence[Experts]) -> Iterator[None]:
    from transformers.integrations.moe import ALL_EXPERTS_FUNCTIONS

    if IMPLEMENTATION not in ALL_EXPERTS_FUNCTIONS:
        ALL_EXPERTS_FUNCTIONS.register(IMPLEMENTATION, _run_registered)
    model: Any = body.model
    before = model.get_experts_implementation()
    with ExitStack() as changes:
        changes.callback(model.set_experts_implementation, before)
        try:
            model.set_experts_implementation(IMPLEMENTATION)
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise NeuronXAError(
                f"{body.family}: transformers cannot replace the experts' computation: {reason}"
            ) from error
        for site in sites:
            changes.enter_context(_own_configuration(body, site))
        yield


@contextmanager
def _own_configuration(body: Body, site: Experts) -> Iterator[None]:
    """Switch a module's own configuration; PEFT's copies (`modules_to_save`) have one."""
    config: Any = getattr(site.module, "config", None)
    before = getattr(config, "_experts_implementation", None)
    if before is None:
        raise NeuronXAError(
            f"{body.family}: transformers cannot replace the computation of {site.name} "
            f"({type(site.module).__name__}); supported: {SUPPORTED}"
        )
    config._experts_implementation = IMPLEMENTATION
    try:
        yield
    finally:
        config._experts_implementation = before


@contextmanager
def _in_place_of_forward(module: nn.Module, mixture: Mixture, show: Show) -> Iterator[None]:
    if any(hasattr(weight, "device_mesh") for weight in module.parameters()):
        raise NeuronXAError(
            f"{type(module).__name__} is split by tensor parallelism (tp_plan) and does not use "
            "transformers' dispatch of experts, so it cannot be read; use device_map instead"
        )
    # Under accelerate's offloading, `forward` loads the weights around `_old_forward`.
    name = "_old_forward" if hasattr(module, "_hf_hook") else "forward"
    before = vars(module).get(name)
    setattr(module, name, lambda *inputs, **named: mixture.run(module, show, *inputs, **named))
    try:
        yield
    finally:
        if before is None:
            delattr(module, name)
        else:
            setattr(module, name, before)
