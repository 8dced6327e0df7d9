"""Parallel text: loading it, checking it, and the hash that identifies it.

Every source becomes a `Corpus`: one column of sentences per language, with parallel rows.
"""

from neuronxa_task.corpus.parallel import Corpus, data_hash
from neuronxa_task.corpus.sources import load

__all__ = ["Corpus", "data_hash", "load"]
