"""Compute and activation buffers, one module an engine."""

from __future__ import annotations

from whichweights.planning.buffers.facts import BufferFacts, BufferPart, buffer_facts
from whichweights.planning.buffers.llama_cpp import EXPERT_COPIES, llama_cpp_buffers
from whichweights.planning.buffers.mlx import mlx_buffers
from whichweights.planning.buffers.sglang import sglang_buffers
from whichweights.planning.buffers.transformers import transformers_buffers
from whichweights.planning.buffers.vllm import vllm_buffers
from whichweights.planning.memory_types import Settings

__all__ = ["EXPERT_COPIES", "BufferFacts", "BufferPart", "buffer_facts", "engine_buffers"]


def engine_buffers(
    facts: BufferFacts,
    settings: Settings,
    *,
    cache_bytes: int,
    weight_bytes: int,
    amd: bool = False,
    expert_layer_bytes: int = 0,
) -> tuple[BufferPart, ...]:
    """The buffers of one device under the engine of the settings, in bytes.

    `expert_layer_bytes`: routed experts of one layer, where some lie in system memory; else 0.
    """
    match settings.engine:
        case "llama.cpp" | "ollama":
            return llama_cpp_buffers(facts, settings, expert_layer_bytes)
        case "vllm":
            return vllm_buffers(facts, settings, amd)
        case "sglang":
            return sglang_buffers(facts, settings)
        case "transformers":
            return transformers_buffers(facts, settings, cache_bytes, weight_bytes)
        case "mlx":
            return mlx_buffers(facts, settings)
