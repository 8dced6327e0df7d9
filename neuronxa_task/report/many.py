"""Summaries of many languages: means of groups, both ends of the ranking, and quantiles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import TypeVar

from neuronxa_task.languages import Language
from neuronxa_task.languages.families import family
from neuronxa_task.languages.resource_levels import LEVELS
from neuronxa_task.report.chart import Band, Row
from neuronxa_task.report.content import Layers, first_layer, known_by_layer, mean_over_languages

BLOCK_ROWS = 52
ENDS = 20
FEWEST = 3
"""Fewest languages for which a script or a family has its own row."""

QUANTILES = (("80 % of languages", (0.1, 0.9)), ("half of languages", (0.25, 0.75)))
AnyRow = TypeVar("AnyRow")


def blocks(rows: Sequence[AnyRow]) -> list[Sequence[AnyRow]]:
    """Split rows into blocks of nearly equal length, as few as `BLOCK_ROWS` allows.

    >>> [len(block) for block in blocks([Row("", ())] * 60)]
    [30, 30]
    """
    pieces = -(-len(rows) // BLOCK_ROWS)
    size = -(-len(rows) // pieces) if pieces else 1
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def profile_rows(profiles: Sequence[Layers]) -> list[Row]:
    """A row per language."""
    return [Row(profile.language.name, profile.values) for profile in profiles]


def summary_rows(profiles: Sequence[Layers]) -> list[Row]:
    """Means by resource level, script and family, then the best and the worst languages.

    Args:
        profiles: best first.
    """
    return [
        *_means("Resource level (mean)", profiles, attrgetter("resource_level"), LEVELS),
        *_largest("Script (mean)", profiles, attrgetter("script"), "other scripts"),
        *_largest("Language family (mean)", profiles, lambda of: family(of.code), "other families"),
        Row(f"Best {ENDS} languages", ()),
        *profile_rows(profiles[:ENDS]),
        Row(f"Worst {ENDS} languages", ()),
        *profile_rows(profiles[-ENDS:]),
    ]


def _largest(
    heading: str, profiles: Sequence[Layers], group_of: Callable[[Language], str], others: str
) -> Iterator[Row]:
    """Means by group, the largest group first; small groups count as `others`."""
    sizes = Counter(group_of(profile.language) for profile in profiles)
    large = [group for group, size in sizes.most_common() if size >= FEWEST and group]

    def shown(language: Language) -> str:
        return group if (group := group_of(language)) in large else others

    yield from _means(heading, profiles, shown, [*large, others])


def _means(
    heading: str,
    profiles: Sequence[Layers],
    group_of: Callable[[Language], str],
    groups: Sequence[str],
) -> Iterator[Row]:
    yield Row(heading, ())
    for group in groups:
        members = [profile for profile in profiles if group_of(profile.language) == group]
        if members:
            yield Row(f"{group} ({len(members)})", mean_over_languages(members))


def bands(profiles: Sequence[Layers], score: str) -> list[Band]:
    """Ranges of the languages between quantiles at each layer, the wider range first."""
    import numpy as np

    by_layer = enumerate(known_by_layer(profiles), start=first_layer(score))
    known = [(layer, values) for layer, values in by_layer if values]
    return [
        Band(name, [(layer, *np.quantile(values, ends).tolist()) for layer, values in known])
        for name, ends in QUANTILES
    ]
