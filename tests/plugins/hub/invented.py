"""Invented models with true tensor shapes: config.json and the tensors it stands for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

from local_hub import File, Repo, Shapes, counted, safetensors_file, text_file

Tensors = dict[str, tuple[str, tuple[int, ...]]]


@dataclass(frozen=True)
class Invented:
    """A model nobody published."""

    config: dict[str, Any]
    tensors: Tensors

    @property
    def parameters(self) -> int:
        return sum(prod(shape) for _, shape in self.tensors.values())

    def repo(self, identifier: str, *, shards: int = 1, **options: Any) -> Repo:
        files: dict[str, File] = {
            "config.json": text_file(self.config),
            **sharded(self.tensors, shards),
        }
        return Repo(identifier, files, counted(self.tensors), **options)


def sharded(tensors: Shapes, shards: int) -> dict[str, File]:
    if shards == 1:
        return {"model.safetensors": safetensors_file(tensors)}
    parts: list[Tensors] = [{} for _ in range(shards)]
    for index, (name, entry) in enumerate(tensors.items()):
        parts[index % shards][name] = entry
    files = {
        f"model-{number:05}-of-{shards:05}.safetensors": safetensors_file(part)
        for number, part in enumerate(parts, 1)
    }
    places = {
        name: f"model-{index % shards + 1:05}-of-{shards:05}.safetensors"
        for index, name in enumerate(tensors)
    }
    index = {"metadata": {}, "weight_map": places}
    return {**files, "model.safetensors.index.json": text_file(index)}


def _named(entries: Iterator[tuple[str, tuple[int, ...]]], dtype: str = "BF16") -> Tensors:
    return {name: (dtype, shape) for name, shape in entries}


def _attention(
    prefix: str, h: int, heads: int, kv: int, dim: int
) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{prefix}.q_proj.weight", (heads * dim, h)
    yield f"{prefix}.k_proj.weight", (kv * dim, h)
    yield f"{prefix}.v_proj.weight", (kv * dim, h)
    yield f"{prefix}.o_proj.weight", (h, heads * dim)


def _mlp(prefix: str, h: int, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{prefix}.gate_proj.weight", (width, h)
    yield f"{prefix}.up_proj.weight", (width, h)
    yield f"{prefix}.down_proj.weight", (h, width)


def _norms(prefix: str, h: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{prefix}.input_layernorm.weight", (h,)
    yield f"{prefix}.post_attention_layernorm.weight", (h,)


def _ends(h: int, vocabulary: int, start: str = "model") -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{start}.embed_tokens.weight", (vocabulary, h)
    yield f"{start}.norm.weight", (h,)


def dense(layers: int = 4, h: int = 256, width: int = 768, vocabulary: int = 1000) -> Invented:
    """A Llama."""
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": h,
        "intermediate_size": width, "num_hidden_layers": layers, "num_attention_heads": 8,
        "num_key_value_heads": 2, "vocab_size": vocabulary, "tie_word_embeddings": False,
        "max_position_embeddings": 8192, "torch_dtype": "bfloat16", "attention_bias": False,
        "mlp_bias": False,
    }  # fmt: skip

    def entries() -> Iterator[tuple[str, tuple[int, ...]]]:
        yield from _ends(h, vocabulary)
        for index in range(layers):
            at = f"model.layers.{index}"
            yield from _attention(f"{at}.self_attn", h, 8, 2, h // 8)
            yield from _mlp(f"{at}.mlp", h, width)
            yield from _norms(at, h)
        yield "lm_head.weight", (vocabulary, h)

    return Invented(config, _named(entries()))


def mixture() -> Invented:
    """A Qwen3 mixture of eight experts."""
    h, experts, width, vocabulary, layers = 256, 8, 128, 1000, 3
    config = {
        "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "hidden_size": h,
        "intermediate_size": 768, "moe_intermediate_size": width, "num_experts": experts,
        "num_experts_per_tok": 2, "num_hidden_layers": layers, "num_attention_heads": 8,
        "num_key_value_heads": 2, "head_dim": 64, "vocab_size": vocabulary,
        "tie_word_embeddings": False, "max_position_embeddings": 32768, "torch_dtype": "bfloat16",
        "attention_bias": False, "decoder_sparse_step": 1, "mlp_only_layers": [],
        "norm_topk_prob": True, "use_sliding_window": False,
    }  # fmt: skip

    def entries() -> Iterator[tuple[str, tuple[int, ...]]]:
        yield from _ends(h, vocabulary)
        for index in range(layers):
            at = f"model.layers.{index}"
            yield from _attention(f"{at}.self_attn", h, 8, 2, 64)
            yield f"{at}.self_attn.q_norm.weight", (64,)
            yield f"{at}.self_attn.k_norm.weight", (64,)
            yield f"{at}.mlp.gate.weight", (experts, h)
            for expert in range(experts):
                yield from _mlp(f"{at}.mlp.experts.{expert}", h, width)
            yield from _norms(at, h)
        yield "lm_head.weight", (vocabulary, h)

    return Invented(config, _named(entries()))


def latent() -> Invented:
    """A DeepSeek-V3 with one dense layer."""
    h, experts, width, vocabulary, layers = 256, 8, 64, 1000, 3
    heads, ql, kl, nope, rope, value = 4, 96, 64, 32, 16, 32
    config = {
        "architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3", "hidden_size": h,
        "intermediate_size": 512, "moe_intermediate_size": width, "n_routed_experts": experts,
        "n_shared_experts": 1, "num_experts_per_tok": 2, "first_k_dense_replace": 1,
        "moe_layer_freq": 1, "num_hidden_layers": layers, "num_attention_heads": heads,
        "num_key_value_heads": heads, "q_lora_rank": ql, "kv_lora_rank": kl,
        "qk_nope_head_dim": nope, "qk_rope_head_dim": rope, "v_head_dim": value,
        "vocab_size": vocabulary, "tie_word_embeddings": False,
        "max_position_embeddings": 4096, "torch_dtype": "bfloat16",
        "attention_bias": False, "num_nextn_predict_layers": 0, "n_group": 1, "topk_group": 1,
    }  # fmt: skip

    def entries() -> Iterator[tuple[str, tuple[int, ...]]]:
        yield from _ends(h, vocabulary)
        for index in range(layers):
            at = f"model.layers.{index}"
            yield f"{at}.self_attn.q_a_proj.weight", (ql, h)
            yield f"{at}.self_attn.q_a_layernorm.weight", (ql,)
            yield f"{at}.self_attn.q_b_proj.weight", (heads * (nope + rope), ql)
            yield f"{at}.self_attn.kv_a_proj_with_mqa.weight", (kl + rope, h)
            yield f"{at}.self_attn.kv_a_layernorm.weight", (kl,)
            yield f"{at}.self_attn.kv_b_proj.weight", (heads * (nope + value), kl)
            yield f"{at}.self_attn.o_proj.weight", (h, heads * value)
            if index == 0:
                yield from _mlp(f"{at}.mlp", h, 512)
            else:
                yield f"{at}.mlp.gate.weight", (experts, h)
                yield f"{at}.mlp.gate.e_score_correction_bias", (experts,)
                for expert in range(experts):
                    yield from _mlp(f"{at}.mlp.experts.{expert}", h, width)
                yield from _mlp(f"{at}.mlp.shared_experts", h, width)
            yield from _norms(at, h)
        yield "lm_head.weight", (vocabulary, h)

    return Invented(config, _named(entries()))


def hybrid() -> Invented:
    """A Qwen3-Next: three layers of Gated DeltaNet, one of gated attention, experts everywhere."""
    h, experts, width, vocabulary, layers = 256, 4, 64, 1000, 4
    kd, vd, conv = 2 * 32, 4 * 32, 4
    config = {
        "architectures": ["Qwen3NextForCausalLM"], "model_type": "qwen3_next", "hidden_size": h,
        "intermediate_size": 512, "moe_intermediate_size": width, "num_experts": experts,
        "num_experts_per_tok": 2, "shared_expert_intermediate_size": width,
        "num_hidden_layers": layers, "num_attention_heads": 4, "num_key_value_heads": 2,
        "head_dim": 64, "linear_num_key_heads": 2, "linear_num_value_heads": 4,
        "linear_key_head_dim": 32, "linear_value_head_dim": 32, "linear_conv_kernel_dim": conv,
        "full_attention_interval": 4, "vocab_size": vocabulary, "tie_word_embeddings": False,
        "max_position_embeddings": 262144, "torch_dtype": "bfloat16", "decoder_sparse_step": 1,
        "mlp_only_layers": [], "attention_bias": False,
        "layer_types": ["linear_attention"] * 3 + ["full_attention"],
    }  # fmt: skip

    def mixer(at: str, index: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        if index == 3:
            yield f"{at}.self_attn.q_proj.weight", (2 * 4 * 64, h)
            yield f"{at}.self_attn.k_proj.weight", (2 * 64, h)
            yield f"{at}.self_attn.v_proj.weight", (2 * 64, h)
            yield f"{at}.self_attn.o_proj.weight", (h, 4 * 64)
            yield f"{at}.self_attn.q_norm.weight", (64,)
            yield f"{at}.self_attn.k_norm.weight", (64,)
            return
        yield f"{at}.linear_attn.in_proj_qkvz.weight", (2 * kd + 2 * vd, h)
        yield f"{at}.linear_attn.in_proj_ba.weight", (2 * 4, h)
        yield f"{at}.linear_attn.conv1d.weight", (2 * kd + vd, 1, conv)
        yield f"{at}.linear_attn.A_log", (4,)
        yield f"{at}.linear_attn.dt_bias", (4,)
        yield f"{at}.linear_attn.norm.weight", (32,)
        yield f"{at}.linear_attn.out_proj.weight", (h, vd)

    def entries() -> Iterator[tuple[str, tuple[int, ...]]]:
        yield from _ends(h, vocabulary)
        for index in range(layers):
            at = f"model.layers.{index}"
            yield from mixer(at, index)
            yield f"{at}.mlp.gate.weight", (experts, h)
            for expert in range(experts):
                yield from _mlp(f"{at}.mlp.experts.{expert}", h, width)
            yield from _mlp(f"{at}.mlp.shared_expert", h, width)
            yield f"{at}.mlp.shared_expert_gate.weight", (1, h)
            yield from _norms(at, h)
        yield "lm_head.weight", (vocabulary, h)

    return Invented(config, _named(entries()))


def vision() -> Invented:
    """A Gemma 3 with its tower: the language part is tied, the tower is counted with it."""
    h, layers, vocabulary, seen = 256, 6, 1000, 64
    text = {
        "model_type": "gemma3_text", "hidden_size": h, "intermediate_size": 512,
        "num_hidden_layers": layers, "num_attention_heads": 4, "num_key_value_heads": 2,
        "head_dim": 64, "vocab_size": vocabulary, "sliding_window": 1024,
        "sliding_window_pattern": 6, "max_position_embeddings": 131072,
    }  # fmt: skip
    config = {
        "architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3",
        "text_config": text, "torch_dtype": "bfloat16", "mm_tokens_per_image": 256,
        "vision_config": {
            "model_type": "siglip_vision_model", "hidden_size": seen, "num_hidden_layers": 2,
            "intermediate_size": 128, "num_attention_heads": 2, "image_size": 896, "patch_size": 14,
        },
    }  # fmt: skip

    def entries() -> Iterator[tuple[str, tuple[int, ...]]]:
        yield from _ends(h, vocabulary, "language_model.model")
        for index in range(layers):
            at = f"language_model.model.layers.{index}"
            yield from _attention(f"{at}.self_attn", h, 4, 2, 64)
            yield f"{at}.self_attn.q_norm.weight", (64,)
            yield f"{at}.self_attn.k_norm.weight", (64,)
            yield from _mlp(f"{at}.mlp", h, 512)
            yield from _norms(at, h)
            yield f"{at}.pre_feedforward_layernorm.weight", (h,)
            yield f"{at}.post_feedforward_layernorm.weight", (h,)
        yield "multi_modal_projector.mm_input_projection_weight", (seen, h)
        for index in range(2):
            at = f"vision_tower.vision_model.encoder.layers.{index}"
            for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
                yield f"{at}.self_attn.{name}.weight", (seen, seen)

    return Invented(config, _named(entries()))


def packed(of: Invented, group: int = 32) -> Invented:
    """The AWQ copy of a model: eight 4-bit codes an element, zero points, scales."""
    tensors: Tensors = {}
    for name, (_, shape) in of.tensors.items():
        if "_proj.weight" not in name:
            tensors[name] = ("F16", shape)
            continue
        out, inside = shape
        stem = name.removesuffix(".weight")
        tensors[f"{stem}.qweight"] = ("I32", (inside, out // 8))
        tensors[f"{stem}.qzeros"] = ("I32", (inside // group, out // 8))
        tensors[f"{stem}.scales"] = ("F16", (inside // group, out))
    section = {
        "quant_method": "awq",
        "bits": 4,
        "group_size": group,
        "zero_point": True,
        "version": "gemm",
    }
    return Invented(
        {**of.config, "quantization_config": section, "torch_dtype": "float16"}, tensors
    )
