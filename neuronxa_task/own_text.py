"""Check a user's own parallel text and write task files for it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from neuronxa_task import corpus
from neuronxa_task.corpus.language_names import has_form_of_code, language_code, nearest_code
from neuronxa_task.errors import NeuronXAError, did_you_mean, one_of, printable, shortened
from neuronxa_task.harness import task_names
from neuronxa_task.languages.codes import language
from neuronxa_task.output import require_writable
from neuronxa_task.task_files import TaskFamily, write_family


def make_tasks(
    source: Path,
    name: str,
    pivot: str,
    output: Path,
    languages: Sequence[str] | None = None,
    num_sentences: int = 100,
    split: str = "devtest",
    columns: Sequence[str] | None = None,
) -> str:
    """Check parallel text, and write one task per language and a group of them.

    Args:
        source: folder of text files, table, or local data set.
        name: name of the group.
        pivot: language to compare the others with.
        output: folder for the YAML files, for `lm_eval --include_path`.
        languages: target languages; `None` for all but the pivot.
        num_sentences: score at most this many sentence pairs.
        split: split of the text, if it has several.
        columns: columns or files to read; `None` for all.

    Returns:
        A summary of what was read and what was not, and the command to score a model.

    Raises:
        NeuronXAError: the text is missing or not parallel, a sentence is empty, a column is not a
            language, the name is taken, or `output` cannot be written.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise NeuronXAError(f"--name is {name!r}; expected letters, digits, '_', '-' and '.'")
    if num_sentences < 2:
        raise NeuronXAError(f"--num-sentences is {num_sentences}; at least 2 are needed")
    require_writable(output, "--output")
    text = _opened(source, split)
    pivot = _pivot_of(text, source, pivot)
    targets = _targets(text, source, pivot, languages, columns)
    _require_free(name, targets)
    pairs = {target: text.pairs(pivot, target, None) for target in targets}
    sentences = {target: pairs[target][1] for target in targets}
    available = min(map(len, sentences.values()))
    family = TaskFamily(
        name=name,
        dataset_path=str(source.resolve()),
        pivot=pivot,
        split=split,
        languages=targets,
        num_sentences=min(num_sentences, available),
        command=_command(source, name, pivot, output, languages, num_sentences, split, columns),
    )
    write_family(family, output)
    return "\n".join(
        [
            f"{source}: {available} sentence pairs of {pivot} and {len(targets)} "
            f"{'language' if len(targets) == 1 else 'languages'}; "
            f"the first {family.num_sentences} are scored",
            f"languages: {_named(pivot)} (pivot), {', '.join(map(_named, targets))}",
            *_notes(text, {pivot: pairs[targets[0]][0], **sentences}, family),
            f"Wrote {len(targets)} tasks and the group {name} to {output}. Score a model with:\n"
            f"  lm_eval --model hf --model_args pretrained=MODEL --include_path "
            f"{shlex.quote(str(output))} --tasks {name} --batch_size auto",
        ]
    )


# ---------------------------------------------------------------- checks


def _opened(source: Path, split: str) -> corpus.Corpus:
    try:
        str(source).encode()
        source.lstat()
    except ValueError as error:  # a NUL, or bytes that are not UTF-8
        raise NeuronXAError(
            f"{str(source)!r} cannot be the path of a task's data: {error}"
        ) from error
    except (FileNotFoundError, NotADirectoryError):
        raise NeuronXAError(
            f"{source} does not exist; expected a folder of text files or a table"
        ) from None
    except OSError as error:
        raise NeuronXAError(f"{source} cannot be read: {error.strerror}") from error
    return corpus.load(str(source.absolute()), None, split, None)


def _pivot_of(text: corpus.Corpus, source: Path, pivot: str) -> str:
    if text.names_of(pivot) or pivot in text.refused:
        return text.own_name(pivot)
    if text.is_table and not any(map(language_code, text.languages)):
        names = one_of((shortened(name, 30) for name in text.languages), at_most=4)
        raise NeuronXAError(
            f"{source} has no column named after a language ({names}); expected a first line of "
            "codes such as eng_Latn or fr, or of names in English"
        )
    names = one_of(shortened(name, 30) for name in text.languages)
    raise NeuronXAError(
        f"{source} has no text of the pivot {pivot!r}; it has: {names} "
        f"(choose one with --pivot){did_you_mean(pivot, text.languages)}"
    )


def _targets(
    text: corpus.Corpus,
    source: Path,
    pivot: str,
    languages: Sequence[str] | None,
    columns: Sequence[str] | None,
) -> list[str]:
    """Target languages by the data's names; fails if a column is not a language."""
    chosen = languages if languages is not None else columns
    if chosen is not None:
        if columns is not None:
            read = {text.own_name(column) for column in columns} | {pivot}
            if beyond := [one for one in languages or () if text.own_name(one) not in read]:
                raise NeuronXAError(f"--languages has {one_of(beyond)}, which --columns leaves out")
        targets = list(dict.fromkeys(text.own_name(one) for one in chosen))
        targets = [one for one in targets if one != pivot or languages is not None]
    else:
        targets = text.targets(pivot)
        _require_languages(text, source, targets, pivot)
    if not targets:
        others = f"; not read: {one_of(text.not_read, at_most=4)}" if text.not_read else ""
        raise NeuronXAError(f"{source} has no language other than the pivot {pivot!r}{others}")
    if odd := [one for one in targets if not re.fullmatch(r"[\w .+()-]+", one)]:
        raise NeuronXAError(
            f"{source}: {shortened(odd[0])!r} cannot be part of a task's name; name the language "
            "by its code, such as fra_Latn"
        )
    return targets


def _require_languages(
    text: corpus.Corpus, source: Path, targets: Sequence[str], pivot: str
) -> None:
    faults = [f"column {shortened(name, 30)!r} {fault}" for name, fault in text.refused.items()]
    if text.is_table:
        unknown = [one for one in targets if not (has_form_of_code(one) or language_code(one))]
        faults += [f"column {shortened(one, 30)!r} is not a known language" for one in unknown]
        targets = [one for one in targets if one not in unknown]
    if faults:
        kept = ",".join([pivot, *targets])
        way_out = (
            f"leave {'it' if len(faults) == 1 else 'them'} out: --columns {kept}"
            if targets
            else "name each column by its language's code"
        )
        raise NeuronXAError(f"{source}: {one_of(faults, at_most=4)}; {way_out}")


def _require_free(name: str, targets: Iterable[str]) -> None:
    """Check that the names are not those of existing tasks, which they would hide."""
    existing = task_names()
    if taken := [task for task in (name, *(f"{name}_{t}" for t in targets)) if task in existing]:
        raise NeuronXAError(
            f"--name {name} would hide the task {taken[0]} of lm_eval; choose another, such as "
            f"--name my_{name}"
        )


def _command(
    source: Path,
    name: str,
    pivot: str,
    output: Path,
    languages: Sequence[str] | None,
    num_sentences: int,
    split: str,
    columns: Sequence[str] | None,
) -> str:
    """The command on one line, even if a path has line breaks: for the first line of the files."""
    parts = ["neuronxa", "tasks", str(source), "--name", name, "--pivot", pivot]
    parts += ["--output", str(output), "--num-sentences", str(num_sentences)]
    parts += ["--languages", ",".join(languages)] if languages is not None else []
    parts += ["--columns", ",".join(columns)] if columns is not None else []
    parts += ["--split", split] if split != "devtest" else []
    return printable(shlex.join(parts))


# ---------------------------------------------------------------- summary


def _named(code: str) -> str:
    """A code with its language's name, if it is known.

    >>> _named("fra_Latn"), _named("frz_Latn")
    ('fra_Latn (French)', 'frz_Latn')
    """
    return f"{code} ({language(code).name})" if language_code(code) else code


def _notes(text: corpus.Corpus, columns: dict[str, list[str]], family: TaskFamily) -> list[str]:
    notes = [
        f"warning: unknown language {code!r}{nearest_code(code)}"
        for code in columns
        if language_code(code) is None
    ]
    if text.not_read:
        notes.append(f"not read: {one_of(map(printable, text.not_read), at_most=8)}")
    if skipped := [name for name in text.refused if name not in columns]:
        notes.append(f"columns left out: {one_of(map(printable, skipped), at_most=8)}")
    scored = {code: sentences[: family.num_sentences] for code, sentences in columns.items()}
    repeated = {code: len(sentences) - len(set(sentences)) for code, sentences in scored.items()}
    if any(repeated.values()):
        notes.append(
            f"note: repeated sentences in {_counts(repeated)}; a repeated sentence is never "
            "strictly nearest, so its pair counts as not aligned"
        )
    marked = {code: sum("\ufeff" in one for one in sentences) for code, sentences in scored.items()}
    if any(marked.values()):
        notes.append(
            f"note: byte order marks (U+FEFF) in sentences of {_counts(marked)}; remove them, "
            "since the model reads them as tokens"
        )
    return notes


def _counts(numbers: dict[str, int]) -> str:
    return one_of((f"{code} ({number})" for code, number in numbers.items() if number), at_most=8)
