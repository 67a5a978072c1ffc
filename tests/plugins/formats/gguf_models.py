"""Tensors of small models by their GGUF names, and headers made of them."""

from __future__ import annotations

import struct
from typing import Any

from gguf_files import by_hand, pair, tensor, text, weights

from whichweights.planning.parameters import count_parameters
from whichweights_plugins.formats.gguf_header import GgufHeader, parse_gguf
from whichweights_plugins.formats.gguf_spec import spec_from_gguf
from whichweights_schemas.attention import Attention
from whichweights_schemas.models import ModelSpec

Shapes = dict[str, tuple[int, ...]]

H, FF, V = 256, 512, 1000


def metadata(**values: Any) -> dict[str, Any]:
    return {
        "block_count": 2,
        "embedding_length": H,
        "context_length": 4096,
        "attention.head_count": 4,
        "attention.head_count_kv": 2,
        **{key.replace("__", "."): value for key, value in values.items()},
    }


OUTSIDE: Shapes = {
    "token_embd.weight": (H, V),
    "output_norm.weight": (H,),
    "output.weight": (H, V),
    "rope_freqs.weight": (32,),
}
ATTENTION: Shapes = {
    "attn_norm.weight": (H,),
    "attn_q.weight": (H, 256),
    "attn_k.weight": (H, 128),
    "attn_v.weight": (H, 128),
    "attn_output.weight": (256, H),
}
MLP: Shapes = {
    "ffn_norm.weight": (H,),
    "ffn_gate.weight": (H, FF),
    "ffn_up.weight": (H, FF),
    "ffn_down.weight": (FF, H),
}
EXPERTS: Shapes = {
    "ffn_norm.weight": (H,),
    "ffn_gate_inp.weight": (H, 8),
    "exp_probs_b.bias": (8,),
    "ffn_gate_exps.weight": (H, 64, 8),
    "ffn_up_exps.weight": (H, 64, 8),
    "ffn_down_exps.weight": (64, H, 8),
    "ffn_gate_shexp.weight": (H, 128),
    "ffn_up_shexp.weight": (H, 128),
    "ffn_down_shexp.weight": (128, H),
}
LATENT: Shapes = {
    "attn_norm.weight": (H,),
    "attn_q_a.weight": (H, 96),
    "attn_q_a_norm.weight": (96,),
    "attn_q_b.weight": (96, 4 * 48),
    "attn_kv_a_mqa.weight": (H, 64 + 16),
    "attn_kv_a_norm.weight": (64,),
    "attn_k_b.weight": (32, 64, 4),
    "attn_v_b.weight": (64, 32, 4),
    "attn_output.weight": (128, H),
}
DELTANET: Shapes = {
    "attn_norm.weight": (H,),
    "attn_qkv.weight": (H, 2 * 64 + 128),
    "attn_gate.weight": (H, 128),
    "ssm_conv1d.weight": (4, 256),
    "ssm_ba.weight": (H, 8),
    "ssm_dt.bias": (4,),
    "ssm_a": (4,),
    "ssm_norm.weight": (32,),
    "ssm_out.weight": (128, H),
    "post_attention_norm.weight": (H,),
}
MAMBA2: Shapes = {
    "attn_norm.weight": (H,),
    "ssm_in.weight": (H, 2 * 128 + 2 * 2 * 16 + 4),
    "ssm_conv1d.weight": (4, 128 + 2 * 2 * 16),
    "ssm_conv1d.bias": (128 + 2 * 2 * 16,),
    "ssm_dt.bias": (4,),
    "ssm_a": (1, 4),
    "ssm_d": (1, 4),
    "ssm_norm.weight": (64, 2),
    "ssm_out.weight": (128, H),
}
MAMBA1: Shapes = {
    "attn_norm.weight": (H,),
    "ssm_in.weight": (H, 2 * 512),
    "ssm_conv1d.weight": (4, 512),
    "ssm_conv1d.bias": (512,),
    "ssm_x.weight": (512, 16 + 2 * 16),
    "ssm_dt.weight": (16, 512),
    "ssm_dt.bias": (512,),
    "ssm_a": (16, 512),
    "ssm_d": (512,),
    "ssm_out.weight": (512, H),
}
MAMBA2_KEYS = {
    "ssm__inner_size": 128,
    "ssm__state_size": 16,
    "ssm__conv_kernel": 4,
    "ssm__time_step_rank": 4,
    "ssm__group_count": 2,
}


def model(*blocks: Shapes, outside: Shapes = OUTSIDE) -> Shapes:
    """The tensors of a model with these blocks."""
    inside = {
        f"blk.{index}.{name}": shape
        for index, block in enumerate(blocks)
        for name, shape in block.items()
    }
    return {**outside, **inside}


def header_of(architecture: str, tensors: Shapes, **keys: Any) -> GgufHeader:
    """A header without data, as a range reader sees it."""
    pairs = [pair("general.architecture", 8, text(architecture))]
    pairs += [_pair(f"{architecture}.{key}", value) for key, value in metadata(**keys).items()]
    rows: list[bytes] = []
    offset = 0
    for name, shape in tensors.items():
        rows.append(tensor(name, shape, 0, offset))
        offset += -(-weights({name: shape}) * 4 // 32) * 32
    return parse_gguf(by_hand(pairs, rows))


def _pair(key: str, value: Any) -> bytes:
    if isinstance(value, bool):
        return pair(key, 7, struct.pack("<?", value))
    if isinstance(value, int):
        return pair(key, 4, struct.pack("<I", value))
    values: list[int | bool] = list(value)
    kind, letter = (7, "?") if isinstance(values[0], bool) else (4, "I")
    return pair(key, 9, struct.pack(f"<IQ{len(values)}{letter}", kind, len(values), *values))


def read(architecture: str, tensors: Shapes, **keys: Any) -> ModelSpec:
    spec = spec_from_gguf(header_of(architecture, tensors, **keys), model_id="a/b.gguf")
    counted = count_parameters(spec)
    if counted is not None:
        draft = spec.parameters.mtp or 0
        assert counted.total_language + draft == weights(tensors), "every weight is accounted for"
    return spec


def mixers(spec: ModelSpec) -> list[Attention]:
    return [spec.layer(index).attention for index in range(len(spec.layout))]
