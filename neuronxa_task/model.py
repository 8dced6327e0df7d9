"""The harness's Hugging Face model under this plugin's name, for versions that read entry points."""

from __future__ import annotations

from lm_eval.api.registry import register_model
from lm_eval.models.huggingface import HFLM


@register_model("neuronxa")
class NeuronXALM(HFLM):  # type: ignore[misc]
    """`HFLM`, which answers NeuronXA's requests wherever this package is imported."""
