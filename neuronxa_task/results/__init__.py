"""Read the harness's result files into one tidy table."""

from neuronxa_task.results.collection import RunChoice
from neuronxa_task.results.table import COLUMNS, Results, read_results

__all__ = ["COLUMNS", "Results", "RunChoice", "read_results"]
