"""The textbook equation of the feed-forward block, by the names that the families give its maps.

It shares no code with the package but what a site is: its layer, name and output projection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from transformers.activations import ACT2FN

from neuronxa_task.ffn import Body, DenseNeurons

INTO = {
    "down_proj": ("gate_proj up_proj", "gate_up_proj", "up_proj", "input_linear"),
    "output_linear": ("input_linear",),
    "w2": ("w1 w3",),
    "wo": ("wi_0 wi_1", "wi"),
    "Wo": ("Wi",),
    "fc2": ("fc1",),
    "c_proj": ("c_fc",),
    "fc_out": ("fc_in",),
    "dense_4h_to_h": ("dense_h_to_4h",),
    "output": ("intermediate",),  # ProphetNet
    "value": ("key",),
    "2": ("0",),
}
"""Output projections to the maps in front of them: gate first, and in the first half if fused."""
FUSED = {"gate_up_proj", "Wi", "input_linear"}
ACTIVATION_KEYS = (
    "hidden_activation hidden_act mlp_hidden_act activation_function dense_act_fn activation "
    "afn".split()
)
WRITTEN_OUT = {"bloom": "gelu_new", "ctrl": "relu", "mpt": "gelu", "rwkv": "relu2"} | dict.fromkeys(
    ["lfm2", "lfm2_moe", "lfm3", "openai-gpt"], "silu"
)
WRITTEN_OUT["openai-gpt"] = "gelu_new"  # there called "gelu"


def linear(module: nn.Module, x: Tensor) -> Tensor:
    """The map of a linear module or a `Conv1D`, from its weights."""
    weight: Tensor = module.weight  # type: ignore[assignment]
    bias: Tensor | None = module.bias  # type: ignore[assignment]
    product = x @ (weight if type(module).__name__ == "Conv1D" else weight.T)
    return product if bias is None else product + bias


def activation(body: Body, block: nn.Module) -> Callable[[Tensor], Tensor]:
    """The activation the configuration names."""
    if body.family == "apertus":  # has trained parameters
        return block.act_fn  # type: ignore[return-value]
    config: Any = body.model.config
    names = [getattr(config, key) for key in ACTIVATION_KEYS if hasattr(config, key)]
    function: Callable[[Tensor], Tensor] = ACT2FN[WRITTEN_OUT.get(body.family) or names[0]]
    return function


def into(body: Body, site: DenseNeurons) -> list[nn.Module]:
    """The linear maps in front of the output projection."""
    above, _, name = site.name.rpartition(".")
    if name == "dense":  # BERT's intermediate and output modules
        return [body.model.get_submodule(above.rpartition(".")[0] + ".intermediate.dense")]
    block = body.model.get_submodule(above)
    for names in INTO[name]:
        if all(hasattr(block, part) for part in names.split()):
            return [getattr(block, part) for part in names.split()]
    raise AssertionError(f"no textbook for {site.name}")


def textbook(
    body: Body, site: DenseNeurons, sources: list[nn.Module], x: Tensor
) -> tuple[Tensor, Tensor]:
    """Gate activation and product of one block from its input and weights."""
    block = body.model.get_submodule(site.name.rpartition(".")[0])
    if body.family == "minimax_m3_vl_text":
        gate, up = linear(sources[0], x).chunk(2, dim=-1)
        glu = gate * torch.sigmoid(1.702 * gate)
        return glu, (up + 1) * glu
    act = activation(body, block)
    name = next(name for name, module in body.model.named_modules() if module is sources[0])
    values = [linear(source, x) for source in sources]
    if body.family == "zamba2":
        config: Any = body.model.config
        adapters: Any = block.gate_up_proj_adapter_list
        values[0] = values[0] + adapters[config.hybrid_layer_ids.index(site.layer)](x)
    if name.rpartition(".")[2] in FUSED or body.family == "moshi":
        values = list(values[0].chunk(2, dim=-1))
    gate = act(values[0])
    product = gate * values[1] if len(values) == 2 else gate
    for norm in ("ffn_sub_norm", "ffn_layernorm"):
        if hasattr(block, norm):
            product = getattr(block, norm)(product)
    return gate, product
