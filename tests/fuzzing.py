"""How long properties are tried: a few fixed examples in `make test`, many where asked for.

NEURONXA_FUZZ=1000000 timeout -s INT 600 python -m pytest tests/test_fuzz.py -s -k tables
"""

from __future__ import annotations

import os
from collections import Counter

from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("NEURONXA_FUZZ", "0"))
TRIED: Counter[str] = Counter()
"""Examples by property, told at the end of a long run."""


def tried(examples: int) -> settings:
    """The settings of a property: so many fixed examples, or those of the environment."""
    return settings(
        max_examples=EXAMPLES or examples,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
