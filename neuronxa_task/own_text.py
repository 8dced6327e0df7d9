"""Task files for a user's own parallel text, which is checked first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from neuronxa_task import corpus
from neuronxa_task.errors import NeuronXAError, one_of
from neuronxa_task.task_files import TaskFamily, write_family


def make_tasks(
    source: Path,
    name: str,
    pivot: str,
    output: Path,
    languages: Sequence[str] | None = None,
    num_sentences: int = 100,
    split: str = "devtest",
) -> str:
    """Check parallel text and write one task per language and their group.

    Args:
        source: folder of text files, table, or local data set.
        name: of the group.
        pivot: language that the others are compared with.
        output: folder of the YAML files, for `lm_eval --include_path`.
        languages: target languages; all but the pivot for `None`.
        num_sentences: sentence pairs to score, at most.
        split: split of the text, where it has several.

    Returns:
        What was found, and the command that scores it.

    Raises:
        NeuronXAError: the text is missing or not parallel, or an empty sentence, in any line of it.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise NeuronXAError(f"--name is {name!r}; expected letters, digits, '_', '-' and '.'")
    if num_sentences < 2:
        raise NeuronXAError(f"--num-sentences is {num_sentences}; at least 2 are needed")
    if not source.exists():
        raise NeuronXAError(f"{source} does not exist; expected a folder of text files or a table")
    text = corpus.load(str(source), None, split, None)
    if pivot not in text.languages:
        raise NeuronXAError(
            f"{source} has no text of the pivot {pivot!r}; it has: {one_of(text.languages)} "
            "(choose one with --pivot)"
        )
    targets = [code for code in text.languages if code != pivot] if languages is None else languages
    if not targets:
        raise NeuronXAError(f"{source} has no language beside the pivot {pivot!r}")
    pairs = {target: text.pairs(pivot, target, None) for target in targets}
    available = min(len(sentences) for sentences, _ in pairs.values())
    family = TaskFamily(
        name=name,
        dataset_path=str(source.resolve()),
        pivot=pivot,
        split=split,
        languages=targets,
        num_sentences=min(num_sentences, available),
        command=" ".join(
            [
                *("neuronxa", "tasks", str(source), "--name", name, "--pivot", pivot),
                *("--output", str(output), "--num-sentences", str(num_sentences)),
                *(("--languages", ",".join(languages)) if languages else ()),
            ]
        ),
    )
    write_family(family, output)
    lines = [
        f"{source}: {available} sentence pairs of {pivot} and {len(targets)} languages; "
        f"the first {family.num_sentences} are scored"
    ]
    columns = {language: sentences for language, (_, sentences) in pairs.items()}
    columns[pivot] = next(iter(pairs.values()))[0]
    for language, sentences in columns.items():
        scored = sentences[: family.num_sentences]
        if repeated := len(scored) - len(set(scored)):
            lines.append(
                f"note: {repeated} of the {language} sentences occur twice; a repeated sentence is "
                "never its pair's only nearest, so it counts as not aligned"
            )
    lines.append(
        f"Wrote {len(targets)} tasks and the group {name} to {output}. Score a model with:\n"
        f"  lm_eval --model hf --model_args pretrained=MODEL --include_path {output} "
        f"--tasks {name} --batch_size auto"
    )
    return "\n".join(lines)
