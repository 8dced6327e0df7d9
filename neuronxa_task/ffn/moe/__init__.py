"""Mixtures of experts: find them, run them so that each expert's neurons are seen, restore them."""
