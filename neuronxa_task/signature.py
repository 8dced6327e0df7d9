"""What a score was computed from, as one line, in the manner of sacreBLEU (arXiv 1804.08771)."""

from __future__ import annotations

import hashlib
import importlib.metadata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn

from neuronxa_task.settings import StateSettings

if TYPE_CHECKING:
    from lm_eval.models.huggingface import HFLM

SAMPLED_VALUES = 64


@dataclass(frozen=True)
class ModelFacts:
    """What of the model and the run can change a score.

    Attributes:
        dtype: of the parameters; behind a `+` autocast's and the quantization method, if any.
        batch: batch size as asked for.
        model: fingerprint of the weights, behind the hub commit they were loaded from, if any.
    """

    dtype: str
    batch: str
    model: str


@dataclass(frozen=True)
class DataFacts:
    """What was scored.

    Attributes:
        name: data set, folder or table.
        revision: its commit, or `local`.
        split: its split.
        pivot: pivot language.
        pairs: sentence pairs that were scored.
        data_hash: eight hex digits of those pairs.
        token_hash: eight hex digits of their token ids: the tokenizer, its special tokens, and
            where long sentences were cut.
    """

    name: str
    revision: str
    split: str
    pivot: str
    pairs: int
    data_hash: str
    token_hash: str


def signature(settings: StateSettings, data: DataFacts, model: ModelFacts) -> str:
    """All facts of a score as `key:value`, joined by `|`.

    Scores are comparable when their signatures are equal up to `model:`, `data_hash:` and
    `token_hash:` (other languages are other sentences) and what the user varied on purpose.
    """
    activation = {"nas": f"{settings.nas_site}>0", "nav": f"abs({settings.nav_site})"}
    facts = {
        "data": f"{data.name}@{data.revision}",
        "split": data.split,
        "n": data.pairs,
        "pivot": data.pivot,
        **activation,
        "pool": settings.pooling,
        "sim": "cosine64",
        "data_hash": data.data_hash,
        "token_hash": data.token_hash,
        "dtype": model.dtype,
        "batch": model.batch,
        "model": model.model,
    }
    own, *others = software().items()
    return "|".join(f"{key}:{value}" for key, value in (own, *facts.items(), *others))


def software() -> dict[str, str]:
    """Versions of this package and of those it computes with."""
    version = importlib.metadata.version
    return {"neuronxa": version("lm-eval-neuronxa")} | {
        package: version(package) for package in ("torch", "transformers", "lm_eval")
    }


def model_facts(lm: HFLM) -> ModelFacts:
    """The facts of the harness's model `lm`."""
    quantization = getattr(getattr(lm.model, "config", None), "quantization_config", None)
    if not isinstance(quantization, dict):
        quantization = quantization.to_dict() if quantization is not None else {}
    kinds = (
        getattr(lm.model, "dtype", "unknown"),
        getattr(lm, "mixed_precision_dtype", None),
        quantization.get("quant_method"),
    )
    names = [getattr(kind, "value", str(kind)).removeprefix("torch.") for kind in kinds if kind]
    return ModelFacts("+".join(names), str(lm.batch_size), model_identity(lm.model))


def model_identity(model: nn.Module) -> str:
    """Eight hex digits of the weights, behind the hub commit they were loaded from, if any.

    The fingerprint covers the name and shape of every parameter and buffer and 64 evenly spaced
    values of each, so it costs milliseconds and changes with any training step, adapter or
    quantization; weights that are not in memory (offloaded to disk) count by name and shape.
    """
    digest = hashlib.sha256()
    for name, weight in model.state_dict().items():
        if not isinstance(weight, Tensor):
            continue
        digest.update(f"{name}{list(weight.shape)}".encode())
        if not weight.is_meta:
            values = weight.detach().flatten()
            sample = values[:: max(1, values.numel() // SAMPLED_VALUES)][:SAMPLED_VALUES]
            digest.update(sample.float().cpu().numpy().tobytes())
    commit = getattr(getattr(model, "config", None), "_commit_hash", None)
    return f"{commit}+{digest.hexdigest()[:8]}" if commit else digest.hexdigest()[:8]
