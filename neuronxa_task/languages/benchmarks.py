"""Names of the harness's tasks: which benchmark a task belongs to, and which language it is in."""

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
"""What stands for a part of a task's name in a template, and what it matches."""


class TaskPlace(NamedTuple):
    """Where a task's result belongs.

    Attributes:
        benchmark: its name in tables.
        language: FLORES code.
        prompt: number of the prompt, where the benchmark is a mean over prompts; else empty.
        variety: region, where the language is a mean over regional varieties; else empty.
    """

    benchmark: str
    language: str
    prompt: str = ""
    variety: str = ""


@dataclass(frozen=True)
class Pattern:
    """How the tasks of a benchmark are named.

    Attributes:
        benchmark: its name in tables.
        task: the tasks' names, with `{lang}` in the language's place.
        given: whether it is the user's.
    """

    benchmark: str
    task: str
    given: bool = False

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Read a user's `benchmark=task_{lang}`.

        Raises:
            NeuronXAError: it has another form.

        >>> Pattern.parse("mybench=mytask_{lang}").place("mytask_fr")
        TaskPlace(benchmark='mybench', language='fra_Latn', prompt='', variety='')
        """
        benchmark, _, task = text.partition("=")
        if not benchmark or task.count(LANGUAGE) != 1:
            raise NeuronXAError(
                f"pattern {text!r}; expected NAME=TASK with {LANGUAGE} in the language's place, as "
                f"in mybench=mytask_{LANGUAGE}"
            )
        return cls(benchmark, task, given=True)

    @classmethod
    def known(cls, template: str) -> Pattern:
        """Read a line of `benchmark_names.TEMPLATES`.

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
        """Where a task of this form belongs; `None` for other tasks."""
        found = self._matches.fullmatch(task)
        language = read_language(found["lang"]) if found else None
        if found is None or language is None:
            return None
        prompt = found.groupdict().get("prompt") or ""
        return TaskPlace(self.benchmark, language.code, prompt, language.variety)


@cache
def known_patterns() -> tuple[Pattern, ...]:
    """The patterns of the harness's benchmarks."""
    return tuple(map(Pattern.known, TEMPLATES.strip().split("\n")))


def patterns_of(given: Sequence[str] = ()) -> tuple[Pattern, ...]:
    """The user's patterns, then those of the known benchmarks, which they go before."""
    return (*map(Pattern.parse, given), *known_patterns())


def benchmark_names() -> list[str]:
    """Names of all known benchmarks, sorted."""
    return sorted({pattern.benchmark for pattern in known_patterns()}, key=str.casefold)


def place(task: str, patterns: Sequence[Pattern]) -> TaskPlace | None:
    """Where a task belongs, or `None` where no pattern has its form.

    >>> place("m_mmlu_zh", patterns_of()), place("hellaswag", patterns_of())
    (TaskPlace(benchmark='m_mmlu', language='zho_Hans', prompt='', variety=''), None)
    """
    for pattern in patterns:
        name = task if pattern.given else EXCEPTIONS.get(task, task)
        if name is not None and (found := pattern.place(name)) is not None:
            return found
    return None
