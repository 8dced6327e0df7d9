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
from neuronxa_task.analysis.stability_text import shown_rankings
from neuronxa_task.report.agreement import Group, in_words, summary
from neuronxa_task.report.asked import AllCharts
from neuronxa_task.report.cautions import cautions
from neuronxa_task.report.content import SURFACE, Content
from neuronxa_task.report.names import short_names
from neuronxa_task.report.pictures import Studio
from neuronxa_task.report.reading import reading
from neuronxa_task.report.same_sentences import sentence_tests, table_rows, told
from neuronxa_task.report.tables import BAR_STEPS, columns_of, model_means, side_by_side, signatures
from neuronxa_task.report.versus import versus

HERE = files("neuronxa_task.report")


def render(
    content: Content,
    correlations: Correlations | None,
    title: str,
    notes: Sequence[str],
    studio: Studio,
) -> str:
    """The whole page.

    Args:
        content: the results to show.
        correlations: of alignment with accuracy; None where too few languages have both.
        title: heading of the page.
        notes: remarks for the reader.
        studio: draws the charts.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(_read("page.html.j2"))
    style, script = _style(), _read("page.js")
    names = short_names(content.models)
    groups = [] if correlations is None else summary(content, correlations, names)
    values = {
        **_agreement(content, correlations, groups),
        **_tables(content),
        **_charts(content, groups, studio, notes),
        "models": list(names.values()),
        "metrics": content.metrics,
    }
    page = template.render(
        title=title,
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
        contents=_contents(values),
        content=content,
        version=version("lm-eval-neuronxa"),
        definitions=studio.inliner.defs,
        **values,
    )
    return page.strip() + "\n"


def _read(name: str) -> str:
    return HERE.joinpath(name).read_text(encoding="utf-8")


def _style() -> str:
    """The style sheet, with a class for each length of a bar: the policy allows no style else."""
    bars = [f".b{step} {{ --length: {step / BAR_STEPS}; }}" for step in range(BAR_STEPS + 1)]
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


def _contents(values: dict[str, Any]) -> list[tuple[str, str]]:
    """The sections that have something to show: their ids, and the texts of the links to them."""
    sections = (
        ("correlation", "Correlation", values["groups"]),
        ("languages-table", "Languages", values["tables"]),
        ("scatter", "Scatter", values["scatters"].charts),
        ("layers", "Layers", values["layers"].charts),
        ("heatmap", "Heatmap", values["heatmaps"].charts),
        ("pairs", "Language pairs", values["pairs"].charts),
        ("stability", "Sentence pairs", values["stability"].charts),
        ("models", "Models", values["model_rows"]),
        ("retrieval", "Retrieval", values["retrieval"].charts),
        ("reproduce", "Signatures", True),
        ("notes", "Notes", values["notes"]),
    )
    return [(name, link) for name, link, there in sections if there]


def _agreement(
    content: Content, correlations: Correlations | None, groups: Sequence[Group]
) -> dict[str, Any]:
    findings, further = in_words(content, groups)
    return {
        "groups": groups,
        "findings": findings,
        "further": further,
        "no_pairs": content.unpaired or "No correlation is defined; the table says why.",
        "scores": content.scores,
        "many_texts": len(content.texts) > 1,
        "cautions": list(cautions(content)),
        "reading": reading(content),
        "details": correlations and shown_correlations(correlations.table),
        "compared": correlations and shown_comparisons(correlations.comparisons),
    }


def _tables(content: Content) -> dict[str, Any]:
    several = len(content.models) > 1
    columns, rows = model_means(content) if several else ([], [])
    tested, tests = versus(content) if several else ([], [])
    on_sentences = sentence_tests(content) if several else []
    sentence_columns, sentence_rows = table_rows(content, on_sentences)
    return {
        "facts": list(_facts(content)),
        "headings": [column.heading for column in columns_of(content)],
        "tables": side_by_side(content),
        "scripts": sorted({language.script for language in content.languages if language.script}),
        "model_columns": columns,
        "model_rows": rows,
        "tested": tested,
        "tests": tests,
        "sentence_words": told(content, on_sentences),
        "sentence_tested": sentence_columns,
        "sentence_tests": sentence_rows,
        "intervals": any(about.intervals for about in content.results.uncertainties.values()),
        "surface": any(metric == SURFACE for _, _, metric in content.numbers),
        "signatures": signatures(content),
        "commands": _commands(content),
    }


def _commands(content: Content) -> str:
    """The commands that made the results, each once, after the files that they made."""
    made: dict[str, list[str]] = {}
    for file, command in content.results.commands.items():
        made.setdefault(command, []).append(file)
    return "\n".join(
        "".join(f"# {file}\n" for file in files_of) + command for command, files_of in made.items()
    )


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
    yield "Run on", dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"


def _charts(
    content: Content, groups: Sequence[Group], studio: Studio, notes: Sequence[str]
) -> dict[str, Any]:
    charts = AllCharts(content)
    return {
        "correlations": studio.draw(charts.correlations(groups)),
        "scatters": studio.draw(charts.scatters()),
        "layers": studio.draw(charts.layer_curves()),
        "heatmaps": studio.draw(charts.heatmaps()),
        "depth": studio.draw(charts.depth_curves()),
        "dots": studio.draw(charts.model_dots()),
        "retrieval": studio.draw(charts.retrieval()),
        "pairs": studio.draw(charts.pairs()),
        "stability": studio.draw(charts.stability()),
        "rankings": charts.curves and shown_rankings(charts.curves.table),
        "notes": [*notes, *charts.notes],
        "uncompared": len(content.models) - len(charts.compared),
    }
