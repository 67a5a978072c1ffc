"""Resolves every default of a deployment, and says which nobody confirmed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from whichweights.planning.buffers.vllm import batched_tokens
from whichweights.planning.engine_versions import (
    LLAMA_CPP_FLASH_DEFAULT,
    VLLM_WIDE_WARM_UP,
    before,
    before_build,
)
from whichweights.planning.memory_types import Assumption, Settings
from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.deployment import Deployment, Engine
from whichweights_schemas.errors import InvalidArgument

__all__ = ["OFFLOAD_ENGINES", "RANK_ENGINES", "max_batched", "resolve_settings"]

RANK_ENGINES: Final = frozenset({"vllm", "sglang"})
"""Engines that cut every layer across devices (tensor parallel) or by stage (pipeline)."""

OFFLOAD_ENGINES: Final = frozenset({"llama.cpp", "ollama"})
"""Engines that keep what does not fit in system memory and still run."""

CURRENT: Final[dict[Engine, str]] = {
    "llama.cpp": "a build of late 2026 (after PR 23861)",
    "ollama": "a release of late 2026",
    "vllm": "0.19",
    "sglang": "a release of 2026",
    "transformers": "5.x",
    "mlx": "a release of 2026",
}
"""What the figures hold for when no engine version is given."""

_DEFAULTS: Final = "default of the engine"
_LARGE_DEVICE_BYTES: Final = 70 * 2**30
"""vLLM picks larger batch defaults from this much device memory (vllm/engine/arg_utils.py)."""


@dataclass(slots=True)
class _Notes:
    found: list[Assumption]

    def assume(self, field: str, note: str, source: str = _DEFAULTS) -> None:
        self.found.append(Assumption(field, "assumed", source, note))


def resolve_settings(deployment: Deployment) -> tuple[Settings, tuple[Assumption, ...]]:
    """The settings a plan is computed with, and what was assumed.

    Raises:
        InvalidArgument: more ranks than devices, or a prompt longer than the context.
    """
    options, engine, notes = deployment.options, deployment.engine, _Notes([])
    if options.engine_version is None:
        note = f"{CURRENT[engine]}; give options.engine_version for another"
        notes.assume("options.engine_version", note, "no version was given")
    prompt = options.prompt_tokens or deployment.context_tokens
    if prompt > deployment.context_tokens:
        raise InvalidArgument(
            f"prompt_tokens {prompt} is longer than context_tokens {deployment.context_tokens}",
            field="options.prompt_tokens",
            hint="context_tokens holds the prompt and the output.",
        )
    tensor, pipeline = _ranks(deployment)
    llama = engine in OFFLOAD_ENGINES
    return Settings(
        engine=engine,
        engine_version=options.engine_version,
        kv_cache_type=deployment.kv_cache_type,
        context_tokens=deployment.context_tokens,
        concurrent_sequences=deployment.concurrent_sequences,
        prompt_tokens=prompt,
        flash_attention=_flash_attention(deployment),
        ubatch_tokens=(options.ubatch_tokens or 512) if llama else None,
        max_batched_tokens=max_batched(deployment, deployment.context_tokens),
        max_num_seqs=_max_num_seqs(deployment, notes),
        gpu_memory_utilization=_utilization(deployment, notes),
        tensor_parallel=tensor,
        pipeline_parallel=pipeline,
        cpu_offload=options.cpu_offload or ("auto" if llama else "none"),
        gpu_layers=options.gpu_layers if llama else None,
        full_window_cache=bool(options.full_window_cache) and llama,
        load_vision=_load_vision(options.load_vision, engine),
        load_mtp=bool(options.load_mtp),
    ), tuple(notes.found)


def _load_vision(asked: bool | None, engine: Engine) -> bool:
    """llama.cpp needs a separate mmproj file for images, mlx-lm leaves the tower out."""
    return engine not in ("llama.cpp", "mlx") if asked is None else asked


def _flash_attention(deployment: Deployment) -> bool | None:
    asked = deployment.options.flash_attention
    if asked is not None or deployment.engine not in OFFLOAD_ENGINES:
        return asked
    version = deployment.options.engine_version
    return not before_build(deployment.engine, version, LLAMA_CPP_FLASH_DEFAULT)


def _ranks(deployment: Deployment) -> tuple[int, int]:
    options, devices = deployment.options, max(1, len(deployment.accelerators))
    if deployment.engine not in RANK_ENGINES:
        return 1, 1
    pipeline = options.pipeline_parallel or 1
    tensor = options.tensor_parallel or max(1, devices // pipeline)
    if tensor * pipeline > devices:
        raise InvalidArgument(
            f"{tensor} x {pipeline} ranks need as many devices, and there are {devices}",
            field="options.tensor_parallel",
            hint="Name more devices, or fewer ranks.",
        )
    return tensor, pipeline


def _smallest(devices: tuple[Accelerator, ...]) -> int | None:
    sizes = [device.total_bytes for device in devices if device.total_bytes]
    return min(sizes) if sizes else None


def max_batched(deployment: Deployment, context_tokens: int) -> int | None:
    """Tokens vLLM takes into one forward pass; None for other engines."""
    if deployment.engine != "vllm":
        return None
    asked = deployment.options.max_batched_tokens
    large = (_smallest(deployment.accelerators) or 0) >= _LARGE_DEVICE_BYTES
    return asked or batched_tokens(deployment.options.engine_version, context_tokens, large)


def _max_num_seqs(deployment: Deployment, notes: _Notes) -> int | None:
    if deployment.engine != "vllm":
        return None
    asked = deployment.options.max_num_seqs
    if asked is not None:
        return asked
    large = (_smallest(deployment.accelerators) or 0) >= _LARGE_DEVICE_BYTES
    wide = large and not before(deployment.options.engine_version, VLLM_WIDE_WARM_UP)
    found = 1024 if wide else 256
    notes.assume("options.max_num_seqs", f"{found} on a device of this size")
    return found


def _utilization(deployment: Deployment, notes: _Notes) -> float | None:
    """The share of a device the engine may take: vLLM's utilization, SGLang's static fraction."""
    options = deployment.options
    if deployment.engine == "sglang":
        return options.mem_fraction_static
    if deployment.engine != "vllm":
        return None
    if options.gpu_memory_utilization is None:
        notes.assume("options.gpu_memory_utilization", "0.9")
        return 0.9
    return options.gpu_memory_utilization
