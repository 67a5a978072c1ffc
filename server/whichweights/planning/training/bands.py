"""Activation bytes from counted terms: the fitted factors, and the bands around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from whichweights.planning.memory_types import Part
from whichweights.planning.training.activations import ActivationShape
from whichweights.planning.training.recipes import Recipe
from whichweights_schemas.deployment import Workload

__all__ = [
    "FACTORS",
    "FOLLOWS_LAYERS",
    "ActivationTerms",
    "Factors",
    "activation_parts",
    "activation_terms",
]


@dataclass(frozen=True, slots=True)
class Factors:
    """What each counted term is multiplied with.

    `logits` and `scores` are bytes per element (all copies of forward and backward together), the
    others are ratios to 16-bit counts; `workspace` is in GiB (allocator slack, cuBLAS).
    """

    saved: float
    checkpoints: float
    layer: float
    logits: float
    chunked_logits: float
    scores: float
    workspace: float


FACTORS: Final = Factors(
    saved=1.14,
    checkpoints=0.94,
    layer=1.12,
    logits=16.1,
    chunked_logits=1.30,
    scores=16.4,
    workspace=0.55,
)
"""Fitted 2026-11-20 on Qwen, PEFT, litgpt, ms-swift, torchtune and torchtitan measurements whose
real sequence lengths are known, every source with the same weight:
`python benchmarks/fit_training.py` prints them, and the errors on families left out."""

_LOGITS: Final = "logits and loss"

FOLLOWS_LAYERS: Final = frozenset({"saved activations", "layer inputs (checkpoints)", _LOGITS})
"""Lines that are cut where whole layers lie on different devices; the others every device has."""

_BANDS: Final[dict[Workload, tuple[float, float]]] = {
    "lora": (0.6, 2.0),
    "qlora": (0.3, 2.6),
    "full_finetune": (0.5, 1.8),
}
"""Factors on the activation lines, around the 5th and 95th percentile of measured / planned on
families left out of the fit (lora 0.74 to 2.29, qlora 0.54 to 2.66). With the other lines' bands
they hold 94 % of 122 LoRA, 93 % of 54 QLoRA and 21 of 21 full runs of 2023-26. The factors below
them never saw the family judged, the bands' shape was chosen with all runs in view: with a width
set to hold 90 % of the other families it holds 83 to 90 %, at 95 % 90 to 95 %."""

_LOGITS_HIGH: Final = 1.5
"""A loss keeps two to five 32-bit copies of the logits, and no more: 24 of 16 bytes at most."""

_LEAN_LOSS: Final = 12 / 16.1
"""Share of the logits' bytes that transformers 5.17 holds: 9.8 to 11.9 bytes a logit in LoRA runs
of eight models (13.7 with Gemma 2's soft cap) on one H100, 2026-11-27; fitted before: 16.1."""

_WORKSPACE_BAND: Final = (0, round(3.0 * 2**30), 0.06)
"""Lower end, and the upper end as bytes and a share of the weights: the allocator of short 14B
runs held up to 2.7 GiB beyond activations (Qwen README, ms-swift)."""

_SHORT_SAMPLES: Final = 0.0
"""Without packing the samples of a step may be far shorter than the longest one."""

_OVERLAP: Final = (9, 10)
"""Share of the activations that is freed before the last gradients exist (torchtune's ladder)."""

_UNKNOWN_SHAPE: Final = 1.5
"""Further factor on the upper end where the layers are not known (assumed)."""


@dataclass(frozen=True, slots=True)
class ActivationTerms:
    """Counted terms of one device before the factors: bytes, or elements (logits, scores).

    `dequantized`: bytes of one quantized matrix in 16 bits, with its gradient. `gradients`: bytes
    that appear only as activations go (no accumulation). `offloaded`: in system memory.
    `cap`: what the layers would keep without checkpointing.
    """

    saved: int
    checkpoints: int
    layer: int
    logits: int
    chunked_logits: int
    scores: int
    dequantized: int
    gradients: int
    offloaded: int
    cap: int


def activation_terms(
    shape: ActivationShape, recipe: Recipe, *, gradients: int, largest_matrix: int
) -> ActivationTerms:
    """The terms of one device, from what a token keeps and the recipe's tokens.

    `gradients`: bytes of all gradients on this device; `largest_matrix` in elements.
    """
    tokens, kept = recipe.tokens, recipe.gradient_checkpointing
    heads = shape.widest_heads if kept else shape.score_heads
    logits = round(shape.logits * tokens * (_LEAN_LOSS if recipe.lean_loss else 1))
    inputs = shape.inputs * tokens if kept else 0
    appear = (
        recipe.workload == "full_finetune"
        and not recipe.accumulates
        and not recipe.optimizer_in_backward
    )
    return ActivationTerms(
        saved=0 if kept else shape.layers * tokens,
        checkpoints=0 if recipe.activation_offload else inputs,
        layer=shape.largest * tokens if kept else 0,
        logits=0 if recipe.chunked_loss else logits,
        chunked_logits=shape.logits * tokens if recipe.chunked_loss else 0,
        scores=0 if recipe.flash_attention else heads * recipe.sequence_length * tokens,
        dequantized=4 * largest_matrix if recipe.workload == "qlora" else 0,
        gradients=gradients if appear else 0,
        offloaded=inputs if recipe.activation_offload else 0,
        cap=shape.layers * tokens,
    )


def activation_parts(
    terms: ActivationTerms,
    recipe: Recipe,
    *,
    known: bool,
    weight_bytes: int = 0,
    factors: Factors = FACTORS,
) -> tuple[Part, ...]:
    """The terms as lines of the sum, on one device, with the bands of the recipe.

    `weight_bytes`: the weights on this device.
    """
    cap = round(factors.saved * terms.cap)
    inputs = min(cap, round(factors.checkpoints * terms.checkpoints))
    sizes = {
        "saved activations": round(factors.saved * terms.saved),
        "layer inputs (checkpoints)": inputs,
        "layer at work": min(cap - inputs, round(factors.layer * terms.layer)),
        _LOGITS: round(
            factors.logits * terms.logits + factors.chunked_logits * terms.chunked_logits
        ),
        "attention scores": round(factors.scores * terms.scores),
    }
    lines = [
        _line(name, size, recipe, known)
        for name, size in _after_gradients(sizes, terms.gradients).items()
        if size
    ]
    if terms.dequantized:
        note = "one matrix at a time in 16 bits, and its gradient"
        size = terms.dequantized
        lines.append(
            Part("dequantized matrix", "activations", size, 0, 2 * size, "computed", "shape", note)
        )
    return (*lines, _workspace(factors, weight_bytes))


def _workspace(factors: Factors, weight_bytes: int) -> Part:
    low, high, share = _WORKSPACE_BAND
    size = round(factors.workspace * 2**30)
    return Part(
        "training workspace",
        "activations",
        *(size, low, high + round(share * weight_bytes)),
        "fitted",
        "allocator slack and library workspaces of public fine-tuning runs",
    )


def _after_gradients(sizes: dict[str, int], gradients: int) -> dict[str, int]:
    """Takes off what is freed by the time the gradients are there, from the first line on.

    Only without gradient accumulation: then forward passes run without any gradient in memory.
    """
    part, whole = _OVERLAP
    left = min(gradients, sum(sizes.values()) * part // whole)
    found: dict[str, int] = {}
    for name, size in sizes.items():
        taken = min(size, left)
        left -= taken
        found[name] = size - taken
    return found


def _line(name: str, size: int, recipe: Recipe, known: bool) -> Part:
    low, high = _BANDS[recipe.workload]
    if name == _LOGITS:
        high = min(high, _LOGITS_HIGH)
    if not recipe.packed:
        low = _SHORT_SAMPLES
    if not known:
        high *= _UNKNOWN_SHAPE
    return Part(
        name,
        "activations",
        *(size, round(low * size), round(high * size)),
        "fitted",
        "autograd's rule on the layers of the model x fitted factor",
        None if recipe.packed else "at the full sequence length; shorter samples need less",
    )
