"""Which model arguments change the model, and which only change how a backend runs it."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from neuronxa_task.harness import package_folder

RUN_TIME = frozenset(
    """
    accelerate_hf attention_backend attn_implementation attn_kwargs batch_size cache_dir
    chunked_prefill_size cpu_offload_gb data_parallel_size device device_map device_map_option
    disable_custom_all_reduce disable_log_stats disable_tqdm distributed_executor_backend
    download_dir dp_size dtype enable_chunked_prefill enable_expert_parallel enable_lora
    enable_prefix_caching enforce_eager experts_implementation gpu_memory_utilization gpus
    kv_cache_dtype log_level logits_cache low_cpu_mem_usage mamba_backend max_batch_size
    max_cpu_memory max_gen_toks max_length max_lora_rank max_loras max_memory max_memory_per_gpu
    max_model_len max_num_batched_tokens max_num_seqs max_parallel_loading_workers max_retries
    max_running_requests max_seq_len_to_capture max_total_tokens mem_fraction_static
    mixed_precision_dtype num_concurrent num_gpu_blocks_override offload_buffers offload_folder
    offload_state_dict parallelize pipeline_parallel_size pp_size random_seed sampling_backend
    schedule_policy seed softmax_dtype swap_space tensor_parallel_size timeout tp_plan tp_size
    truncation trust_remote_code use_accelerate use_fast_tokenizer use_safetensors
    """.split()
)
"""Arguments that change only how a model runs, in all versions of the harness and in the engines of
its backends (vLLM, SGLang, accelerate), to which it passes on unknown arguments.
"""

CHANGING = re.compile(
    r"adapter|peft|lora|delta|quant|4bit|8bit|bnb|revision|subfolder|gguf|gptq|awq|steer|rope"
    r"|load_format|hf_overrides|think|chat_template|is_hf|variant|model_impl|speculative"
    r"|hidden_size|num_layers|num_attention|num_query|ckpt|checkpoint|temperature"
    r"|^(?:pretrained|model|path|engine|model_id|model_path|deployment_id|load)$"
)
"""Parts of argument names that may change the model, also in future versions."""

DEFAULTS = {"revision": "main", "load_format": "auto", "chat_template_args": "{}"} | dict.fromkeys(
    ("load_in_4bit", "load_in_8bit", "autogptq", "gptqmodel"), "False"
)
"""The harness's defaults of arguments that change the model, other than none.

`False` is not always the default: `enable_thinking` is on by default.
"""

TOKENIZER_NAMES = frozenset({"tokenizer", "tokenizer_path", "tokenizer_name"})
"""Arguments that name a tokenizer; naming the model's own tokenizer changes nothing."""


def changes_model(argument: str, value: str, base: str | None) -> bool:
    """Whether two runs that differ in a model argument ran different models.

    An argument of the harness's constructors changes how a model runs, unless its name says
    otherwise. An unknown argument is assumed to change the model.

    Args:
        argument: name of the argument.
        value: its value in one of the runs, as text.
        base: name of the weights.
    """
    if argument in RUN_TIME or value in ("", "None", DEFAULTS.get(argument)):
        return False
    if value == base or (argument in TOKENIZER_NAMES and value.casefold() == str(base).casefold()):
        return False
    if argument in TOKENIZER_NAMES:
        return True
    if argument.startswith("tokenizer_"):
        return False
    return bool(CHANGING.search(argument)) or argument not in constructor_arguments()


@cache
def constructor_arguments() -> frozenset[str]:
    """Argument names of all model constructors in the installed harness.

    They are read from the source, since importing vLLM or SGLang would take a minute if it works at
    all. Empty if the harness is not installed or has another layout.
    """
    package = package_folder()
    names: set[str] = set()
    for path in sorted((package / "models").glob("*.py")) if package else ():
        names.update(_arguments(path))
    return frozenset(names - {"self"})


def _arguments(path: Path) -> set[str]:
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return set()
    classes = (node for node in tree.body if isinstance(node, ast.ClassDef))
    return {
        argument.arg
        for kind in classes
        for node in kind.body
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
        for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
    }
