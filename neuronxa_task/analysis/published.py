"""Figures reported in the NeuronXA paper (Huang et al., ACL 2025, arXiv 2507.14900)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SOURCE = "Huang et al., ACL 2025 (arXiv 2507.14900)"


@dataclass(frozen=True)
class Published:
    """Pearson correlations of alignment with a benchmark, over the paper's models and languages.

    Attributes:
        relative: whether accuracy was divided by the pivot's (transferability).
        scores: correlation of each score.
    """

    relative: bool
    scores: Mapping[str, float]


PUBLISHED: Mapping[tuple[str, ...], Published] = {
    ("xnli",): Published(True, {"mexa": 0.8370, "nasca": 0.9326, "navca": 0.8937}),
    ("bmlama53",): Published(True, {"mexa": 0.7463, "nasca": 0.7701, "navca": 0.8065}),
    ("arc", "belebele", "m_mmlu"): Published(
        False, {"mexa": 0.8291, "nasca": 0.8312, "navca": 0.8191}
    ),
}
"""By benchmark; for several benchmarks, the mean of their correlations."""

BEST_SINGLE: Mapping[str, float] = {
    "arc": 0.9867,
    "m_mmlu": 0.9859,
    "belebele": 0.9796,
    "xnli": 0.9639,
}
"""The highest correlation that the paper reports for a single model, on FLORES."""

PUBLISHED_RETRIEVAL: Mapping[tuple[str, str], Mapping[str, float]] = {
    ("FLORES-200", "head"): {"nas": 0.8707, "emb": 0.8378},
    ("FLORES-200", "tail"): {"nas": 0.4220, "emb": 0.4095},
    ("Tatoeba", "head"): {"nas": 0.5778, "emb": 0.1686},
    ("Tatoeba", "tail"): {"nas": 0.3247, "emb": 0.1012},
}
"""Retrieval by neuron states and by hidden states, by corpus and group of languages."""


def published_correlation(
    benchmarks: tuple[str, ...], score: str, method: str, *, relative: bool
) -> float | None:
    """The paper's figure for the same benchmarks, score and kind of accuracy, if it has one."""
    published = PUBLISHED.get(tuple(sorted(benchmarks)))
    if published is None or method != "pearson" or published.relative != relative:
        return None
    return published.scores.get(score)


def published_means(*, relative: bool) -> list[tuple[str, ...]]:
    """The sets of benchmarks over which the paper reports a mean."""
    return [
        benchmarks
        for benchmarks, published in PUBLISHED.items()
        if len(benchmarks) > 1 and published.relative == relative
    ]


def published_text(*, relative: bool) -> str:
    """The paper's figures as text, to print below a table of accuracy or of transferability."""
    lines = [f"Published ({SOURCE}), Pearson:"]
    for benchmarks, published in PUBLISHED.items():
        figures = ", ".join(f"{score} {r:.4f}" for score, r in published.scores.items())
        kind = " of transferability (--relative)" if published.relative else ""
        mean = "mean over " if len(benchmarks) > 1 else ""
        other = "" if published.relative == relative else " — not comparable with this table"
        lines.append(f"  {mean}{', '.join(benchmarks)}{kind}: {figures}{other}")
    best = ", ".join(f"{benchmark} {r:.4f}" for benchmark, r in BEST_SINGLE.items())
    return "\n".join([*lines, f"  highest for a single model: {best}"])
