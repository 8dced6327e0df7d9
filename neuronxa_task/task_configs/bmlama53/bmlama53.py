# Written by `python -m neuronxa_task.task_configs.write_configs`; change that, not this file.
from neuronxa_task.bmlama53.data import load

__all__ = ["load"]
