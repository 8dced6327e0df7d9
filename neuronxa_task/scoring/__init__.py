"""From sentence pairs to the layers at which they are aligned; data flows in one direction."""
