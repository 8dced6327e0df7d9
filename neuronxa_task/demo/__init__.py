"""The demo: a phrasebook in ten languages and a tiny model trained on it."""

from pathlib import Path

MODEL_DIR = Path(__file__).parent / "model"
"""The shipped model, for ``from_pretrained`` or ``--model_args pretrained=``."""
