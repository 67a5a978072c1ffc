"""The words of a decoded tag."""

from __future__ import annotations

from typing import Final

from whichweights.planning.formats._layout_shapes import WeightLayout
from whichweights.planning.formats.block_types import BLOCK_TYPES
from whichweights.planning.formats.file_types import Family, FileType, ImatrixNeed

ROLE_NOTES: Final = {
    "projector": "a vision projector: it comes on top of the model, it is not the model",
    "adapter": "an adapter: it needs its base model",
    "vocabulary": "a vocabulary without weights, not a model",
    "draft": "a draft or MTP head: it comes on top of the model",
}

NOT_LLAMA_QUANTIZE: Final = (
    "a name of publishers, not of llama-quantize: the header carries the nearest base type"
)

WITHOUT_RULE: Final = {
    "MXFP4_MOE": (
        "expert tensors (third dimension above 1): MXFP4",
        "every other quantized tensor, embedding and output: Q8_0",
        "norms and routers: F32",
    ),
    "NVFP4": ("linear layers: NVFP4", "what the source checkpoint kept: 16 bit"),
}

_SIZES: Final = {
    "S": "small: few or no tensors are lifted to a higher type",
    "M": "medium: some tensors are lifted to a higher type",
    "L": "large: more tensors are lifted to a higher type",
    "XS": "extra small",
    "XXS": "extra extra small",
    "NL": "non-linear scale",
}

_FAMILY_WORDS: Final = {
    Family.FLOAT: "plain floats, not quantized",
    Family.LEGACY: "one type for nearly all tensors, blocks of 32 with one scale",
    Family.K_QUANT: "K: super-blocks of 256 weights with quantized scales",
    Family.I_QUANT: "I: codebook or non-linear values, smaller and slower to decode",
    Family.TERNARY: "ternary values, only for models trained that way",
    Family.LOW_BIT: "plain 1- or 2-bit blocks",
    Family.MICROSCALING: "4-bit floats that share a scale per small block",
}


def meaning(kind: FileType) -> str:
    """One or two sentences on a GGUF file type, from the digit to the last letter."""
    if kind.family is Family.FLOAT:
        return f"{kind.name}: {kind.nominal_bits:g}-bit floats, not quantized."
    if kind.name == "MXFP4_MOE":
        return "MXFP4_MOE: experts in MXFP4 (4-bit floats, one scale per 32), everything else Q8_0."
    block = BLOCK_TYPES[kind.default_type]
    size = _SIZES.get(kind.name.rsplit("_", 1)[-1], "")
    last = f"; {size}" if size else ""
    return (
        f"{kind.name}: {kind.nominal_bits:g} nominal bits ({block.bits_per_weight:g} stored in "
        f"the default type {block.name}); {_FAMILY_WORDS[kind.family]}{last}."
    )


def bits_note(kind: FileType) -> str:
    """What the bits per weight hold for, or why there are none."""
    if kind.bits_per_weight is None:
        return "depends on the share of the experts: no figure without a model"
    note = "whole file; other models differ by vocabulary share, GQA and a shared head"
    plain = kind.bits_per_weight_plain
    if kind.imatrix is ImatrixNeed.OPTIONAL and plain != kind.bits_per_weight:
        note += f"; {kind.bits_per_weight:g} with an imatrix"
    return note


def notes(kind: FileType) -> tuple[str, ...]:
    """What a reader of the tag should know besides."""
    found = [kind.note] if kind.note else []
    if kind.imatrix is ImatrixNeed.REQUIRED:
        found.append("llama-quantize refuses it without an imatrix")
    if kind.family is not Family.FLOAT:
        found.append("rows that no block divides fall back to a larger type: read the file to know")
    return tuple(found)


def removed(name: str, replacement: str) -> str:
    """The sentence on a type that llama.cpp no longer loads."""
    return f"{name}: removed from llama.cpp, which refuses to load such a file; use {replacement}."


def imatrix_words(need: ImatrixNeed) -> str:
    """The calibration of a GGUF file type."""
    words = {ImatrixNeed.NONE: "none", ImatrixNeed.OPTIONAL: "imatrix, optional"}
    return words.get(need, "imatrix, required")


def layout_meaning(row: WeightLayout) -> str:
    """One sentence on a format outside GGUF."""
    calibrated = {
        "none": "made without calibration text",
        "required": "made with calibration text",
    }.get(row.calibration.value, "calibration text only for static activation scales")
    return (
        f"{row.name}: {row.ecosystem}, {row.bits:g}-bit weights "
        f"({row.bits_per_weight():.4g} with scales), {calibrated}."
    )


def layout_blocks(row: WeightLayout) -> str:
    """What is stored beside the codes."""
    if not row.overheads:
        return f"{row.bits:g} bits on average, mixed per layer"
    terms = "; ".join(
        f"{term.what}, {term.bits} bits per "
        + (f"{term.size} {term.spread}" if term.size > 1 else str(term.spread))
        for term in row.overheads
    )
    return f"{row.bits:g}-bit codes; {terms}"


def sixteen_bit(row: WeightLayout) -> str:
    """What the format leaves alone."""
    return f"{', '.join(row.keeps_16_bit)}: 16 bit by default"


def layout_notes(row: WeightLayout, lowered: str) -> tuple[str, ...]:
    """Notes of the row, its unverified fields, and what the name adds."""
    found = [row.note] if row.note else []
    if "unsloth-bnb" in lowered:
        found.append("Unsloth keeps some layers in 16 bit: the size must be read from the files")
    if "auto" in lowered and "round" in lowered and ("gptq" in lowered or "awq" in lowered):
        found.append("made by AutoRound, packed for the kernels of the other name")
    if row.unverified:
        found.append(f"unverified: {', '.join(row.unverified)}")
    return tuple(found)
