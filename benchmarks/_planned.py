"""What the planner says about a measured case: one `Pair` for each quantity that was measured."""

from __future__ import annotations

from _cases import Case
from _pairs import (
    GIB,
    MIB,
    Pair,
    Rules,
    Unplannable,
    group,
    plan_case,
    roomy_devices,
    simple_rules,
)
from _planned_llama_cpp import llama_cpp_pairs
from _planned_tables import ollama_pairs, other_table_pairs

from whichweights.planning.memory_types import MemoryPlan
from whichweights_schemas.deployment import Engine, KvCacheType
from whichweights_schemas.models import ModelSpec

__all__ = ["Pair", "Unplannable", "pairs"]


def pairs(case: Case, spec: ModelSpec) -> list[Pair]:
    """The pairs of a case. Raises Unplannable, or the planner's own WhichweightsError."""
    match case.kind:
        case "llamacpp_log":
            return llama_cpp_pairs(case, spec)
        case "vllm_log":
            return _vllm(case, spec)
        case "ollama_log":
            return ollama_pairs(case, spec)
        case "sglang_log":
            return _sglang(case, spec)
        case "transformers_infer":
            return _transformers(case, spec)
        case "gguf_size":
            return _gguf(case, spec)
        case _:
            raise Unplannable("kind not judged here")


def _gguf(case: Case, spec: ModelSpec) -> list[Pair]:
    """A file is its tensors plus a header of some MB, which the planner leaves out."""
    tag = case.row["quantization"]
    plan = plan_case(spec, "llama.cpp", tag, 1)
    rules = simple_rules(spec, plan, tag, with_cache=False)
    return [Pair("GGUF file", case.measured["file_bytes"], *group(plan, "weights"), rules=rules)]


def _vllm(case: Case, spec: ModelSpec) -> list[Pair]:
    tensor, pipeline = case.get("tensor_parallel", 1), case.get("pipeline_parallel", 1)
    ranks, size = tensor * pipeline, case.get("device_gib")
    quantization = case.get("quantization")
    if quantization is None:
        raise Unplannable("weight format not printed")
    if case.get("dtype") == "float32":
        quantization = "F32"
    options = {
        "engine_version": case.get("engine_version"),
        "gpu_memory_utilization": case.get("gpu_memory_utilization"),
        "max_batched_tokens": case.get("max_batched_tokens"),
        "max_num_seqs": case.get("max_num_seqs"),
        "tensor_parallel": tensor,
        "pipeline_parallel": pipeline,
    }
    kv: KvCacheType = "fp8" if case.get("kv_cache_type") == "fp8" else "bf16"
    devices = roomy_devices(ranks, round(size * GIB)) if size else roomy_devices(ranks)
    context = case.get("context_tokens") or 2048
    plan = plan_case(
        spec,
        "vllm",
        quantization,
        context,
        kv=kv,
        options=options,
        devices=devices,
        adapter_rank=case.get("lora_rank"),
    )
    rules = simple_rules(spec, plan, quantization, with_cache=False)
    found = _vllm_parts(case, plan, rules)
    if case.get("dtype") != "float32":
        found.extend(_bytes_per_token(case, plan, ranks, "vLLM"))
        if size and case.get("gpu_memory_utilization"):
            found.extend(_vllm_pool(case, plan, rules))
    return found


def _largest(plan: MemoryPlan, ranks: int) -> tuple[float, float, float]:
    """Weights of the rank that holds the most: the log of one stage prints its own."""
    others = group(plan, "activations", "runtime", "kv_cache", "recurrent_state")
    device = max(plan.devices, key=lambda device: device.needed_bytes)
    edges = (device.needed_bytes, device.needed_low_bytes, device.needed_high_bytes)
    low, middle, high = sorted(
        edge - part / ranks for edge, part in zip(edges, others, strict=True)
    )
    return middle, low, high


def _vllm_parts(case: Case, plan: MemoryPlan, rules: Rules) -> list[Pair]:
    ranks, measured = len(plan.devices), case.measured
    weights = _largest(plan, ranks)
    activations = _each(group(plan, "activations"), ranks)
    found: list[Pair] = []
    if "weights_mib" in measured:
        found.append(Pair("vLLM weights", measured["weights_mib"] * MIB, *weights))
    if "activation_mib" not in measured or "non_torch_mib" not in measured:
        return found
    peak = (measured["activation_mib"] + measured["non_torch_mib"]) * MIB
    found.append(Pair("vLLM activation + non-torch", peak, *activations))
    if "weights_mib" in measured:
        value, low, high = (a + b for a, b in zip(weights, activations, strict=True))
        total = peak + measured["weights_mib"] * MIB
        each = Rules(*(rule and rule / ranks for rule in vars(rules).values()))
        found.append(Pair("vLLM weights + non-KV", total, value, low, high, each))
    return found


def _each(figures: tuple[int, int, int], ranks: int) -> tuple[float, float, float]:
    value, low, high = figures
    return value / ranks, low / ranks, high / ranks


def _bytes_per_token(case: Case, plan: MemoryPlan, ranks: int, engine: str) -> list[Pair]:
    """The pool's bytes over its tokens, of one rank."""
    measured, per_token = case.measured, plan.cache.bytes_per_token
    if not per_token or "kv_mib" not in measured or "kv_tokens" not in measured:
        return []
    copies = sum(part.bytes for part in plan.parts if part.name == "KV cache copies")
    kept = group(plan, "kv_cache")[0]
    whole = per_token * kept / max(1, kept - copies)
    printed = measured["kv_mib"] * MIB / measured["kv_tokens"]
    each = whole / ranks
    return [Pair(f"{engine} KV bytes per token", printed, each, each, each)]


def _vllm_pool(case: Case, plan: MemoryPlan, rules: Rules) -> list[Pair]:
    """The pool that the budget leaves, and how many tokens of this model it holds."""
    pool, tokens = plan.cache.engine_reserves_bytes, plan.cache.pool_tokens
    if not pool or not tokens:
        return []
    value, low, high = group(plan, "weights", "activations")
    edges = (float(pool), float(max(0, pool - (high - value))), float(pool + (value - low)))
    # Each rule's figure as the whole of what is not cache.
    others = Rules(
        *(None if rule is None else pool + value - rule for rule in vars(rules).values())
    )
    found: list[Pair] = []
    if "kv_mib" in case.measured:
        measured = case.measured["kv_mib"] * MIB * len(plan.devices)
        found.append(Pair("vLLM KV pool", measured, *edges, others))
    if "kv_tokens" in case.measured:
        scale = tokens / pool
        share = Rules(*(None if rule is None else rule * scale for rule in vars(others).values()))
        middle, least, most = (edge * scale for edge in edges)
        printed = case.measured["kv_tokens"]
        found.append(Pair("vLLM KV tokens", printed, middle, least, most, share))
    return found


def _sglang(case: Case, spec: ModelSpec) -> list[Pair]:
    ranks = case.get("tensor_parallel", 1)
    options = {"tensor_parallel": ranks}
    devices = roomy_devices(ranks)
    tag = case.row["quantization"]
    plan = plan_case(spec, "sglang", tag, 4096, kv="bf16", options=options, devices=devices)
    found = _bytes_per_token(case, plan, ranks, "SGLang")
    if "weights_mib" in case.measured:
        weights = _largest(plan, ranks)
        found.append(Pair("SGLang weights", case.measured["weights_mib"] * MIB, *weights))
    return found


def _transformers(case: Case, spec: ModelSpec) -> list[Pair]:
    engine = case.row["engine"]
    if engine not in ("transformers", "mlx-lm"):
        return other_table_pairs(case, spec)
    if case.get("kv_cache_type") not in (None, "f16", "bf16"):
        raise Unplannable(f"KV cache {case.get('kv_cache_type')} in transformers")
    context, prompt = case.get("context_tokens"), case.get("prompt_tokens")
    if not context or not prompt:
        raise Unplannable("prompt or context length not printed")
    tag = case.get("quantization")
    if tag is None:
        raise Unplannable("weight format not printed")
    options = {
        "engine_version": case.get("engine_version"),
        "prompt_tokens": prompt,
        "flash_attention": True if case.get("flash_attention") else None,
    }
    ours: Engine = "mlx" if engine == "mlx-lm" else "transformers"
    plan = plan_case(
        spec,
        ours,
        tag,
        context,
        sequences=case.get("sequences", 1),
        kv="bf16",
        options=options,
        devices=roomy_devices(case.get("devices", 1)),
    )
    total = case.measured["total_mib"] * MIB
    # What is measured is the allocator's own peak: the runtime is not in it.
    value, low, high = group(plan, "runtime")
    planned = (plan.total - value, plan.low - low, plan.high - high)
    return [Pair(_generation(case), total, *planned, rules=simple_rules(spec, plan, tag))]


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
