"""What the model classes of transformers fix in code, not in config.json: one row a model type.

Source: the model and configuration classes of transformers 4.57 and 5.x; the parameter counts of
published checkpoints confirm them (tests assert the totals).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, NamedTuple

from whichweights_schemas.attention import QkNorm


class Flag(NamedTuple):
    """A boolean of config.json with its class default."""

    key: str
    default: bool


WindowRule = Literal["never", "always", "flagged", "pattern"]
"""always: every layer, where a window is given · flagged: only with `use_sliding_window`, from
`max_window_layers` on · pattern: every n-th layer is full."""

SparseRule = Literal["all", "first_dense", "step", "interval", "listed"]


@dataclass(frozen=True, slots=True)
class Experts:
    """Names of the mixture-of-experts fields of one class, and which layers have experts."""

    count: str = "num_experts"
    per_token: str = "num_experts_per_tok"
    width: str = "moe_intermediate_size"
    shared_count: str | None = None
    shared_width: str | None = None
    shared_gate: bool = False
    router_bias: bool | Flag = False
    expert_bias: bool = False
    sparse: SparseRule = "all"
    first_dense: str = "first_k_dense_replace"
    dense_width: str = "intermediate_size"


@dataclass(frozen=True, slots=True)
class Traits:
    """One decoder class with softmax attention."""

    gated: bool = True
    qkv_bias: bool | Flag = False
    output_bias: bool | Flag = False
    mlp_bias: bool | Flag = False
    qk_norm: QkNorm = "none"
    qk_norm_flag: Flag | None = None
    sinks: bool = False
    norms: int = 2
    norm_bias: bool = False
    final_norm: bool = True
    tied: bool = False
    lm_head_bias: bool | Flag = False
    head_dim: int | None = None
    kv_is_heads: bool = False
    windows: WindowRule = "never"
    window: int | None = None
    pattern: int = 0
    chunked: bool = False
    extra_per_layer: int = 0
    experts: Experts | None = None
    defaults: Mapping[str, int] = field(default_factory=dict[str, int])


_ATTENTION: Final = Flag("attention_bias", False)
_MLP: Final = Flag("mlp_bias", False)

_LLAMA: Final = Traits(
    qkv_bias=_ATTENTION,
    output_bias=_ATTENTION,
    mlp_bias=_MLP,
    kv_is_heads=True,
    defaults={
        "vocab_size": 32_000,
        "hidden_size": 4096,
        "intermediate_size": 11_008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
    },
)
_MISTRAL: Final = Traits(
    windows="always",
    window=4096,
    defaults={**_LLAMA.defaults, "intermediate_size": 14_336, "num_key_value_heads": 8},
)
_QWEN2: Final = Traits(qkv_bias=True, windows="flagged")
_QWEN3: Final = Traits(
    qkv_bias=_ATTENTION,
    output_bias=_ATTENTION,
    qk_norm="per_head",
    head_dim=128,
    windows="flagged",
)
_GEMMA: Final = Traits(
    qkv_bias=_ATTENTION, output_bias=_ATTENTION, tied=True, head_dim=256, kv_is_heads=False
)
_GEMMA2: Final = replace(_GEMMA, norms=4, windows="pattern", pattern=2, window=4096)
_GEMMA3: Final = replace(
    _GEMMA2,
    qk_norm="per_head",
    pattern=6,
    defaults={
        "vocab_size": 262_208,
        "hidden_size": 2304,
        "intermediate_size": 9216,
        "num_hidden_layers": 26,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "max_position_embeddings": 131_072,
    },
)
_COHERE: Final = Traits(
    qkv_bias=_ATTENTION,
    output_bias=_ATTENTION,
    qk_norm="full",
    qk_norm_flag=Flag("use_qk_norm", False),
    norms=1,
    tied=True,
    kv_is_heads=True,
)
_OLMO2: Final = Traits(
    qkv_bias=_ATTENTION, output_bias=_ATTENTION, qk_norm="full", kv_is_heads=True
)
_GLM: Final = Traits(qkv_bias=Flag("attention_bias", True), head_dim=128)
_MIXTRAL: Final = Traits(
    windows="always", experts=Experts(count="num_local_experts", width="intermediate_size")
)
_GLM4_MOE: Final = Traits(
    qkv_bias=_ATTENTION,
    qk_norm="per_head",
    qk_norm_flag=Flag("use_qk_norm", False),
    head_dim=128,
    experts=Experts(
        count="n_routed_experts",
        shared_count="n_shared_experts",
        router_bias=True,
        sparse="first_dense",
    ),
)
_GRANITE: Final = replace(_LLAMA, defaults={})
_ERNIE: Final = Traits(
    qkv_bias=Flag("use_bias", False),
    output_bias=Flag("use_bias", False),
    mlp_bias=Flag("use_bias", False),
    tied=True,
)
_HUNYUAN: Final = Traits(
    qkv_bias=_ATTENTION,
    output_bias=_ATTENTION,
    qk_norm="per_head",
    qk_norm_flag=Flag("use_qk_norm", True),
    kv_is_heads=True,
)

TRAITS: Final[Mapping[str, Traits]] = {
    "llama": _LLAMA,
    "mistral": _MISTRAL,
    "ministral3": replace(_MISTRAL, windows="never", defaults={}),
    "ministral": replace(_MISTRAL, defaults={}),
    "qwen2": _QWEN2,
    "mimo": _QWEN2,
    "qwen3": _QWEN3,
    "phi3": Traits(kv_is_heads=True, windows="always"),
    "phi": Traits(
        gated=False,
        qkv_bias=True,
        output_bias=True,
        mlp_bias=True,
        norms=1,
        norm_bias=True,
        lm_head_bias=True,
        kv_is_heads=True,
    ),
    "phimoe": replace(
        _MIXTRAL,
        qkv_bias=_ATTENTION,
        output_bias=_ATTENTION,
        norm_bias=True,
        lm_head_bias=Flag("lm_head_bias", False),
    ),
    "gemma": _GEMMA,
    "gemma2": _GEMMA2,
    "gemma3": _GEMMA3,
    "cohere": _COHERE,
    "cohere2": replace(
        _COHERE,
        qk_norm="none",
        qk_norm_flag=None,
        windows="pattern",
        pattern=4,
        window=4096,
    ),
    "olmo": Traits(
        qkv_bias=_ATTENTION, output_bias=_ATTENTION, norms=0, final_norm=False, kv_is_heads=True
    ),
    "olmo2": _OLMO2,
    "olmo3": replace(_OLMO2, windows="pattern", pattern=4, window=4096),
    "granite": _GRANITE,
    "smollm3": replace(_GRANITE, tied=True, kv_is_heads=False, windows="flagged"),
    "exaone": Traits(tied=False, kv_is_heads=True),
    "exaone4": Traits(qk_norm="per_head", windows="pattern"),
    "starcoder2": Traits(
        gated=False,
        qkv_bias=Flag("use_bias", True),
        output_bias=Flag("use_bias", True),
        mlp_bias=Flag("use_bias", True),
        norm_bias=True,
        tied=True,
        windows="always",
    ),
    "glm": _GLM,
    "glm4": replace(_GLM, norms=4),
    "seed_oss": Traits(
        qkv_bias=Flag("attention_bias", True),
        output_bias=Flag("attention_out_bias", False),
        mlp_bias=_MLP,
        head_dim=128,
    ),
    "apertus": Traits(
        gated=False,
        qkv_bias=_ATTENTION,
        output_bias=_ATTENTION,
        qk_norm="per_head",
        kv_is_heads=True,
        extra_per_layer=2,  # xIELU learns two numbers a layer
    ),
    "arcee": replace(_GRANITE, gated=False),
    "ernie4_5": replace(_ERNIE, head_dim=128),
    "hunyuan_v1_dense": _HUNYUAN,
    "internlm2": Traits(qkv_bias=Flag("bias", True), output_bias=Flag("bias", True)),
    "internlm3": Traits(
        qkv_bias=Flag("qkv_bias", False),
        output_bias=Flag("bias", False),
        mlp_bias=Flag("bias", False),
    ),
    "minicpm": replace(_GRANITE, tied=True),
    "mixtral": _MIXTRAL,
    "granitemoe": replace(
        _MIXTRAL, qkv_bias=_ATTENTION, output_bias=_ATTENTION, windows="never", kv_is_heads=True
    ),
    "granitemoeshared": replace(
        _MIXTRAL,
        qkv_bias=_ATTENTION,
        output_bias=_ATTENTION,
        windows="never",
        kv_is_heads=True,
        experts=Experts(
            count="num_local_experts",
            width="intermediate_size",
            shared_width="shared_intermediate_size",
        ),
    ),
    "qwen2_moe": replace(
        _QWEN2,
        qkv_bias=Flag("qkv_bias", True),
        experts=Experts(
            shared_width="shared_expert_intermediate_size", shared_gate=True, sparse="step"
        ),
    ),
    "qwen3_moe": replace(_QWEN3, head_dim=None, experts=Experts(sparse="step")),
    "gpt_oss": Traits(
        qkv_bias=Flag("attention_bias", True),
        output_bias=Flag("attention_bias", True),
        sinks=True,
        windows="pattern",
        pattern=2,
        window=128,
        head_dim=64,
        experts=Experts(
            count="num_local_experts",
            width="intermediate_size",
            router_bias=True,
            expert_bias=True,
        ),
    ),
    "olmoe": replace(_OLMO2, experts=Experts(width="intermediate_size")),
    "glm4_moe": _GLM4_MOE,
    "llama4": Traits(
        qkv_bias=_ATTENTION,
        output_bias=_ATTENTION,
        head_dim=128,
        chunked=True,
        experts=Experts(
            count="num_local_experts",
            width="intermediate_size",
            shared_width="intermediate_size",
            sparse="interval",
            dense_width="intermediate_size_mlp",
        ),
    ),
    "ernie4_5_moe": replace(
        _ERNIE,
        experts=Experts(
            count="moe_num_experts",
            per_token="moe_k",
            shared_count="moe_num_shared_experts",
            router_bias=True,
            sparse="listed",
        ),
    ),
    "minimax_m2": Traits(
        qk_norm="full",
        qk_norm_flag=Flag("use_qk_norm", True),
        experts=Experts(
            count="num_local_experts",
            width="intermediate_size",
            router_bias=Flag("use_routing_bias", True),
        ),
    ),
    "hunyuan_v1_moe": replace(
        _HUNYUAN,
        tied=True,
        experts=Experts(per_token="moe_topk", shared_count="num_shared_expert"),
    ),
}
"""Decoder classes whose layers are softmax attention and an MLP or experts, by `model_type`."""

ALIASES: Final[Mapping[str, str]] = {
    "qwen2_vl": "qwen2",
    "qwen2_5_vl": "qwen2",
    "qwen2_audio": "qwen2",
    "qwen3_vl": "qwen3",
    "qwen3_vl_moe": "qwen3_moe",
    "glm4v": "glm4",
    "glm4v_moe": "glm4_moe",
    "mistral3": "mistral",
    "granitemoe_shared": "granitemoeshared",
    "gemma4_unified": "gemma4",
    "kimi_k25": "kimi_k2",
    "qwen3_coder_next": "qwen3_next",
    "yi": "llama",
}
"""Model types that hold the layers of another class."""

UNVERIFIED: Final = frozenset({"ministral", "ministral3", "granitemoeshared"})
"""Classes whose layers were not held against the parameter count of a published checkpoint."""
