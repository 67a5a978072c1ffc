"""Weight formats outside GGUF: what a quantized weight costs, by formula, and what stays 16-bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from whichweights.planning.formats._layout_shapes import (
    SIXTEEN_BIT_ENDS,
    Calibration,
    Overhead,
    Spread,
    WeightLayout,
)
from whichweights.planning.formats._sources import MLX_QUANTIZE
from whichweights.planning.formats.file_types import Family
from whichweights_schemas.errors import UnknownQuantization

__all__ = [
    "LAYOUTS",
    "Calibration",
    "Overhead",
    "Spread",
    "WeightLayout",
    "exl_layout",
    "layout",
    "mlx_layout",
]


def _group(what: str, bits: int, size: int) -> Overhead:
    return Overhead(what, bits, Spread.GROUP, size)


def _flat(what: str, bits: int, size: int) -> Overhead:
    return Overhead(what, bits, Spread.FLAT, size)


def _row(what: str, bits: int) -> Overhead:
    return Overhead(what, bits, Spread.ROW)


def _stored(
    name: str, ecosystem: str, family: Family, bits: int, *overheads: Overhead
) -> WeightLayout:
    """A safetensors format, before it is told who reads it."""
    return WeightLayout(name, ecosystem, "safetensors", family, bits, overheads)


def _read_by(
    stored: WeightLayout,
    engines: str,
    capability: tuple[int, int],
    kernels: str = "",
    *,
    calibration: Calibration = Calibration.NONE,
    note: str = "",
    unverified: tuple[str, ...] = (),
) -> WeightLayout:
    return replace(
        stored,
        engines=tuple(engines.split()),
        min_compute_capability=capability,
        capability_note=kernels,
        calibration=calibration,
        note=note,
        unverified=unverified,
    )


_TENSOR_SCALE = Overhead("fp32 scale", 32, Spread.TENSOR)
_G_IDX = Overhead("g_idx", 32, Spread.COLUMN)
_STATIC, _NEEDED = Calibration.OPTIONAL, Calibration.REQUIRED
_INT, _FP8, _MICRO = Family.INTEGER, Family.FLOAT8, Family.MICROSCALING
_ALL = "vllm sglang transformers"
_AT_LOAD = "quantized at load: the download is the 16-bit checkpoint unless pre-quantized"


def _gptq(suffix: str, bits: int, size: int) -> WeightLayout:
    scale, zero = _group("fp16 scale", 16, size), _group("packed zero point", bits, size)
    return _read_by(
        _stored(f"GPTQ-Int{bits}{suffix}", "GPTQ", _INT, bits, scale, zero, _G_IDX),
        _ALL,
        (7, 0) if bits == 4 else (8, 0),
        "7.0 ExLlama, 8.0 Marlin (7.5 partly in newer vLLM)" if bits == 4 else "8.0 Marlin",
        calibration=_NEEDED,
        note="act-order does not change the size, it slows several GPUs and some kernels",
    )


_AWQ_TERMS = (_group("fp16 scale", 16, 128), _group("packed zero point", 4, 128))

_GROUPED: Final = (
    _gptq("", 4, 128),
    _gptq("-g64", 4, 64),
    _gptq("-g32", 4, 32),
    _gptq("", 8, 128),
    _read_by(
        _stored(
            *("GPTQ-Int4-per-channel", "GPTQ", _INT, 4),
            *(_row("fp16 scale", 16), _row("packed zero point", 4), _G_IDX),
        ),
        "vllm transformers",
        (7, 0),
        calibration=_NEEDED,
    ),
    _read_by(
        _stored("AWQ-Int4", "AWQ", _INT, 4, *_AWQ_TERMS),
        _ALL,
        (7, 5),
        "7.5 GEMM kernel, 8.0 Marlin",
        calibration=_NEEDED,
        note="V100 is not supported in vLLM",
    ),
    _read_by(
        _stored("W4A16", "compressed-tensors", _INT, 4, _group("fp16 scale", 16, 128)),
        _ALL,
        (8, 0),
        "8.0; 7.5 in newer vLLM Marlin",
        calibration=_NEEDED,
        note="symmetric, groups of 128",
    ),
    _read_by(
        _stored("W8A16", "compressed-tensors", _INT, 8, _group("fp16 scale", 16, 128)),
        _ALL,
        (8, 0),
        "8.0 Marlin",
        note="symmetric, groups of 128 (compressed-tensors 0.20.0); older files one scale per row",
    ),
    _read_by(
        _stored("W8A8-INT8", "compressed-tensors", _INT, 8, _row("scale, 16 to 32 bits", 32)),
        "vllm sglang",
        (7, 5),
        calibration=_STATIC,
        note="vLLM documents it from Turing to Hopper and on x86 CPUs",
    ),
    _read_by(
        _stored("AutoRound-Int4", "AutoRound", _INT, 4, *_AWQ_TERMS),
        _ALL,
        (7, 5),
        "as the GPTQ or AWQ kernels it is packed for",
        calibration=_NEEDED,
        note="groups of 128 by default",
        unverified=("bits", "overheads", "min_compute_capability"),
    ),
    _read_by(
        _stored(
            *("HQQ-Int4", "HQQ", _INT, 4),
            *(_group("fp16 scale", 16, 64), _group("fp16 zero point", 16, 64)),
        ),
        "transformers",
        (7, 0),
        note="quantized scales take less",
    ),
    _read_by(
        _stored("torchao-Int4", "torchao", _INT, 4, _group("bf16 scale and zero point", 32, 128)),
        _ALL,
        (8, 0),
        "8.0 (tinygemm)",
        note="not on AMD in SGLang",
    ),
    _read_by(
        _stored("torchao-Int4-g32", "torchao", _INT, 4, _group("bf16 scale and zero", 32, 32)),
        "transformers vllm",
        (8, 0),
        "8.0 (tinygemm)",
    ),
    _read_by(
        _stored("torchao-Int8", "torchao", _INT, 8, _row("bf16 scale", 16)),
        "transformers vllm",
        (7, 5),
    ),
)

_CUDA_6 = "6.0 in CUDA builds; also ROCm, XPU and CPU builds"
_ABSMAX = _flat("fp32 absmax", 32, 64)
_DOUBLE = (_flat("8-bit absmax", 8, 64), _flat("fp32 scale of 256 absmax", 32, 64 * 256))

_BITSANDBYTES: Final = (
    _read_by(
        _stored("bnb-NF4", "bitsandbytes", _INT, 4, _ABSMAX), _ALL, (6, 0), _CUDA_6, note=_AT_LOAD
    ),
    _read_by(
        _stored("bnb-NF4-DQ", "bitsandbytes", _INT, 4, *_DOUBLE),
        _ALL,
        (6, 0),
        _CUDA_6,
        note=f"double quantization: the scales are quantized too; {_AT_LOAD}",
    ),
    _read_by(
        _stored("bnb-FP4", "bitsandbytes", _INT, 4, _ABSMAX),
        "transformers vllm",
        (6, 0),
        _CUDA_6,
        note=_AT_LOAD,
    ),
    _read_by(
        _stored("bnb-Int8", "bitsandbytes", _INT, 8, _row("fp32 scale", 32)),
        "transformers vllm",
        (7, 5),
        "7.5 for the int8 tensor path",
        note=f"LLM.int8: outlier columns run in fp16; {_AT_LOAD}",
    ),
)

_W8A8_KERNELS = "8.9 W8A8; 8.0 weight-only (Marlin)"

_FLOATS: Final = (
    _read_by(
        _stored("FP8", "ModelOpt / compressed-tensors", _FP8, 8, _TENSOR_SCALE),
        _ALL,
        (8, 0),
        _W8A8_KERNELS,
        calibration=_STATIC,
        note="one scale per tensor; 1 byte per weight, not 2",
    ),
    _read_by(
        _stored("FP8-dynamic", "compressed-tensors", _FP8, 8, _row("fp32 scale", 32)),
        "vllm sglang",
        (8, 0),
        _W8A8_KERNELS,
        note="one scale per output channel, activations scaled at run time",
    ),
    _read_by(
        _stored(
            "FP8-block", "DeepSeek style", _FP8, 8, Overhead("fp32 scale", 32, Spread.BLOCK, 128)
        ),
        _ALL,
        (8, 9),
        "8.9; DeepGEMM kernels 9.0 and 10.0",
        note="one scale per block of 128 x 128",
    ),
    _read_by(
        _stored(
            *("NVFP4", "ModelOpt / compressed-tensors", _MICRO, 4),
            *(_group("fp8 e4m3 scale", 8, 16), _TENSOR_SCALE),
        ),
        "vllm sglang llama.cpp",
        (8, 0),
        "10.0 native; older ones weight-only through Marlin in vLLM",
        calibration=_STATIC,
    ),
    replace(
        _read_by(
            _stored("MXFP4", "OCP microscaling", _MICRO, 4, _group("E8M0 scale", 8, 32)),
            f"{_ALL} llama.cpp ollama mlx",
            (8, 0),
            "10.0 native; 8.0 weight-only kernels",
            note="gpt-oss: the experts only, everything else 16-bit",
        ),
        keeps_16_bit=(*SIXTEEN_BIT_ENDS, "attention (gpt-oss)"),
    ),
    _read_by(
        _stored("MXFP8", "OCP microscaling", _MICRO, 8, _group("E8M0 scale", 8, 32)),
        "vllm sglang",
        (10, 0),
    ),
)


def _mlx_float(name: str, bits: int, size: int) -> WeightLayout:
    return _mlx(name, _MICRO, bits, _group("8-bit scale", 8, size))


def _mlx(name: str, family: Family, bits: int, scale: Overhead, note: str = "") -> WeightLayout:
    return WeightLayout(
        name,
        "MLX",
        "mlx",
        family,
        bits,
        (scale,),
        engines=("mlx",),
        keeps_16_bit=("norms",),
        note=note,
        source=MLX_QUANTIZE,
    )


_MLX_BITS: Final = (2, 3, 4, 5, 6, 8)
_MLX_GROUPS: Final = (32, 64, 128)


def mlx_layout(bits: int, group: int = 64) -> WeightLayout:
    """MLX affine quantization: b + 32/g bits, embeddings and head quantized too.

    Raises:
        UnknownQuantization: MLX has no such width or group size.
    """
    if bits not in _MLX_BITS or group not in _MLX_GROUPS:
        raise UnknownQuantization(
            f"MLX has no affine quantization of {bits} bits in groups of {group}",
            hint="Widths are 2, 3, 4, 5, 6 and 8 bits, groups 32, 64 and 128.",
            suggestions=("MLX-4bit", "MLX-8bit"),
        )
    return _mlx(
        f"MLX-{bits}bit" + ("" if group == 64 else f"-g{group}"),
        _INT,
        bits,
        _group("16-bit scale and bias", 32, group),
        "affine; embeddings and head are quantized as well",
    )


def exl_layout(version: int, bits_per_weight: float) -> WeightLayout:
    """EXL2 or EXL3 at the named bits of the body; head (6 or 8 bit) and embeddings come on top.

    Raises:
        UnknownQuantization: no such version, or bits outside 1 to 8.
    """
    if version not in (2, 3) or not 1.0 <= bits_per_weight <= 8.0:
        raise UnknownQuantization(
            f"EXL{version} at {bits_per_weight:g} bits per weight does not exist",
            hint="EXL2 and EXL3 hold 1 to 8 bits per weight.",
            suggestions=("EXL2-4.0bpw", "EXL3-4.0bpw"),
        )
    second = version == 2
    return WeightLayout(
        f"EXL{version}-{bits_per_weight:.2f}".removesuffix("0") + "bpw",
        f"ExLlamaV{version}",
        f"exl{version}",
        _INT if second else Family.TRELLIS,
        bits_per_weight,
        (),
        calibration=_NEEDED,
        engines=(f"ExLlamaV{version}", "TabbyAPI"),
        min_compute_capability=(7, 5) if second else (8, 0),
        capability_note="practical minimum" if second else "",
        keeps_16_bit=("embeddings", "norms"),
        note="the bits in the name are the mean of the body; the head has 6 or 8 bits",
        unverified=("min_compute_capability",) if second else ("bits",),
        source=f"naming of public EXL{version} repositories",
    )


LAYOUTS: Final = {
    row.name: row
    for row in (
        *_GROUPED,
        *_BITSANDBYTES,
        *_FLOATS,
        *(mlx_layout(bits, group) for bits in _MLX_BITS for group in _MLX_GROUPS),
        _mlx_float("MLX-MXFP4", 4, 32),
        _mlx_float("MLX-NVFP4", 4, 16),
        _mlx_float("MLX-MXFP8", 8, 32),
        *(exl_layout(2, bits) for bits in (2.0, 2.5, 3.0, 3.5, 4.0, 4.25, 4.65, 5.0, 6.0, 8.0)),
        *(exl_layout(3, bits) for bits in (2.0, 3.0, 4.0, 5.0, 6.0, 8.0)),
    )
}
"""Every layout by its canonical name. EXL2 and EXL3 come in any width: see exl_layout."""


def layout(name: str) -> WeightLayout:
    """The layout of a canonical name.

    Raises:
        UnknownQuantization: the name is not a canonical name of LAYOUTS.
    """
    found = LAYOUTS.get(name)
    if found is None and name.startswith(("EXL2-", "EXL3-")) and name.endswith("bpw"):
        try:
            found = exl_layout(int(name[3]), float(name[5:-3]))
        except ValueError:
            found = None
    if found is None:
        raise UnknownQuantization(
            f"'{name}' is not the name of a weight layout",
            hint="Resolve names with canonical_format first.",
            suggestions=tuple(LAYOUTS),
        )
    return found
