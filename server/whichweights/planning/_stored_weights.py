"""The weights of a GGUF file that was read: its own tensors say how many bytes, not the rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from whichweights.planning._weight_formats import WeightFormat, resolve_format
from whichweights.planning._weight_plan import WeightPlan
from whichweights_schemas.models import ModelSpec

__all__ = ["as_stored"]

_SOURCE: Final = "the tensors of the file itself"


def as_stored(plan: WeightPlan, spec: ModelSpec, kind: WeightFormat) -> WeightPlan:
    """The plan with the bytes of the file, where `kind` is the format of a file that was read.

    Bytes = weights x mean bits per weight, both of the tensor list, which makes them exact. How
    they lie over the layers stays as planned, in proportion.
    """
    native, total = spec.native, spec.parameters.total
    if native is None or native.container != "gguf" or not native.bits_per_weight or not total:
        return plan
    if spec.parameters.total_basis != "exact" or plan.language <= 0:
        return plan
    if resolve_format("native", native, "llama.cpp") != kind:
        return plan
    language = round(native.bits_per_weight * total / 8) - plan.mtp
    if language <= 0:
        return plan
    share = language / plan.language
    layers = tuple(int(size * share) for size in plan.layers)
    embedding = int(plan.embedding * share)
    return replace(
        plan,
        layers=layers,
        experts=tuple(int(size * share) for size in plan.experts),
        active_layers=int(plan.active_layers * share),
        embedding=embedding,
        head=language - embedding - sum(layers),
        low=language,
        high=language,
        basis="exact",
        source=_SOURCE,
        notes=(),
        replicated=int(plan.replicated * share),
        kv_projections=tuple((heads, int(size * share)) for heads, size in plan.kv_projections),
    )
