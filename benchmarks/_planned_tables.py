"""Logs of ollama, and published tables of other engines, beside the planner's nearest engine."""

from __future__ import annotations

from _cases import Case
from _pairs import (
    MIB,
    Pair,
    Unplannable,
    group,
    plan_case,
    roomy_devices,
    roomy_host,
    simple_rules,
)

from whichweights_schemas.models import ModelSpec

__all__ = ["OLLAMA_MODELS", "ollama_pairs", "other_table_pairs"]

OLLAMA_MODELS = {
    "phi-3 class/llama3.2 3B (29 layers)": "meta-llama/Llama-3.2-3B-Instruct",
    "phi-4 14B Q4": "microsoft/phi-4",
    "gemma3 27B Q4": "google/gemma-3-27b-it",
    "llama3 70B Q4_0": "meta-llama/Meta-Llama-3-70B-Instruct",
}
"""Names in the logs; the others do not tell the model or the context."""

_OLLAMA_VERSIONS = {"llama3 70B Q4_0": "0.3.0"}
_PRINTED_SO = "0.6.0"
"""Releases that print `memory.graph.full`; the issue of the 70B log is of July 2024."""

_SHORT_RUN = 256
"""Tokens where a table states none: litgpt generates 50, the others speak of short prompts."""

_OTHER_ENGINES = ("litgpt", "autoawq", "torchao/gpt-fast", "gptq-for-llama", "exllama")


def ollama_pairs(case: Case, spec: ModelSpec) -> list[Pair]:
    """Cache and graph as ollama printed them before loading: its own closed forms."""
    name, sequences = case.row["model"], case.get("sequences", 1)
    if name not in OLLAMA_MODELS:
        raise Unplannable("context or format not printed")
    options = {
        "engine_version": _OLLAMA_VERSIONS.get(name, _PRINTED_SO),
        "flash_attention": False,
        "ubatch_tokens": 512,
    }
    plan = plan_case(
        spec,
        "ollama",
        "Q4_0" if "Q4_0" in name else "Q4_K_M",
        case.row["context_tokens"] // sequences,
        sequences=sequences,
        options=options,
        devices=roomy_devices(1),
        memory=roomy_host(),
    )
    measured = case.measured
    return [
        Pair("ollama KV cache (its estimate)", measured["kv_mib"] * MIB, *group(plan, "kv_cache")),
        Pair(
            "ollama graph (its estimate)",
            measured["compute_full_mib"] * MIB,
            *group(plan, "activations"),
        ),
    ]


def other_table_pairs(case: Case, spec: ModelSpec) -> list[Pair]:
    """Peaks of engines the planner does not know, planned as transformers: how far that carries."""
    if not case.row["engine"].startswith((*_OTHER_ENGINES, "transformers+torchao")):
        raise Unplannable(f"engine {case.row['engine']} is not planned")
    tag = case.get("quantization")
    if tag is None:
        raise Unplannable("weight format not printed")
    context = case.get("context_tokens") or _SHORT_RUN
    plan = plan_case(
        spec,
        "transformers",
        tag,
        context,
        sequences=case.get("sequences", 1),
        kv="bf16",
        options={"prompt_tokens": case.get("prompt_tokens")},
        devices=roomy_devices(case.get("devices", 1)),
    )
    runtime = group(plan, "runtime")
    edges = (plan.total - runtime[0], plan.low - runtime[1], plan.high - runtime[2])
    total = case.measured["total_mib"] * MIB
    return [Pair("other tables peak", total, *edges, rules=simple_rules(spec, plan, tag))]
