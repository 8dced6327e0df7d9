"""Local folders with the names and schemas of the hub data sets, which `datasets` then reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

TATOEBA_SOURCE = Path(__file__).resolve().parents[2] / "shared" / "data" / "tatoeba"
TATOEBA_NAME = "mteb/tatoeba-bitext-mining"


def write_card(folder: Path, configurations: Mapping[str, Mapping[str, str]]) -> None:
    """The card that tells `datasets` where a data set's configurations and splits are."""
    lines = ["---", "configs:"]
    for name, splits in configurations.items():
        lines += [f"- config_name: {name}", "  data_files:"]
        for split, pattern in splits.items():
            lines += [f"  - split: {split}", f"    path: {pattern}"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]), encoding="utf-8")


def write_flores(root: Path, columns: Mapping[str, Sequence[str]]) -> None:
    """`mteb/FloresBitextMining`: splits dev and devtest, one string column per language."""
    folder = root / "mteb" / "FloresBitextMining"
    write_card(folder, {"default": {split: f"{split}-*.parquet" for split in ("dev", "devtest")}})
    for split in ("dev", "devtest"):
        pd.DataFrame(dict(columns)).to_parquet(folder / f"{split}-00000-of-00001.parquet")


def write_tatoeba(root: Path, pairs: Mapping[str, tuple[Sequence[str], Sequence[str]]]) -> None:
    """`mteb/tatoeba-bitext-mining`: a configuration `xxx-eng` per language, split test."""
    folder = root / TATOEBA_NAME
    write_card(folder, {f"{code}-eng": {"test": f"{code}-eng/test-*.parquet"} for code in pairs})
    for code, (sentences, english) in pairs.items():
        path = folder / f"{code}-eng" / "test-00000-of-00001.parquet"
        path.parent.mkdir(parents=True)
        pd.DataFrame({"sentence1": sentences, "sentence2": english}).to_parquet(path)


def tatoeba_codes() -> list[str]:
    """The languages of the real Tatoeba pairs, as the data set names them."""
    files = TATOEBA_SOURCE.glob("tatoeba.*-eng.*")
    return sorted(path.suffix[1:] for path in files if path.suffix != ".eng")


def read_tatoeba(code: str) -> tuple[list[str], list[str]]:
    """The real Tatoeba pairs of a language, from `TATOEBA_SOURCE`."""
    stem = TATOEBA_SOURCE / f"tatoeba.{code}-eng"
    target, english = (
        Path(f"{stem}.{side}").read_text(encoding="utf-8").split("\n") for side in (code, "eng")
    )
    count = min(len(target), len(english))
    return [line for line in target[:count] if line], [line for line in english[:count] if line]
