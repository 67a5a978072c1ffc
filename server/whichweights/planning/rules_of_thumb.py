"""Rules of thumb in circulation: what they would have said, and how far off that is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from whichweights.planning._ranks import COPIES, ROTARY_TABLE
from whichweights.planning.memory_types import MemoryPlan
from whichweights.planning.weights import language_parameters
from whichweights_schemas.models import ModelSpec

__all__ = ["RuleFigure", "rules_for_inference", "rules_for_training"]

_LONG_CONTEXT: Final = 32_768
_SIXTEEN_BIT: Final = 1.9
"""Bytes per parameter from which a model counts as not quantized."""

_SEVENTY: Final = (65e9, 75e9)


@dataclass(frozen=True, slots=True)
class RuleFigure:
    """A rule, its bytes, and its error against our total in percent (+ = it says too much)."""

    rule: str
    bytes: int
    error_percent: float


def _figure(rule: str, size: float, total: int) -> RuleFigure:
    return RuleFigure(rule, round(size), round(100.0 * (size - total) / total, 1))


def rules_for_inference(spec: ModelSpec, plan: MemoryPlan) -> tuple[RuleFigure, ...]:
    """The rules that apply to an inference plan, against its total, in bytes.

    Measured: 2.1 x the size is off by 52 to 107 % on average, 1.2 x the weights by 11 to 30 %
    (transformers, vLLM and llama.cpp cases of 2023-26).
    """
    return tuple(_inference(spec, plan)) if plan.total else ()


def _inference(spec: ModelSpec, plan: MemoryPlan) -> Iterator[RuleFigure]:
    parameters, total = language_parameters(spec), plan.total
    weights = sum(
        part.bytes
        for part in plan.parts
        if part.group == "weights" and part.name not in (COPIES, ROTARY_TABLE)
    )
    yield _figure("2.1 x the model size", 2.1 * weights, total)
    yield _figure("1.2 x the weights", 1.2 * weights, total)
    yield _figure("weights + activations", weights + plan.group_bytes("activations"), total)
    if parameters and weights < _SIXTEEN_BIT * parameters:
        yield _figure("quantized: 70 % of the 16-bit size", 0.7 * 2 * parameters, total)
        bits = round(8 * weights / parameters - 0.4)
        yield _figure(f"{bits} bits a parameter, nothing else", parameters * bits / 8, total)
    elif parameters and _SEVENTY[0] <= parameters <= _SEVENTY[1]:
        yield _figure("a 70B model needs 200 GB", 200e9, total)
    context = plan.settings.context_tokens
    if context >= _LONG_CONTEXT and plan.settings.flash_attention is not False:
        matrix = 2 * context**2
        yield _figure("weights + one n x n attention matrix in 16 bits", weights + matrix, total)


def rules_for_training(spec: ModelSpec, weight_bytes: int, total: int) -> tuple[RuleFigure, ...]:
    """The rules that apply to fine-tuning, against a total, in bytes.

    Measured: "12 x" is off by 66 to 136 % for full fine-tuning and far more for LoRA and QLoRA; 16
    bytes per parameter (mixed-precision AdamW without activations) by 86 % over all full recipes.
    """
    parameters = language_parameters(spec)
    found = [_figure("12 x the weights", 12 * weight_bytes, total)] if total else []
    if parameters and total:
        found.append(_figure("12 GB per billion parameters", 12 * parameters, total))
        found.append(_figure("16 bytes per parameter", 16 * parameters, total))
    return tuple(found)
