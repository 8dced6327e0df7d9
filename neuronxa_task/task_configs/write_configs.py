"""Write the task files: `python -m neuronxa_task.task_configs.write_configs`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from neuronxa_task import languages
from neuronxa_task.bmlama53 import data as bmlama53
from neuronxa_task.demo import phrasebook
from neuronxa_task.task_files import TaskFamily, group, reexport, write_family, write_files

COMMAND = "python -m neuronxa_task.task_configs.write_configs"

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
PHRASEBOOK = TaskFamily(
    name="neuronxa_phrasebook",
    dataset_path="neuronxa_task/demo/phrasebook.tsv",
    split="all",
    pivot=phrasebook.PIVOT,
    languages=phrasebook.TARGETS,
    command=COMMAND,
)
MULTIPLE_CHOICE = """\
custom_dataset: !function {loader}.load
output_type: multiple_choice
test_split: test
num_fewshot: 0
doc_to_text: "{context}"
doc_to_choice: {choices}
doc_to_target: answer
target_delimiter: ""
metric_list:
  - {{metric: acc, aggregation: mean, higher_is_better: true}}
  - {{metric: acc_norm, aggregation: mean, higher_is_better: true}}
metadata: {metadata}
"""
TRANSLATION = MULTIPLE_CHOICE.format(
    loader="translation", context="{{context}}", choices="choices", metadata="{version: 1.0}"
)
# The loader fills `left_out`, since the harness writes the metadata to the result file.
BMLAMA53 = MULTIPLE_CHOICE.format(
    loader="bmlama53", context="", choices="sentences", metadata="{version: 1.0, left_out: {}}"
)


def main(folder: Path = Path(__file__).parent) -> None:
    """Write all families of tasks, each to its own subfolder of `folder`."""
    write_family(FLORES, folder / "flores")
    write_family(TATOEBA, folder / "tatoeba")
    write_family(PHRASEBOOK, folder / "phrasebook")
    translation_files = downstream("phrasebook_translation", TRANSLATION, phrasebook.TARGETS)
    translation_files["translation.py"] = reexport("neuronxa_task.demo.translation", "load")
    write_files(translation_files, folder / "phrasebook", COMMAND)
    bmlama53_files = downstream("bmlama53", BMLAMA53, bmlama53.LANGUAGES)
    bmlama53_files["bmlama53.py"] = reexport("neuronxa_task.bmlama53.data", "load")
    write_files(bmlama53_files, folder / "bmlama53", COMMAND)


def downstream(name: str, base: str, codes: Sequence[str]) -> dict[str, str]:
    """Texts of the files of a multiple-choice task per language, a shared base and their group."""
    base_name = f"_{name}_yaml"
    files = {base_name: base}
    for code in codes:
        files[f"{name}_{code}.yaml"] = (
            f'include: {base_name}\ntask: {name}_{code}\ndataset_kwargs: {{language: "{code}"}}\n'
        )
    files[f"{name}.yaml"] = group(name, [f"{name}_{code}" for code in codes], ("acc", "acc_norm"))
    return files


if __name__ == "__main__":
    main()
