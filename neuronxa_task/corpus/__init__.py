"""Parallel text: where it comes from, what is wrong with it, and the hash that names it.

Every source becomes a `Corpus`: named languages, each a column of sentences, line i parallel.
"""

from neuronxa_task.corpus.parallel import Corpus, data_hash
from neuronxa_task.corpus.sources import PACKAGED, load

__all__ = ["PACKAGED", "Corpus", "data_hash", "load"]
