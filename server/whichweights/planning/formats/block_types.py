"""ggml block types: the unit in which GGUF stores the weights of one tensor."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from whichweights.planning.formats._sources import AS_OF, GGML_BLOCKS
from whichweights_schemas.errors import UnknownQuantization

__all__ = ["BLOCK_TYPES", "BlockType", "block_type", "padded", "tensor_bytes"]

GGUF_ALIGNMENT_BYTES: Final = 32
"""GGUF_DEFAULT_ALIGNMENT: every tensor starts at a multiple of it (gguf-py 0.19.0)."""


class BlockType(NamedTuple):
    """One ggml type: `block_weights` weights share `block_bytes` bytes, scales included."""

    name: str
    type_id: int
    block_weights: int
    block_bytes: int
    layout: str
    source: str = GGML_BLOCKS
    date: str = AS_OF

    @property
    def bits_per_weight(self) -> float:
        """Bits of storage a weight takes, exactly."""
        return self.block_bytes * 8 / self.block_weights

    @property
    def is_quantized(self) -> bool:
        """False for plain numbers (F32, F16, BF16 …), to which no mixture rule applies."""
        return self.block_weights > 1


_SUPER = "super-block of 256 weights"

_ROWS: Final = (
    BlockType("F32", 0, 1, 4, "plain 32-bit floats"),
    BlockType("F16", 1, 1, 2, "plain 16-bit floats (IEEE half)"),
    BlockType("BF16", 30, 1, 2, "plain 16-bit floats (bfloat16)"),
    BlockType("F64", 28, 1, 8, "plain 64-bit floats, never for weights"),
    BlockType("I8", 24, 1, 1, "plain integers, for tables of indices"),
    BlockType("I16", 25, 1, 2, "plain integers, for tables of indices"),
    BlockType("I32", 26, 1, 4, "plain integers, for tables of indices"),
    BlockType("I64", 27, 1, 8, "plain integers, for tables of indices"),
    BlockType("Q4_0", 2, 32, 18, "32 weights of 4 bits, one fp16 scale"),
    BlockType("Q4_1", 3, 32, 20, "32 weights of 4 bits, one fp16 scale and one fp16 minimum"),
    BlockType("Q5_0", 6, 32, 22, "32 weights of 5 bits, one fp16 scale"),
    BlockType("Q5_1", 7, 32, 24, "32 weights of 5 bits, one fp16 scale and one fp16 minimum"),
    BlockType("Q8_0", 8, 32, 34, "32 weights of 8 bits, one fp16 scale"),
    BlockType("Q8_1", 9, 32, 40, "internal to matrix products, never a file type"),
    BlockType("Q2_K", 10, 256, 84, f"{_SUPER}: 2 bits, 4-bit scale and minimum per 16"),
    BlockType("Q3_K", 11, 256, 110, f"{_SUPER}: 3 bits, 6-bit scale per 16"),
    BlockType("Q4_K", 12, 256, 144, f"{_SUPER}: 4 bits, 6-bit scale and minimum per 32"),
    BlockType("Q5_K", 13, 256, 176, f"{_SUPER}: 5 bits, 6-bit scale and minimum per 32"),
    BlockType("Q6_K", 14, 256, 210, f"{_SUPER}: 6 bits, 8-bit scale per 16"),
    BlockType("Q8_K", 15, 256, 292, "internal to matrix products, never a file type"),
    BlockType("IQ1_S", 19, 256, 50, f"{_SUPER}: codebook indices, 1.56 bits in all"),
    BlockType("IQ1_M", 29, 256, 56, f"{_SUPER}: codebook indices, 1.75 bits in all"),
    BlockType("IQ2_XXS", 16, 256, 66, f"{_SUPER}: codebook indices, 2.06 bits in all"),
    BlockType("IQ2_XS", 17, 256, 74, f"{_SUPER}: codebook indices, 2.31 bits in all"),
    BlockType("IQ2_S", 22, 256, 82, f"{_SUPER}: codebook indices, 2.56 bits in all"),
    BlockType("IQ3_XXS", 18, 256, 98, f"{_SUPER}: codebook indices, 3.06 bits in all"),
    BlockType("IQ3_S", 21, 256, 110, f"{_SUPER}: codebook indices, 3.44 bits in all"),
    BlockType("IQ4_NL", 20, 32, 18, "32 weights of 4 bits on a non-linear scale, one fp16 scale"),
    BlockType("IQ4_XS", 23, 256, 136, f"{_SUPER}: 4 bits on a non-linear scale, scale per 32"),
    BlockType("TQ1_0", 34, 256, 54, f"{_SUPER}: ternary digits, for ternary-trained models"),
    BlockType("TQ2_0", 35, 256, 66, f"{_SUPER}: ternary in 2 bits, for ternary-trained models"),
    BlockType("MXFP4", 39, 32, 17, "32 weights of 4-bit float (E2M1), one E8M0 scale"),
    BlockType("NVFP4", 40, 64, 36, "64 weights of 4-bit float (E2M1), one fp8 scale per 16"),
    BlockType("Q1_0", 41, 128, 18, "128 weights of 1 bit, one fp16 scale"),
    BlockType("Q2_0", 42, 64, 18, "64 weights of 2 bits, one fp16 scale"),
)

BLOCK_TYPES: Final = {row.name: row for row in _ROWS}
"""Every ggml block type by its name."""


def block_type(name: str) -> BlockType:
    """The block type of that name, in any case.

    Raises:
        UnknownQuantization: ggml has no such type.
    """
    found = BLOCK_TYPES.get(name) or BLOCK_TYPES.get(name.strip().upper())
    if found is None:
        raise UnknownQuantization(
            f"'{name}' is not a ggml tensor type",
            hint="Use one of the suggested types.",
            suggestions=tuple(BLOCK_TYPES),
        )
    return found


def padded(size_bytes: int) -> int:
    """Bytes a tensor occupies in a GGUF file: rounded up to the alignment of 32."""
    return -(-size_bytes // GGUF_ALIGNMENT_BYTES) * GGUF_ALIGNMENT_BYTES


@lru_cache(maxsize=4096)  # the layers of a model repeat their shapes
def tensor_bytes(type_name: str, elements: int, row_length: int) -> int:
    """Exact bytes of a tensor of `elements` weights in rows of `row_length`, without padding.

    Formula: elements / weights per block * bytes per block; blocks never cross a row (ggml).

    Raises:
        UnknownQuantization: ggml has no such type, or the row is no whole number of its blocks.
        ValueError: `elements` is negative or no whole number of rows.
    """
    kind = block_type(type_name)
    if row_length <= 0 or elements < 0 or elements % row_length:
        raise ValueError(f"{elements} elements are no whole number of rows of {row_length}")
    if row_length % kind.block_weights:
        raise UnknownQuantization(
            f"rows of {row_length} weights do not divide into {kind.name} blocks "
            f"of {kind.block_weights}",
            hint="Take the fallback type, as llama-quantize does.",
        )
    return elements // kind.block_weights * kind.block_bytes
