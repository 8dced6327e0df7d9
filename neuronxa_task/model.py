"""The harness's Hugging Face model under this plugin's name, for versions with entry points."""

from __future__ import annotations

from lm_eval.api.registry import register_model
from lm_eval.models.huggingface import HFLM


@register_model("neuronxa")
class NeuronXALM(HFLM):
    """`HFLM`, which answers NeuronXA's requests wherever this package is imported."""
