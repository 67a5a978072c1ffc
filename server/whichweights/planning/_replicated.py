"""Which tensors every tensor-parallel rank holds whole, by their GGUF names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from whichweights.planning.formats.mixture import Tensor
from whichweights.planning.gguf_tensors import ModelTensors
from whichweights_schemas.attention import ParallelMixers
from whichweights_schemas.models import ModelSpec

__all__ = ["kv_projections", "replicated_bytes"]

_WHOLE: Final = ("_norm.", "ffn_gate_inp", "attn_q_a.", "attn_kv_a_mqa", "indexer.", "exp_probs_b")
"""vLLM's ReplicatedLinear layers and plain parameters: norms, routers, MLA down-projections, the
sparse-attention indexer (vllm/model_executor/models/deepseek_v2.py and others, 2026-11)."""

_CUT_BY_KV_HEAD: Final = ("attn_k.", "attn_v.")


def replicated_bytes(tensors: ModelTensors, size_of: Callable[[Tensor], int]) -> int:
    """Bytes of all tensors that each rank holds whole."""
    blocks = [
        sum(size_of(tensor) for tensor in block if any(part in tensor.name for part in _WHOLE))
        for block in tensors.blocks
    ]
    outside = sum(size_of(tensor) for tensor in tensors.others if "_norm" in tensor.name)
    return outside + sum(blocks[index] for index in tensors.layout)


def kv_projections(
    spec: ModelSpec, tensors: ModelTensors, size_of: Callable[[Tensor], int]
) -> tuple[tuple[int, int], ...]:
    """(KV heads, bytes of their projections) of each kind of layer that has some."""
    found: list[tuple[int, int]] = []
    for index, (block, listed) in enumerate(zip(spec.blocks, tensors.blocks, strict=True)):
        attention = block.attention
        if isinstance(attention, ParallelMixers):
            attention = attention.attention
        heads: int | None = getattr(attention, "kv_heads", None)
        cut = [tensor for tensor in listed if tensor.name.startswith(_CUT_BY_KV_HEAD)]
        if heads and cut:
            size = sum(size_of(tensor) for tensor in cut) * tensors.layout.count(index)
            found.append((heads, size))
    return tuple(found)
