"""What one provider does not know of a model, another may: the fields are filled in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from whichweights.registry import ProviderSession
from whichweights_schemas.models import ModelRef, ModelSpec, ParameterCounts
from whichweights_schemas.providers import ModelProvider

__all__ = ["fill_from_others", "filled"]

_SHAPE: Final = (
    *("hidden_size", "vocab_size", "tied_embeddings", "lm_head_bias", "learned_positions"),
    *("extra_parameters", "final_norm", "blocks", "layout", "stated_layers", "mtp_layers"),
    *("vision", "cache_figure", "architecture", "confidence"),
)
"""Taken together or not at all: half a shape of one source does not go with another's half."""

_SINGLE: Final = (
    *("family", "base_model", "kind", "release_date", "license", "gated", "max_context_tokens"),
    *("extended_context_tokens", "context_note", "native", "stored_bytes", "tokenizer_family"),
    *("languages", "tool_use", "reasoning"),
)
_COUNTS: Final = ("language", "vision", "mtp")
_SAME_SIZE: Final = 0.01
"""Quantized copies and fine-tunes keep the number of weights; more than this is another model."""


async def fill_from_others(session: ProviderSession, spec: ModelSpec, provider: str) -> ModelSpec:
    """The spec with what it lacks taken from the other providers, in their order.

    Asked by its id; for the shape also by the id of the model it was made from, if both have the
    same number of weights. Another machine is asked only if neither size nor shape is known.
    """
    if not _is_incomplete(spec):
        return spec
    size_unknown = spec.parameters.total is None and not spec.layout
    identifiers = [spec.id] if spec.base_model is None else [spec.id, spec.base_model]

    for identifier in identifiers:

        def may_know(other: ModelProvider[Any], name: str = identifier) -> bool:
            if other.name == provider or not other.may_know(name):
                return False
            return size_unknown or not other.last_resort

        async def told(other: ModelProvider[Any], name: str = identifier) -> ModelSpec | None:
            return await other.spec(ModelRef(id=name, provider=other.name, match="id"))

        for name, found in await session.all(ModelProvider, told, where=may_know):
            if found is not None:
                spec = filled(spec, found, name)
    return spec


def _is_incomplete(spec: ModelSpec) -> bool:
    """Whether something is missing that a plan of its memory needs."""
    return (
        spec.parameters.total is None
        or (not spec.layout and spec.cache_figure is None)
        or spec.max_context_tokens is None
    )


def filled(spec: ModelSpec, other: ModelSpec, provider: str) -> ModelSpec:
    """`spec` with its missing fields from `other`, which `provider` told; what it has, stays.

    The shape is taken whole, and only if the numbers of weights do not contradict it. Of another
    model (its base) nothing but the shape, the window and the tokenizer is taken.
    """
    same_model = spec.id.lower() == other.id.lower()
    updates: dict[str, object] = {}
    if not spec.layout and (other.layout or other.cache_figure) and _fits(spec, other, same_model):
        updates.update({name: getattr(other, name) for name in _SHAPE})
        updates["vision"] = spec.vision or other.vision
        updates["architecture"] = spec.architecture or other.architecture
    elif not same_model:
        return spec
    single = _SINGLE if same_model else ("max_context_tokens", "tokenizer_family")
    for name in single:
        if getattr(spec, name) in (None, ()) and getattr(other, name) not in (None, ()):
            updates[name] = getattr(other, name)
    counts = _counts(spec.parameters, other.parameters) if same_model or updates else None
    if counts:
        updates["parameters"] = spec.parameters.model_copy(update=counts)
    if not updates:
        return spec
    return _with_sources(spec, other, provider, updates, counts or {})


def _fits(spec: ModelSpec, other: ModelSpec, same_model: bool) -> bool:
    mine, theirs = spec.parameters.total, other.parameters.total
    if mine is None or theirs is None:
        return same_model
    return abs(mine - theirs) <= _SAME_SIZE * theirs


def _counts(mine: ParameterCounts, theirs: ParameterCounts) -> dict[str, object]:
    found: dict[str, object] = {
        name: getattr(theirs, name)
        for name in _COUNTS
        if getattr(mine, name) is None and getattr(theirs, name) is not None
    }
    if mine.total is None and theirs.total is not None:
        found |= {"total": theirs.total, "total_basis": theirs.total_basis}
    if mine.active is None and theirs.active is not None:
        found |= {"active": theirs.active, "active_basis": theirs.active_basis}
    return found


def _with_sources(
    spec: ModelSpec,
    other: ModelSpec,
    provider: str,
    updates: Mapping[str, object],
    counts: Mapping[str, object],
) -> ModelSpec:
    """The evidence of what was taken comes along, and what was unknown is so no longer."""
    taken = {*updates, *(f"parameters.{name}" for name in counts)} - {"parameters"}
    told = [
        entry.model_copy(update={"fields": fields})
        for entry in other.evidence
        if (fields := tuple(name for name in entry.fields if _root(name, taken)))
    ]
    whose = "" if spec.id.lower() == other.id.lower() else f" of {other.id}"
    note = f"from provider {provider}{whose}: {_summary(taken)}"
    unknown = tuple(entry for entry in spec.unknown if entry.field not in taken)
    if "blocks" in taken:
        known = {entry.field for entry in unknown}
        unknown += tuple(
            entry
            for entry in other.unknown
            if entry.field == "extra_parameters" and entry.field not in known
        )
    update = {
        **updates,
        "notes": (*spec.notes, note),
        "unknown": unknown,
        "evidence": (*spec.evidence, *told),
    }
    return spec.model_copy(update=update)


def _root(name: str, taken: set[str]) -> bool:
    return name in taken or name.partition(".")[0] in taken


def _summary(taken: set[str]) -> str:
    parts = ["the shape"] if "blocks" in taken else []
    parts += sorted(taken - {*_SHAPE})
    return ", ".join(parts)
