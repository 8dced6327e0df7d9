"""The body of a model: its text layers, run without the language-model head."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.ffn.unwrap import eager, gathered, run_once, sharded_around, unwrapped
from neuronxa_task.settings import Side


@dataclass(frozen=True)
class Body:
    """A stack of layers and the innermost model that runs it.

    Attributes:
        model: the module that owns the layers (`LlamaModel`, `T5Stack`, …), without the head.
        layers: the L decoder layers (the encoder's, for encoder-decoder models).
        hidden_size: width H of the hidden states.
        vocabulary: number of token ids.
        family: `model_type` of the configuration, for messages.
        limit: value at which the feed-forward blocks clamp their gate, if they do.
        mixed_precision: autocast dtype (the harness's `mixed_precision_dtype`), if given.
        is_half: whether the layers are one side of an encoder-decoder model.
        encoder: the encoder that the layers attend to, if they are a decoder's.
        sharded: modules around `model` whose weights FSDP2 must gather before it runs.
    """

    model: nn.Module
    layers: nn.ModuleList
    hidden_size: int
    vocabulary: int
    family: str
    limit: float | None = None
    mixed_precision: torch.dtype | None = None
    is_half: bool = False
    encoder: Encoder | None = None
    sharded: tuple[nn.Module, ...] = ()

    @property
    def parts(self) -> tuple[nn.Module, ...]:
        """The models that run: encoder and decoder, or `model` alone."""
        return (self.model,) if self.encoder is None else (self.encoder.model, self.model)

    @property
    def device(self) -> torch.device:
        """Device of the inputs."""
        return next(
            (p.device for p in self.model.parameters() if not p.is_meta), torch.device("cpu")
        )

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.mixed_precision is None:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.mixed_precision)

    def __call__(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Run the layers and return the last hidden state, `[batch, tokens, H]`.

        This is the last of Hugging Face's `hidden_states`: after the final norm, unless the
        configuration asks for the state before it (`tie_last_hidden_states=False`).

        A decoder with an encoder reads each sentence as in training: shifted by one token, and
        attending to the encoder's output for the same sentence.
        """
        named = {"input_ids": input_ids, "attention_mask": attention_mask}
        with torch.no_grad(), eager(), gathered(self.sharded), self._autocast():
            if self.encoder is not None:
                ids = input_ids.masked_fill(attention_mask == 0, self.encoder.pad)
                named |= {
                    "input_ids": self.encoder.shifted(ids),
                    "encoder_hidden_states": _outputs(self.encoder.model, **named)[0],
                    "encoder_attention_mask": attention_mask,
                }
            config: Any = getattr(self.model, "config", None)
            last: Tensor
            if getattr(config, "tie_last_hidden_states", None) is False:
                given = _outputs(self.model, **named, output_hidden_states=True)
                last = given["hidden_states"][-1]
            else:
                last = _outputs(self.model, **named)[0]
            return last


@dataclass(frozen=True)
class Encoder:
    """The encoder of an encoder-decoder model whose decoder is read.

    Attributes:
        shifted: maps a sentence's ids to the decoder's input in training.
        pad: padding id, which `shifted` needs to find the end (mBART starts with the last token).
    """

    model: nn.Module
    shifted: Callable[[Tensor], Tensor]
    pad: int


def _outputs(model: nn.Module, **named: Any) -> Any:
    parameters = inspect.signature(model.forward).parameters
    takes_cache = "use_cache" in parameters or any(
        parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()
    )
    return model(**named, **({"use_cache": False} if takes_cache else {}))


@contextmanager
def evaluation(body: Body) -> Iterator[None]:
    """Context manager that disables dropout, and restores every module's mode afterwards."""
    training = [module for part in body.parts for module in part.modules() if module.training]
    try:
        for module in training:
            module.training = False
        yield
    finally:
        for module in training:
            module.training = True


def find_body(
    model: nn.Module, *, mixed_precision: torch.dtype | None = None, side: Side = "encoder"
) -> Body:
    """Find the text layers of a Hugging Face model and the module that runs them.

    The layers are the largest `ModuleList` of the configured depth whose innermost
    `PreTrainedModel` has the text configuration. So a vision tower of equal depth is never chosen,
    and adapters and multimodal wrappers do not matter.

    Args:
        model: the model as loaded, possibly wrapped (see `unwrapped`).
        mixed_precision: autocast dtype of the harness, if any.
        side: which side's layers to use in an encoder-decoder model.

    Raises:
        NeuronXAError: no such list is found, or an adapter changes the input itself.
    """
    model = unwrapped(model)
    if getattr(getattr(model, "active_peft_config", None), "is_prompt_learning", False):
        raise NeuronXAError(
            "this PEFT adapter adds virtual tokens to the input (prompt learning), so a sentence's "
            "own neurons cannot be read with it; use an adapter inside the layers, such as LoRA"
        )
    root = _without_adapter(model)
    config: Any = getattr(root, "config", None)
    encoder = None
    is_half = bool(getattr(config, "is_encoder_decoder", False))
    if is_half:
        if side == "decoder":
            pad = getattr(config, "pad_token_id", None) or 0
            encoder = Encoder(root.get_encoder(), _shift_of(root), pad)
        root = root.get_encoder() if side == "encoder" else root.get_decoder()
        config = getattr(root, "config", config)  # FSMT's encoder has no configuration of its own
        config = getattr(config, "text_config", config)
    elif hasattr(config, "get_text_config"):
        config = config.get_text_config(decoder=True)
    family = getattr(config, "model_type", type(model).__name__)
    depths = [f"{side}_layers", f"num_{side}_layers"] if encoder is not None else ["encoder_layers"]
    depths += ["num_hidden_layers", "num_layers"]  # LongCat counts its layers twice in the former
    possible = [depth for name in depths if isinstance(depth := getattr(config, name, None), int)]
    width = getattr(config, "hidden_size", None)
    vocabulary = getattr(config, "vocab_size", None)
    if config is None or not possible or width is None or vocabulary is None:
        raise NeuronXAError(
            f"{family}: the configuration of {type(model).__name__} describes no text layers; "
            "looked for num_hidden_layers, hidden_size and vocab_size, as in Hugging Face language "
            "models"
        )
    for depth in possible:
        lists = [
            (owner, module)
            for name, module in root.named_modules()
            if isinstance(module, nn.ModuleList) and len(module) == depth
            if isinstance(
                getattr(owner := _innermost_model(root, name), "config", config), type(config)
            )
        ]
        if lists:
            break
    else:
        raise NeuronXAError(
            f"{family}: no list of {possible[0]} text layers found in {type(model).__name__}; "
            "looked for a ModuleList of as many layers as the configuration says, as in LLaMA or T5"
        )
    owner, layers = max(lists, key=lambda pair: sum(p.numel() for p in pair[1].parameters()))
    limit = getattr(config, "swiglu_limit", None)
    if sharded := sharded_around(model, owner):
        run_once(model, torch.zeros(1, 2, dtype=torch.long, device=next(owner.parameters()).device))
    return Body(
        owner, layers, width, vocabulary, family, limit, mixed_precision, is_half, encoder, sharded
    )


def running_parts(model: nn.Module) -> tuple[nn.Module, ...]:
    """The parts of a model that run, on any side: its body, or its encoder and decoder.

    Args:
        model: a model returned by `unwrapped`.

    Raises:
        NeuronXAError: no text layers are found.
    """
    root = _without_adapter(model)
    if getattr(getattr(root, "config", None), "is_encoder_decoder", False):
        return root.get_encoder(), root.get_decoder()
    return (find_body(model).model,)


def _without_adapter(model: Any) -> Any:
    """The model inside one of PEFT."""
    return unwrapped(model.get_base_model()) if hasattr(model, "get_base_model") else model


def _shift_of(model: Any) -> Callable[[Tensor], Tensor]:
    """The function that shifts ids for the decoder: the family's own, or a start token first."""
    if hasattr(model, "prepare_decoder_input_ids_from_labels"):
        shift: Callable[[Tensor], Tensor] = model.prepare_decoder_input_ids_from_labels
        return shift
    start = model.config.decoder_start_token_id
    if start is None:
        raise NeuronXAError(
            f"{model.config.model_type}: the configuration has no decoder_start_token_id, so the "
            "decoder has no input to start with; use side: encoder"
        )

    def shifted(ids: Tensor) -> Tensor:
        moved = ids.roll(1, dims=1)
        moved[:, 0] = start
        return moved

    return shifted


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
