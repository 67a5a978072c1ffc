"""What part a tensor plays, read from its GGUF name, and which tensors are never quantized."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

__all__ = ["ATTENTION_V_LIKE", "Role", "block_number", "dimensions", "is_quantizable", "role_of"]


class Role(Enum):
    """The part of a tensor in the mixture rule; broad categories, not one per architecture."""

    OUTPUT = auto()
    TOKEN_EMBEDDING = auto()
    ATTENTION_QKV = auto()
    ATTENTION_KV_B = auto()
    ATTENTION_V = auto()
    ATTENTION_K = auto()
    ATTENTION_Q = auto()
    ATTENTION_OUTPUT = auto()
    FFN_UP = auto()
    FFN_GATE = auto()
    FFN_DOWN = auto()
    OTHER = auto()


ATTENTION_V_LIKE: Final = frozenset({Role.ATTENTION_V, Role.ATTENTION_QKV, Role.ATTENTION_KV_B})
"""They share one rule and one counter."""

_EXACT: Final = {
    "output.weight": Role.OUTPUT,
    "token_embd.weight": Role.TOKEN_EMBEDDING,
    "per_layer_token_embd.weight": Role.TOKEN_EMBEDDING,
}

# The order decides where two parts of a name would match.
_CONTAINED: Final = (
    ("attn_qkv.weight", Role.ATTENTION_QKV),
    ("attn_kv_b.weight", Role.ATTENTION_KV_B),
    ("attn_v.weight", Role.ATTENTION_V),
    ("attn_k.weight", Role.ATTENTION_K),
    ("attn_q.weight", Role.ATTENTION_Q),
    ("attn_output.weight", Role.ATTENTION_OUTPUT),
    ("ffn_up", Role.FFN_UP),
    ("ffn_gate", Role.FFN_GATE),
    ("ffn_down", Role.FFN_DOWN),
)

_NEVER_EXACT: Final = frozenset({"position_embd.weight", "token_types.weight"})

_NEVER_CONTAINED: Final = (
    "_norm.weight",
    "ffn_gate_inp.weight",
    "ffn_gate_tid2eid.weight",
    "altup",
    "laurel",
    "per_layer_model_proj",
    "ssm_conv1d",
    "shortconv.conv.weight",
    "indexer.k_proj.weight",
    "indexer.q_proj.weight",
    "attn_rel_b.weight",
    ".position_embd",
    "sam.pos_embd",
    "sam.neck.",
    "sam.net_",
    ".rel_pos",
    ".patch_embd",
    ".patch_merger",
    "a.rvq.codebook",
    "mm.a.code_embd",
)

_RWKV_SMALL: Final = (
    *("first", "w0", "w1", "w2", "v0", "v1", "v2", "a0", "a1", "a2", "g1", "g2"),
    *("decay_w1", "decay_w2", "lerp_fused"),
)
_NEVER_RWKV: Final = tuple(f"time_mix_{part}.weight" for part in _RWKV_SMALL)


def role_of(name: str) -> Role:
    """The role of a tensor by its GGUF name (llama-quant.cpp, tensor categories)."""
    exact = _EXACT.get(name)
    if exact is not None:
        return exact
    return next((role for part, role in _CONTAINED if part in name), Role.OTHER)


def block_number(name: str) -> int:
    """The number in "blk.<n>."; -1 for a tensor outside the blocks, which sorts first."""
    if not name.startswith("blk."):
        return -1
    number = name[4:].split(".", 1)[0]
    return int(number) if number.isdecimal() else -1


def dimensions(shape: tuple[int, ...]) -> int:
    """Dimensions as ggml counts them: trailing ones do not count."""
    length = len(shape)
    while length > 1 and shape[length - 1] == 1:
        length -= 1
    return length


def is_quantizable(name: str, shape: tuple[int, ...]) -> bool:
    """Rule a: False for tensors that keep the type of the input file in every mixture.

    Source: llama-quant.cpp. GLM5-next has further small exceptions that are not modelled.
    """
    if dimensions(shape) < 2 or not name.endswith("weight") or name in _NEVER_EXACT:
        return False
    if "time_mix_" in name and any(part in name for part in _NEVER_RWKV):
        return False
    return not any(part in name for part in _NEVER_CONTAINED)
