"""Mixtures of experts: found, run so that each expert's neurons are seen, and restored."""
