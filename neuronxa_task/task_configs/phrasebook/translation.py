# Written by `python -m neuronxa_task.task_configs.write_configs`; change that, not this file.
from neuronxa_task.demo.translation import load

__all__ = ["load"]
