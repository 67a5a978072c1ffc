"""How a model is to be run: engine, workload and everything that moves the memory figure."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from whichweights_schemas._base import Shape
from whichweights_schemas.accelerators import Accelerator

Engine = Literal["llama.cpp", "ollama", "vllm", "sglang", "transformers", "mlx"]
Workload = Literal["inference", "lora", "qlora", "full_finetune"]
KvCacheType = Literal["f16", "bf16", "fp8", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"]

CpuOffload = Literal["auto", "none", "layers", "experts"]
"""auto: only if the model does not fit otherwise · layers: whole layers in system memory ·
experts: the experts of MoE layers in system memory, everything else on the device."""


class EngineOptions(Shape):
    """Switches of an engine; null = the engine's own default."""

    engine_version: str | None = Field(
        default=None, description='As the engine names itself: "b5200", "0.19.0", "4.51.3"'
    )
    prompt_tokens: int | None = Field(
        default=None, description="Part of the context prefilled at once; default: all"
    )
    flash_attention: bool | None = None
    ubatch_tokens: int | None = None
    max_batched_tokens: int | None = None
    max_num_seqs: int | None = None
    gpu_memory_utilization: float | None = None
    mem_fraction_static: float | None = None
    tensor_parallel: int | None = None
    pipeline_parallel: int | None = None
    cpu_offload: CpuOffload | None = None
    gpu_layers: int | None = None
    full_window_cache: bool | None = Field(
        default=None, description="llama.cpp --swa-full: window layers at full length"
    )
    load_vision: bool | None = None
    load_mtp: bool | None = None


Optimizer = Literal["adamw", "adamw_8bit", "paged_adamw_8bit", "adafactor", "sgd"]
LoraTargets = Literal[
    "query_value", "attention", "all_linear", "all_linear_and_experts", "all_linear_and_embeddings"
]
"""query_value: query and value projections · attention: every projection of the attention ·
all_linear: these and the MLPs, no routed experts · … _and_experts: with them ·
… _and_embeddings: token embedding and head are trained in full beside the adapters."""

TrainingRecipe = Literal["transformers", "torchtune", "unsloth", "litgpt", "axolotl"]
"""Whose defaults stand in for the switches that are not given."""

Sharding = Literal["none", "layers", "zero1", "zero2", "zero3", "fsdp"]
"""none: every device holds a copy · layers: whole layers in turn (device_map) · zero1: the
optimizer is cut across devices · zero2: gradients too · zero3, fsdp: weights too."""


class TrainingOptions(Shape):
    """Named switches of a training recipe; null = the recipe's default."""

    recipe: TrainingRecipe | None = None
    lora_rank: int | None = None
    lora_targets: LoraTargets | None = None
    trainable_parameters: int | None = Field(
        default=None, description="As the trainer prints it; else from rank and targets"
    )
    optimizer: Optimizer | None = None
    optimizer_in_backward: bool | None = None
    gradient_bytes: Literal[2, 4] | None = None
    gradient_accumulation: int | None = None
    gradient_checkpointing: bool | None = None
    activation_offload: bool | None = None
    sequence_length: int | None = None
    micro_batch: int | None = Field(default=None, description="Sequences per device and step")
    packed: bool | None = Field(default=None, description="Every sequence has the full length")
    chunked_loss: bool | None = None
    master_weights: bool | None = Field(default=None, description="A 32-bit copy of the weights")
    sharding: Sharding | None = None


class Deployment(Shape):
    """One resolved way to run one model; what `planning/` computes with.

    `accelerators` is one machine (or one group of devices) used together; `memory` the host's own.
    """

    engine: Engine
    workload: Workload = "inference"
    quantization: str = Field(description="Canonical format name")
    context_tokens: int
    concurrent_sequences: int = 1
    kv_cache_type: KvCacheType = "f16"
    options: EngineOptions = EngineOptions()
    training: TrainingOptions = TrainingOptions()
    accelerators: tuple[Accelerator, ...] = ()
    memory: Accelerator | None = None
