"""Read the forms in which task names give a language: codes, locales, regions, English names."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from neuronxa_task.languages.codes import is_language, to_flores

CODE = re.compile(r"[a-z]{2,3}(?:[_-][A-Z][a-z]{3})?(?:[_-][A-Z]{2})?")
"""A language, optionally a script and a region: `fr`, `zho_Hans`, `pt-BR`."""

LOCALE = re.compile(r"([a-z]{2,3})_([a-z]{2})")
"""A language and a region in lower case: `fr_fr`, but not `eu_mt` (machine-translated)."""

SCRIPT = re.compile(r"([a-z]{3})_([a-z]{4})(?:_([a-z]{4}))?")
"""A language, a script and optionally a regional variety in lower case: `fra_latn_cana`."""

FURTHER_REGIONS = {
    *("ar_xy", "es_la", "es_mx", "sw_ke", "en_gb", "pt_pt", "fr_ca", "zh_tw", "zh_hk"),
    *("nb_no", "nn_no", "no_no"),
}
"""Locales whose region is not the language's likeliest one."""

VARIETIES = frozenset("braz cana fran jord leba mexi pale peru port spai syri".split())
"""Countries whose varieties Global PIQA tests separately; dialects are not included."""

ENGLISH_NAMES = dict(
    entry.split("=")
    for entry in """
    bengali=ben farsi=fas haitian=hat kirghiz=kir kirundi=run malay=zsm mandarin=cmn
    north_macedonian=mkd norwegian=nob oriya=ory panjabi=pan pidgin=pcm pushto=pbt
    serbo_croatian=hbs sinhalese=sin uighur=uig uzbek=uzn
    """.split()
)
"""English names that differ from CLDR's, by code."""


class WrittenLanguage(NamedTuple):
    """A language read from a task name.

    Attributes:
        code: FLORES code, or a code of that form.
        variety: region of the variety, if varieties are tested separately; else empty.
    """

    code: str
    variety: str = ""


@cache
def read_language(text: str) -> WrittenLanguage | None:
    """Read a part of a task name as a language; `None` if it is not one.

    >>> [read_language(text).code for text in ("fr", "zh_cn", "hin_deva", "german", "pt-BR")]
    ['fra_Latn', 'zho_Hans', 'hin_Deva', 'deu_Latn', 'por_Latn']
    >>> read_language("spa_latn_mexi"), read_language("eu_mt"), read_language("easy")
    (WrittenLanguage(code='spa_Latn', variety='mexi'), None, None)
    """
    if CODE.fullmatch(text):
        return WrittenLanguage(to_flores(text)) if is_language(text) else None
    if match := LOCALE.fullmatch(text):
        return _locale(*match.groups())
    if match := SCRIPT.fullmatch(text):
        iso, script, variety = match.groups()
        code = f"{iso}_{script.title()}"
        known = is_language(code) and (variety is None or variety in VARIETIES)
        return WrittenLanguage(to_flores(code), variety or "") if known else None
    named = _named(text.casefold())
    return None if named is None else WrittenLanguage(named)


def _locale(language: str, region: str) -> WrittenLanguage | None:
    from langcodes import Language as Tag

    if not is_language(language):
        return None
    likely = Tag.get(language).maximize().territory
    if likely != region.upper() and f"{language}_{region}" not in FURTHER_REGIONS:
        return None
    # The region decides the script only for Chinese.
    code = f"{language}-{region.upper()}" if language == "zh" else language
    return WrittenLanguage(to_flores(code))


@cache
def _named(name: str) -> str | None:
    """The FLORES code of an English name in lower case with words joined by `_`; else `None`."""
    if name in ENGLISH_NAMES:
        return to_flores(ENGLISH_NAMES[name])
    if len(name) < 4 or not re.fullmatch(r"[a-z_]+", name):
        return None
    import langcodes

    words = name.replace("_", " ")
    try:
        tag = langcodes.find(words, language="en")
    except LookupError:
        return None
    if tag.language_name().casefold() != words:
        return None
    return to_flores(str(tag))
