"""Task files for a user's own parallel text, which is checked first."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from neuronxa_task import corpus
from neuronxa_task.corpus.language_names import has_form_of_code, language_code, nearest_code
from neuronxa_task.errors import NeuronXAError, did_you_mean, one_of, printable, shortened
from neuronxa_task.languages.codes import language
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
    """Check parallel text and write one task per language and their group.

    Args:
        source: folder of text files, table, or local data set.
        name: of the group.
        pivot: language that the others are compared with.
        output: folder of the YAML files, for `lm_eval --include_path`.
        languages: target languages; all but the pivot for `None`.
        num_sentences: sentence pairs to score, at most.
        split: split of the text, where it has several.
        columns: columns or files that are read, all others being left out; all for `None`.

    Returns:
        What was read and what was not, and the command that scores it.

    Raises:
        NeuronXAError: the text is missing or not parallel, an empty sentence in any line of it, a
            column that is no language, a name that is taken, or a folder that cannot be written.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise NeuronXAError(f"--name is {name!r}; expected letters, digits, '_', '-' and '.'")
    if num_sentences < 2:
        raise NeuronXAError(f"--num-sentences is {num_sentences}; at least 2 are needed")
    _require_writable(output)
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


# ---------------------------------------------------------------- what is asked for


def _require_writable(output: Path) -> None:
    """The folder, or the one that it will be made in, takes files: found out before the work."""
    try:
        there = next(path for path in (output, *output.absolute().parents) if os.path.lexists(path))
        if not there.is_dir():
            raise NeuronXAError(f"--output is {output}, but {there} is a file; expected a folder")
        if not os.access(there, os.W_OK | os.X_OK):
            raise NeuronXAError(f"--output is {output}, but {there} cannot be written")
    except (OSError, ValueError) as error:
        raise NeuronXAError(f"--output is {str(output)!r}, which is no folder: {error}") from error


def _opened(source: Path, split: str) -> corpus.Corpus:
    try:
        str(source).encode()
        source.lstat()
    except ValueError as error:  # a NUL, or bytes that are no UTF-8
        raise NeuronXAError(f"{str(source)!r} is no path that a task can name: {error}") from error
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
            f"{source} has no column named for a language ({names}); expected a first line with "
            "codes such as eng_Latn or fr, or with names in English"
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
    """Target languages by the data's names; columns that are no language have to be left out."""
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
        raise NeuronXAError(f"{source} has no language beside the pivot {pivot!r}{others}")
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
        faults += [f"column {shortened(one, 30)!r} is no known language" for one in unknown]
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
    """No task of the harness or of this package may be hidden by one of the same name."""
    if taken := [task for task in (name, *(f"{name}_{t}" for t in targets)) if task in _tasks()]:
        raise NeuronXAError(
            f"--name {name} would hide the task {taken[0]} of lm_eval; choose another, such as "
            f"--name my_{name}"
        )


@cache
def _tasks() -> frozenset[str]:
    """Names of the installed tasks, groups and tags.

    From the lines of their files: the harness's own index takes seven times as long.
    """
    harness = find_spec("lm_eval")
    roots = [
        Path(__file__).parent,
        *map(Path, (harness and harness.submodule_search_locations) or ()),
    ]
    name = re.compile(rb"^[ -]*(?:task|group|tag): *[\"']?([\w.+-]+)", re.MULTILINE)
    return frozenset(
        found.decode()
        for root in roots
        for path in root.rglob("*.yaml")
        for found in name.findall(path.read_bytes())
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
    """The command as one line of text, whatever the paths hold: it stands in the files' heads."""
    parts = ["neuronxa", "tasks", str(source), "--name", name, "--pivot", pivot]
    parts += ["--output", str(output), "--num-sentences", str(num_sentences)]
    parts += ["--languages", ",".join(languages)] if languages is not None else []
    parts += ["--columns", ",".join(columns)] if columns is not None else []
    parts += ["--split", split] if split != "devtest" else []
    return printable(shlex.join(parts))


# ---------------------------------------------------------------- what is said


def _named(code: str) -> str:
    """A code with its language's name, where a list knows one.

    >>> _named("fra_Latn"), _named("frz_Latn")
    ('fra_Latn (French)', 'frz_Latn')
    """
    return f"{code} ({language(code).name})" if language_code(code) else code


def _notes(text: corpus.Corpus, columns: dict[str, list[str]], family: TaskFamily) -> list[str]:
    notes = [
        f"warning: no list knows the language {code!r}{nearest_code(code)}"
        for code in columns
        if language_code(code) is None
    ]
    if text.not_read:
        notes.append(f"not read: {one_of(map(printable, text.not_read), at_most=8)}")
    if left_out := [name for name in text.refused if name not in columns]:
        notes.append(f"columns left out: {one_of(map(printable, left_out), at_most=8)}")
    scored = {code: sentences[: family.num_sentences] for code, sentences in columns.items()}
    repeated = {code: len(sentences) - len(set(sentences)) for code, sentences in scored.items()}
    if any(repeated.values()):
        notes.append(
            f"note: sentences occur twice in {_counts(repeated)}; a repeated sentence is never its "
            "pair's only nearest, so it counts as not aligned"
        )
    marked = {code: sum("\ufeff" in one for one in sentences) for code, sentences in scored.items()}
    if any(marked.values()):
        notes.append(
            f"note: sentences hold a byte order mark (U+FEFF) in {_counts(marked)}; the model "
            "reads it as a token: remove it"
        )
    return notes


def _counts(numbers: dict[str, int]) -> str:
    return one_of((f"{code} ({number})" for code, number in numbers.items() if number), at_most=8)
