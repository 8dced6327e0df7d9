"""The part of a model that is run: its text layers, without the language-model head."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from neuronxa_task.errors import NeuronXAError


@dataclass(frozen=True)
class Body:
    """A stack of layers and the innermost model that runs it.

    Attributes:
        model: owner of the layers (`LlamaModel`, `T5Stack`, …); called without the head.
        layers: the L decoder layers (the encoder's, for encoder-decoder models).
        hidden_size: width H of the hidden states.
        vocabulary: number of token ids.
        family: `model_type` of the configuration, for messages.
        mixed_precision: autocast dtype of the harness's `mixed_precision_dtype`, if given.
    """

    model: nn.Module
    layers: nn.ModuleList
    hidden_size: int
    vocabulary: int
    family: str
    mixed_precision: torch.dtype | None = None

    @property
    def device(self) -> torch.device:
        """Where the inputs go."""
        return next(
            (p.device for p in self.model.parameters() if not p.is_meta), torch.device("cpu")
        )

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.mixed_precision is None:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.mixed_precision)

    def __call__(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Run the layers and return the last hidden state, `[batch, tokens, H]`."""
        parameters = inspect.signature(self.model.forward).parameters
        takes_cache = "use_cache" in parameters or any(
            parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()
        )
        options = {"use_cache": False} if takes_cache else {}
        with torch.no_grad(), self._autocast():
            output = self.model(input_ids=input_ids, attention_mask=attention_mask, **options)
        last: Tensor = output[0]
        return last


@contextmanager
def evaluation(model: nn.Module) -> Iterator[None]:
    """Without dropout while this context is open; afterwards every module's mode is as it was."""
    training = [module for module in model.modules() if module.training]
    try:
        for module in training:
            module.training = False
        yield
    finally:
        for module in training:
            module.training = True


def find_body(model: nn.Module, *, mixed_precision: torch.dtype | None = None) -> Body:
    """Find the text layers of a Hugging Face model and the module that runs them.

    The layers are the largest `ModuleList` of the configured depth whose innermost
    `PreTrainedModel` has the text configuration; so a vision tower of equal depth is never taken,
    and adapters and multimodal wrappers are seen through. For encoder-decoder models it is the
    encoder's.

    Raises:
        NeuronXAError: there is no such list, or an adapter changes the input itself.
    """
    if getattr(getattr(model, "active_peft_config", None), "is_prompt_learning", False):
        raise NeuronXAError(
            "this PEFT adapter adds virtual tokens to the input (prompt learning), so a sentence's "
            "own neurons cannot be read with it; supported are adapters inside the layers, as LoRA"
        )
    root: Any = model
    if hasattr(root, "get_base_model"):
        root = root.get_base_model()
    if (getattr(root, "tp_size", None) or 1) > 1:
        raise NeuronXAError(
            "this model is split by tensor parallelism (tp_plan), so each process sees a part of "
            "its neurons only; supported are data parallelism (accelerate launch) and device_map"
        )
    config: Any = getattr(root, "config", None)
    if getattr(config, "is_encoder_decoder", False):
        root = root.get_encoder()
        config = getattr(root, "config", config)  # FSMT's encoder has none of its own
        config = getattr(config, "text_config", config)
    elif hasattr(config, "get_text_config"):
        config = config.get_text_config(decoder=True)
    family = getattr(config, "model_type", type(model).__name__)
    depth = getattr(config, "encoder_layers", None) or getattr(config, "num_hidden_layers", None)
    width = getattr(config, "hidden_size", None)
    vocabulary = getattr(config, "vocab_size", None)
    if config is None or depth is None or width is None or vocabulary is None:
        raise NeuronXAError(
            f"{family}: the configuration of {type(model).__name__} describes no text layers; "
            "looked for num_hidden_layers, hidden_size and vocab_size, as Hugging Face language "
            "models have them"
        )
    lists = [
        (owner, module)
        for name, module in root.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == depth
        if isinstance(
            getattr(owner := _innermost_model(root, name), "config", config), type(config)
        )
    ]
    if not lists:
        raise NeuronXAError(
            f"{family}: no list of {depth} text layers found in {type(model).__name__}; looked for "
            "a ModuleList of as many layers as the configuration says, as in LLaMA or T5"
        )
    owner, layers = max(lists, key=lambda found: sum(p.numel() for p in found[1].parameters()))
    return Body(owner, layers, width, vocabulary, family, mixed_precision)


def _innermost_model(root: nn.Module, name: str) -> nn.Module:
    """The deepest module above `name` that is a model with its own configuration."""
    from transformers import PreTrainedModel

    owner = root
    path = ""
    for part in name.split(".")[:-1]:
        path = f"{path}.{part}" if path else part
        module = root.get_submodule(path)
        if isinstance(module, PreTrainedModel):
            owner = module
    return owner
