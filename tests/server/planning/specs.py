"""Model specs written by hand from the config.json of each model, for the planning tests."""

from __future__ import annotations

from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.attention import (
    FullAttention,
    LatentAttention,
    LinearAttention,
    NoAttention,
    SlidingAttention,
    StateSpace,
)
from whichweights_schemas.deployment import Deployment, Engine, EngineOptions, KvCacheType
from whichweights_schemas.models import (
    Block,
    DenseFeedForward,
    ExpertsFeedForward,
    ModelSpec,
    NoFeedForward,
    ParameterCounts,
)
from whichweights_schemas.quantization import Quantization

GIB = 2**30
MIB = 2**20


def gpu(gib: float, name: str = "RTX 4090", memory_type: str = "GDDR6X") -> Accelerator:
    """An empty NVIDIA device of that size at 1,008 GB/s."""
    size = round(gib * GIB)
    return Accelerator(
        name=name,
        vendor="NVIDIA",
        total_bytes=size,
        free_bytes=size,
        memory_type=memory_type,
        memory_bandwidth_bytes_per_second=1.008e12,
    )


def host(gib: float) -> Accelerator:
    """System memory, all of it free."""
    size = round(gib * GIB)
    return Accelerator(name="system memory", kind="cpu", total_bytes=size, free_bytes=size)


def deployment(
    engine: Engine = "llama.cpp",
    quantization: str = "Q4_K_M",
    context: int = 8192,
    *devices: Accelerator,
    sequences: int = 1,
    kv: KvCacheType = "f16",
    memory: Accelerator | None = None,
    options: EngineOptions | None = None,
) -> Deployment:
    """A deployment with the values a test cares about."""
    return Deployment(
        engine=engine,
        quantization=quantization,
        context_tokens=context,
        concurrent_sequences=sequences,
        kv_cache_type=kv,
        options=options or EngineOptions(),
        accelerators=devices,
        memory=memory,
    )


BF16 = Quantization(format="BF16", bits_per_weight=16)


def dense(
    name: str,
    total: int,
    *,
    layers: int,
    hidden: int,
    width: int,
    heads: tuple[int, int],
    head_dim: int = 128,
    vocab: int,
    tied: bool = False,
    qkv_bias: bool = False,
    qk_norm: bool = False,
    active: int | None = None,
) -> ModelSpec:
    """A dense model with the same grouped-query layer throughout."""
    attention = FullAttention(
        query_heads=heads[0],
        kv_heads=heads[1],
        head_dim=head_dim,
        qkv_bias=qkv_bias,
        qk_norm="per_head" if qk_norm else "none",
    )
    return ModelSpec(
        id=name,
        display_name=name,
        architecture="llama" if "lama" in name else "qwen2" if "Qwen2" in name else "qwen3",
        confidence="exact",
        parameters=ParameterCounts(total=total, active=active),
        hidden_size=hidden,
        vocab_size=vocab,
        tied_embeddings=tied,
        blocks=(Block(attention=attention, feed_forward=DenseFeedForward(width=width)),),
        layout=(0,) * layers,
        max_context_tokens=131_072,
        native=BF16,
    )


LLAMA_31_8B = dense(
    "meta-llama/Llama-3.1-8B-Instruct",
    8_030_261_248,
    layers=32,
    hidden=4096,
    width=14336,
    heads=(32, 8),
    vocab=128_256,
)
LLAMA_2_7B = dense(
    "meta-llama/Llama-2-7b-hf",
    6_738_415_616,
    layers=32,
    hidden=4096,
    width=11008,
    heads=(32, 32),
    vocab=32_000,
)
LLAMA_33_70B = dense(
    "meta-llama/Llama-3.3-70B-Instruct",
    70_553_706_496,
    layers=80,
    hidden=8192,
    width=28672,
    heads=(64, 8),
    vocab=128_256,
)
QWEN25_7B = dense(
    "Qwen/Qwen2.5-7B-Instruct",
    7_615_616_512,
    layers=28,
    hidden=3584,
    width=18944,
    heads=(28, 4),
    vocab=152_064,
    qkv_bias=True,
)
QWEN25_72B = dense(
    "Qwen/Qwen2.5-72B-Instruct",
    72_706_203_648,
    layers=80,
    hidden=8192,
    width=29568,
    heads=(64, 8),
    vocab=152_064,
    qkv_bias=True,
)
QWEN3_8B = dense(
    "Qwen/Qwen3-8B",
    8_190_735_360,
    layers=36,
    hidden=4096,
    width=12288,
    heads=(32, 8),
    vocab=151_936,
    qk_norm=True,
)
QWEN3_32B = dense(
    "Qwen/Qwen3-32B",
    32_762_123_264,
    layers=64,
    hidden=5120,
    width=25600,
    heads=(64, 8),
    vocab=151_936,
    qk_norm=True,
)

QWEN3_30B_A3B = ModelSpec(
    id="Qwen/Qwen3-30B-A3B",
    display_name="Qwen3 30B A3B",
    architecture="qwen3_moe",
    confidence="exact",
    parameters=ParameterCounts(total=30_532_122_624, active=3_353_032_704),
    hidden_size=2048,
    vocab_size=151_936,
    tied_embeddings=False,
    blocks=(
        Block(
            attention=FullAttention(query_heads=32, kv_heads=4, head_dim=128, qk_norm="per_head"),
            feed_forward=ExpertsFeedForward(experts=128, experts_per_token=8, width=768),
        ),
    ),
    layout=(0,) * 48,
    max_context_tokens=40_960,
    extended_context_tokens=131_072,
    native=BF16,
)

_DEEPSEEK_ATTENTION = LatentAttention(
    query_heads=128,
    q_lora_rank=1536,
    kv_lora_rank=512,
    rope_head_dim=64,
    nope_head_dim=128,
    value_head_dim=128,
)
DEEPSEEK_V3 = ModelSpec(
    id="deepseek-ai/DeepSeek-V3",
    display_name="DeepSeek V3",
    architecture="deepseek_v3",
    confidence="exact",
    parameters=ParameterCounts(
        total=684_489_845_504,
        language=671_026_419_200,
        mtp=13_463_426_304,
        active=37_552_297_472,
    ),
    hidden_size=7168,
    vocab_size=129_280,
    tied_embeddings=False,
    blocks=(
        Block(attention=_DEEPSEEK_ATTENTION, feed_forward=DenseFeedForward(width=18432)),
        Block(
            attention=_DEEPSEEK_ATTENTION,
            feed_forward=ExpertsFeedForward(
                experts=256,
                experts_per_token=8,
                width=2048,
                shared_width=2048,
                router_bias=True,
            ),
        ),
    ),
    layout=(0,) * 3 + (1,) * 58,
    mtp_layers=1,
    max_context_tokens=131_072,
    native=Quantization(format="FP8-block", bits_per_weight=8.002),
)


def gemma3(
    name: str,
    total: int,
    vision: int,
    *,
    layers: int,
    hidden: int,
    width: int,
    heads: tuple[int, int],
    head_dim: int,
) -> ModelSpec:
    """Five local layers to one global, four norms a layer, tied embeddings, a vision tower."""
    mlp = DenseFeedForward(width=width)
    local = SlidingAttention(
        query_heads=heads[0],
        kv_heads=heads[1],
        head_dim=head_dim,
        qk_norm="per_head",
        window=1024,
    )
    whole = FullAttention(
        query_heads=heads[0], kv_heads=heads[1], head_dim=head_dim, qk_norm="per_head"
    )
    return ModelSpec(
        id=name,
        display_name=name,
        architecture="gemma3",
        confidence="exact",
        parameters=ParameterCounts(total=total, language=total - vision, vision=vision),
        hidden_size=hidden,
        vocab_size=262_208,
        tied_embeddings=True,
        blocks=(
            Block(attention=local, feed_forward=mlp, norms=4),
            Block(attention=whole, feed_forward=mlp, norms=4),
        ),
        layout=tuple(1 if index % 6 == 5 else 0 for index in range(layers)),
        max_context_tokens=131_072,
        native=BF16,
    )


GEMMA_3_27B = gemma3(
    "google/gemma-3-27b-it",
    27_432_406_640,
    423_060_336,
    layers=62,
    hidden=5376,
    width=21504,
    heads=(32, 16),
    head_dim=128,
)
GEMMA_3_4B = gemma3(
    "google/gemma-3-4b-it",
    4_300_079_472,
    419_816_304,
    layers=34,
    hidden=2560,
    width=10240,
    heads=(8, 4),
    head_dim=256,
)

_GPT_OSS_MOE = ExpertsFeedForward(
    experts=128, experts_per_token=4, width=2880, router_bias=True, expert_bias=True
)
GPT_OSS_120B = ModelSpec(
    id="openai/gpt-oss-120b",
    display_name="gpt oss 120b",
    architecture="gpt_oss",
    confidence="exact",
    parameters=ParameterCounts(total=116_829_156_672, active=5_711_982_912),
    hidden_size=2880,
    vocab_size=201_088,
    tied_embeddings=False,
    blocks=(
        Block(
            attention=SlidingAttention(
                query_heads=64,
                kv_heads=8,
                head_dim=64,
                qkv_bias=True,
                output_bias=True,
                sinks=True,
                window=128,
            ),
            feed_forward=_GPT_OSS_MOE,
        ),
        Block(
            attention=FullAttention(
                query_heads=64,
                kv_heads=8,
                head_dim=64,
                qkv_bias=True,
                output_bias=True,
                sinks=True,
            ),
            feed_forward=_GPT_OSS_MOE,
        ),
    ),
    layout=(0, 1) * 18,
    max_context_tokens=131_072,
    native=Quantization(format="MXFP4", bits_per_weight=4.25, note="MXFP4 experts, bf16 elsewhere"),
)

QWEN35_27B = ModelSpec(
    id="Qwen/Qwen3.5-27B",
    display_name="Qwen3.5 27B",
    architecture="qwen3_5",
    confidence="exact",
    parameters=ParameterCounts(
        total=27_781_427_952, language=26_895_998_464, vision=460_730_096, mtp=424_699_392
    ),
    hidden_size=5120,
    vocab_size=248_320,
    tied_embeddings=False,
    blocks=(
        Block(
            attention=LinearAttention(
                key_heads=16, value_heads=48, key_head_dim=128, value_head_dim=128
            ),
            feed_forward=DenseFeedForward(width=17408),
        ),
        Block(
            attention=FullAttention(
                query_heads=24, kv_heads=4, head_dim=256, qk_norm="per_head", output_gate=True
            ),
            feed_forward=DenseFeedForward(width=17408),
        ),
    ),
    layout=tuple(1 if index % 4 == 3 else 0 for index in range(64)),
    mtp_layers=1,
    max_context_tokens=262_144,
    native=BF16,
)

_NEMOTRON_PATTERN = "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME"
NEMOTRON_3_NANO = ModelSpec(
    id="nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
    display_name="NVIDIA Nemotron 3 Nano 30B A3B",
    architecture="nemotron_h",
    confidence="exact",
    parameters=ParameterCounts(total=31_577_937_344, active=3_580_076_352),
    hidden_size=2688,
    vocab_size=131_072,
    tied_embeddings=False,
    blocks=(
        Block(
            attention=StateSpace(version=2, inner_size=4096, state_size=128, heads=64, groups=8),
            feed_forward=NoFeedForward(),
            norms=1,
        ),
        Block(
            attention=NoAttention(),
            feed_forward=ExpertsFeedForward(
                experts=128,
                experts_per_token=6,
                width=1856,
                gated=False,
                shared_width=3712,
                router_bias=True,
            ),
            norms=1,
        ),
        Block(
            attention=FullAttention(query_heads=32, kv_heads=2, head_dim=128),
            feed_forward=NoFeedForward(),
            norms=1,
        ),
    ),
    layout=tuple("ME*".index(letter) for letter in _NEMOTRON_PATTERN),
    max_context_tokens=262_144,
    native=BF16,
)

SIZE_ONLY = ModelSpec(
    id="someone/unknown-13B",
    display_name="unknown 13B",
    parameters=ParameterCounts(total=13_000_000_000),
    max_context_tokens=32_768,
)

ALL = (
    LLAMA_31_8B,
    LLAMA_2_7B,
    LLAMA_33_70B,
    QWEN25_7B,
    QWEN25_72B,
    QWEN3_8B,
    QWEN3_32B,
    QWEN3_30B_A3B,
    DEEPSEEK_V3,
    GEMMA_3_27B,
    GEMMA_3_4B,
    GPT_OSS_120B,
    QWEN35_27B,
    NEMOTRON_3_NANO,
)
