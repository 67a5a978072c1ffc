"""The tensors of a model as its GGUF file holds them: the converter joins some and cuts others."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Final, cast

from whichweights.planning.formats.gguf_header import header_of
from whichweights.planning.formats.mixture import MixtureFacts, Tensor, TensorTable
from whichweights.planning.gguf_tensors import ModelTensors, model_tensors
from whichweights_schemas.models import ModelSpec

__all__ = ["GgufModel", "gguf_model"]

_ROWS: Final = {("gemma3", 262_208): 262_144}
"""The GGUF converter drops embedding rows that the tokenizer has no token for (Gemma 3)."""

_JOINED_QKV: Final = ("phi3", "falcon", "gpt_neox", "bloom", "mpt")
"""Architectures whose checkpoints, and so their GGUF files, hold q, k and v as one attn_qkv
(gguf-py tensor_mapping.py). Falcon-H1 keeps them apart."""

_JOINED_GATE: Final = ("phi3", "glm4")
"""The same for ffn_gate and ffn_up, stored as one ffn_up."""


class GgufModel:
    """The sorted tensor list of one model, and what the mixture rule asks besides."""

    def __init__(self, table: TensorTable, facts: MixtureFacts, spec: ModelSpec) -> None:
        self.table = table
        self.facts = facts
        self.header = header_of(
            (entry.tensor for entry in table.entries), spec.vocab_size or 0, spec.tokenizer_family
        )

    @property
    def largest(self) -> int:
        """Weights of the largest tensor."""
        return max(entry.elements for entry in self.table.entries)


def gguf_model(spec: ModelSpec) -> GgufModel | None:
    """The tensors of a model's GGUF file; None where its shape is not known well enough."""
    return _gguf_model(cast("Hashable", spec))


# A spec is frozen, so it can be a key; type checkers do not see that pydantic gives it a hash.
@lru_cache(maxsize=256)
def _gguf_model(model: Hashable) -> GgufModel | None:
    spec = cast("ModelSpec", model)
    tensors = model_tensors(spec)
    if tensors is None:
        return None
    name = (spec.architecture or "").lower()
    rows = _ROWS.get((spec.architecture or "", tensors.embedding.shape[1]))
    if rows:
        shape = (tensors.embedding.shape[0], rows)
        tensors = replace(tensors, embedding=tensors.embedding._replace(shape=shape))
    if "falcon_h1" not in name and any(part in name for part in _JOINED_QKV):
        tensors = _joined(tensors, ("attn_q", "attn_k", "attn_v"), "attn_qkv")
    if any(part in name for part in _JOINED_GATE):
        tensors = _joined(tensors, ("ffn_gate", "ffn_up"), "ffn_up")
    table = TensorTable(tensor for _, tensor in tensors.named())
    return GgufModel(table, tensors.facts, spec)


def _joined(tensors: ModelTensors, parts: tuple[str, ...], whole: str) -> ModelTensors:
    blocks = tuple(tuple(_join(block, parts, whole)) for block in tensors.blocks)
    return replace(tensors, blocks=blocks)


def _join(block: tuple[Tensor, ...], parts: tuple[str, ...], whole: str) -> Iterator[Tensor]:
    for ending in (".weight", ".bias"):
        names = [part + ending for part in parts]
        found = [tensor for tensor in block if tensor.name in names]
        if len(found) == len(names):
            *rows, _ = found[0].shape
            columns = sum(tensor.shape[-1] for tensor in found)
            yield Tensor(whole + ending, (*rows, columns))
        else:
            yield from found
    gone = {part + ending for part in parts for ending in (".weight", ".bias")}
    yield from (tensor for tensor in block if tensor.name not in gone)
