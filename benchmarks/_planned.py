"""What the planner says about a measured case: one `Pair` for each quantity that was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from _cases import Case

from whichweights.planning.formats import decode_tag
from whichweights.planning.inference import plan_inference
from whichweights.planning.memory_types import Group, MemoryPlan
from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.deployment import Deployment, Engine, EngineOptions, KvCacheType
from whichweights_schemas.models import ModelSpec

MIB = 2**20
GIB = 2**30
_ROOMY = 2**44
"""Bytes of a pretended device: where things lie must not depend on whether they fit."""

_LABEL_TOLERANCE = 0.25
"""Bits per weight of a log against those of its label: the tag's bits hold for one model."""

_PRINTED = 0.001
"""Logs print two decimals: a figure this close to an exact one is the same figure."""

_HOST = ("CPU", "Host", "Mapped", "AMX")
_KV_TYPES = frozenset({"f16", "bf16", "fp8", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"})


@dataclass(frozen=True)
class Pair:
    """A measured quantity beside the planned one, in bytes (or tokens); `rule` is weights x 1.2."""

    quantity: str
    measured: float
    planned: float
    low: float
    high: float
    rule: float | None = None

    @property
    def error(self) -> float:
        """Planned against measured, in percent."""
        return 100 * (self.planned / self.measured - 1)

    @property
    def in_band(self) -> bool:
        """Whether the measured value lies in the planned band, as far as it was printed."""
        slack = _PRINTED * self.measured
        return self.low - slack <= self.measured <= self.high + slack


class Unplannable(Exception):
    """The case states something no deployment can; the text is the reason."""


def pairs(case: Case, spec: ModelSpec) -> list[Pair]:
    """The pairs of a case. Raises Unplannable, or the planner's own WhichweightsError."""
    match case.kind:
        case "llamacpp_log":
            return _llama_cpp(case, spec)
        case "vllm_log":
            return _vllm(case, spec)
        case "transformers_infer":
            return _transformers(case, spec)
        case "gguf_size":
            return _gguf(case, spec)
        case _:
            raise Unplannable("kind not judged here")


def _plan(
    spec: ModelSpec,
    engine: Engine,
    quantization: str,
    context: int,
    *,
    sequences: int = 1,
    kv: KvCacheType = "f16",
    options: dict[str, Any] | None = None,
    devices: tuple[Accelerator, ...] = (),
) -> MemoryPlan:
    given = {name: value for name, value in (options or {}).items() if value is not None}
    deployment = Deployment(
        engine=engine,
        quantization=quantization,
        context_tokens=context,
        concurrent_sequences=sequences,
        kv_cache_type=kv,
        options=EngineOptions(**given),
        accelerators=devices,
    )
    return plan_inference(spec, deployment)


def _devices(count: int, size: int = _ROOMY) -> tuple[Accelerator, ...]:
    device = Accelerator(name="device", vendor="nvidia", total_bytes=size, free_bytes=size)
    return (device,) * count


def _group(plan: MemoryPlan, *groups: Group) -> tuple[int, int, int]:
    """(bytes, low, high) of all parts of the groups."""
    parts = [part for part in plan.parts if part.group in groups]
    return (
        sum(part.bytes for part in parts),
        sum(part.low for part in parts),
        sum(part.high for part in parts),
    )


def _gguf(case: Case, spec: ModelSpec) -> list[Pair]:
    """A file is its tensors plus a header of some MB, which the planner leaves out."""
    plan = _plan(spec, "llama.cpp", case.row["quantization"], 1)
    value, low, high = _group(plan, "weights")
    nominal = _nominal_bits(case.row["quantization"])
    weights = spec.parameters.language or spec.parameters.total or 0
    rule = 1.2 * weights * nominal / 8 if nominal else None
    return [Pair("GGUF file", case.measured["file_bytes"], value, low, high, rule)]


def _nominal_bits(tag: str) -> int | None:
    digits = [character for character in tag if character.isdigit()]
    return int("".join(digits[:2]) if tag.startswith("F") else digits[0]) if digits else None


def _kv_type(case: Case) -> KvCacheType:
    name = case.get("kv_cache_type", "f16")
    if name not in _KV_TYPES:
        raise Unplannable("keys and values of different types")
    return cast("KvCacheType", name)


def _fork_version(case: Case) -> str | None:
    """The llama.cpp build that caches MLA as the fork's mode does; the printed build without one.

    Mode 0 keeps whole heads, mode 1 a transposed copy beside the compressed rows, 2 and 3 the
    compressed rows alone.
    """
    mode = case.get("mla_mode")
    if mode is None:
        return case.get("engine_version")
    return {0: "b5000", 1: "b7000"}.get(mode, "b8000")


def _llama_cpp(case: Case, spec: ModelSpec) -> list[Pair]:
    kv = _kv_type(case)
    sequences = case.get("sequences", 1)
    gpu_parts = _on_devices(case)
    compressed = (case.get("mla_mode") or 0) >= 2
    options = {
        "engine_version": _fork_version(case),
        "flash_attention": True if compressed else case.get("flash_attention"),
        "ubatch_tokens": case.get("ubatch_tokens"),
    }
    context = case.row["context_tokens"] // sequences
    quantization = case.get("quantization") if gpu_parts else "Q8_0"
    plan = _plan(
        spec,
        "llama.cpp",
        quantization or "Q8_0",
        context,
        sequences=sequences,
        kv=kv,
        options=options,
        devices=_devices(len(gpu_parts.compute) if gpu_parts else 1),
    )
    cache = _group(plan, "kv_cache")
    found = [Pair("llama.cpp KV cache", case.measured["kv_mib"] * MIB, *cache)]
    if gpu_parts and quantization and _is_labelled_right(case, spec):
        found.extend(_full_offload(gpu_parts, plan))
    return found


def _is_labelled_right(case: Case, spec: ModelSpec) -> bool:
    """False for a mixture of somebody's own: the log's label names the commonest type only."""
    weights = spec.parameters.language or spec.parameters.total
    nominal = decode_tag(case.row["quantization"]).bits_per_weight
    if not weights or nominal is None:
        return True
    bits = 8 * MIB * sum(case.measured["weights_mib"].values()) / weights
    return abs(bits / nominal - 1) <= _LABEL_TOLERANCE


@dataclass(frozen=True)
class _OnDevices:
    """MiB of each buffer on the devices of a run with every layer there."""

    weights: float
    compute: dict[str, float]
    total: float


def _on_devices(case: Case) -> _OnDevices | None:
    """None unless every layer lies on whole devices (a tenth may be the embedding, on the host)."""
    weights: dict[str, float] = case.measured["weights_mib"]
    compute: dict[str, float] = case.measured["compute_mib"]
    on = {name: size for name, size in weights.items() if not _is_host(name)}
    host = sum(size for name, size in weights.items() if _is_host(name))
    if not on or host > 0.1 * sum(on.values()) or any("Split" in name for name in on):
        return None
    buffers = {name: size for name, size in compute.items() if not _is_host(name)}
    total = case.measured["gpu_total_mib"]
    return _OnDevices(sum(on.values()), buffers, total) if buffers and total else None


def _is_host(name: str) -> bool:
    return any(word in name for word in _HOST)


def _full_offload(parts: _OnDevices, plan: MemoryPlan) -> list[Pair]:
    """Buffers on the devices: the CUDA context is not among what llama.cpp prints."""
    runtime = _group(plan, "runtime")
    activations = _group(plan, "activations")
    devices = [device for device in plan.devices if device.kind != "cpu"]
    weights = [part for part in plan.parts if part.group == "weights" and not part.host]
    value, low, high = (
        sum(device.needed_bytes for device in devices) - runtime[0],
        sum(device.needed_low_bytes for device in devices) - runtime[1],
        sum(device.needed_high_bytes for device in devices) - runtime[2],
    )
    return [
        Pair(
            "llama.cpp GPU weights",
            parts.weights * MIB,
            sum(part.bytes for part in weights),
            sum(part.low for part in weights),
            sum(part.high for part in weights),
        ),
        Pair("llama.cpp compute", sum(parts.compute.values()) * MIB, *activations),
        Pair(
            "llama.cpp GPU total",
            parts.total * MIB,
            value,
            low,
            high,
            1.2 * _group(plan, "weights")[0],
        ),
    ]


def _vllm(case: Case, spec: ModelSpec) -> list[Pair]:
    tensor, pipeline = case.get("tensor_parallel", 1), case.get("pipeline_parallel", 1)
    ranks, size = tensor * pipeline, case.get("device_gib")
    quantization = case.get("quantization")
    if quantization is None:
        raise Unplannable("weight format not printed")
    options = {
        "engine_version": case.get("engine_version"),
        "gpu_memory_utilization": case.get("gpu_memory_utilization"),
        "max_batched_tokens": case.get("max_batched_tokens"),
        "tensor_parallel": tensor,
        "pipeline_parallel": pipeline,
    }
    kv: KvCacheType = "fp8" if case.get("kv_cache_type") == "fp8" else "bf16"
    context = case.get("context_tokens") or 2048
    plan = _plan(
        spec,
        "vllm",
        quantization,
        context,
        kv=kv,
        options=options,
        devices=_devices(ranks, round(size * GIB) if size else _ROOMY),
    )
    found = _vllm_parts(case, plan, ranks)
    if size and case.get("dtype") != "float32" and case.get("gpu_memory_utilization"):
        found.extend(_vllm_pool(case, plan, ranks))
    return found


def _vllm_parts(case: Case, plan: MemoryPlan, ranks: int) -> list[Pair]:
    weights = _each(_group(plan, "weights"), ranks)
    activations = _each(_group(plan, "activations"), ranks)
    measured = case.measured
    found: list[Pair] = []
    if "weights_mib" in measured:
        found.append(Pair("vLLM weights", measured["weights_mib"] * MIB, *weights))
    if "activation_mib" not in measured or "non_torch_mib" not in measured:
        return found
    peak = (measured["activation_mib"] + measured["non_torch_mib"]) * MIB
    found.append(Pair("vLLM activation + non-torch", peak, *activations))
    if "weights_mib" in measured:
        both = _each(_group(plan, "weights", "activations"), ranks)
        total = peak + measured["weights_mib"] * MIB
        found.append(Pair("vLLM non-KV", total, *both, rule=1.2 * weights[0]))
    return found


def _each(figures: tuple[int, int, int], ranks: int) -> tuple[float, float, float]:
    value, low, high = figures
    return value / ranks, low / ranks, high / ranks


def _vllm_pool(case: Case, plan: MemoryPlan, ranks: int) -> list[Pair]:
    """The pool that the budget leaves, and how many tokens of this model it holds."""
    pool = plan.cache.engine_reserves_bytes
    if not pool:
        return []
    value, low, high = _group(plan, "weights", "activations")
    edges = (float(pool), float(max(0, pool - (high - value))), float(pool + (value - low)))
    # Weights x 1.2 as the whole of what is not cache.
    rule = pool + value - 1.2 * _group(plan, "weights")[0]
    found: list[Pair] = []
    if "kv_mib" in case.measured:
        measured = case.measured["kv_mib"] * MIB * ranks
        found.append(Pair("vLLM KV pool", measured, *edges, rule))
    per_token = plan.cache.bytes_per_token
    if "kv_tokens" in case.measured and per_token:
        value, low, high = (edge / per_token for edge in edges)
        tokens = case.measured["kv_tokens"]
        found.append(Pair("vLLM KV tokens", tokens, value, low, high, rule / per_token))
    return found


def _transformers(case: Case, spec: ModelSpec) -> list[Pair]:
    engine = case.row["engine"]
    if engine not in ("transformers", "mlx-lm"):
        raise Unplannable(f"engine {engine} is not planned")
    if case.get("kv_cache_type") not in (None, "f16", "bf16"):
        raise Unplannable(f"KV cache {case.get('kv_cache_type')} in transformers")
    context, prompt = case.get("context_tokens"), case.get("prompt_tokens")
    if not context or not prompt:
        raise Unplannable("prompt or context length not printed")
    if case.get("quantization") is None:
        raise Unplannable("weight format not printed")
    options = {
        "engine_version": case.get("engine_version"),
        "prompt_tokens": prompt,
        "flash_attention": True if case.get("flash_attention") else None,
    }
    plan = _plan(
        spec,
        "mlx" if engine == "mlx-lm" else "transformers",
        case.row["quantization"],
        context,
        sequences=case.get("sequences", 1),
        kv="bf16",
        options=options,
        devices=_devices(case.get("devices", 1)),
    )
    total = case.measured["total_mib"] * MIB
    # What is measured is the allocator's own peak: the runtime is not in it.
    value, low, high = _group(plan, "runtime")
    planned = (plan.total - value, plan.low - low, plan.high - high)
    return [Pair(_generation(case), total, *planned, 1.2 * plan.group_bytes("weights"))]


def _generation(case: Case) -> str:
    """Qwen's tables of torch 2.0 and 2.1 name no version; transformers of that time is meant."""
    version = str(case.get("engine_version") or "")
    if case.row["engine"] == "mlx-lm":
        return "mlx-lm peak"
    if version.startswith(("transformers 4.46", "4.51")):
        return "transformers >= 4.46 peak"
    if version.startswith(("transformers 4.38", "torch 2.")):
        return "transformers < 4.45 peak"
    return "transformers, version not printed"
