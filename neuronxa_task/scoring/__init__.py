"""Sentence pairs in, the layers that align them out: every module hands on to the next."""
