"""The embedded default: a phrasebook in ten languages and a tiny model trained on it."""

from pathlib import Path

MODEL_DIR = Path(__file__).parent / "model"
"""The shipped model, to be given to ``from_pretrained`` or to ``--model_args pretrained=``."""
