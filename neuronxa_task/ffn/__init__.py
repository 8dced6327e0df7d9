"""Find a model's feed-forward neurons by data flow, and read them while it runs."""

from neuronxa_task.ffn.body import Body, evaluation, find_body
from neuronxa_task.ffn.capture import reading
from neuronxa_task.ffn.find import find_sites
from neuronxa_task.ffn.moe.rows import AllRows, Rows
from neuronxa_task.ffn.site import DenseNeurons, Experts, neurons_by_layer
from neuronxa_task.ffn.unwrap import unwrapped

__all__ = [
    "AllRows",
    "Body",
    "DenseNeurons",
    "Experts",
    "Rows",
    "evaluation",
    "find_body",
    "find_sites",
    "neurons_by_layer",
    "reading",
    "unwrapped",
]
