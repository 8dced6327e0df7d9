"""The family of each language, as classified by Glottolog 5 (glottolog.org).

Languages of a family are not independent observations: they share words, scripts and much of their
training data. The names are Glottolog's top-level families. A language isolate is its own family, a
creole belongs to the family of its lexifier, and constructed languages are one group. We assigned
the codes: all languages of FLORES-200 and of Tatoeba's bitext mining. Where
linguists disagree, as on the Ubangian languages (Sango), we chose the larger family.
"""

from __future__ import annotations

FAMILIES: dict[str, str] = {
    "Afro-Asiatic": """
        acm acq aeb ajp amh apc ara arb arq ars ary arz ber gaz hau heb kab mlt som taq tir tzm
    """,
    "Artificial Language": "epo ido ile ina lfn nov tzl",
    "Atlantic-Congo": """
        aka bem cjk ewe fon fuv ibo kam kbp kik kin kmb kon lin lua lug mos nso nya run sag sna
        sot ssw swa swh tsn tso tum twi umb wol xho yor zul
    """,
    "Austroasiatic": "khm sat vie",
    "Austronesian": """
        ace ban bjn bug ceb cha dtp fij ilo ind jav kzj max min mlg mri msa pag pam plt smo sun
        tgl war zsm
    """,
    "Aymaran": "ayr",
    "Basque": "eus",
    "Dravidian": "kan mal tam tel",
    "Indo-European": """
        afr als ang asm ast awa bel ben bho bos bre bul cat cbk ces ckb cor csb cym dan deu dsb
        ell eng fao fas fra fry fur gla gle glg gsw guj hat hin hne hrv hsb hye isl ita kas kea
        kmr kur lat lav lij lim lit lmo ltg ltz lvs mag mai mar mkd nds nep nld nno nob nor npi
        oci ori orv ory pan pap pbt pes pms pol por prs pus ron rus san scn sin slk slv snd spa
        sqi srd srp swe swg szl tgk tpi ukr urd vec ydd yid
    """,
    "Japonic": "jpn",
    "Kartvelian": "kat",
    "Koreanic": "kor",
    "Mande": "bam dyu",
    "Mongolic-Khitan": "khk mon",
    "Nilotic": "dik luo nus",
    "Quechuan": "que quy",
    "Saharan": "knc",
    "Sino-Tibetan": "bod cmn dzo kac lus mni mya wuu yue zho",
    "Tai-Kadai": "lao shn tha",
    "Tupian": "grn",
    "Turkic": "aze azb azj bak crh kaz kir tat tuk tur uig uzb uzn",
    "Uralic": "est fin hun mhr",
}
"""ISO 639-3 codes by family."""

_FAMILY_OF = {iso: family for family, codes in FAMILIES.items() for iso in codes.split()}


def family(code: str) -> str:
    """Family of a language by its FLORES code.

    A language that is not in the table is its own family, named by its code, because nothing is
    known about its relatives.

    >>> family("fra_Latn"), family("swh_Latn"), family("eus_Latn"), family("xyz_Latn")
    ('Indo-European', 'Atlantic-Congo', 'Basque', 'xyz')
    """
    iso = code.partition("_")[0]
    return _FAMILY_OF.get(iso, iso)
