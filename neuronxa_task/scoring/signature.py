"""Signatures: how a score was computed, on one line, as in sacreBLEU (arXiv 1804.08771)."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from torch import nn

from neuronxa_task.sampling import ALL, FIRST
from neuronxa_task.scoring.fingerprint import fingerprint
from neuronxa_task.scoring.patches import count_patches
from neuronxa_task.settings import Settings

if TYPE_CHECKING:
    from lm_eval.models.huggingface import HFLM

    from neuronxa_task.corpus import Corpus
    from neuronxa_task.scoring.language_pairs import TaskFacts


@dataclass(frozen=True)
class ModelFacts:
    """Facts of the model and the run that can change a score.

    Attributes:
        dtype: dtype of the parameters, then `+` and autocast's dtype or the quantisation, if any.
        batch: requested batch size.
        model: the model's fingerprint, preceded by the hub commit it was loaded from, if any.
        settings: names of further settings that matter for this kind of model: `side` for
            encoder-decoder models, `expert_values` for mixtures of experts.
        hooks: number of the user's hooks and replaced functions (see `count_patches`).
    """

    dtype: str
    batch: str
    model: str
    settings: tuple[str, ...] = ()
    hooks: int = 0


def signature(
    settings: Settings, corpus: Corpus, pivot: str, pairs: int | str, task: TaskFacts
) -> str:
    """All facts of a score as `key:value`, joined by `|`.

    Scores are comparable if their signatures differ only in `model:`, `data_hash:` and
    `token_hash:` (other languages have other sentences), and in what the user varied on purpose.

    Args:
        settings: how the score was computed.
        corpus: where the sentence pairs are from.
        pivot: pivot language.
        pairs: number of sentence pairs; `all` for all pairs of the data, so that languages with
            different numbers of pairs have equal settings.
        task: hashes of what was scored, and the model's facts.
    """
    model = task.model
    activation = {"nas": f"{settings.nas_site}>0", "nav": f"abs({settings.nav_site})"}
    facts = {
        "data": f"{corpus.name}@{corpus.revision}",
        "split": corpus.split,
        "n": pairs,
        # Only if it is not the default, so that signatures of earlier versions stay comparable.
        **({} if settings.sample == FIRST or pairs == ALL else {"sample": settings.sample}),
        "pivot": pivot,
        **activation,
        "pool": settings.pooling,
        **{name: getattr(settings, name) for name in model.settings},
        "sim": "cosine64",
        "data_hash": task.data_hash,
        "token_hash": task.token_hash,
        "dtype": model.dtype,
        "batch": model.batch,
        "model": model.model,
        **({"hooks": model.hooks} if model.hooks else {}),
    }
    own, *others = software().items()
    return "|".join(f"{key}:{value}" for key, value in (own, *facts.items(), *others))


@cache
def software() -> dict[str, str]:
    """Versions of this package and of the packages it computes with."""
    version = importlib.metadata.version
    return {"neuronxa": version("lm-eval-neuronxa")} | {
        package: version(package) for package in ("torch", "transformers", "lm_eval")
    }


def model_facts(lm: HFLM) -> ModelFacts:
    """The facts of the harness's model `lm`."""
    kinds = (
        getattr(lm.model, "dtype", "unknown"),
        getattr(lm, "mixed_precision_dtype", None),
        _quantization(lm.model),
    )
    names = [str(kind).removeprefix("torch.") for kind in kinds if kind]
    return ModelFacts(
        "+".join(names),
        str(lm.batch_size),
        model_identity(lm.model),
        hooks=count_patches(lm.model),
    )


def _quantization(model: nn.Module) -> str | None:
    """Method of quantisation and a hash of its configuration, which may also quantise inputs."""
    config: Any = getattr(getattr(model, "config", None), "quantization_config", None)
    if config is None:
        return None
    facts: dict[str, Any] = config if isinstance(config, dict) else config.to_dict()
    method = facts.get("quant_method", "quantized")
    text = json.dumps(facts, sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{getattr(method, 'value', method)}({digest})"


def model_identity(model: nn.Module) -> str:
    """The model's fingerprint, preceded by the hub commit it was loaded from, if any."""
    commit = getattr(getattr(model, "config", None), "_commit_hash", None)
    return f"{commit}+{fingerprint(model)}" if commit else fingerprint(model)
