"""What describe_model computes of a model: its weights by kind, its native size, its cache."""

from __future__ import annotations

from dataclasses import dataclass

from whichweights.planning._settings import resolve_settings
from whichweights.planning.kv_cache import cache_bytes, growth_per_token
from whichweights.planning.memory_types import Settings
from whichweights.planning.parameters import ParameterBreakdown, count_parameters
from whichweights.planning.recurrent_state import state_per_sequence
from whichweights.planning.weights import weigh
from whichweights_schemas.deployment import Deployment, Engine
from whichweights_schemas.errors import UnknownQuantization, UnsupportedArchitecture
from whichweights_schemas.models import ModelSpec

SHORT_CONTEXT_TOKENS = 8_192

# The cache of the architecture is the same whoever runs it; vLLM's formula is the plain one.
_PLAIN_ENGINE: Engine = "vllm"


@dataclass(frozen=True)
class ParameterSummary:
    """Counts by kind of weight; `native_bytes` as the maker stores the whole repository."""

    by_kind: dict[str, int]
    active: int | None
    native_bytes: int | None


@dataclass(frozen=True)
class CacheSummary:
    """16-bit cache of one sequence, what the architecture needs; None is unknown."""

    bytes_per_token: int | None
    bytes_at_8192: int | None
    bytes_at_window: int | None
    state_bytes: int | None
    note: str | None


def parameter_summary(spec: ModelSpec) -> ParameterSummary:
    """Weights by kind where the shape is known, and the native size where the format is."""
    breakdown = count_parameters(spec)
    return ParameterSummary(
        by_kind=_by_kind(breakdown) if breakdown else {},
        active=breakdown.active if breakdown else None,
        native_bytes=_native_bytes(spec),
    )


def _by_kind(counts: ParameterBreakdown) -> dict[str, int]:
    kinds = {
        "embedding": counts.embedding + counts.positions,
        "lm_head": counts.lm_head,
        "attention": counts.attention,
        "dense_mlp": counts.dense_mlp,
        "routed_experts": counts.routed_experts,
        "shared_experts": counts.shared_experts,
        "router": counts.router,
        "norms": counts.norms,
        "other": counts.other,
        "vision": counts.vision or 0,
        "mtp": counts.mtp or 0,
    }
    return {name: count for name, count in kinds.items() if count}


def _native_bytes(spec: ModelSpec) -> int | None:
    if spec.stored_bytes is not None:  # the real sizes of the files beat every formula
        return spec.stored_bytes
    if spec.native is None:
        return None
    try:
        plan = weigh(spec, "native", "transformers")
    except (UnsupportedArchitecture, UnknownQuantization):
        return None
    return plan.language + plan.vision + plan.mtp


def cache_summary(spec: ModelSpec) -> CacheSummary:
    """The cache at 8,192 tokens and at the window, and its growth beyond every inner window."""
    window = spec.max_context_tokens
    state = state_per_sequence(spec)
    far = growth_per_token(spec, _settings(window or SHORT_CONTEXT_TOKENS))
    short = min(SHORT_CONTEXT_TOKENS, window or SHORT_CONTEXT_TOKENS)
    if far is None and not spec.layout and spec.kind != "encoder":
        return CacheSummary(None, None, None, None, "the layer list of this model is not known")
    note = cache_bytes(spec, _settings(short)).note if spec.kind == "encoder" else None
    if spec.cache_figure and spec.cache_figure.upper_bound:
        note = "at most: every layer was counted as full attention"
    return CacheSummary(
        bytes_per_token=0 if spec.kind == "encoder" else far,
        bytes_at_8192=cache_bytes(spec, _settings(short)).needs,
        bytes_at_window=cache_bytes(spec, _settings(window)).needs if window else None,
        state_bytes=None if state.unknown else state.bytes,
        note=note,
    )


def _settings(context_tokens: int) -> Settings:
    deployment = Deployment(
        engine=_PLAIN_ENGINE,
        quantization="native",
        context_tokens=context_tokens,
        kv_cache_type="bf16",
    )
    return resolve_settings(deployment)[0]
