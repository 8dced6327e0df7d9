# Written by `python -m neuronxa_task.task_configs.write_configs`; change that, not this file.
from neuronxa_task.task import NeuronXATask

__all__ = ["NeuronXATask"]
