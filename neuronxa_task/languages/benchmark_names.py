"""Task names of the harness's multilingual benchmarks, in lm_eval 0.3 to 0.4.13.

A line is a template of task names, or `benchmark = template` if the benchmark's name is not the
rest of the template. In a template,

- `{lang}` is the language, in any form that `written_forms` reads;
- `{iso1}` is a code of two letters or with a script, where three letters could be a word;
- `{prompt}` is the number of a prompt; the benchmark is the mean over its prompts.

Templates of a benchmark are tried in order, with current names before old ones.
"""

from __future__ import annotations

from collections.abc import Mapping

TEMPLATES = """
AraDiCE_boolq_{lang}
AraDiCE_openbookqa_{lang}
AraDiCE_piqa_{lang}
AraDiCE_truthfulqa_mc1_{lang}
AraDiCE_winogrande_{lang}
afridiacritics_{lang}_prompt_{prompt}
afrimgsm_{lang}_prompt_{prompt}
afrimgsm_cot_{lang}_prompt_{prompt}
afrimgsm_cot_translate_{lang}_prompt_{prompt}
afrimgsm_translate_{lang}_prompt_{prompt}
afrimmlu_direct_{lang}_prompt_{prompt}
afrimmlu_translate_{lang}_prompt_{prompt}
afriqa_{lang}_prompt_{prompt}
afrisenti_{lang}_prompt_{prompt}
afrixnli_{lang}_prompt_{prompt}
afrixnli_en_direct_{lang}
afrixnli_manual_direct_{lang}
afrixnli_manual_translate_{lang}
afrixnli_native_direct_{lang}
afrixnli_translate_{lang}
afrixnli_translate_{lang}_prompt_{prompt}
arc_{iso1}
arc = arc_{iso1}_challenge
arc_challenge_mt_{iso1}
basque_bench_flores_to_eu = basque_bench_flores_{lang}-eu
basque_bench_flores_from_eu = basque_bench_flores_eu-{lang}
belebele_{lang}
belebele_{lang}_prompt_{prompt}
bmlama53_{lang}
catalan_bench_flores_to_ca = catalan_bench_flores_{lang}-ca
catalan_bench_flores_from_ca = catalan_bench_flores_ca-{lang}
flores_to_eng_prompts = flores_{lang}-eng_Latn_prompt_{prompt}
flores_from_eng_prompts = flores_eng_Latn-{lang}_prompt_{prompt}
galician_bench_flores_to_gl = galician_bench_flores_{lang}-gl
galician_bench_flores_from_gl = galician_bench_flores_gl-{lang}
global_mmlu_{lang}
global_mmlu_full_{lang}
global_piqa_nonparallel_cloze_{lang}
global_piqa_nonparallel_generation_{lang}
global_piqa_parallel_cloze_{lang}
global_piqa_parallel_generation_{lang}
hellaswag_{iso1}
include_base_44_{lang}
include_base_44_few_shot_en = include_base_44_{lang}_few_shot_en
include_base_44_few_shot_og = include_base_44_{lang}_few_shot_og
indicparam_{lang}
injongointent_{lang}_prompt_{prompt}
lambada_openai_mt_{lang}
lambada_openai_mt_stablelm_{lang}
m_mmlu_{lang}
m_mmlu = mmlu_{iso1}
mafand_to_en_prompts = mafand_{lang}-en_prompt_{prompt}
mafand_from_en_prompts = mafand_en-{lang}_prompt_{prompt}
mafand_to_fr_prompts = mafand_{lang}-fr_prompt_{prompt}
mafand_from_fr_prompts = mafand_fr-{lang}_prompt_{prompt}
masakhaner_{lang}_prompt_{prompt}
masakhanews_{lang}_prompt_{prompt}
masakhapos_{lang}_prompt_{prompt}
mela_{lang}
mgsm_direct_{lang}
mgsm_direct = mgsm_{iso1}
mgsm_en_cot_{lang}
mgsm_native_cot_{lang}
mmlu_llama = mmlu_{iso1}_llama
mmlu_prox_{lang}
mmlu_prox_lite_{lang}
mlqa_{lang}
mlqa_question_ar = mlqa_{lang}_ar
mlqa_question_de = mlqa_{lang}_de
mlqa_question_en = mlqa_{lang}_en
mlqa_question_es = mlqa_{lang}_es
mlqa_question_hi = mlqa_{lang}_hi
mlqa_question_vi = mlqa_{lang}_vi
mlqa_question_zh = mlqa_{lang}_zh
mmmlu_{lang}
multiblimp_{lang}
naijarc_{lang}_prompt_{prompt}
nollysenti_{lang}_prompt_{prompt}
ntrex_to_eng_prompts = ntrex_{lang}-eng_Latn_prompt_{prompt}
ntrex_from_eng_prompts = ntrex_eng_Latn-{lang}_prompt_{prompt}
openai_mmlu_{lang}_prompt_{prompt}
openbookqa_{iso1}
paws_{lang}
paws = pawsx_{lang}
phrasebook_translation_{lang}
piqa_{iso1}
pisa_{iso1}
pisa_llm_judged = pisa_{iso1}_llm_judged
portuguese_bench_flores_to_pt = portuguese_bench_flores_{lang}-pt
portuguese_bench_flores_from_pt = portuguese_bench_flores_pt-{lang}
salt_to_eng_prompts = salt_{lang}-eng_prompt_{prompt}
salt_from_eng_prompts = salt_eng-{lang}_prompt_{prompt}
sib_{lang}_prompt_{prompt}
spanish_bench_flores_to_es = spanish_bench_flores_{lang}-es
spanish_bench_flores_from_es = spanish_bench_flores_es-{lang}
toksuite_{lang}
toksuite_math_{lang}
truthfulqa_mc1 = truthfulqa_{iso1}_mc1
truthfulqa_mc2 = truthfulqa_{iso1}_mc2
truthfulqa-multi_gen_{lang}
truthfulqa-multi_mc1_{lang}
truthfulqa-multi_mc2_{lang}
tydiqa_goldp_{lang}
uhura-arc-easy_{lang}_prompt_{prompt}
xcopa_{lang}
xlsum_{lang}_prompt_{prompt}
xnli_{lang}
xquad_{lang}
xstorycloze_{lang}
xstorycloze = xstory_cloze_{lang}
xwinograd_{lang}
"""

MLQA = "ar de en es hi vi zh".split()
"""Languages of MLQA; its tasks are `mlqa_<language of passage>_<language of question>`."""

EXCEPTIONS: Mapping[str, str | None] = {
    **{f"mlqa_{code}_{code}": f"mlqa_{code}" for code in MLQA},
    "pisa_ch": "pisa_zh",
    "pisa_ch_llm_judged": "pisa_zh_llm_judged",
    "xwinograd_jp": "xwinograd_ja",
    **{
        f"AraDiCE_{task}_{dialect}": f"AraDiCE_{task}_{code}"
        for task in ("boolq", "openbookqa", "piqa", "truthfulqa_mc1", "winogrande")
        for dialect, code in (("egy", "arz"), ("lev", "apc"), ("msa", "arb"))
    },
    # Parts of ARC in languages that have a task for all of ARC.
    "arc_ca_challenge": None,
    "arc_eu_challenge": None,
}
"""Tasks to read under another name; `None` for tasks to ignore."""

PIVOT_SIBLINGS: Mapping[str, str] = {
    "arc": "arc_challenge",
    "arc_challenge_mt": "arc_challenge",
    "hellaswag": "hellaswag",
    "mmlu_llama": "mmlu_llama",
    "mmmlu": "mmlu",
    "openbookqa": "openbookqa",
    "piqa": "piqa",
    "truthfulqa_mc1": "truthfulqa_mc1",
    "truthfulqa_mc2": "truthfulqa_mc2",
    "xcopa": "copa",
}
"""The harness's English task from which a benchmark without English was translated."""
