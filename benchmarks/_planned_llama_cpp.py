"""llama.cpp and ollama logs: cache, buffers on devices, layers or experts left in system memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from _cases import Case
from _pairs import MIB, Pair, Unplannable, group, plan_case, roomy_devices, roomy_host, simple_rules

from whichweights.planning.formats import decode_tag
from whichweights.planning.memory_types import MemoryPlan
from whichweights_schemas.deployment import Engine, KvCacheType
from whichweights_schemas.errors import UnknownQuantization
from whichweights_schemas.models import ModelSpec

_LABEL_TOLERANCE = 0.25
"""Bits per weight of a log against those of its label: the tag's bits hold for one model."""

_HOST = ("CPU", "Host", "Mapped", "AMX")
_KV_TYPES = frozenset({"f16", "bf16", "fp8", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"})
_EMBEDDING = 0.1
"""Up to this share of the weights in system memory is the token embedding, not layers."""


@dataclass(frozen=True)
class _Log:
    """MiB of each buffer on the devices of a run, and of the weights in system memory."""

    weights: dict[str, float]
    compute: dict[str, float]
    cache: float
    total: float
    on_host: float

    @property
    def whole(self) -> bool:
        """Every layer lies on the devices."""
        return self.on_host <= _EMBEDDING * sum(self.weights.values())


def llama_cpp_pairs(case: Case, spec: ModelSpec) -> list[Pair]:
    """The pairs of one log."""
    log = _log(case)
    quantization = _known_format(case)
    plan = _plan(case, spec, log, quantization or "Q8_0")
    found = [Pair("llama.cpp KV cache", case.measured["kv_mib"] * MIB, *group(plan, "kv_cache"))]
    if log is None:
        return found
    labelled = quantization is not None and _is_labelled_right(case, spec)
    if log.whole and labelled:
        found.extend(_full_offload(log, plan, spec, quantization or ""))
    elif _keeps_experts_back(case, spec, log):
        found.extend(_experts_on_host(log, plan))
    elif labelled and case.get("gpu_layers"):
        found.append(_partial(log, plan))
    return found


def _keeps_experts_back(case: Case, spec: ModelSpec, log: _Log) -> bool:
    """Every layer was to go to the devices, and yet weights of a MoE model lie on the host."""
    moe = any(block.feed_forward.kind == "moe" for block in spec.blocks)
    return moe and not log.whole and case.get("gpu_layers") == case.get("all_layers")


def _plan(case: Case, spec: ModelSpec, log: _Log | None, quantization: str) -> MemoryPlan:
    sequences = case.get("sequences", 1)
    engine: Engine = "ollama" if "ollama" in case.row["engine"] else "llama.cpp"
    options: dict[str, Any] = {
        "engine_version": _version(case, any(b.attention.kind == "mla" for b in spec.blocks)),
        "flash_attention": case.get("flash_attention"),
        "ubatch_tokens": case.get("ubatch_tokens"),
    }
    if log is not None and not log.whole:
        if _keeps_experts_back(case, spec, log):
            options["cpu_offload"] = "experts"
        else:
            options["gpu_layers"] = case.get("gpu_layers")
    return plan_case(
        spec,
        engine,
        quantization,
        case.row["context_tokens"] // sequences,
        sequences=sequences,
        kv=_kv_type(case),
        options=options,
        devices=roomy_devices(len(log.compute) if log else 1),
        memory=roomy_host(),
    )


def _known_format(case: Case) -> str | None:
    """The format of the log; None for a fork's own, whose bits no rule here tells."""
    name = case.get("quantization")
    try:
        return name and decode_tag(name).canonical and name
    except UnknownQuantization:
        return None


def _kv_type(case: Case) -> KvCacheType:
    name = case.get("kv_cache_type", "f16")
    if name not in _KV_TYPES:
        raise Unplannable("keys and values of different types")
    return cast("KvCacheType", name)


def _version(case: Case, latent: bool) -> str | None:
    """The printed build. Only the fork prints an MLA mode: 0 keeps whole heads and 1 a transposed
    copy, as mainline once did; 2 and 3 the compressed rows alone."""
    mode, version = case.get("mla_mode"), case.get("engine_version")
    if mode is None:
        return version
    fork = f"ik_llama.cpp {version or ''}".strip()
    return {0: "b5000", 1: "b7000"}.get(mode, fork) if latent else fork


def _is_labelled_right(case: Case, spec: ModelSpec) -> bool:
    """False for a mixture of somebody's own: the log's label names the commonest type only."""
    weights = spec.parameters.language or spec.parameters.total
    nominal = decode_tag(case.row["quantization"]).bits_per_weight
    if not weights or nominal is None:
        return True
    bits = 8 * MIB * sum(case.measured["weights_mib"].values()) / weights
    return abs(bits / nominal - 1) <= _LABEL_TOLERANCE


def _log(case: Case) -> _Log | None:
    """None for a run on the CPU, or one that cuts single tensors across devices."""
    weights: dict[str, float] = case.measured["weights_mib"]
    compute: dict[str, float] = case.measured["compute_mib"]
    on = {name: size for name, size in weights.items() if not _is_host(name)}
    buffers = {name: size for name, size in compute.items() if not _is_host(name)}
    total = case.measured["gpu_total_mib"]
    if not on or not buffers or not total or any("Split" in name for name in on):
        return None
    host = sum(size for name, size in weights.items() if _is_host(name))
    cache = max(0.0, total - sum(on.values()) - sum(buffers.values()))
    return _Log(on, buffers, cache, total, host)


def _is_host(name: str) -> bool:
    return any(word in name for word in _HOST)


def _full_offload(log: _Log, plan: MemoryPlan, spec: ModelSpec, quantization: str) -> list[Pair]:
    """Buffers on the devices: the CUDA context is not among what llama.cpp prints."""
    runtime = group(plan, "runtime")
    devices = [device for device in plan.devices if device.kind != "cpu"]
    weights = [part for part in plan.parts if part.group == "weights" and not part.host]
    sums = (
        sum(device.needed_bytes for device in devices) - runtime[0],
        sum(device.needed_low_bytes for device in devices) - runtime[1],
        sum(device.needed_high_bytes for device in devices) - runtime[2],
    )
    return [
        Pair(
            "llama.cpp GPU weights",
            sum(log.weights.values()) * MIB,
            sum(part.bytes for part in weights),
            sum(part.low for part in weights),
            sum(part.high for part in weights),
        ),
        Pair(
            "llama.cpp compute",
            sum(log.compute.values()) * MIB,
            *group(plan, "activations"),
        ),
        Pair(
            "llama.cpp GPU total, full offload",
            log.total * MIB,
            *sums,
            rules=simple_rules(spec, plan, quantization),
        ),
    ]


def _experts_on_host(log: _Log, plan: MemoryPlan) -> list[Pair]:
    """Which tensors stayed behind is the user's choice: the weights on the devices are those of
    the log, cache and buffers are planned."""
    given = sum(log.weights.values()) * MIB
    cache, compute = group(plan, "kv_cache"), group(plan, "activations")
    edges = [given + kept + scratch for kept, scratch in zip(cache, compute, strict=True)]
    return [
        Pair("llama.cpp compute, experts in RAM", sum(log.compute.values()) * MIB, *compute),
        Pair(
            "llama.cpp GPU total, experts in RAM",
            log.total * MIB,
            edges[0],
            edges[1],
            edges[2],
        ),
    ]


def _partial(log: _Log, plan: MemoryPlan) -> Pair:
    """Whole layers on the devices: their weights and cache, without the buffers."""
    runtime, compute = group(plan, "runtime"), group(plan, "activations")
    devices = [device for device in plan.devices if device.kind != "cpu"]
    edges = [
        sum(getattr(device, name) for device in devices) - runtime[index] - compute[index]
        for index, name in enumerate(("needed_bytes", "needed_low_bytes", "needed_high_bytes"))
    ]
    measured = (log.total - sum(log.compute.values())) * MIB
    return Pair("llama.cpp GPU layers, partial offload", measured, edges[0], edges[1], edges[2])
