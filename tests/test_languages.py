"""Language codes, names and levels, and the names of the installed harness's tasks."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from neuronxa_task.cli import app
from neuronxa_task.errors import NeuronXAError
from neuronxa_task.languages import (
    FLORES_CODES,
    FLORES_TARGETS,
    TATOEBA_TARGETS,
    is_language,
    language,
    to_flores,
)
from neuronxa_task.languages.benchmark_names import PIVOT_SIBLINGS
from neuronxa_task.languages.benchmarks import (
    Pattern,
    TaskPlace,
    benchmark_names,
    patterns_of,
    place,
)
from neuronxa_task.languages.resource_levels import LEVELS, resource_level
from neuronxa_task.languages.table import benchmarks_of, language_table
from neuronxa_task.languages.written_forms import read_language

BMLAMA53 = Path(__file__).resolve().parents[2] / "shared" / "data" / "bmlama53"

MACROLANGUAGES = """
    zh zho_Hans cmn zho_Hans zho zho_Hans ar arb_Arab ara arb_Arab sw swh_Latn swa swh_Latn
    nb nob_Latn no nob_Latn nn nno_Latn ne npi_Deva lv lvs_Latn az azj_Latn aze azj_Latn
    fa pes_Arab sq als_Latn sqi als_Latn ms zsm_Latn or ory_Orya yi ydd_Hebr yid ydd_Hebr
    mg plt_Latn et est_Latn ku kmr_Latn kur kmr_Latn mn khk_Cyrl mon khk_Cyrl uz uzn_Latn
    uzb uzn_Latn ps pbt_Arab qu quy_Latn om gaz_Latn ff fuv_Latn ay ayr_Latn tl tgl_Latn
    fil tgl_Latn tw twi_Latn ak aka_Latn gn grn_Latn iw heb_Hebr
"""
SCRIPTS = """
    ko kor_Hang kor kor_Hang ja jpn_Jpan sr srp_Cyrl pa pan_Guru ks kas_Arab min min_Latn
    zh-TW zho_Hant zh_Hant zho_Hant pt-BR por_Latn yue yue_Hant prs prs_Arab EN eng_Latn
"""
OUTSIDE_FLORES = """
    la lat_Latn ber ber_Latn mhr mhr_Cyrl wuu wuu_Hans kzj kzj_Latn dtp dtp_Latn
    sr-Latn srp_Latn hin_Latn hin_Latn
"""


def pairs(*texts: str) -> list[tuple[str, str]]:
    words = " ".join(texts).split()
    return list(zip(words[::2], words[1::2], strict=True))


@pytest.mark.parametrize(("code", "flores"), pairs(MACROLANGUAGES, SCRIPTS, OUTSIDE_FLORES))
def test_codes_mean_the_flores_language(code: str, flores: str) -> None:
    assert to_flores(code) == flores


def test_flores_codes_mean_themselves() -> None:
    assert [to_flores(code) for code in FLORES_CODES] == list(FLORES_CODES)


def test_tatoebas_languages_stay_apart() -> None:
    mapped = [to_flores(code) for code in TATOEBA_TARGETS]
    assert len(set(mapped)) == len(TATOEBA_TARGETS)
    outside = {
        code
        for code, found in zip(TATOEBA_TARGETS, mapped, strict=True)
        if found not in FLORES_CODES
    }
    assert outside == set(
        "ang arq ber bre cbk cha cor csb dsb dtp fry gsw hsb ido ile ina kzj lat lfn max mhr nds "
        "nov orv pam pms swg tzl wuu".split()
    )


@pytest.mark.skipif(not BMLAMA53.exists(), reason="the 53 languages of BMLAMA are not here")
def test_bmlamas_languages_are_in_flores_but_latin() -> None:
    mapped = {path.stem: to_flores(path.stem) for path in BMLAMA53.glob("*.tsv")}
    assert len(mapped) == len(set(mapped.values())) == 53
    assert {code for code, found in mapped.items() if found not in FLORES_CODES} == {"la"}


@pytest.mark.parametrize(
    "code", ["", "_", "xx", "va", "near", "prompt_1", "made up", "fr\x1b[2J", "a" * 5000, "Hans"]
)
def test_what_is_no_language_is_left_alone(code: str) -> None:
    assert not is_language(code)
    assert to_flores(code) == code
    assert language(code).name == code
    assert language(code).resource_level == "unknown"


def test_names() -> None:
    hindi, traditional, kashmiri = map(language, ("hi", "zho_Hant", "kas_Deva"))
    assert (hindi.code, hindi.name, hindi.native_name, hindi.script) == (
        *("hin_Deva", "Hindi", "हिन्दी", "Devanagari"),
    )
    assert (traditional.name, traditional.native_name) == ("Chinese (Traditional)", "中文")
    assert traditional.script == "Han (Traditional)"
    assert kashmiri.name == "Kashmiri (Devanagari)"  # FLORES has it in Arabic script, too
    assert language("arb_Arab").native_name == "العربية"
    assert language("lat_Latn").name == "Latin"


def test_every_flores_language_has_names_that_tell_it_apart() -> None:
    found = [language(code) for code in FLORES_CODES]
    assert all(each.name and each.native_name and each.script for each in found)
    assert len({each.name for each in found}) == len(found)
    assert not [each.native_name for each in found if re.search(r"[()（）]", each.native_name)]


@pytest.mark.parametrize(
    ("code", "level"),
    # Joshi et al. 2020, Table 1, names most of these as examples of its classes 0 to 5.
    pairs(
        """
        spa_Latn 5 deu_Latn 5 jpn_Jpan 5 fra_Latn 5 rus_Cyrl 4 hun_Latn 4 vie_Latn 4 nld_Latn 4
        kor_Hang 4 ind_Latn 3 ukr_Cyrl 3 ceb_Latn 3 afr_Latn 3 heb_Hebr 3 zul_Latn 2 lao_Laoo 2
        mlt_Latn 2 gle_Latn 2 bho_Deva 1 fij_Latn 1 acm_Arab unknown
        """
    ),
)
def test_resource_levels_are_those_of_joshi_et_al(code: str, level: str) -> None:
    assert resource_level(code) == level


def test_every_language_has_one_of_the_levels() -> None:
    from neuronxa_task.languages import resource_levels

    codes = " ".join(resource_levels.CLASSES.values()).split()
    assert len(codes) == len(set(codes))
    assert {resource_level(code) for code in FLORES_CODES} == set(LEVELS)


# ---------------------------------------------------------------- names of tasks


@pytest.fixture(scope="module")
def sources() -> dict[str, str]:
    """The folder of every task, group and tag of the installed harness; empty for a tag."""
    from lm_eval.tasks import TaskManager

    index = TaskManager().task_index
    paths = {name: str(getattr(entry, "yaml_path", None) or "") for name, entry in index.items()}
    return {
        name: path.partition("lm_eval/tasks/")[2].partition("/")[0] for name, path in paths.items()
    }


@pytest.fixture(scope="module")
def tasks(sources: dict[str, str]) -> list[str]:
    """Every task, group and tag of the installed harness."""
    return list(sources)


@pytest.fixture(scope="module")
def places(tasks: list[str]) -> dict[str, TaskPlace]:
    """Where each of them belongs that is of a known benchmark."""
    found = {task: place(task, patterns_of()) for task in tasks}
    return {task: where for task, where in found.items() if where is not None}


def families_of(tasks: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """Tasks by what is before the language at the end of their names, then by that language.

    Found without the table of benchmarks: up to three words at the end are tried as a language.
    """
    families: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for task in tasks:
        body, prompt, _ = task.partition("_prompt_")
        words = re.split("([_-])", body)
        for count in (5, 3, 1):
            if len(words) > count + 1 and (found := read_language("".join(words[-count:]))):
                families["".join(words[:-count]) + prompt][found.code].append(task)
                break
    return families


@pytest.mark.slow
def test_nearly_all_tasks_that_end_in_one_of_four_languages_are_recognised(
    tasks: list[str], places: dict[str, TaskPlace]
) -> None:
    foreign = [task for task in tasks if not task.startswith("neuronxa_")]
    large = [family for family in families_of(foreign).values() if len(family) >= 4]
    names = [task for family in large for same in family.values() for task in same]
    missed = [task for task in names if task not in places]
    assert len(large) > 80 and len(names) > 3400
    assert len(missed) / len(names) < 0.05
    # Groups of all directions of translation from and into a language are of no one language.
    assert set(missed) <= {f"flores_{code}" for code in ("ca", "es", "eu", "gl", "pt")}


FOLDERS = """
    afrimgsm afrimmlu afrixnli afrobench alghafa aradice arc_mt bangla basque_bench belebele
    catalan_bench galician_bench global_mmlu global_piqa include indicparam lambada_multilingual
    lambada_multilingual_stablelm llama3 mela mgsm mlqa mmlu_prox multiblimp okapi openai-mmmlu
    paws-x pisa portuguese_bench spanish_bench toksuite truthfulqa-multi tydiqa xcopa xnli xnli_eu
    xquad xstorycloze xwinograd
""".split()
"""Folders of the harness with tasks in several languages, or in one beside those of others."""


@pytest.mark.slow
def test_no_task_of_one_language_alone_is_taken_for_a_multilingual_one(
    places: dict[str, TaskPlace], sources: dict[str, str]
) -> None:
    assert {sources[task] for task in places} - {"", "neuronxa"} == set(FOLDERS)


@pytest.mark.slow
def test_no_two_tasks_are_the_same_language_of_a_benchmark(places: dict[str, TaskPlace]) -> None:
    assert len(set(places.values())) == len(places)


@pytest.mark.slow
def test_benchmarks_have_their_languages(places: dict[str, TaskPlace]) -> None:
    codes: dict[str, set[str]] = defaultdict(set)
    for where in places.values():
        codes[where.benchmark].add(where.language)
    counts = {benchmark: len(languages) for benchmark, languages in codes.items()}
    # The languages that the benchmarks' papers and cards name; the harness adds some of its own.
    least = pairs(
        """
        belebele 122 m_mmlu 34 arc 31 hellaswag 30 truthfulqa_mc1 31 xnli 15 global_mmlu 15
        global_mmlu_full 42 mmlu_prox 29 mmlu_prox_lite 29 xcopa 11 xstorycloze 11 xwinograd 6
        paws 7 xquad 12 mlqa 7 tydiqa_goldp 9 mgsm_direct 11 mgsm_en_cot 11 mgsm_native_cot 11
        lambada_openai_mt 5 include_base_44 44 mmmlu 14 multiblimp 101 arc_challenge_mt 12
        global_piqa_parallel_cloze 115 afrimmlu_direct_prompts 17 afrixnli_prompts 16
        afrimgsm_prompts 17 sib_prompts 56 flores_to_eng_prompts 60 ntrex_from_eng_prompts 32
        xlsum_prompts 12 mmlu_llama 7 phrasebook_translation 9 bmlama53 53
        """
    )
    assert {name: counts[name] for name, count in least if counts[name] < int(count)} == {}


@pytest.mark.slow
def test_every_template_and_exception_is_one_of_a_task(places: dict[str, TaskPlace]) -> None:
    names = set(benchmark_names())
    assert names == {where.benchmark for where in places.values()}
    assert {name for name in PIVOT_SIBLINGS if name not in names} == set()


@pytest.mark.slow
def test_the_english_siblings_are_tasks_of_the_harness(
    tasks: list[str], places: dict[str, TaskPlace]
) -> None:
    assert set(PIVOT_SIBLINGS.values()) <= set(tasks)
    own = {(where.benchmark, where.language) for where in places.values()}
    assert {name for name in PIVOT_SIBLINGS if (name, "eng_Latn") in own} == set()


@pytest.mark.slow
def test_belebeles_flores_codes_mean_themselves(tasks: list[str]) -> None:
    for task in tasks:
        if found := re.fullmatch(r"belebele_([a-z]{3}_[A-Z][a-z]{3})", task):
            assert place(task, patterns_of()) == TaskPlace("belebele", found[1])


@pytest.mark.parametrize(
    ("task", "benchmark", "language", "part"),
    [
        ("m_mmlu_zh", "m_mmlu", "zho_Hans", ""),
        ("arc_ne", "arc", "npi_Deva", ""),
        ("xnli_sw", "xnli", "swh_Latn", ""),
        ("bmlama53_la", "bmlama53", "lat_Latn", ""),
        ("global_mmlu_full_fil", "global_mmlu_full", "tgl_Latn", ""),
        ("mmlu_prox_lite_wo", "mmlu_prox_lite", "wol_Latn", ""),
        ("xcopa_qu", "xcopa", "quy_Latn", ""),
        ("xwinograd_jp", "xwinograd", "jpn_Jpan", ""),
        ("pisa_ch_llm_judged", "pisa_llm_judged", "zho_Hans", ""),
        ("include_base_44_north_macedonian", "include_base_44", "mkd_Cyrl", ""),
        ("include_base_44_french_few_shot_en", "include_base_44_few_shot_en", "fra_Latn", ""),
        ("mmmlu_sw_ke", "mmmlu", "swh_Latn", ""),
        ("mmmlu_es_la", "mmmlu", "spa_Latn", ""),
        ("global_piqa_parallel_cloze_mni_mtei", "global_piqa_parallel_cloze", "mni_Mtei", ""),
        ("global_piqa_parallel_cloze_por_latn_braz", "global_piqa_parallel_cloze", "por_Latn", "b"),
        ("truthfulqa_fr_mc2", "truthfulqa_mc2", "fra_Latn", ""),
        ("mmlu_fr_llama", "mmlu_llama", "fra_Latn", ""),
        ("mlqa_vi_vi", "mlqa", "vie_Latn", ""),
        ("mlqa_vi_de", "mlqa_question_de", "vie_Latn", ""),
        ("belebele_swa_prompt_2", "belebele_prompts", "swh_Latn", "2"),
        ("afrimmlu_direct_twi_prompt_5", "afrimmlu_direct_prompts", "twi_Latn", "5"),
        ("flores_ace_Arab-eng_Latn_prompt_1", "flores_to_eng_prompts", "ace_Arab", "1"),
        ("flores_eng_Latn-ace_Arab_prompt_1", "flores_from_eng_prompts", "ace_Arab", "1"),
        ("catalan_bench_flores_ca-de", "catalan_bench_flores_from_ca", "deu_Latn", ""),
        ("AraDiCE_boolq_lev", "AraDiCE_boolq", "apc_Arab", ""),
        # lm_eval 0.3 and 0.4.0
        ("xstory_cloze_ar", "xstorycloze", "arb_Arab", ""),
        ("pawsx_de", "paws", "deu_Latn", ""),
        ("arc_fr_challenge", "arc", "fra_Latn", ""),
        ("mmlu_fr", "m_mmlu", "fra_Latn", ""),
    ],
)
def test_places(task: str, benchmark: str, language: str, part: str) -> None:
    where = place(task, patterns_of())
    assert where is not None
    assert where[:2] == (benchmark, language)
    assert where.prompt == part or where.variety[:1] == part


@pytest.mark.parametrize(
    "task",
    """
    arc_easy arc_challenge arc_ca_easy arc_ca_challenge arc_agi global_mmlu_fr_stem hellaswag
    hellaswag_multilingual mmlu_pro mmlu_stem mmlu_law mmlu_cot_llama mmlu_pro_llama xnli_va
    xnli_eu_mt xnli_eu_native xnli_es_spanish_bench mgsm_direct_es_spanish_bench belebele_prompt_1
    belebele_tasks sib_prompt_1 flores_ca pawsx mlqa mela pisa_llm_judged truthfulqa_gen
    truthfulqa_va toksuite_stem toksuite_math include_base_44_french_stem
    global_piqa_parallel_cloze_srp_latn_torl global_piqa_parallel_cloze mmmlu_fr_fr_anatomy
    indicparam_sanskrit_mix naijarc_tasks xcopa multiblimp
    """.split(),
)
def test_what_names_no_language_is_of_none(task: str) -> None:
    assert place(task, patterns_of()) is None


@pytest.mark.parametrize(
    ("text", "code"),
    pairs(
        """
        fr_fr fra_Latn zh_tw zho_Hant zh_cn zho_Hans pt_br por_Latn ar_xy arb_Arab
        hin_latn hin_Latn cmn_hans zho_Hans spa_latn_peru spa_Latn german deu_Latn Farsi pes_Arab
        bengali ben_Beng azerbaijani azj_Latn pidgin pcm_Latn mandarin zho_Hans
        """
    ),
)
def test_ways_to_write_a_language(text: str, code: str) -> None:
    found = read_language(text)
    assert found is not None and found.code == code


@pytest.mark.parametrize(
    "text",
    "easy stem law_school eu_mt fr_xx zzz_latn fra_lat spa_latn_mars test history jp".split(),
)
def test_what_is_written_otherwise_is_no_language(text: str) -> None:
    assert read_language(text) is None


@given(st.text(max_size=12) | st.from_regex(r"[a-z]{2,4}([_-][A-Za-z]{2,4}){0,2}", fullmatch=True))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_language_or_none(text: str) -> None:
    """A code that is made of a language means itself, and no text ends in an error."""
    code = to_flores(text)
    assert to_flores(code) == code
    assert language(text).code == code
    found = read_language(text)
    assert found is None or is_language(found.code)
    task = place(f"xnli_{text}", patterns_of())
    assert task is None or found is None or task.language == found.code


def test_a_pattern_of_the_users_own_goes_first() -> None:
    patterns = patterns_of(["afro=belebele_{lang}_prompt_1", "own=m_mmlu_{lang}"])
    assert place("belebele_swa_prompt_1", patterns) == TaskPlace("afro", "swh_Latn")
    assert place("m_mmlu_fr", patterns) == TaskPlace("own", "fra_Latn")
    assert place("m_mmlu_pt-BR", patterns) == TaskPlace("own", "por_Latn")


def test_a_pattern_reads_languages_however_they_are_written() -> None:
    patterns = patterns_of(["mine=my_{lang}_{lang2}", "other=other{lang}"])
    assert place("other_french", patterns) is None
    assert place("my_fr_{lang2}", patterns) == TaskPlace("mine", "fra_Latn")
    for task in ("other-x_french", "otherfrench", "otherfr_fr", "otherfra_latn"):
        found = place(task, patterns_of(["other=other{lang}", "other=other-x_{lang}"]))
        assert found == TaskPlace("other", "fra_Latn")


@pytest.mark.parametrize("text", ["", "mybench", "=task_{lang}", "a=b", "a={lang}_{lang}"])
def test_a_pattern_of_another_form_is_an_error(text: str) -> None:
    with pytest.raises(NeuronXAError, match="expected NAME=TASK"):
        Pattern.parse(text)


def test_marks_in_a_pattern_mean_themselves() -> None:
    assert Pattern.parse("a=b.*({lang})").place("b.*(fr)") == TaskPlace("a", "fra_Latn")
    assert Pattern.parse("a=b.*({lang})").place("bxx(fr)") is None


# ---------------------------------------------------------------- the command


def test_the_table_has_every_flores_language_once() -> None:
    table = language_table(["neuronxa_flores_fra_Latn", "m_mmlu_fr", "bmlama53_la", "nonsense"])
    assert list(table["code"]) == [*FLORES_CODES, "lat_Latn"]
    rows = table.set_index("code")
    assert rows.loc["fra_Latn", "benchmarks"] == "m_mmlu; neuronxa_flores"
    assert rows.loc["ace_Arab", "benchmarks"] == ""


def test_the_table_is_filtered_by_benchmark() -> None:
    names = ["m_mmlu_fr", "m_mmlu_de", "xnli_de", "xnli_ru"]
    assert list(language_table(names, ["m_mmlu", "xnli"])["code"]) == ["deu_Latn"]
    with pytest.raises(
        NeuronXAError, match=r"no tasks of 'belebele'.*known benchmarks: neuronxa_flores"
    ):
        language_table(names, ["belebele"])


@pytest.mark.slow
def test_neuronxas_own_tasks_are_in_the_installed_harness(tasks: list[str]) -> None:
    found = benchmarks_of(tasks)
    having = {code for code, names in found.items() if "neuronxa_flores" in names}
    assert having == set(FLORES_TARGETS)
    tatoeba = {code for code, names in found.items() if "neuronxa_tatoeba" in names}
    assert tatoeba == {to_flores(code) for code in TATOEBA_TARGETS}


@pytest.mark.slow
def test_the_command_prints_csv(tasks: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neuronxa_task.harness.task_names", lambda: tasks)
    printed = CliRunner().invoke(app, ["languages", "--csv", "--benchmarks", "xcopa"])
    lines = printed.stdout.splitlines()
    assert printed.exit_code == 0
    assert lines[0] == "code,name,native_name,script,resource_level,benchmarks"
    assert any(line.startswith("swh_Latn,Swahili,Kiswahili,Latin,2,") for line in lines)
    assert len(lines) >= 12


def test_help_imports_none_of_what_the_commands_need() -> None:
    code = (
        "import sys; sys.argv = ['neuronxa']; import neuronxa_task.cli; "
        "print({'scipy', 'pandas', 'langcodes', 'lm_eval'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
