"""Language codes of the corpora, FLORES codes for codes of any benchmark, and language names.

Languages are identified by FLORES-200 codes, `iso3_Script`; a language that FLORES does not have
gets a code of this form. langcodes (with data of CLDR) says which language a code means. FLORES'
own list decides the member of a macrolanguage and the script.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langcodes import Language as Tag

FLORES_PIVOT = "eng_Latn"
FLORES_TARGETS: tuple[str, ...] = tuple(
    """
    ace_Arab ace_Latn acm_Arab acq_Arab aeb_Arab afr_Latn ajp_Arab aka_Latn als_Latn amh_Ethi
    apc_Arab arb_Arab arb_Latn ars_Arab ary_Arab arz_Arab asm_Beng ast_Latn awa_Deva ayr_Latn
    azb_Arab azj_Latn bak_Cyrl bam_Latn ban_Latn bel_Cyrl bem_Latn ben_Beng bho_Deva bjn_Arab
    bjn_Latn bod_Tibt bos_Latn bug_Latn bul_Cyrl cat_Latn ceb_Latn ces_Latn cjk_Latn ckb_Arab
    crh_Latn cym_Latn dan_Latn deu_Latn dik_Latn dyu_Latn dzo_Tibt ell_Grek epo_Latn est_Latn
    eus_Latn ewe_Latn fao_Latn fij_Latn fin_Latn fon_Latn fra_Latn fur_Latn fuv_Latn gaz_Latn
    gla_Latn gle_Latn glg_Latn grn_Latn guj_Gujr hat_Latn hau_Latn heb_Hebr hin_Deva hne_Deva
    hrv_Latn hun_Latn hye_Armn ibo_Latn ilo_Latn ind_Latn isl_Latn ita_Latn jav_Latn jpn_Jpan
    kab_Latn kac_Latn kam_Latn kan_Knda kas_Arab kas_Deva kat_Geor kaz_Cyrl kbp_Latn kea_Latn
    khk_Cyrl khm_Khmr kik_Latn kin_Latn kir_Cyrl kmb_Latn kmr_Latn knc_Arab knc_Latn kon_Latn
    kor_Hang lao_Laoo lij_Latn lim_Latn lin_Latn lit_Latn lmo_Latn ltg_Latn ltz_Latn lua_Latn
    lug_Latn luo_Latn lus_Latn lvs_Latn mag_Deva mai_Deva mal_Mlym mar_Deva min_Arab min_Latn
    mkd_Cyrl mlt_Latn mni_Beng mos_Latn mri_Latn mya_Mymr nld_Latn nno_Latn nob_Latn npi_Deva
    nso_Latn nus_Latn nya_Latn oci_Latn ory_Orya pag_Latn pan_Guru pap_Latn pbt_Arab pes_Arab
    plt_Latn pol_Latn por_Latn prs_Arab quy_Latn ron_Latn run_Latn rus_Cyrl sag_Latn san_Deva
    sat_Olck scn_Latn shn_Mymr sin_Sinh slk_Latn slv_Latn smo_Latn sna_Latn snd_Arab som_Latn
    sot_Latn spa_Latn srd_Latn srp_Cyrl ssw_Latn sun_Latn swe_Latn swh_Latn szl_Latn tam_Taml
    taq_Latn taq_Tfng tat_Cyrl tel_Telu tgk_Cyrl tgl_Latn tha_Thai tir_Ethi tpi_Latn tsn_Latn
    tso_Latn tuk_Latn tum_Latn tur_Latn twi_Latn tzm_Tfng uig_Arab ukr_Cyrl umb_Latn urd_Arab
    uzn_Latn vec_Latn vie_Latn war_Latn wol_Latn xho_Latn ydd_Hebr yor_Latn yue_Hant zho_Hans
    zho_Hant zsm_Latn zul_Latn
    """.split()
)
"""The 203 languages of FLORES-200 other than English (arXiv 2207.04672), by column name."""

FLORES_CORE: tuple[str, ...] = tuple(
    "zho_Hans fra_Latn deu_Latn ita_Latn spa_Latn rus_Cyrl arb_Arab hin_Deva jpn_Jpan".split()
)
"""Nine widely spoken languages with several scripts, for a quick run."""

TATOEBA_PIVOT = "eng"
TATOEBA_TARGETS: tuple[str, ...] = tuple(
    """
    afr amh ang ara arq arz ast awa aze bel ben ber bos bre bul cat cbk ceb ces cha cmn cor csb cym
    dan deu dsb dtp ell epo est eus fao fin fra fry gla gle glg gsw heb hin hrv hsb hun hye ido ile
    ina ind isl ita jav jpn kab kat kaz khm kor kur kzj lat lfn lit lvs mal mar max mhr mkd mon nds
    nld nno nob nov oci orv pam pes pms pol por ron rus slk slv spa sqi srp swe swg swh tam tat tel
    tgl tha tuk tur tzl uig ukr urd uzb vie war wuu xho yid yue zsm
    """.split()
)
"""The 112 languages of LASER's Tatoeba test set (arXiv 1812.10464), by ISO 639-3 code."""

TATOEBA_CORE: tuple[str, ...] = tuple("cmn fra deu ita spa rus ara hin jpn".split())

FLORES_CODES: tuple[str, ...] = (FLORES_PIVOT, *FLORES_TARGETS)

MEMBERS = {"no": "nob_Latn", "ps": "pbt_Arab", "qu": "quy_Latn", "ff": "fuv_Latn"}
"""Macrolanguages whose member in FLORES is not the dominant one in CLDR."""

HAN_SCRIPTS = {"Hans": "Han (Simplified)", "Hant": "Han (Traditional)"}


@dataclass(frozen=True)
class Language:
    """Names and facts of a language.

    Attributes:
        code: FLORES code, or a code of that form.
        name: English name, with the script if FLORES has several scripts.
        native_name: name in the language itself; the English name if CLDR has no other.
        script: English name of the script; empty if the code has none.
        resource_level: class 0 (hardly any data) to 5 of Joshi et al. 2020, or `unknown`.
    """

    code: str
    name: str
    native_name: str
    script: str
    resource_level: str


@cache
def language(code: str) -> Language:
    """Look up a language by any code that `to_flores` accepts.

    >>> language("swh_Latn").name, language("jpn_Jpan").native_name, language("zho_Hans").script
    ('Swahili', '日本語', 'Han (Simplified)')
    """
    from neuronxa_task.languages.resource_levels import resource_level

    code = to_flores(code)
    iso, _, script = code.partition("_")
    tag = _tag(code)
    if tag is None:
        return Language(code, code, code, "", resource_level(code))
    # ISO adds "(individual language)" if a macrolanguage has the same name.
    name = tag.language_name().replace(" (individual language)", "")
    if len(_flores_of(iso)) > 1:
        name = f"{name} ({tag.script_name()})"
    native = re.sub(r"\s*[(（].*", "", tag.prefer_macrolanguage().autonym())
    script_name = HAN_SCRIPTS.get(script) or (tag.script_name() if script else "")
    return Language(code, name, native, script_name, resource_level(code))


@cache
def to_flores(code: str) -> str:
    """Convert an ISO 639-1, ISO 639-3, BCP 47 or FLORES code to a FLORES code.

    A macrolanguage becomes its dominant member according to CLDR. A code without a script gets the
    script of FLORES; if FLORES has several, the likeliest. A language that FLORES does not have
    gets `iso3_Script`. Text that is not a language code is returned unchanged.

    >>> [to_flores(code) for code in ("fr", "zh", "cmn", "sw", "zh-TW", "la", "made-up")]
    ['fra_Latn', 'zho_Hans', 'zho_Hans', 'swh_Latn', 'zho_Hant', 'lat_Latn', 'made-up']
    """
    tag = None if code in FLORES_CODES else _tag(code)
    if tag is None:
        return code
    if code in MEMBERS:
        return MEMBERS[code]
    iso = tag.to_alpha3()
    likely = tag.maximize().script or ""
    known = _flores_of(iso) or _members(tag.prefer_macrolanguage().language)
    if tag.script:
        known = tuple(flores for flores in known if flores.endswith(tag.script))
    if not known:
        new = f"{iso}_{likely}" if likely else iso
        # Moldavian, `mo`, is `mol`, which is Romanian.
        return new if new == code else to_flores(new)
    return next((flores for flores in known if flores.endswith(likely)), known[0])


def is_language(code: str) -> bool:
    """Whether a code names a language, such as `fr`, `fra`, `fra_Latn` and `zh-Hant`."""
    return _tag(code) is not None


@cache
def _tag(code: str) -> Tag | None:
    """langcodes' tag of a code; `None` if it is not a language code."""
    from langcodes import Language as Tag
    from langcodes.tag_parser import LanguageTagError

    try:
        # Normalisation turns `kzj` into `dtp`, another task of Tatoeba, but is needed for `fra`.
        tag = Tag.get(code, normalize=False)
        tag = tag if tag.is_valid() else Tag.get(code)
        return tag if tag.is_valid() and tag.to_alpha3() else None
    except (LanguageTagError, LookupError):
        return None


@cache
def _flores_of(iso: str) -> tuple[str, ...]:
    return tuple(code for code in FLORES_CODES if code.startswith(f"{iso}_"))


@cache
def _members(macrolanguage: str | None) -> tuple[str, ...]:
    """FLORES codes of the dominant member of a macrolanguage, in all scripts."""
    tags = {code: _tag(code.partition("_")[0]) for code in FLORES_CODES}
    return tuple(
        code
        for code, tag in tags.items()
        if tag is not None and tag.prefer_macrolanguage().language == macrolanguage
    )
