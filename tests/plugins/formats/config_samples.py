"""The shape fields of published config.json files, in the form each class writes them."""

from __future__ import annotations

from typing import Any

Config = dict[str, Any]


def shape(model_type: str, layers: int, hidden: int, width: int, vocab: int) -> Config:
    return {
        "model_type": model_type,
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "intermediate_size": width,
        "vocab_size": vocab,
        "torch_dtype": "bfloat16",
    }


def heads(query: int, key_heads: int, head_dim: int | None = None) -> Config:
    found: Config = {"num_attention_heads": query, "num_key_value_heads": key_heads}
    return found if head_dim is None else {**found, "head_dim": head_dim}


LLAMA_31_8B: Config = {
    **shape("llama", 32, 4096, 14336, 128_256),
    **heads(32, 8),
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "mlp_bias": False,
    "max_position_embeddings": 131_072,
    "tie_word_embeddings": False,
    "rope_scaling": {"factor": 8.0, "rope_type": "llama3"},
}
LLAMA_2_7B: Config = {
    **shape("llama", 32, 4096, 11008, 32_000),
    "num_attention_heads": 32,
    "max_position_embeddings": 4096,
    "torch_dtype": "float16",
}
MISTRAL_7B: Config = {
    **shape("mistral", 32, 4096, 14336, 32_000),
    **heads(32, 8),
    "max_position_embeddings": 32_768,
    "sliding_window": 4096,
}
MISTRAL_SMALL_31: Config = {
    "model_type": "mistral3",
    "architectures": ["Mistral3ForConditionalGeneration"],
    "text_config": {
        **shape("mistral", 40, 5120, 32_768, 131_072),
        **heads(32, 8, 128),
        "max_position_embeddings": 131_072,
        "sliding_window": None,
    },
    "vision_config": {"num_hidden_layers": 24, "hidden_size": 1024, "patch_size": 14},
    "torch_dtype": "bfloat16",
}
QWEN25_7B: Config = {
    **shape("qwen2", 28, 3584, 18944, 152_064),
    **heads(28, 4),
    "max_position_embeddings": 32_768,
    "max_window_layers": 28,
    "sliding_window": 131_072,
    "use_sliding_window": False,
    "tie_word_embeddings": False,
}
QWEN3_06B: Config = {
    **shape("qwen3", 28, 1024, 3072, 151_936),
    **heads(16, 8, 128),
    "attention_bias": False,
    "max_position_embeddings": 40_960,
    "max_window_layers": 28,
    "sliding_window": None,
    "use_sliding_window": False,
    "tie_word_embeddings": True,
}
PHI_4: Config = {
    **shape("phi3", 40, 5120, 17920, 100_352),
    **heads(40, 10),
    "attention_bias": False,
    "max_position_embeddings": 16_384,
    "sliding_window": None,
    "tie_word_embeddings": False,
}
GEMMA2_2B: Config = {
    **shape("gemma2", 26, 2304, 9216, 256_000),
    **heads(8, 4, 256),
    "attention_bias": False,
    "max_position_embeddings": 8192,
    "sliding_window": 4096,
}
GEMMA3_27B: Config = {
    "model_type": "gemma3",
    "architectures": ["Gemma3ForConditionalGeneration"],
    "mm_tokens_per_image": 256,
    "text_config": {
        "model_type": "gemma3_text",
        "hidden_size": 5376,
        "intermediate_size": 21504,
        **heads(32, 16, 128),
        "num_hidden_layers": 62,
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        "sliding_window": 1024,
    },
    "vision_config": {"num_hidden_layers": 27, "hidden_size": 1152, "patch_size": 14},
    "torch_dtype": "bfloat16",
}
GEMMA3_4B: Config = {
    "model_type": "gemma3",
    "mm_tokens_per_image": 256,
    "text_config": {
        "model_type": "gemma3_text",
        "hidden_size": 2560,
        "intermediate_size": 10240,
        "num_hidden_layers": 34,
        "sliding_window": 1024,
    },
    "vision_config": {"num_hidden_layers": 27, "hidden_size": 1152, "patch_size": 14},
    "torch_dtype": "bfloat16",
}
_GEMMA4: Config = {
    "attention_bias": False,
    "attention_k_eq_v": True,
    "global_head_dim": 512,
    "hidden_size_per_layer_input": 0,
    "max_position_embeddings": 262_144,
    "num_kv_shared_layers": 0,
    "sliding_window": 1024,
    "tie_word_embeddings": True,
}
GEMMA4_31B: Config = {
    "model_type": "gemma4",
    "text_config": {
        **shape("gemma4_text", 60, 5376, 21504, 262_144),
        **heads(32, 16, 256),
        **_GEMMA4,
        "num_global_key_value_heads": 4,
        "layer_types": (["sliding_attention"] * 5 + ["full_attention"]) * 10,
    },
    "vision_config": {"num_hidden_layers": 27, "hidden_size": 1152, "patch_size": 16},
}
GEMMA4_26B: Config = {
    "model_type": "gemma4",
    "text_config": {
        **shape("gemma4_text", 30, 2816, 2112, 262_144),
        **heads(16, 8, 256),
        **_GEMMA4,
        "num_global_key_value_heads": 2,
        "enable_moe_block": True,
        "num_experts": 128,
        "top_k_experts": 8,
        "moe_intermediate_size": 704,
        "layer_types": (["sliding_attention"] * 5 + ["full_attention"]) * 5,
    },
    "vision_config": {"num_hidden_layers": 27, "hidden_size": 1152, "patch_size": 16},
}
OLMO2_1B: Config = {
    **shape("olmo2", 16, 2048, 8192, 100_352),
    **heads(16, 16),
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
}
OLMO3_7B: Config = {
    **shape("olmo3", 32, 4096, 11008, 100_278),
    **heads(32, 32),
    "max_position_embeddings": 65_536,
    "sliding_window": 4096,
    "tie_word_embeddings": False,
    "layer_types": (["sliding_attention"] * 3 + ["full_attention"]) * 8,
}
GRANITE_31_2B: Config = {
    **shape("granite", 40, 2048, 8192, 49_155),
    **heads(32, 8),
    "attention_bias": False,
    "mlp_bias": False,
    "max_position_embeddings": 131_072,
    "tie_word_embeddings": True,
}
COMMAND_A: Config = {
    **shape("cohere2", 64, 12288, 36864, 256_000),
    **heads(96, 8, 128),
    "attention_bias": False,
    "max_position_embeddings": 131_072,
    "sliding_window": 4096,
    "sliding_window_pattern": 4,
}
SMOLLM3: Config = {
    **shape("smollm3", 36, 2048, 11008, 128_256),
    **heads(16, 4),
    "attention_bias": False,
    "mlp_bias": False,
    "max_position_embeddings": 65_536,
    "sliding_window": None,
    "use_sliding_window": False,
}
EXAONE4_12B: Config = {
    **shape("exaone4", 30, 2048, 4096, 102_400),
    **heads(32, 8, 64),
    "max_position_embeddings": 65_536,
    "sliding_window": None,
    "sliding_window_pattern": None,
    "tie_word_embeddings": True,
}
STARCODER2_3B: Config = {
    **shape("starcoder2", 30, 3072, 12288, 49_152),
    **heads(24, 2),
    "use_bias": True,
    "max_position_embeddings": 16_384,
    "sliding_window": 4096,
}
GLM4_9B: Config = {
    **shape("glm4", 40, 4096, 13696, 151_552),
    **heads(32, 2, 128),
    "attention_bias": True,
    "max_position_embeddings": 32_768,
    "tie_word_embeddings": False,
}
APERTUS_8B: Config = {
    **shape("apertus", 32, 4096, 21504, 131_072),
    **heads(32, 8),
    "attention_bias": False,
    "max_position_embeddings": 65_536,
    "tie_word_embeddings": False,
}
GPT2: Config = {
    "model_type": "gpt2",
    "n_embd": 768,
    "n_head": 12,
    "n_layer": 12,
    "n_positions": 1024,
    "vocab_size": 50_257,
}
GPT_NEO_125M: Config = {
    "model_type": "gpt_neo",
    "hidden_size": 768,
    "num_layers": 12,
    "num_heads": 12,
    "intermediate_size": None,
    "max_position_embeddings": 2048,
    "window_size": 256,
    "vocab_size": 50_257,
    "attention_layers": ["global", "local"] * 6,
}
GPT_NEOX_20B: Config = {
    **shape("gpt_neox", 44, 6144, 24576, 50_432),
    "num_attention_heads": 64,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": False,
}
OPT_125M: Config = {
    "model_type": "opt",
    "hidden_size": 768,
    "ffn_dim": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "max_position_embeddings": 2048,
    "vocab_size": 50_272,
    "word_embed_proj_dim": 768,
    "do_layer_norm_before": True,
}
BLOOM_560M: Config = {
    "model_type": "bloom",
    "n_embed": 1024,
    "n_layer": 24,
    "num_attention_heads": 16,
    "vocab_size": 250_880,
}
PHI_15: Config = {
    **shape("phi", 24, 2048, 8192, 51_200),
    "num_attention_heads": 32,
    "num_key_value_heads": None,
    "max_position_embeddings": 2048,
    "qk_layernorm": False,
    "tie_word_embeddings": False,
}
STABLELM_3B: Config = {
    **shape("stablelm", 32, 2560, 6912, 50_304),
    **heads(32, 32),
    "use_qkv_bias": False,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
}
FALCON_7B: Config = {
    "model_type": "falcon",
    "hidden_size": 4544,
    "num_hidden_layers": 32,
    "num_attention_heads": 71,
    "multi_query": True,
    "new_decoder_architecture": False,
    "parallel_attn": True,
    "bias": False,
    "vocab_size": 65_024,
    "tie_word_embeddings": False,
}
BERT_BASE: Config = {
    **shape("bert", 12, 768, 3072, 30_522),
    "num_attention_heads": 12,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
}
DISTILBERT: Config = {
    "model_type": "distilbert",
    "dim": 768,
    "hidden_dim": 3072,
    "n_heads": 12,
    "n_layers": 6,
    "max_position_embeddings": 512,
    "vocab_size": 30_522,
}
MODERNBERT: Config = {
    **shape("modernbert", 22, 768, 1152, 50_368),
    "architectures": ["ModernBertForMaskedLM"],
    "num_attention_heads": 12,
    "max_position_embeddings": 8192,
    "global_attn_every_n_layers": 3,
}
