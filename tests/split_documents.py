"""`lm_eval` as on several GPUs: documents are split between the processes.

The harness (0.4.13) does so only where there is more than one GPU; here its own attributes are set
as it sets them there, and everything else is the stock command.
"""

from __future__ import annotations

from typing import Any

from lm_eval.__main__ import cli_evaluate
from lm_eval.models.huggingface import HFLM

initialize = HFLM.__init__


def initialize_as_on_gpus(self: HFLM, *arguments: Any, **options: Any) -> None:
    initialize(self, *arguments, **options)
    self._rank = self.accelerator.local_process_index
    self._world_size = self.accelerator.num_processes


HFLM.__init__ = initialize_as_on_gpus
cli_evaluate()
