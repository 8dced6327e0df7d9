"""The report as one HTML file that needs nothing else: no network, no other file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from neuronxa_task.analysis.correlate import Correlations
from neuronxa_task.analysis.correlation_text import shown_comparisons, shown_correlations
from neuronxa_task.report.agreement import Group, in_words, summary
from neuronxa_task.report.content import Content, short_names
from neuronxa_task.report.figures import Figures
from neuronxa_task.report.grids import Estimates, intervals, legend, shape
from neuronxa_task.report.svg import element
from neuronxa_task.report.tables import (
    BAR_STEPS,
    headings,
    model_means,
    side_by_side,
    signatures,
)

CONTENTS = {
    "correlation": "Correlation",
    "languages-table": "Languages",
    "scatter": "Scatter",
    "layers": "Layers",
    "heatmap": "Heatmap",
    "models": "Models",
    "retrieval": "Retrieval",
    "reproduce": "Signatures",
    "notes": "Notes",
}
HERE = files("neuronxa_task.report")


def render(content: Content, found: Correlations | None, title: str, notes: Sequence[str]) -> str:
    """The whole page.

    Args:
        content: what is shown.
        found: correlations; None where too few languages have alignment and accuracy.
        title: heading of the page.
        notes: what the reader has to know.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(_read("page.html.j2"))
    style, script = _style(), _read("page.js")
    page = template.render(
        title=title,
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
        contents=CONTENTS.items(),
        content=content,
        notes=notes,
        version=version("lm-eval-neuronxa"),
        **_agreement(content, found),
        **_tables(content),
        **_charts(content),
    )
    return page.strip() + "\n"


def _read(name: str) -> str:
    return HERE.joinpath(name).read_text(encoding="utf-8")


def _style() -> str:
    """The style sheet, with a class for each length of a bar: the policy allows no style else."""
    bars = [f".b{step} {{ --share: {step / BAR_STEPS}; }}" for step in range(BAR_STEPS + 1)]
    return _read("page.css") + "\n".join(bars)


def _policy(style: str, script: str) -> str:
    """Nothing is loaded and nothing runs but this script and style, whatever a name contains."""
    hashes = {
        kind: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for kind, text in (("style", style), ("script", script))
    }
    allowed = (f"{kind}-src 'sha256-{digest}'" for kind, digest in hashes.items())
    others = ("img-src data:", "base-uri 'none'", "form-action 'none'")
    return "; ".join(("default-src 'none'", *allowed, *others))


def _agreement(content: Content, found: Correlations | None) -> dict[str, Any]:
    groups = [] if found is None else summary(content, found, short_names(content.models))
    return {
        "groups": groups,
        "findings": in_words(content, groups),
        "no_pairs": content.unpaired or "No correlation is defined; the table says why.",
        "scores": content.scores,
        "many_texts": len(content.texts) > 1,
        "intervals": list(_interval_plots(content, groups)),
        "details": None if found is None else shown_correlations(found.table),
        "compared": None if found is None else shown_comparisons(found.comparisons),
    }


def _interval_plots(content: Content, groups: Sequence[Group]) -> Iterator[Markup]:
    """One plot per parallel text."""
    for text in content.texts:
        rows = [
            Estimates(
                group.name,
                [
                    (estimate.r, estimate.low, estimate.high)
                    if estimate is not None and estimate.r is not None
                    else None
                    for estimate in group.main.estimates
                ],
            )
            for group in groups
            if group.text == text
        ]
        if any(value for row in rows for value in row.values):
            title = f"Pearson’s r with accuracy, {text}"
            yield intervals(rows, title, title)


def _tables(content: Content) -> dict[str, Any]:
    columns, rows = model_means(content) if len(content.models) > 1 else ([], [])
    return {
        "facts": list(_facts(content)),
        "headings": [heading for heading, _, _ in headings(content)],
        "tables": side_by_side(content),
        "scripts": sorted({each.script for each in content.languages if each.script}),
        "model_columns": columns,
        "model_rows": rows,
        "signatures": signatures(content),
        "commands": content.results.commands,
    }


def _facts(content: Content) -> Iterator[tuple[str, str]]:
    count = len(content.models)
    yield ("Model" if count == 1 else f"{count} models"), ", ".join(content.models)
    yield "Languages", str(len(content.languages))
    for text in content.texts:
        pivot = content.results.pivots.get(text)
        yield "Alignment on", f"{text}, against {pivot}" if pivot else text
    if content.metrics:
        yield "Accuracy on", ", ".join(content.metrics)
    dates = sorted(str(date)[:10] for date in content.table["date"])
    yield "Runs of", dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"


def _charts(content: Content) -> dict[str, Any]:
    figures = Figures(content)
    names = list(figures.names.values())
    return {
        "models": names,
        "scatters": figures.scatters(),
        "layers": figures.layer_curves(),
        "heatmaps": figures.heatmaps(),
        "depth": figures.depth_curves(),
        "dots": figures.model_dots(),
        "asymmetry": figures.asymmetry(),
        "legend": legend("Colours of the heatmap, from 0 to 1"),
        "score_key": key([score.upper() for score in content.scores]),
        "model_key": key([figures.names[model] for model in figures.colours]),
        "uncompared": len(names) - len(figures.colours),
        "script_key": key(["Latin script", "other scripts"]),
    }


def key(names: Sequence[str]) -> Markup:
    """Which mark and colour is which series."""
    return Markup("").join(
        element(
            "span",
            element(
                "svg",
                element("path", d=shape(place)),
                viewBox="-6 -6 12 12",
                aria_hidden="true",
                class_=f"c{place}",
            ),
            name,
        )
        for place, name in enumerate(names)
    )
