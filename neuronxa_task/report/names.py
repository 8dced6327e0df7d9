"""Model names, shortened to what tells them apart."""

from __future__ import annotations

from collections.abc import Sequence


def short_names(names: Sequence[str]) -> dict[str, str]:
    """The last part of each path or hub name; for equal parts also the arguments that differ.

    Names that would become equal stay whole.

    >>> short_names(["org/a-7b", "org/b-7b [dtype=float16]"])
    {'org/a-7b': 'a-7b', 'org/b-7b [dtype=float16]': 'b-7b'}
    >>> list(short_names(["org/a [x=1, y=2]", "org/a [y=2]"]).values())
    ['a [x=1]', 'a']
    """
    parts = {name: _parts(name) for name in names}
    shared: dict[str, set[str]] = {}
    for base, arguments in parts.values():
        shared[base] = shared.get(base, set(arguments)) & set(arguments)
    short = {
        name: _joined(base, [argument for argument in arguments if argument not in shared[base]])
        for name, (base, arguments) in parts.items()
    }
    made = list(short.values())
    return {
        name: shortened if made.count(shortened) == 1 else name for name, shortened in short.items()
    }


def _parts(name: str) -> tuple[str, list[str]]:
    """A name's last part, and the arguments in brackets that the result table puts after it."""
    base, bracket, rest = name.partition(" [")
    arguments = rest.removesuffix("]").split(", ") if bracket else []
    return base.rstrip("/").rsplit("/", 1)[-1] or base, arguments


def _joined(base: str, arguments: Sequence[str]) -> str:
    return f"{base} [{', '.join(arguments)}]" if arguments else base
