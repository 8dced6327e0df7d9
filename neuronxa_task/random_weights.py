"""The harness's `hf` with random weights: a model's configuration and tokenizer, nothing learned.

`python -m neuronxa_task.random_weights` is the command `lm_eval` with this model, `hf-random`. It
depends on internals of the harness (lm_eval 0.4.10 to 0.4.13): `HFLM` reads the configuration in
`_get_config`, makes its model in `_create_model`, and passes model arguments that it does not know
to the latter.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from lm_eval.api.registry import register_model
from lm_eval.models.huggingface import HFLM

from neuronxa_task.errors import NeuronXAError, one_of, shortened, show_errors_as_one_line
from neuronxa_task.harness import RANDOM_MODEL

SEED = "random_weights"
"""Model argument with the seed; readers of result files take it for the name of another model."""

WITHOUT_WEIGHTS = ("peft", "delta", "autogptq", "gptqmodel", "quantization_config", "tp_plan")
"""Model arguments that need the model's own weights, or load them in a way of their own."""


@register_model(RANDOM_MODEL)
class RandomWeights(HFLM):  # type: ignore[misc]
    """A model with the weights that transformers initializes it with, from a seed."""

    def _get_config(self, pretrained: str, *arguments: Any, **options: Any) -> None:
        try:
            super()._get_config(pretrained, *arguments, **options)
        except (OSError, ValueError) as error:
            reason = shortened(" ".join(str(error).split()), at_most=300)
            raise NeuronXAError(
                f"the configuration of {pretrained} cannot be loaded: {reason}; expected a hub "
                "name or a folder with a model of transformers"
            ) from None

    def _create_model(
        self, pretrained: str, dtype: Any = "auto", trust_remote_code: bool = False, **options: Any
    ) -> None:
        if refused := [name for name in WITHOUT_WEIGHTS if options.get(name)]:
            raise NeuronXAError(
                f"a copy with random weights has no {one_of(refused)}; leave it out of --model_args"
            )
        config = copy.deepcopy(self.config)
        if hasattr(config, "quantization_config"):  # the copy is not quantised
            del config.quantization_config
        if dtype in (None, "auto"):
            dtype = getattr(config, "dtype", None) or torch.float32
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(options[SEED]))
            self._model = self.AUTO_MODEL_CLASS.from_config(
                config, dtype=_dtype(dtype), trust_remote_code=bool(trust_remote_code)
            )


def _dtype(given: Any) -> torch.dtype:
    """A dtype that is given as such or by its name."""
    known = given if isinstance(given, torch.dtype) else getattr(torch, str(given), None)
    if not isinstance(known, torch.dtype):
        raise NeuronXAError(
            f"dtype is {given!r}; expected auto, or a dtype of torch such as bfloat16"
        )
    return known


if __name__ == "__main__":
    from lm_eval.__main__ import cli_evaluate

    show_errors_as_one_line()
    cli_evaluate()
