"""Lines of the sum that need words, and what a plan must warn of."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from whichweights.planning.kv_cache import CacheBytes
from whichweights.planning.memory_types import Assumption, Group, Part, Settings
from whichweights.planning.recurrent_state import StateBytes
from whichweights_schemas.deployment import TrainingOptions
from whichweights_schemas.models import ModelSpec

__all__ = ["adapter_parts", "as_prior", "cache_parts", "not_loaded", "plan_warnings", "state_parts"]

_DEFAULT = "default of the engine"


def cache_parts(cache: CacheBytes, settings: Settings) -> tuple[Part, ...]:
    """The cache as lines of the sum: the need, what the engine allocates beyond it, and copies."""
    low, high = cache.allocated - cache.low, cache.high - cache.allocated
    needs = min(cache.needs, cache.allocated)
    found = [
        Part(
            "KV cache",
            "kv_cache",
            needs,
            max(0, needs - low),
            needs + high,
            cache.basis,
            cache.source,
            cache.note,
        )
    ]
    more = cache.allocated - needs
    if more:
        source = f"cell rule of {settings.engine}"
        note = "allocated beyond what the architecture needs"
        found.append(Part("KV cache cells", "kv_cache", more, more, more, "computed", source, note))
    if cache.copies:
        note = "a rank holds whole KV heads and whole MLA rows"
        found.append(
            Part(
                "KV cache copies",
                "kv_cache",
                *(cache.copies, cache.copies, cache.copies),
                "computed",
                "tensor parallelism",
                note,
            )
        )
    return tuple(found)


def adapter_parts(spec: ModelSpec, training: TrainingOptions) -> tuple[Part, ...]:
    """A LoRA adapter served beside the weights, 16 bits a weight; empty without a rank."""
    rank = training.lora_rank
    if rank is None:
        return ()
    # Imported when asked for: most plans have no adapter, and training pulls in its own rules.
    from whichweights.planning.training.adapters import adapter_parameters

    size = 2 * adapter_parameters(spec, rank, training.lora_targets or "all_linear")
    note = f"rank {rank}; one adapter in 16 bits"
    source = "rank x (in + out) of each matrix"
    return (Part("LoRA adapter", "weights", size, size, size, "computed", source, note),)


def state_parts(state: StateBytes) -> tuple[Part, ...]:
    """The recurrent state of all sequences as a line of the sum; empty without one."""
    if not state.bytes:
        return ()
    return (
        Part(
            "recurrent state",
            "recurrent_state",
            state.bytes,
            state.low,
            state.high,
            "fitted",
            "model classes; float32 matrix, 16-bit convolution window",
            "engines differ in the width of the state: in the band",
        ),
    )


# Figures of 235 models of the catalogue over those of the generic model of their nominal size,
# 5th to 95th percentile (2026-11): size against its name, cache at 8,192 tokens.
_PRIOR_BANDS: Final[dict[Group, tuple[float, float]]] = {
    "weights": (0.97, 1.24),
    "kv_cache": (0.2, 2.5),
}


def as_prior(part: Part) -> Part:
    """A part of a model of which only the size is known: what real models of that size differ."""
    band = _PRIOR_BANDS.get(part.group)
    if band is None:
        return part
    return replace(
        part,
        low=min(part.low, int(part.bytes * band[0])),
        high=max(part.high, int(part.bytes * band[1])),
        basis="prior",
        source="spread of 235 catalogued models around a typical one of their size",
    )


def plan_warnings(
    spec: ModelSpec, settings: Settings, state: StateBytes, *, untried: bool, scan: bool
) -> tuple[str, ...]:
    """What a reader of the plan must know; `untried`: offload could not be checked, `scan`: the
    high end holds a Mamba-2 scan without kernels."""
    found: list[str] = []
    window = spec.max_context_tokens
    if window is not None and settings.context_tokens > window:
        found.append(_beyond_window(settings.context_tokens, window, spec))
    quantized = settings.kv_cache_type not in ("f16", "bf16", "fp8")
    if quantized and settings.flash_attention is False:
        found.append(
            f"a {settings.kv_cache_type} V cache needs flash attention in llama.cpp: "
            "this combination does not start"
        )
    if state.unknown:
        found.append("the recurrent state of some layers is not known and not counted")
    if scan:
        found.append(
            "the high end is without the mamba-ssm kernels: transformers' own scan then takes "
            "several times the memory (pip install mamba-ssm causal-conv1d)"
        )
    if untried:
        found.append(
            "offload was not checked: the size of system memory is not known "
            '(add an accelerator such as "64GiB RAM")'
        )
    return tuple(found)


def not_loaded(spec: ModelSpec, settings: Settings) -> tuple[Assumption, ...]:
    """Parts of the repository that the engine leaves out by default."""
    found: list[Assumption] = []
    if (spec.mtp_layers or spec.parameters.mtp) and not settings.load_mtp:
        note = "multi-token prediction layers are not loaded; true loads them"
        found.append(Assumption("options.load_mtp", "assumed", _DEFAULT, note))
    if spec.parameters.vision and not settings.load_vision:
        note = "the vision tower (for GGUF a separate mmproj file) is not loaded; true loads it"
        found.append(Assumption("options.load_vision", "assumed", _DEFAULT, note))
    return tuple(found)


def _beyond_window(context: int, window: int, spec: ModelSpec) -> str:
    text = f"{context:,} tokens are beyond the model's window of {window:,}"
    extended = spec.extended_context_tokens
    if extended is not None and extended > window:
        how = spec.context_note or "rope scaling (YaRN or the like) in the engine's settings"
        return f"{text}; {how} extends it to {extended:,}"
    return f"{text}; nothing that is known here extends it"
