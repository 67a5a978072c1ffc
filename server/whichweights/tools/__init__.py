"""The tools, one file each. Thin: resolve inputs, plan, answer."""

from __future__ import annotations

from collections.abc import Mapping

from whichweights.tools import (
    check_language_coverage,
    count_tokens,
    describe_model,
    estimate_vram,
    gpu_status,
    quantize_plan,
    recommend_model,
)
from whichweights.tools._spec import AnyToolSpec

__all__ = ["tool_specs"]


def tool_specs() -> Mapping[str, AnyToolSpec]:
    """Every tool by name, in the order a client lists them."""
    specs: tuple[AnyToolSpec, ...] = (
        recommend_model.SPEC,
        estimate_vram.SPEC,
        quantize_plan.SPEC,
        check_language_coverage.SPEC,
        count_tokens.SPEC,
        describe_model.SPEC,
        gpu_status.SPEC,
    )
    return {spec.name: spec for spec in specs}
