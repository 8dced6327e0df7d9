"""Read the harness's task names: the benchmark and the language of a task."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple

from neuronxa_task.errors import NeuronXAError
from neuronxa_task.languages.benchmark_names import EXCEPTIONS, TEMPLATES
from neuronxa_task.languages.written_forms import read_language

LANGUAGE = "{lang}"
FIELDS = {
    LANGUAGE: "(?P<lang>.+)",
    "{iso1}": "(?P<lang>[a-z]{2}|[a-z]{2,3}_[A-Z][a-z]{3})",
    "{prompt}": r"(?P<prompt>\d+)",
}
"""Placeholders in a template, and the regular expressions that they stand for."""


class TaskPlace(NamedTuple):
    """The benchmark and language of a task.

    Attributes:
        benchmark: name of the benchmark in tables.
        language: FLORES code.
        prompt: number of the prompt if the benchmark is a mean over prompts, else empty.
        variety: region if the language is a mean over regional varieties, else empty.
    """

    benchmark: str
    language: str
    prompt: str = ""
    variety: str = ""


@dataclass(frozen=True)
class Pattern:
    """A template of a benchmark's task names.

    Attributes:
        benchmark: name of the benchmark in tables.
        task: template of the task names, with `{lang}` for the language.
        given: whether the user gave it.
    """

    benchmark: str
    task: str
    given: bool = False

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Parse a user's `benchmark=task_{lang}`.

        Raises:
            NeuronXAError: the text has another form.

        >>> Pattern.parse("mybench=mytask_{lang}").place("mytask_fr")
        TaskPlace(benchmark='mybench', language='fra_Latn', prompt='', variety='')
        """
        benchmark, _, task = text.partition("=")
        if not benchmark or task.count(LANGUAGE) != 1:
            raise NeuronXAError(
                f"--pattern is {text!r}; expected NAME=TASK with {LANGUAGE} for the language, such "
                f"as mybench=mytask_{LANGUAGE}"
            )
        return cls(benchmark, task, given=True)

    @classmethod
    def known(cls, template: str) -> Pattern:
        """Parse a line of `benchmark_names.TEMPLATES`.

        >>> Pattern.known("sib_{lang}_prompt_{prompt}").benchmark
        'sib_prompts'
        """
        benchmark, _, task = template.rpartition(" = ")
        plain = re.sub(r"_\{(lang|iso1)\}", "", task).replace("_prompt_{prompt}", "_prompts")
        return cls(benchmark or plain, task)

    @cached_property
    def _matches(self) -> re.Pattern[str]:
        parts = re.split(r"(\{[a-z0-9]+\})", self.task)
        fields = {LANGUAGE: FIELDS[LANGUAGE]} if self.given else FIELDS
        return re.compile("".join(fields.get(part) or re.escape(part) for part in parts))

    def place(self, task: str) -> TaskPlace | None:
        """Benchmark and language of a task; `None` if its name does not match."""
        match = self._matches.fullmatch(task)
        language = read_language(match["lang"]) if match else None
        if match is None or language is None:
            return None
        prompt = match.groupdict().get("prompt") or ""
        return TaskPlace(self.benchmark, language.code, prompt, language.variety)


@cache
def known_patterns() -> tuple[Pattern, ...]:
    """The patterns of the harness's benchmarks, in the order of `TEMPLATES`."""
    return tuple(map(Pattern.known, TEMPLATES.strip().split("\n")))


def patterns_of(given: Sequence[str] = ()) -> tuple[Pattern, ...]:
    """The user's patterns, which have priority, then those of the known benchmarks."""
    return (*map(Pattern.parse, given), *known_patterns())


def benchmark_names() -> list[str]:
    """Names of all known benchmarks, sorted."""
    return sorted({pattern.benchmark for pattern in known_patterns()}, key=str.casefold)


def place(task: str, patterns: Sequence[Pattern]) -> TaskPlace | None:
    """Benchmark and language of a task by the first pattern that matches; `None` if none does.

    >>> place("m_mmlu_zh", patterns_of()), place("hellaswag", patterns_of())
    (TaskPlace(benchmark='m_mmlu', language='zho_Hans', prompt='', variety=''), None)
    """
    for pattern in patterns:
        name = task if pattern.given else EXCEPTIONS.get(task, task)
        if name is not None and (task_place := pattern.place(name)) is not None:
            return task_place
    return None
