"""Turns the name of a quantization into a rule that gives every tensor its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from whichweights.planning.formats.file_types import FILE_TYPES, FileType
from whichweights.planning.formats.layouts import WeightLayout, layout
from whichweights.planning.formats.tags import decode_tag
from whichweights_schemas.deployment import Engine
from whichweights_schemas.quantization import Quantization

__all__ = ["GGUF_ENGINES", "WeightFormat", "resolve_format"]

GGUF_ENGINES: Final = frozenset({"llama.cpp", "ollama"})
_SPELLED: Final = {
    "FP16": "F16",
    "FLOAT16": "F16",
    "BFLOAT16": "BF16",
    "FP32": "F32",
    "FLOAT32": "F32",
}
"""Other names of plain floats: the Hub and config.json write them so."""

_FLOAT_BYTES: Final = {"F32": 4, "F16": 2, "BF16": 2}
_MOE_ONLY: Final = frozenset({"MXFP4", "MLX-MXFP4"})


@dataclass(frozen=True, slots=True)
class WeightFormat:
    """How one format stores a model; exactly one of the four kinds of field groups is in use.

    float: `float_bytes` each · gguf: the mixture of `file_type` · layout: `layout` for the linear
    matrices (of the experts only, where `experts_only`; then `elsewhere` for the rest) · bits:
    `bits_per_weight` on every weight, because nothing better is known of the name.
    """

    name: str
    kind: Literal["float", "gguf", "layout", "bits"]
    float_bytes: int = 2
    file_type: FileType | None = None
    imatrix: bool = False
    ends_type: str | None = None
    by_publisher: bool = False
    layout: WeightLayout | None = None
    elsewhere: WeightLayout | None = None
    experts_only: bool = False
    bits_per_weight: float = 16.0


def resolve_format(quantization: str, native: Quantization | None, engine: Engine) -> WeightFormat:
    """The format a name means for this model on this engine.

    "native" is the maker's own; without one, 16 bits are assumed. Engines that read GGUF store
    plain floats with F32 norms, as GGUF does.

    Raises:
        UnknownQuantization: the name is no known format.
    """
    if quantization == "native" or (native is not None and quantization == native.format):
        return _native(native or Quantization(format="BF16", bits_per_weight=16), engine)
    return _named(quantization, engine in GGUF_ENGINES)


def _native(native: Quantization, engine: Engine) -> WeightFormat:
    in_gguf = engine in GGUF_ENGINES or native.container == "gguf"
    found = _named(native.format, in_gguf)
    note = (native.note or "").lower()
    if found.kind == "layout" and found.experts_only and "fp8" in note:
        return WeightFormat(
            found.name,
            "layout",
            layout=found.layout,
            elsewhere=layout("FP8-block"),
            experts_only=True,
        )
    return found


@lru_cache(maxsize=256)
def _named(name: str, in_gguf: bool) -> WeightFormat:
    name = _SPELLED.get(name.upper(), name)
    if name in _FLOAT_BYTES and not in_gguf:
        return WeightFormat(name, "float", float_bytes=_FLOAT_BYTES[name])
    if name == "MXFP4" and in_gguf:
        return WeightFormat(name, "gguf", file_type=FILE_TYPES["MXFP4_MOE"])
    decoded = decode_tag(name, field="quantization")
    if decoded.layout_name is not None:
        found = layout(decoded.layout_name)
        experts_only = found.name in _MOE_ONLY
        return WeightFormat(found.name, "layout", layout=found, experts_only=experts_only)
    kind = FILE_TYPES[decoded.base_file_type or decoded.replacement or "Q4_0"]
    if not kind.made_by_llama_quantize:
        found = layout(kind.name)
        return WeightFormat(kind.name, "layout", layout=found)
    chosen_by_hand = decoded.dynamic or (
        decoded.canonical != kind.name and decoded.embedding_and_output is None
    )
    return WeightFormat(
        decoded.canonical,
        "gguf",
        file_type=kind,
        imatrix=bool(decoded.imatrix),
        ends_type=decoded.embedding_and_output,
        by_publisher=chosen_by_hand,
        bits_per_weight=decoded.bits_per_weight or kind.bits_per_weight or kind.nominal_bits + 0.5,
    )
