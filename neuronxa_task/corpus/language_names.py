"""The language that a file's name or a column's name stands for."""

from __future__ import annotations

import re
from functools import cache

from neuronxa_task.languages.codes import FLORES_CODES, is_language, to_flores
from neuronxa_task.languages.resource_levels import resource_level

CODE = r"[a-z]{2,3}(?:[_-][A-Z][a-z]{3})?(?:[_-][A-Z]{2})?"
"""A language, perhaps a script, perhaps a region: `fr`, `fra_Latn`, `zho-CN`."""

COMMON_WORDS = frozenset(
    """
    bpe dev doc dst hyp idx iso key len ner num pos raw ref row seg set src sum sys tag tgt tok txt
    url val
    """.split()
)
"""Words of file and column names that are also codes of small languages, and are not meant so."""

TEXT_ENDINGS = ("txt", "text", "raw", "tok", "dev", "devtest", "test", "train", "valid")


def has_form_of_code(name: str) -> bool:
    """Whether a name is written as language codes are, whether or not a list knows it."""
    return re.fullmatch(CODE, name) is not None and name not in COMMON_WORDS


@cache
def language_code(name: str) -> str | None:
    """The language that a name stands for: a code as it is, else a FLORES code; `None` for none.

    Codes in another case and names of languages in English (or their own) are understood. Only
    languages of FLORES and ISO 639-1 are found by name: there are languages called Label and Index.

    >>> [language_code(name) for name in ("fr", "FRA_LATN", "German", "Unnamed: 0", "frz_Latn")]
    ['fr', 'fra_Latn', 'deu_Latn', None, None]
    """
    name = name.strip()
    if name in FLORES_CODES:
        return name
    if has_form_of_code(name) and is_language(name):
        return name
    parts = re.split(r"[_-]", name.lower())
    forms = {2: str.upper, 4: str.title}
    written = "_".join([parts[0], *(forms.get(len(p), str)(p) for p in parts[1:])])
    if has_form_of_code(written) and is_language(written):
        return written
    return _language_called(name.replace("_", " "))


def _language_called(name: str) -> str | None:
    import langcodes
    from langcodes.tag_parser import LanguageTagError

    if not name.isprintable():  # langcodes' index of names does not take a NUL
        return None
    try:
        tag = langcodes.find(name)
    except (LookupError, LanguageTagError):
        return None
    code = to_flores(tag.to_tag())
    return code if code in FLORES_CODES or len(tag.language or "") == 2 else None


def nearest_code(code: str) -> str:
    """` -- did you mean 'fra_Latn'?`: the best-resourced code that differs in one letter, if any.

    >>> nearest_code("frz_Latn"), nearest_code("middle")
    (" -- did you mean 'fra_Latn'?", '')
    """
    near = [
        known
        for known in FLORES_CODES
        if len(known) == len(code) and sum(a != b for a, b in zip(known, code, strict=True)) == 1
    ]
    levels = {known: resource_level(known) for known in near}
    best = max(near, key=lambda known: levels[known].replace("unknown", ""), default="")
    return f" -- did you mean {best!r}?" if best else ""


def same_language(first: str, second: str) -> bool:
    """Whether two names stand for one language: `fr`, `fra_Latn` and `French` do."""
    codes = language_code(first), language_code(second)
    return None not in codes and to_flores(str(codes[0])) == to_flores(str(codes[1]))


def language_at_the_end(name: str) -> tuple[str, str, str] | None:
    """Stem, language and ending of a file that is named for its language last.

    >>> language_at_the_end("newstest2019-ref.deu.txt"), language_at_the_end("corpus.en")
    (('newstest2019-ref', 'deu', 'txt'), ('corpus', 'en', ''))
    >>> language_at_the_end("tatoeba.fra-eng.fra"), language_at_the_end("notes.txt")
    (('tatoeba.fra-eng', 'fra', ''), None)
    """
    base, dot, last = name.rpartition(".")
    ending = last if dot and last.lower() in TEXT_ENDINGS else ""
    matched = re.fullmatch(rf"(.+?)[._-]({CODE})", base if ending else name)
    if matched is None or matched[2] in COMMON_WORDS or language_code(matched[2]) is None:
        return None
    return matched[1], matched[2], ending


def pair_of(stem: str) -> tuple[str, str] | None:
    """The two languages that a stem ends with.

    >>> pair_of("tatoeba.fra-eng"), pair_of("newstest2019-ref")
    (('fra', 'eng'), None)
    """
    matched = re.search(r"(?:^|[._-])([a-z]{2,3})-([a-z]{2,3})$", stem)
    both = (matched[1], matched[2]) if matched else ()
    return (both[0], both[1]) if both and all(language_code(code) for code in both) else None
