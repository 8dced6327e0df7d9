"""Write the task configurations beside this file: `python task_configs/write_configs.py`."""

from __future__ import annotations

from pathlib import Path

from neuronxa_task import languages
from neuronxa_task.task_files import TaskFamily, write

COMMAND = "python task_configs/write_configs.py"

FLORES = TaskFamily(
    name="neuronxa_flores",
    dataset_path="mteb/FloresBitextMining",
    revision="2144d16cc15edd22d4a9237d12bff5f31f5c07fc",
    split="devtest",
    pivot=languages.FLORES_PIVOT,
    languages=languages.FLORES_TARGETS,
    groups={"neuronxa_flores_core": languages.FLORES_CORE},
    command=COMMAND,
)
TATOEBA = TaskFamily(
    name="neuronxa_tatoeba",
    dataset_path="mteb/tatoeba-bitext-mining",
    revision="69e8f12da6e31d59addadda9a9c8a2e601a0e282",
    split="test",
    pivot=languages.TATOEBA_PIVOT,
    languages=languages.TATOEBA_TARGETS,
    configurations={code: f"{code}-eng" for code in languages.TATOEBA_TARGETS},
    groups={"neuronxa_tatoeba_core": languages.TATOEBA_CORE},
    command=COMMAND,
)


def main() -> None:
    """Write every family into its folder."""
    here = Path(__file__).parent
    write(FLORES, here / "flores")
    write(TATOEBA, here / "tatoeba")


if __name__ == "__main__":
    main()
