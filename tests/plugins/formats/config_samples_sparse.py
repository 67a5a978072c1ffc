"""Shape fields of published config.json files: experts and latent attention."""

from __future__ import annotations

from config_samples import Config, heads, shape

MIXTRAL_8X7B: Config = {
    **shape("mixtral", 32, 4096, 14336, 32_000),
    **heads(32, 8),
    "max_position_embeddings": 32_768,
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
    "sliding_window": None,
    "tie_word_embeddings": False,
}
QWEN3_30B_A3B: Config = {
    **shape("qwen3_moe", 48, 2048, 6144, 151_936),
    **heads(32, 4, 128),
    "attention_bias": False,
    "decoder_sparse_step": 1,
    "max_position_embeddings": 40_960,
    "mlp_only_layers": [],
    "moe_intermediate_size": 768,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "sliding_window": None,
    "use_sliding_window": False,
    "tie_word_embeddings": False,
}
QWEN15_MOE: Config = {
    **shape("qwen2_moe", 24, 2048, 5632, 151_936),
    **heads(16, 16),
    "decoder_sparse_step": 1,
    "max_position_embeddings": 8192,
    "moe_intermediate_size": 1408,
    "num_experts": 60,
    "num_experts_per_tok": 4,
    "shared_expert_intermediate_size": 5632,
    "use_sliding_window": False,
    "tie_word_embeddings": False,
}
_GPT_OSS: Config = {
    **heads(64, 8, 64),
    "attention_bias": True,
    "max_position_embeddings": 131_072,
    "num_experts_per_tok": 4,
    "sliding_window": 128,
    "tie_word_embeddings": False,
    "quantization_config": {
        "modules_to_not_convert": ["model.layers.*.self_attn", "lm_head"],
        "quant_method": "mxfp4",
    },
}
GPT_OSS_120B: Config = {
    **shape("gpt_oss", 36, 2880, 2880, 201_088),
    **_GPT_OSS,
    "num_local_experts": 128,
    "layer_types": ["sliding_attention", "full_attention"] * 18,
}
GPT_OSS_20B: Config = {
    **shape("gpt_oss", 24, 2880, 2880, 201_088),
    **_GPT_OSS,
    "num_local_experts": 32,
    "layer_types": ["sliding_attention", "full_attention"] * 12,
}
OLMOE: Config = {
    **shape("olmoe", 16, 2048, 1024, 50_304),
    **heads(16, 16),
    "max_position_embeddings": 4096,
    "num_experts": 64,
    "num_experts_per_tok": 8,
    "tie_word_embeddings": False,
}
GLM45_AIR: Config = {
    **shape("glm4_moe", 46, 4096, 10944, 151_552),
    **heads(96, 8, 128),
    "attention_bias": True,
    "first_k_dense_replace": 1,
    "max_position_embeddings": 131_072,
    "moe_intermediate_size": 1408,
    "n_routed_experts": 128,
    "n_shared_experts": 1,
    "num_experts_per_tok": 8,
    "num_nextn_predict_layers": 1,
    "use_qk_norm": False,
    "tie_word_embeddings": False,
}
_LLAMA4: Config = {
    **shape("llama4_text", 48, 5120, 8192, 202_048),
    **heads(40, 8, 128),
    "attention_bias": False,
    "attention_chunk_size": 8192,
    "intermediate_size_mlp": 16_384,
    "num_experts_per_tok": 1,
    "use_qk_norm": True,
}
LLAMA4_SCOUT: Config = {
    "model_type": "llama4",
    "text_config": {
        **_LLAMA4,
        "interleave_moe_layer_step": 1,
        "max_position_embeddings": 10_485_760,
        "num_local_experts": 16,
        "no_rope_layers": [],
    },
    "vision_config": {"num_hidden_layers": 34, "hidden_size": 1408, "patch_size": 14},
}
LLAMA4_MAVERICK: Config = {
    "model_type": "llama4",
    "text_config": {
        **_LLAMA4,
        "interleave_moe_layer_step": 2,
        "max_position_embeddings": 1_048_576,
        "num_local_experts": 128,
    },
    "vision_config": {"num_hidden_layers": 34, "hidden_size": 1408, "patch_size": 14},
}
ERNIE45_21B: Config = {
    **shape("ernie4_5_moe", 28, 2560, 12288, 103_424),
    **heads(20, 4),
    "max_position_embeddings": 131_072,
    "moe_intermediate_size": 1536,
    "moe_k": 6,
    "moe_layer_start_index": 1,
    "moe_layer_end_index": 27,
    "moe_layer_interval": 1,
    "moe_num_experts": 64,
    "moe_num_shared_experts": 2,
    "use_bias": False,
}
MINIMAX_M2: Config = {
    **shape("minimax_m2", 62, 3072, 1536, 200_064),
    **heads(48, 8, 128),
    "max_position_embeddings": 196_608,
    "num_experts_per_tok": 8,
    "num_local_experts": 256,
    "qk_norm_type": "per_layer",
    "use_qk_norm": True,
    "use_routing_bias": True,
    "tie_word_embeddings": False,
}
GRANITE_MOE_1B: Config = {
    **shape("granitemoe", 24, 1024, 512, 49_155),
    **heads(16, 8),
    "attention_bias": False,
    "max_position_embeddings": 131_072,
    "num_experts_per_tok": 8,
    "num_local_experts": 32,
    "tie_word_embeddings": True,
}
HUNYUAN_A13B: Config = {
    **shape("hunyuan_v1_moe", 32, 4096, 3072, 128_167),
    **heads(32, 8, 128),
    "attention_bias": False,
    "max_position_embeddings": 32_768,
    "moe_intermediate_size": [3072] * 32,
    "moe_topk": [8] * 32,
    "num_experts": 64,
    "num_shared_expert": [1] * 32,
    "use_qk_norm": True,
    "tie_word_embeddings": True,
}
PHI35_MOE: Config = {
    **shape("phimoe", 32, 4096, 6400, 32_064),
    **heads(32, 8),
    "attention_bias": True,
    "lm_head_bias": True,
    "max_position_embeddings": 131_072,
    "num_experts_per_tok": 2,
    "num_local_experts": 16,
    "sliding_window": 131_072,
    "tie_word_embeddings": False,
}
_LATENT: Config = {
    "attention_bias": False,
    "kv_lora_rank": 512,
    "moe_layer_freq": 1,
    "qk_rope_head_dim": 64,
    "tie_word_embeddings": False,
}
DEEPSEEK_V3: Config = {
    **shape("deepseek_v3", 61, 7168, 18432, 129_280),
    **heads(128, 128),
    **_LATENT,
    "first_k_dense_replace": 3,
    "max_position_embeddings": 163_840,
    "moe_intermediate_size": 2048,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_experts_per_tok": 8,
    "num_nextn_predict_layers": 1,
    "q_lora_rank": 1536,
    "qk_nope_head_dim": 128,
    "v_head_dim": 128,
    "quantization_config": {
        "activation_scheme": "dynamic",
        "fmt": "e4m3",
        "quant_method": "fp8",
        "weight_block_size": [128, 128],
    },
}
DEEPSEEK_V32: Config = {
    **DEEPSEEK_V3,
    "model_type": "deepseek_v32",
    "index_head_dim": 128,
    "index_n_heads": 64,
    "index_topk": 2048,
}
DEEPSEEK_V2_LITE: Config = {
    **shape("deepseek_v2", 27, 2048, 10944, 102_400),
    **heads(16, 16),
    **_LATENT,
    "first_k_dense_replace": 1,
    "max_position_embeddings": 163_840,
    "moe_intermediate_size": 1408,
    "n_routed_experts": 64,
    "n_shared_experts": 2,
    "num_experts_per_tok": 6,
    "q_lora_rank": None,
    "qk_nope_head_dim": 128,
    "v_head_dim": 128,
}
KIMI_K2: Config = {
    **DEEPSEEK_V3,
    **heads(64, 64),
    "model_type": "kimi_k2",
    "first_k_dense_replace": 1,
    "max_position_embeddings": 131_072,
    "n_routed_experts": 384,
    "num_nextn_predict_layers": 0,
    "vocab_size": 163_840,
}
GLM47_FLASH: Config = {
    **shape("glm4_moe_lite", 47, 2048, 10240, 154_880),
    **heads(20, 20),
    **_LATENT,
    "first_k_dense_replace": 1,
    "max_position_embeddings": 202_752,
    "moe_intermediate_size": 1536,
    "n_routed_experts": 64,
    "n_shared_experts": 1,
    "num_experts_per_tok": 4,
    "num_nextn_predict_layers": 1,
    "q_lora_rank": 768,
    "qk_nope_head_dim": 192,
    "v_head_dim": 256,
}
GLM52: Config = {
    **shape("glm_moe_dsa", 78, 6144, 12288, 154_880),
    **heads(64, 64),
    **_LATENT,
    "first_k_dense_replace": 3,
    "index_head_dim": 128,
    "index_n_heads": 32,
    "index_skip_topk_offset": 3,
    "index_topk": 2048,
    "index_topk_freq": 4,
    "max_position_embeddings": 1_048_576,
    "moe_intermediate_size": 2048,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_experts_per_tok": 8,
    "num_nextn_predict_layers": 1,
    "q_lora_rank": 2048,
    "qk_nope_head_dim": 192,
    "v_head_dim": 256,
}
DEEPSEEK_V4_FLASH: Config = {
    "model_type": "deepseek_v4",
    **heads(64, 1, 512),
    "compress_ratios": [0, 0, *[4, 128] * 20, 4, 0],
    "expert_dtype": "fp4",
    "hidden_size": 4096,
    "index_head_dim": 128,
    "index_n_heads": 64,
    "index_topk": 512,
    "max_position_embeddings": 1_048_576,
    "moe_intermediate_size": 2048,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_experts_per_tok": 6,
    "num_hidden_layers": 43,
    "num_nextn_predict_layers": 1,
    "o_lora_rank": 1024,
    "q_lora_rank": 1024,
    "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]},
    "sliding_window": 128,
    "tie_word_embeddings": False,
    "vocab_size": 129_280,
}
