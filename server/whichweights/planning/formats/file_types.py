"""GGUF file types: what `general.file_type` and the tag in a file name stand for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from whichweights.planning.formats._sources import AS_OF, LLAMA_FILE_TYPES, MIXTURE_BITS
from whichweights_schemas.errors import UnknownQuantization

__all__ = [
    "FILE_TYPES",
    "FILE_TYPE_ALIASES",
    "REMOVED_FILE_TYPES",
    "Family",
    "FileType",
    "ImatrixNeed",
    "RemovedFileType",
    "file_type",
    "file_type_by_id",
]

GUESSED_FLAG: Final = 1024
"""Bit of general.file_type: the loader guessed it from the tensors (llama.h)."""

REFERENCE_MODEL: Final = "Llama-3.1-8B"
"""The model the whole-file bits below hold for, and no other: vocabulary, GQA and head differ."""


class Family(StrEnum):
    """The lineage of a format."""

    FLOAT = "float"
    LEGACY = "legacy block quant"
    K_QUANT = "k-quant"
    I_QUANT = "i-quant"
    TERNARY = "ternary"
    LOW_BIT = "1- and 2-bit block quant"
    MICROSCALING = "microscaling float"
    INTEGER = "grouped integer"
    FLOAT8 = "8-bit float"
    TRELLIS = "trellis code"


class ImatrixNeed(StrEnum):
    """Whether llama-quantize wants an importance matrix for a file type."""

    NONE = "not used"
    OPTIONAL = "optional"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class FileType:
    """One choice of llama-quantize. `bits_per_weight` is the whole file of REFERENCE_MODEL, with
    an imatrix; `bits_per_weight_plain` without one; None where no model-free figure exists.
    """

    name: str
    file_type_id: int
    default_type: str
    family: Family
    nominal_bits: float
    imatrix: ImatrixNeed
    bits_per_weight: float | None
    bits_per_weight_plain: float | None
    made_by_llama_quantize: bool = True
    note: str = ""
    source: str = LLAMA_FILE_TYPES
    bits_source: str = MIXTURE_BITS
    date: str = AS_OF


@dataclass(frozen=True, slots=True)
class RemovedFileType:
    """A file type that current llama.cpp refuses to load, and what to take instead."""

    name: str
    file_type_id: int
    replacement: str
    source: str = LLAMA_FILE_TYPES
    date: str = AS_OF


_NO, _OPT, _REQ = ImatrixNeed.NONE, ImatrixNeed.OPTIONAL, ImatrixNeed.REQUIRED
_F, _L, _K, _I = Family.FLOAT, Family.LEGACY, Family.K_QUANT, Family.I_QUANT
_T, _B, _M = Family.TERNARY, Family.LOW_BIT, Family.MICROSCALING
_TERNARY_ONLY = "makes sense only for ternary-trained models (BitNet, TriLM)"

_ROWS: Final = (
    FileType("F32", 0, "F32", _F, 32, _NO, 32.0, 32.0),
    FileType("F16", 1, "F16", _F, 16, _NO, 16.0005, 16.0005),
    FileType("Q4_0", 2, "Q4_0", _L, 4, _OPT, 4.6505, 4.6358),
    FileType("Q4_1", 3, "Q4_1", _L, 4, _OPT, 5.1031, 5.1031),
    FileType("Q8_0", 7, "Q8_0", _L, 8, _NO, 8.5008, 8.5008),
    FileType("Q5_0", 8, "Q5_0", _L, 5, _OPT, 5.585, 5.5704),
    FileType("Q5_1", 9, "Q5_1", _L, 5, _OPT, 6.0377, 6.0377),
    FileType("Q2_K", 10, "Q2_K", _K, 2, _OPT, 3.1593, 3.1593),
    FileType("Q3_K_S", 11, "Q3_K", _K, 3, _OPT, 3.6429, 3.6429),
    FileType("Q3_K_M", 12, "Q3_K", _K, 3, _OPT, 3.996, 3.996),
    FileType("Q3_K_L", 13, "Q3_K", _K, 3, _OPT, 4.2979, 4.2979),
    FileType("Q4_K_S", 14, "Q4_K", _K, 4, _OPT, 4.6672, 4.6672),
    FileType("Q4_K_M", 15, "Q4_K", _K, 4, _OPT, 4.8944, 4.8944),
    FileType("Q5_K_S", 16, "Q5_K", _K, 5, _OPT, 5.5704, 5.5704),
    FileType("Q5_K_M", 17, "Q5_K", _K, 5, _OPT, 5.7036, 5.7036),
    FileType("Q6_K", 18, "Q6_K", _K, 6, _OPT, 6.5633, 6.5633),
    FileType("IQ2_XXS", 19, "IQ2_XXS", _I, 2, _REQ, 2.3824, 2.3824),
    FileType("IQ2_XS", 20, "IQ2_XS", _I, 2, _REQ, 2.5882, 2.5882),
    FileType("Q2_K_S", 21, "Q2_K", _K, 2, _REQ, 2.9697, 2.9697),
    FileType(
        "IQ3_XS",
        22,
        "IQ3_S",
        _I,
        3,
        _REQ,
        3.4977,
        3.4977,
        note="its attn_q and attn_k tensors are IQ3_XXS",
    ),
    FileType("IQ3_XXS", 23, "IQ3_XXS", _I, 3, _REQ, 3.2548, 3.3736),
    FileType("IQ1_S", 24, "IQ1_S", _I, 1, _REQ, 2.0042, 2.0042),
    FileType("IQ4_NL", 25, "IQ4_NL", _I, 4, _OPT, 4.6526, 4.6818),
    FileType("IQ3_S", 26, "IQ3_S", _I, 3, _OPT, 3.6606, 3.6606),
    FileType("IQ3_M", 27, "IQ3_S", _I, 3, _OPT, 3.7628, 3.7628),
    FileType("IQ2_S", 28, "IQ2_XS", _I, 2, _REQ, 2.7403, 2.7403),
    FileType("IQ2_M", 29, "IQ2_S", _I, 2, _REQ, 2.9294, 2.9294),
    FileType("IQ4_XS", 30, "IQ4_XS", _I, 4, _OPT, 4.4231, 4.4597),
    FileType("IQ1_M", 31, "IQ1_M", _I, 1, _REQ, 2.146, 2.146),
    FileType("BF16", 32, "BF16", _F, 16, _NO, 16.0005, 16.0005),
    FileType("TQ1_0", 36, "TQ1_0", _T, 1.58, _OPT, 2.1914, 2.1914, note=_TERNARY_ONLY),
    FileType("TQ2_0", 37, "TQ2_0", _T, 1.58, _OPT, 2.5173, 2.5173, note=_TERNARY_ONLY),
    FileType(
        "MXFP4_MOE",
        38,
        "MXFP4",
        _M,
        4,
        _OPT,
        None,
        None,
        note="experts MXFP4, every other quantized tensor Q8_0: no fixed bits",
    ),
    FileType(
        "NVFP4",
        39,
        "NVFP4",
        _M,
        4,
        _NO,
        None,
        None,
        made_by_llama_quantize=False,
        note="comes from converting an NVFP4 checkpoint",
    ),
    FileType("Q1_0", 40, "Q1_0", _B, 1, _OPT, 1.4817, 1.4817),
    FileType("Q2_0", 41, "Q2_0", _B, 2, _OPT, 2.6803, 2.6803),
)

FILE_TYPES: Final = {row.name: row for row in _ROWS}
"""Every file type that current llama.cpp loads, by name."""

REMOVED_FILE_TYPES: Final = {
    row.name: row
    for row in (
        RemovedFileType("Q4_1_SOME_F16", 4, "Q4_0"),
        RemovedFileType("Q4_2", 5, "Q4_0"),
        RemovedFileType("Q4_3", 6, "Q4_0"),
        RemovedFileType("Q4_0_4_4", 33, "Q4_0"),
        RemovedFileType("Q4_0_4_8", 34, "Q4_0"),
        RemovedFileType("Q4_0_8_8", 35, "Q4_0"),
    )
}
"""The three Q4_0_x_y types were Q4_0 repacked for Arm; llama.cpp now repacks Q4_0 on loading."""

FILE_TYPE_ALIASES: Final = {"Q3_K": "Q3_K_M", "Q4_K": "Q4_K_M", "Q5_K": "Q5_K_M", "FP16": "F16"}
"""Names llama-quantize (and file names) accept for another one."""


def file_type(name: str) -> FileType:
    """The file type of that name or alias, in any case.

    Raises:
        UnknownQuantization: no current file type is called so; a removed one names its successor.
    """
    key = name.strip().upper().replace("-", "_")
    found = FILE_TYPES.get(FILE_TYPE_ALIASES.get(key, key))
    if found is not None:
        return found
    removed = REMOVED_FILE_TYPES.get(key)
    if removed is not None:
        raise UnknownQuantization(
            f"{removed.name} was removed from llama.cpp: loading such a file fails",
            hint=f"Use {removed.replacement}.",
            suggestions=(removed.replacement,),
        )
    raise UnknownQuantization(
        f"'{name}' is not a GGUF file type",
        hint="Use one of the suggested types.",
        suggestions=tuple(FILE_TYPES),
    )


def file_type_by_id(file_type_id: int) -> FileType | RemovedFileType | None:
    """What a header's general.file_type stands for; None for a number nobody assigned.

    The key is a hint only: hand-mixed files carry the nearest base type.
    """
    wanted = file_type_id & ~GUESSED_FLAG
    rows = (*FILE_TYPES.values(), *REMOVED_FILE_TYPES.values())
    return next((row for row in rows if row.file_type_id == wanted), None)
