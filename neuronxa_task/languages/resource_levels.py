"""How much data a language has, as classified by Joshi et al. 2020 (arXiv 2004.09095).

Class 5 has the most labelled and unlabelled data, class 0 hardly any. The authors publish a list of
English names (microsoft.github.io/linguisticdiversity/assets/lang2tax.txt); we assigned the codes.
If the list has a language under several names, we use the highest class. A macrolanguage's class
goes to its representative here (`mandarin` to zho, `swahili` to swh), not to its other members. The
list does not distinguish scripts. Languages that it does not have, or only under an ambiguous name,
are unknown.
"""

from __future__ import annotations

UNKNOWN = "unknown"

CLASSES: dict[str, str] = {
    "5": "arb deu eng fra jpn spa zho",
    "4": "cat ces eus fin hin hrv hun ita kor nld pes pol por rus srp swe tur vie",
    "3": """
        afr arz bel ben bos bul ceb dan ell est glg heb ind kat kaz lat lit lvs ron slk slv
        tam tgl tha ukr urd uzn zsm
    """,
    "2": "amh gle hat hau isl lao mar mlt pan san swh tir tsn wol xho yor zul",
    "1": """
        ace aka als ang asm ast ayr azb azj bak bam bho bjn bod bre bug cbk cha ckb cor crh
        csb cym dik dsb dzo epo ewe fao fij fry fur fuv gaz gla grn gsw guj hsb hye ibo ido
        ile ilo ina jav kab kan kas kbp khk khm kik kin kir kmr kon lij lim lin lmo ltg ltz
        lug mai mal mhr min mkd mri mya nno nob npi nso nya oci ory pag pam pap pbt plt pms
        quy run sag sat scn sin smo sna snd som sot srd ssw sun szl tat tel tgk tpi tso tuk
        tum twi uig vec war wuu ydd yue
    """,
    "0": "awa ban ber dyu fon lus mag mni mos nus prs shn umb",
}
"""ISO 639-3 codes by class, highest first."""

LEVELS: tuple[str, ...] = (*CLASSES, UNKNOWN)

_LEVEL_OF = {iso: level for level, codes in CLASSES.items() for iso in codes.split()}


def resource_level(code: str) -> str:
    """Class of a language by its FLORES code, "0" to "5", or "unknown" if it has none.

    >>> resource_level("fra_Latn"), resource_level("swh_Latn"), resource_level("acm_Arab")
    ('5', '2', 'unknown')
    """
    return _LEVEL_OF.get(code.partition("_")[0], UNKNOWN)
