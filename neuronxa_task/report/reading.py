"""What the numbers of a model say, in words."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean

from neuronxa_task.languages import language
from neuronxa_task.report.content import Content
from neuronxa_task.report.names import short_names

MOST_NAMED = 4


def reading(content: Content) -> str | None:
    """How to read the first score of the best aligned model; `None` without alignment."""
    if not content.texts or not content.scores:
        return None
    model, score = content.models[0], content.scores[0]
    numbers = content.numbers.get((model, content.texts[0], score))
    if not numbers:
        return None
    values = {code: number.value for code, number in numbers.items()}
    mean, name = fmean(values.values()), score.upper().replace("_", " ")
    where = "the best layer" if score.endswith("_max") else "an average layer"
    highest, lowest = max(values, key=values.__getitem__), min(values, key=values.__getitem__)
    names = short_names(content.models)
    of = "this model" if len(names) == 1 else f"{names[model]}, the best aligned model,"
    said = (
        f"In {of} {name} is {mean:.2f}"
        + (f" on average over {len(values)} languages" if len(values) > 1 else "")
        + f": in {where}, about {100 * mean:.0f} of 100 sentence pairs find each other"
    )
    if len(values) == 1:
        return f"{said}, in {language(highest).name}.{_others(content, names)}"
    return (
        f"{said}. It is highest in {language(highest).name} ({values[highest]:.2f}) and lowest in "
        f"{language(lowest).name} ({values[lowest]:.2f}).{_others(content, names)}"
    )


def _others(content: Content, names: Mapping[str, str]) -> str:
    """Means of the other models, which may be copies with random weights; empty for none."""
    means = [
        (fmean(number.value for number in numbers.values()), names[model])
        for model in content.models[1:]
        if (numbers := content.numbers.get((model, content.texts[0], content.scores[0])))
    ]
    if not means:
        return ""
    if len(means) > MOST_NAMED:
        (low, _), (high, _) = min(means), max(means)
        return f" The other {len(means)} models have means of {low:.2f} to {high:.2f}."
    listed = ", ".join(f"{mean:.2f} ({name})" for mean, name in means)
    return f" The mean of the other {'model' if len(means) == 1 else 'models'} is {listed}."
