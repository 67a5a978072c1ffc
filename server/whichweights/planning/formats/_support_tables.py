"""What the engines' documentation says about formats and devices, as data.

Documentation, not tests: name the engine's version when quoting it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = [
    "FAMILY_OF",
    "GGUF_CPU_ONLY",
    "SGLANG",
    "TRANSFORMERS",
    "TRANSFORMERS_COLUMNS",
    "VLLM",
    "VLLM_COLUMNS",
    "family_of",
]

FAMILY_OF: Final[Mapping[str, str]] = MappingProxyType(
    {
        "BF16": "bf16",
        "F16": "f16",
        "F32": "f32",
        "GPTQ-Int8": "gptq-int8",
        "AWQ-Int4": "awq",
        "W4A16": "w4a16",
        "W8A16": "gptq-int8",
        "W8A8-INT8": "w8a8-int8",
        "AutoRound-Int4": "auto-round",
        "HQQ-Int4": "hqq",
        "torchao-Int8": "torchao-int8",
        "FP8": "fp8",
        "FP8-dynamic": "fp8",
        "FP8-block": "fp8-block",
        "NVFP4": "nvfp4",
        "MXFP4": "mxfp4",
        "MXFP8": "mxfp8",
    }
)

_PREFIXES: Final = (
    ("GPTQ-Int4", "gptq"),
    ("bnb-", "bitsandbytes"),
    ("torchao-Int4", "torchao-int4"),
    ("EXL2", "exl2"),
    ("EXL3", "exl3"),
    ("MLX-", "mlx"),
)


def family_of(canonical: str) -> str:
    """The row of the support tables a canonical format belongs to; "gguf" for file types."""
    found = FAMILY_OF.get(canonical)
    if found is not None:
        return found
    return next((family for start, family in _PREFIXES if canonical.startswith(start)), "gguf")


GGUF_CPU_ONLY: Final = frozenset({"NVFP4", "Q1_0", "Q2_0", "TQ1_0", "TQ2_0"})
"""Types that some GPU backends of llama.cpp hand back to the CPU (unverified by test)."""

VLLM_COLUMNS: Final = ("volta", "turing", "ampere", "ada", "hopper", "amd", "intel", "x86", "arm")

# y yes, n no, p partial: the columns above. Rows without a line of their own in the document
# follow its Marlin line (w4a16, nvfp4) or are left out.
VLLM: Final[Mapping[str, str]] = MappingProxyType(
    {
        "awq": "n y y y y n y y n",
        "gptq": "y y y y y n y y n",
        "gptq-int8": "p p y y y n n n n",
        "w4a16": "n p y y y n n n n",
        "w8a8-int8": "n y y y y n n y y",
        "fp8": "n p p y y y n n n",
        "fp8-block": "n n p y y y n n n",
        "nvfp4": "n p p p p n n n n",
        "mxfp4": "n n p p p ? n n n",
        "bitsandbytes": "p p p p p n n n n",
        "gguf": "p p p p p p n n n",
        "hqq": "n n n n n n n n n",
        "torchao-int4": "n n y y y ? ? ? ?",
        "torchao-int8": "n y y y y ? ? ? ?",
        "auto-round": "? ? y y y ? ? ? ?",
        "bf16": "p p y y y y y y y",
        "f16": "y y y y y y y y y",
        "f32": "y y y y y y y y y",
    }
)

# NVIDIA, AMD Instinct (MI300X, MI325X, MI350X). A pair of numbers is the smallest capability.
SGLANG: Final[Mapping[str, tuple[tuple[int, int] | None, str]]] = MappingProxyType(
    {
        "fp8": ((8, 0), "y"),
        "fp8-block": ((8, 9), "y"),
        "mxfp4": ((8, 0), "y"),
        "w8a8-int8": ((7, 5), "y"),
        "awq": ((7, 5), "y"),
        "gptq": ((7, 5), "y"),
        "gptq-int8": ((8, 0), "y"),
        "w4a16": ((8, 0), "y"),
        "auto-round": ((7, 5), "y"),
        "gguf": ((7, 5), "n"),
        "nvfp4": ((10, 0), "n"),
        "bitsandbytes": ((7, 5), "p"),
        "torchao-int4": ((8, 0), "n"),
        "torchao-int8": ((8, 0), "y"),
        "bf16": ((8, 0), "y"),
        "f16": ((7, 5), "y"),
        "f32": ((7, 5), "y"),
    }
)

TRANSFORMERS_COLUMNS: Final = ("cpu", "cuda", "rocm", "metal")

# The hardware columns are of early 2025; formats that came later are unknown there.
TRANSFORMERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "awq": "n y y n",
        "bitsandbytes": "p y p n",
        "w4a16": "y y y n",
        "w8a8-int8": "y y y n",
        "fp8": "? y ? n",
        "fp8-block": "? y ? n",
        "gguf": "p p n p",
        "gptq": "n y y n",
        "gptq-int8": "n y y n",
        "hqq": "y y n n",
        "torchao-int4": "? y n p",
        "torchao-int8": "? y n n",
        "auto-round": "? ? ? ?",
        "mxfp4": "? y ? ?",
        "mxfp8": "? ? ? ?",
        "nvfp4": "? ? ? ?",
        "bf16": "y y y y",
        "f16": "y y y y",
        "f32": "y y y y",
    }
)
