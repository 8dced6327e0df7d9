"""Languages: codes of corpora and benchmarks, names, scripts, families, resource levels."""

from neuronxa_task.languages.codes import (
    FLORES_CODES,
    FLORES_CORE,
    FLORES_PIVOT,
    FLORES_TARGETS,
    TATOEBA_CORE,
    TATOEBA_PIVOT,
    TATOEBA_TARGETS,
    Language,
    is_language,
    language,
    to_flores,
)

__all__ = [
    "FLORES_CODES",
    "FLORES_CORE",
    "FLORES_PIVOT",
    "FLORES_TARGETS",
    "TATOEBA_CORE",
    "TATOEBA_PIVOT",
    "TATOEBA_TARGETS",
    "Language",
    "is_language",
    "language",
    "to_flores",
]
