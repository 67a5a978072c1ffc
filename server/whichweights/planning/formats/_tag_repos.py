"""Names of weight formats outside GGUF, as repositories and users write them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from whichweights.planning.formats.layouts import exl_layout, mlx_layout
from whichweights_schemas.errors import UnknownQuantization

__all__ = ["by_bits", "find_layout_name"]

_BITS: Final = re.compile(
    r"(?:(?<![a-z0-9])|int|gptq|mlx)[-_ ]?([1-9])[-_ ]?bits?|int([1-9])|w(\d)a16"
)
# "--1g" means one group for the whole row; no group of one weight exists.
_GROUP: Final = re.compile(
    r"(?<![a-z0-9])(?:gs?|group[-_ ]?size|groupsize)[-_ ]*(\d+)|(?<![a-z0-9])(\d+)g(?![a-z0-9])"
)
_BPW: Final = re.compile(r"(\d+(?:[._]\d+)?)[-_ ]?(?:bpw|bits?)|exl[23][-_ ](\d+(?:[._]\d+)?)")

_CANDIDATES: Final = {
    2: ("Q2_K", "IQ2_M", "MLX-2bit", "EXL3-2.0bpw"),
    3: ("Q3_K_M", "IQ3_M", "MLX-3bit", "EXL3-3.0bpw"),
    4: ("Q4_K_M", "AWQ-Int4", "GPTQ-Int4", "bnb-NF4", "W4A16", "MLX-4bit", "NVFP4", "MXFP4"),
    5: ("Q5_K_M", "MLX-5bit", "EXL3-5.0bpw"),
    6: ("Q6_K", "MLX-6bit", "EXL3-6.0bpw"),
    8: ("Q8_0", "FP8", "W8A8-INT8", "GPTQ-Int8", "bnb-Int8", "MLX-8bit"),
}


def by_bits(text: str) -> tuple[str, ...]:
    """Formats that a bare width ("4bit", "int4", "q4") could mean; empty where none is named."""
    bits = _bits(text)
    match = re.search(r"(?<![a-z0-9])[qw]([2-8])(?![a-z0-9_])", text)
    if bits is None and match:
        bits = int(match[1])
    return _CANDIDATES.get(bits or 0, ())


def find_layout_name(text: str) -> str | None:
    """The canonical name of the layout a lower-case name speaks of; None where it names none.

    Raises:
        UnknownQuantization: a family is named and its width is missing or does not exist.
    """
    for pattern, read in _READERS:
        if pattern.search(text):
            return read(text)
    return None


def _bits(text: str) -> int | None:
    match = _BITS.search(text)
    return int(next(group for group in match.groups() if group)) if match else None


def _group(text: str) -> int | None:
    match = _GROUP.search(text)
    return int(next(group for group in match.groups() if group)) if match else None


def _refuse(what: str, *suggestions: str) -> UnknownQuantization:
    return UnknownQuantization(
        f"{what} does not name one format",
        hint="Say the width and, where it differs from the usual one, the group size.",
        suggestions=suggestions,
    )


def _mlx(text: str) -> str:
    for name in ("mxfp4", "nvfp4", "mxfp8"):
        if name in text:
            return f"MLX-{name.upper()}"
    if re.search(r"bf16|bfloat16", text):
        return "BF16"
    if re.search(r"fp16|float16", text):
        return "F16"
    bits = _bits(text)
    if bits is None:
        short = re.search(r"(?<![a-z0-9])q([2-8])(?![a-z0-9])", text)
        bits = int(short[1]) if short else None
    if bits is None:
        raise _refuse("MLX without a width", "MLX-4bit", "MLX-6bit", "MLX-8bit", "MLX-MXFP4")
    return mlx_layout(bits, _group(text) or 64).name


def _exl(text: str) -> str:
    version = 3 if "exl3" in text else 2
    match = _BPW.search(text)
    if match is None:
        raise _refuse(
            f"EXL{version} without its bits per weight (they stand in the branch name)",
            f"EXL{version}-4.0bpw",
            f"EXL{version}-6.0bpw",
        )
    width = next(group for group in match.groups() if group)
    return exl_layout(version, float(width.replace("_", "."))).name


def _bitsandbytes(text: str) -> str:
    bits = _bits(text)
    if bits == 8:
        return "bnb-Int8"
    if "fp4" in text:
        return "bnb-FP4"
    if bits == 4 or "nf4" in text:
        double = re.search(r"(?<![a-z])dq(?![a-z])|double|unsloth[-_ ]bnb", text)
        return "bnb-NF4-DQ" if double else "bnb-NF4"
    raise _refuse("bitsandbytes without 4 or 8 bits", "bnb-NF4", "bnb-NF4-DQ", "bnb-Int8")


def _gptq(text: str) -> str:
    bits, group = _bits(text) or 4, _group(text)
    if bits == 4 and (group == 1 or "channel" in text):
        return "GPTQ-Int4-per-channel"
    if (bits, group or 128) == (8, 128):
        return "GPTQ-Int8"
    if bits == 4 and (group or 128) in (32, 64, 128):
        return "GPTQ-Int4" if (group or 128) == 128 else f"GPTQ-Int4-g{group}"
    raise _refuse(
        f"GPTQ with {bits} bits in groups of {group or 128}",
        *("GPTQ-Int4", "GPTQ-Int4-g32", "GPTQ-Int8"),
    )


def _four_bits_only(name: str, family: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        bits = _bits(text)
        if bits not in (None, 4):
            raise _refuse(f"{family} with {bits} bits", name)
        return name

    return read


def _compressed(text: str) -> str:
    if "w4a16" in text:
        return "W4A16"
    if "w8a16" in text:
        return "W8A16"
    if "w8a8" not in text:
        raise _refuse("that width of weights and activations", "W4A16", "W8A8-INT8", "W8A16")
    return _fp8(text) if re.search(r"fp8|float8", text) else "W8A8-INT8"


def _torchao(text: str) -> str:
    if re.search(r"int8|8[-_ ]?bit", text):
        return "torchao-Int8"
    if not re.search(r"int4|4[-_ ]?bit", text):
        raise _refuse("torchao without a width", "torchao-Int4", "torchao-Int8")
    return "torchao-Int4-g32" if _group(text) == 32 else "torchao-Int4"


def _fp8(text: str) -> str:
    if "block" in text:
        return "FP8-block"
    return "FP8-dynamic" if "dynamic" in text or "channel" in text else "FP8"


_READERS: Final[tuple[tuple[re.Pattern[str], Callable[[str], str]], ...]] = (
    (re.compile(r"(?<![a-z])mlx(?![a-z])"), _mlx),
    (re.compile(r"exl[23]|\dbpw|\d[-_ ]bpw"), _exl),
    (re.compile(r"bnb|bitsandbytes|(?<![a-z0-9])nf4|llm\.int8"), _bitsandbytes),
    (re.compile(r"auto[-_ ]?round"), _four_bits_only("AutoRound-Int4", "AutoRound")),
    (re.compile(r"gptq"), _gptq),
    (re.compile(r"awq"), _four_bits_only("AWQ-Int4", "AWQ")),
    (re.compile(r"(?<![a-z0-9])hqq"), _four_bits_only("HQQ-Int4", "HQQ")),
    (re.compile(r"torchao|int[48][-_ ]?wo(?![a-z])"), _torchao),
    (re.compile(r"(?<![a-z0-9])w\d+a\d+(?![a-z0-9])"), _compressed),
    (re.compile(r"mxfp8"), lambda text: "MXFP8"),
    (re.compile(r"mxfp4"), lambda text: "MXFP4"),
    (re.compile(r"(?<![a-z])fp8|float8|f8[-_ ]e4m3"), _fp8),
    (re.compile(r"(?<![a-z])(?:nv)?fp4"), lambda text: "NVFP4"),
)
"""The first that matches reads the name: containers before algorithms before number formats."""
