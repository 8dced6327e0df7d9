"""Which language a file name or a column name stands for."""

from __future__ import annotations

import re
from functools import cache

from neuronxa_task.languages.codes import FLORES_CODES, is_language, to_flores
from neuronxa_task.languages.resource_levels import resource_level

CODE = r"[a-z]{2,3}(?:[_-][A-Z][a-z]{3})?(?:[_-][A-Z]{2})?"
"""A language, optionally a script and a region: `fr`, `fra_Latn`, `zho-CN`."""

COMMON_WORDS = frozenset(
    """
    bpe dev doc dst hyp idx iso key len ner num pos raw ref row seg set src sum sys tag tgt tok txt
    url val
    """.split()
)
"""Common words in file and column names that are also codes of small languages."""

TEXT_ENDINGS = ("txt", "text", "raw", "tok", "dev", "devtest", "test", "train", "valid")


def has_form_of_code(name: str) -> bool:
    """Whether a name has the form of a language code, known or not."""
    return re.fullmatch(CODE, name) is not None and name not in COMMON_WORDS


@cache
def language_code(name: str) -> str | None:
    """The code of the language that a name stands for; `None` if it is not a language.

    A known code is returned as given. Codes in another case, and language names in English or in
    the language itself, become FLORES codes. Only languages of FLORES and ISO 639-1 are found by
    name, since there are languages called Label and Index.

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

    if not name.isprintable():  # langcodes cannot look up a NUL
        return None
    try:
        tag = langcodes.find(name)
    except (LookupError, LanguageTagError):
        return None
    code = to_flores(tag.to_tag())
    return code if code in FLORES_CODES or len(tag.language or "") == 2 else None


def nearest_code(code: str) -> str:
    """Suggest the best-resourced FLORES code that differs in one letter; empty if none does.

    >>> nearest_code("frz_Latn"), nearest_code("middle")
    ("; did you mean 'fra_Latn'?", '')
    """
    near = [
        known
        for known in FLORES_CODES
        if len(known) == len(code) and sum(a != b for a, b in zip(known, code, strict=True)) == 1
    ]
    levels = {known: resource_level(known) for known in near}
    best = max(near, key=lambda known: levels[known].replace("unknown", ""), default="")
    return f"; did you mean {best!r}?" if best else ""


def same_language(first: str, second: str) -> bool:
    """Whether two names stand for the same language, as `fr`, `fra_Latn` and `French` do."""
    codes = language_code(first), language_code(second)
    return None not in codes and to_flores(str(codes[0])) == to_flores(str(codes[1]))


def language_at_the_end(name: str) -> tuple[str, str, str] | None:
    """Split a file name that ends with a language into stem, language and ending.

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
    """The two languages at the end of a file name's stem, such as `fra-eng`; `None` if none.

    >>> pair_of("tatoeba.fra-eng"), pair_of("newstest2019-ref")
    (('fra', 'eng'), None)
    """
    matched = re.search(r"(?:^|[._-])([a-z]{2,3})-([a-z]{2,3})$", stem)
    both = (matched[1], matched[2]) if matched else ()
    return (both[0], both[1]) if both and all(language_code(code) for code in both) else None
