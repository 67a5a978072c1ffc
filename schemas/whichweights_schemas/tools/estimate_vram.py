"""estimate_vram: will it fit, and what gives if it does not."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from whichweights_schemas._base import Shape
from whichweights_schemas.accelerators import AcceleratorKind
from whichweights_schemas.deployment import (
    CpuOffload,
    Engine,
    EngineOptions,
    KvCacheType,
    LoraTargets,
    Optimizer,
    Sharding,
    TrainingOptions,
    TrainingRecipe,
    Workload,
)
from whichweights_schemas.evidence import Band, Basis, is_none
from whichweights_schemas.tools._common import ToolArguments, ToolResult
from whichweights_schemas.tools._forms import (
    Count,
    Name,
    Names,
    Sequences,
    Share,
    Tokens,
    as_mapping,
    choice,
    whole_number,
)

Verdict = Literal["fits", "tight", "fits_with_offload", "does_not_fit", "unknown"]
"""fits: high ≤ free · tight: total ≤ free < high · fits_with_offload: the engine can offload and
system memory holds the rest · does_not_fit · unknown: the free memory is not known."""

_ENGINE_SPELLINGS = choice(
    llamacpp="llama.cpp", llamacppserver="llama.cpp", lmstudio="llama.cpp", hf="transformers",
    huggingface="transformers", mlxlm="mlx",
)  # fmt: skip
_WORKLOAD_SPELLINGS = choice(
    full="full_finetune", finetune="full_finetune", fullfinetune="full_finetune"
)
_KV_SPELLINGS = choice(
    fp16="f16", float16="f16", bfloat16="bf16", fp8e4m3="fp8", fp8e5m2="fp8", q8="q8_0", q4="q4_0"
)
_TARGET_SPELLINGS = choice(qv="query_value", qvproj="query_value", attn="attention")
_OPTIMIZER_SPELLINGS = choice(
    adamwtorch="adamw", adamwtorchfused="adamw", adam="adamw", adamwbnb8bit="adamw_8bit",
    adam8bit="adamw_8bit",
)  # fmt: skip

EngineChoice = Annotated[Literal["auto", Engine], BeforeValidator(_ENGINE_SPELLINGS)]
WorkloadChoice = Annotated[Workload, BeforeValidator(_WORKLOAD_SPELLINGS)]
KvCacheChoice = Annotated[Literal["auto", KvCacheType], BeforeValidator(_KV_SPELLINGS)]


class VramOptions(EngineOptions, TrainingOptions):
    """Every switch that moves the figure; one left out has the default of its engine or recipe."""

    engine_version: Name | None = None
    prompt_tokens: Tokens | None = None
    ubatch_tokens: Count | None = None
    max_batched_tokens: Tokens | None = None
    max_num_seqs: Sequences | None = None
    gpu_memory_utilization: Share | None = None
    mem_fraction_static: Share | None = None
    tensor_parallel: Annotated[Count, Field(le=1024)] | None = None
    pipeline_parallel: Annotated[Count, Field(le=1024)] | None = None
    cpu_offload: Annotated[CpuOffload, BeforeValidator(choice())] | None = None
    gpu_layers: Annotated[int, Field(ge=0, le=10_000), BeforeValidator(whole_number)] | None = None
    lora_rank: Annotated[Count, Field(le=65_536)] | None = None
    sequence_length: Tokens | None = None
    recipe: Annotated[TrainingRecipe, BeforeValidator(choice())] | None = None
    lora_targets: Annotated[LoraTargets, BeforeValidator(_TARGET_SPELLINGS)] | None = None
    optimizer: Annotated[Optimizer, BeforeValidator(_OPTIMIZER_SPELLINGS)] | None = None
    sharding: Annotated[Sharding, BeforeValidator(choice())] | None = None
    trainable_parameters: Annotated[int, Field(ge=1), BeforeValidator(whole_number)] | None = None
    gradient_accumulation: Annotated[Count, Field(le=100_000)] | None = None
    micro_batch: Annotated[Count, Field(le=100_000)] | None = None


Options = Annotated[VramOptions, BeforeValidator(as_mapping)]


class EstimateVramArguments(ToolArguments):
    """How much memory does this model need, run this way, on these devices?"""

    model: Name = Field(description='Hub id, "llama 3.1 8b", or a size "7B"')
    quantization: Name = Field(default="auto", description="auto, native, Q4_K_M, FP8, AWQ-Int4 …")
    context_tokens: Tokens | None = Field(
        default=None, description="Prompt plus output. Default min(8192, window)"
    )
    concurrent_sequences: Sequences = 1
    kv_cache_type: KvCacheChoice = "auto"
    engine: EngineChoice = "auto"
    workload: WorkloadChoice = "inference"
    accelerators: Names = Field(
        default=("live",),
        description='ONE machine: "live", "2x RTX 4090", "24GiB", "64GiB RAM"',
    )
    options: Options = Field(default=VramOptions(), description="Engine and training switches")


class ModelSummary(Shape):
    """The model the answer speaks of. `source`: the provider that knew it."""

    id: str
    revision: str | None = None
    architecture: str | None = None
    parameters: int | None = None
    active_parameters: int | None = None
    source: str


class MemoryGib(Shape):
    """The sum and its groups, in GiB. `total - runtime` is what the engine's own counter shows."""

    weights: float
    kv_cache: float
    recurrent_state: float
    activations: float
    gradients: float
    optimizer: float
    runtime: float
    total: float
    low: float
    high: float


class MemoryPart(Shape):
    """One line of the sum."""

    name: str
    gib: float
    basis: Basis
    note: str | None = Field(default=None, exclude_if=is_none)


class KvCacheAnswer(Shape):
    """What the workload's cache needs, beside what the engine sets aside for it."""

    bytes_per_token: int | None = Field(description="Growth per token at this context, all layers")
    architecture_needs_gib: float | None
    engine_reserves_gib: float | None = None
    pool_tokens: int | None = Field(
        default=None, exclude_if=is_none, description="Tokens that what the engine reserves holds"
    )
    pool_sequences: float | None = Field(
        default=None, exclude_if=is_none, description="Sequences of this context it holds at once"
    )
    note: str | None = None


class DeviceAnswer(Shape):
    """One device of the placement, or `count` of them with the same figures (each)."""

    name: str
    kind: AcceleratorKind
    count: int = 1
    total_gib: float | None
    free_gib: float | None
    needed_gib: float
    headroom_gib: float | None
    layers: int | None = None


class Limits(Shape):
    """The largest values that still fit, found with `high`; null with a reason in `unknown`."""

    max_context_tokens: int | None
    max_concurrent_sequences: int | None
    gpu_layers: int | None


class Speed(Shape):
    """Single-stream speed, as a band where evidence exists."""

    decode_tokens_per_second: Band | None
    prefill_tokens_per_second: Band | None = None
    time_to_first_token_s: Band | None = None
    basis: Basis | None = None


class Alternative(Shape):
    """A change that alters the verdict."""

    change: str
    total_gib: float
    verdict: Verdict


class RuleOfThumb(Shape):
    """A rule in circulation, what it would have said, and how far off that is."""

    rule: str
    gib: float
    error_percent: float


class ResolvedSettings(Shape):
    """Everything the figure was computed with, defaults included."""

    engine: Engine
    engine_version: str | None
    workload: Workload
    quantization: str
    native_quantization: str | None
    context_tokens: int
    concurrent_sequences: int
    kv_cache_type: KvCacheType
    cpu_offload: CpuOffload
    accelerators: tuple[str, ...]
    options: dict[str, object] = Field(default_factory=dict)


class EstimateVramResult(ToolResult):
    """The answer of estimate_vram."""

    model: ModelSummary
    settings: ResolvedSettings
    memory_gib: MemoryGib
    parts: tuple[MemoryPart, ...]
    kv_cache: KvCacheAnswer
    devices: tuple[DeviceAnswer, ...]
    verdict: Verdict
    limits: Limits
    speed: Speed
    alternatives: tuple[Alternative, ...] = ()
    rules_of_thumb: tuple[RuleOfThumb, ...] = ()
