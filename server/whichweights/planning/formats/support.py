"""Which engine runs which format on which device, as documented and dated.

Where the documentation has no column for Blackwell (10.x, 12.x), it is treated as Hopper at least,
and the reason says so; native 4-bit floats start at 10.0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final, Literal

from whichweights.planning.formats._sources import (
    AS_OF,
    CHECKED,
    LLAMA_CPP_BACKENDS,
    MLX_QUANTIZE,
    SGLANG_DOCS,
    TRANSFORMERS_DOCS,
    VLLM_DOCS,
    VLLM_RELEASE,
)
from whichweights.planning.formats._support_tables import (
    GGUF_CPU_ONLY,
    SGLANG,
    TRANSFORMERS,
    TRANSFORMERS_COLUMNS,
    VLLM,
    VLLM_COLUMNS,
    family_of,
)
from whichweights.planning.formats.layouts import LAYOUTS
from whichweights.planning.formats.tags import canonical_format
from whichweights_schemas.errors import InvalidArgument

__all__ = ["ENGINES", "AcceleratorTraits", "Status", "Support", "supports"]

Capability = tuple[int, int]


class Status(StrEnum):
    """yes · partial: runs within the limits of the reason · no · unknown: nothing documented."""

    YES = "yes"
    PARTIAL = "partial"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class AcceleratorTraits:
    """What decides support: the maker, and NVIDIA's compute capability or AMD's gfx name.

    For a CPU `vendor` is its architecture or maker ("x86", "intel", "amd", "arm", "apple").
    """

    vendor: str
    kind: Literal["gpu", "cpu", "apple"] = "gpu"
    compute_capability: Capability | None = None
    gfx: str | None = None


@dataclass(frozen=True, slots=True)
class Support:
    """One answer. A "no" says what would help."""

    status: Status
    reason: str
    source: str
    date: str = AS_OF


_LETTERS: Final = {
    "y": Status.YES,
    "p": Status.PARTIAL,
    "n": Status.NO,
    "?": Status.UNKNOWN,
}
_GENERATIONS: Final[tuple[tuple[Capability, str], ...]] = (
    ((9, 0), "hopper"),
    ((8, 9), "ada"),
    ((8, 0), "ampere"),
    ((7, 5), "turing"),
    ((7, 0), "volta"),
)
_BLACKWELL: Final = (10, 0)


@lru_cache(maxsize=4096)
def supports(engine: str, format_name: str, device: AcceleratorTraits) -> Support:
    """Whether the engine runs weights of that format on that device, by its documentation.

    Raises:
        InvalidArgument: an engine that is not planned here.
        UnknownQuantization: no such format.
    """
    rule = _ENGINES.get(engine)
    if rule is None:
        raise InvalidArgument(
            f"'{engine}' is not an engine this planner knows",
            field="engine",
            hint=f"Use one of {', '.join(ENGINES)}.",
            suggestions=ENGINES,
        )
    canonical = canonical_format(format_name)
    family = family_of(canonical)
    foreign = _foreign(engine, canonical, family)
    return foreign or rule(canonical, family, device)


def _foreign(engine: str, canonical: str, family: str) -> Support | None:
    """Formats that belong to one engine alone."""
    if family in ("exl2", "exl3"):
        reason = f"only ExLlama (TabbyAPI) reads {canonical}: take a GGUF, AWQ or GPTQ file instead"
        return Support(Status.NO, reason, LAYOUTS["EXL2-4.0bpw"].source)
    if family == "mlx" and engine != "mlx":
        reason = f"only mlx reads {canonical}: take a GGUF file for {engine}, or use mlx on a Mac"
        return Support(Status.NO, reason, MLX_QUANTIZE)
    return None


def _llama_cpp(canonical: str, family: str, device: AcceleratorTraits) -> Support:
    source = LLAMA_CPP_BACKENDS
    if family not in ("gguf", "bf16", "f16", "f32", "nvfp4", "mxfp4"):
        reason = f"llama.cpp and ollama read GGUF only, not {canonical}: take a GGUF file instead"
        return Support(Status.NO, reason, source)
    if canonical.removeprefix("UD-") in GGUF_CPU_ONLY and device.kind != "cpu":
        reason = f"{canonical} may fall back to the CPU on some backends (unverified)"
        return Support(Status.PARTIAL, reason, source)
    too_old = device.compute_capability is not None and device.compute_capability < (6, 0)
    if too_old:
        reason = "the CUDA backend needs Pascal (6.0) or newer: use the Vulkan backend or the CPU"
        return Support(Status.NO, reason, source)
    return Support(Status.YES, "as a GGUF file, on every backend", source)


def _mlx(canonical: str, family: str, device: AcceleratorTraits) -> Support:
    if device.kind != "apple":
        if family in ("mlx", "bf16", "f16") and device.vendor.lower() == "nvidia":
            reason = "newer MLX has a CUDA backend, which nobody checked here: documented for Apple"
            return Support(Status.UNKNOWN, reason, MLX_QUANTIZE)
        reason = "mlx runs on Apple silicon: use llama.cpp with a GGUF file on this device"
        return Support(Status.NO, reason, MLX_QUANTIZE)
    if family in ("mlx", "bf16", "f16", "f32"):
        return Support(Status.YES, "on Apple silicon", MLX_QUANTIZE)
    if family == "mxfp4":
        return Support(Status.YES, "on Apple silicon, as MLX mxfp4 weights", MLX_QUANTIZE)
    reason = f"mlx does not read {canonical}: take MLX-4bit weights, or llama.cpp with a GGUF file"
    return Support(Status.NO, reason, MLX_QUANTIZE)


def _vllm(canonical: str, family: str, device: AcceleratorTraits) -> Support:
    column = _vllm_column(device)
    if column is None:
        reason = "vLLM documents no such device: use llama.cpp with a GGUF file, or mlx on a Mac"
        return Support(Status.NO, reason, VLLM_DOCS)
    if column == "unknown":
        return _no_capability(VLLM_DOCS)
    capability = device.compute_capability or (0, 0)
    if column == "hopper" and capability >= _BLACKWELL and family in ("nvfp4", "mxfp4", "mxfp8"):
        return Support(Status.YES, f"{family} is native from 10.0", VLLM_DOCS)
    row = VLLM.get(family)
    if row is None:
        reason = f"{canonical}: nothing documented below 10.0; FP8 or W4A16 weights would run"
        return Support(Status.UNKNOWN, reason, VLLM_DOCS)
    status = _LETTERS[row.split()[VLLM_COLUMNS.index(column)]]
    reason = _vllm_reason(canonical, family, column, status, capability)
    if family in _LEFT_VLLM:
        return Support(status, reason, VLLM_RELEASE, CHECKED)
    return Support(status, reason, VLLM_DOCS)


def _vllm_column(device: AcceleratorTraits) -> str | None:
    """The column of vLLM's table; None for a device it does not have."""
    vendor = device.vendor.lower()
    if device.kind == "cpu":
        return "arm" if vendor in ("arm", "apple", "nvidia") else "x86"
    if device.kind == "apple":
        return None
    if vendor in ("amd", "intel"):
        return vendor
    if vendor != "nvidia":
        return None
    if device.compute_capability is None:
        return "unknown"
    return next((name for least, name in _GENERATIONS if device.compute_capability >= least), None)


_LEFT_VLLM: Final = ("bitsandbytes", "gguf", "hqq")
"""Not among the methods of vLLM 0.33.0; the first two have plugins of their own."""
_VLLM_LIMITS: Final = {
    "fp8": "weight-only through Marlin, activations stay 16-bit: W8A8 needs 8.9",
    "fp8-block": "weight-only through Marlin, activations stay 16-bit: W8A8 needs 8.9",
    "nvfp4": "weight-only through Marlin: native from 10.0",
    "mxfp4": "weight-only kernels: native from 10.0",
    "w4a16": "Marlin on Turing works partly, and only in newer versions",
    "gptq-int8": "its Marlin kernel needs 8.0; older kernels are slow",
    "bitsandbytes": "through vllm-bnb-plugin: vLLM 0.33.0 itself no longer has it",
    "gguf": "through vllm-gguf-plugin: vLLM 0.33.0 itself no longer has it; llama.cpp is faster",
    "bf16": "no bfloat16 before Ampere (8.0): load it as float16",
}
_VLLM_HELP: Final = {
    "amd": "take FP8 or 16-bit weights, or a GGUF file with llama.cpp",
    "intel": "take AWQ or GPTQ weights, or a GGUF file with llama.cpp",
    "x86": "take AWQ, GPTQ or W8A8-INT8 weights, or a GGUF file with llama.cpp",
    "arm": "take W8A8-INT8 weights, or a GGUF file with llama.cpp",
    "awq": "take GPTQ-Int4 or a GGUF file, or a GPU of 7.5 or newer",
    "fp8": "take GPTQ-Int4 or a GGUF file, or a GPU of 8.9 or newer",
    "fp8-block": "take GPTQ-Int4 or a GGUF file, or a GPU of 8.9 or newer",
    "nvfp4": "take a GGUF file with llama.cpp, or a GPU of 8.0 or newer (native from 10.0)",
    "mxfp4": "take a GGUF file with llama.cpp, or a GPU of 8.0 or newer",
}


def _vllm_reason(
    canonical: str, family: str, column: str, status: Status, capability: Capability
) -> str:
    where = "Blackwell, treated as Hopper at least" if capability >= _BLACKWELL else column
    match status:
        case Status.YES:
            return f"documented for {where}"
        case Status.PARTIAL:
            limit = _VLLM_LIMITS.get(family, "with limits")
            if family in _LEFT_VLLM:
                return limit
            turing = "; on Turing in newer versions only" if column == "turing" else ""
            return f"{where}: {limit}{turing if 'Turing' not in limit else ''}"
        case Status.NO:
            wish = _VLLM_HELP.get(column) or _VLLM_HELP.get(
                family, "llama.cpp runs a GGUF file here"
            )
            return f"vLLM does not run {canonical} on {where}: {wish}"
        case Status.UNKNOWN:
            return f"vLLM's documentation says nothing of {canonical} on {where}"


def _sglang(canonical: str, family: str, device: AcceleratorTraits) -> Support:
    vendor = device.vendor.lower()
    row = SGLANG.get(family)
    if device.kind != "gpu" or vendor not in ("nvidia", "amd"):
        reason = "SGLang documents NVIDIA, AMD Instinct and Ascend only: use llama.cpp here"
        return Support(Status.NO, reason, SGLANG_DOCS)
    if row is None:
        reason = f"SGLang's documentation says nothing of {canonical}"
        return Support(Status.UNKNOWN, reason, SGLANG_DOCS)
    least, instinct = row
    if vendor == "amd":
        return _sglang_amd(canonical, family, device, instinct)
    if device.compute_capability is None:
        return _no_capability(SGLANG_DOCS)
    if least is not None and device.compute_capability < least:
        needed = f"{least[0]}.{least[1]}"
        reason = f"SGLang needs compute capability {needed} for {canonical}: take another format"
        return Support(Status.NO, f"{reason}, such as a GGUF file with llama.cpp", SGLANG_DOCS)
    return Support(Status.YES, "documented for NVIDIA", SGLANG_DOCS)


def _sglang_amd(canonical: str, family: str, device: AcceleratorTraits, instinct: str) -> Support:
    gfx = device.gfx or ""
    if family == "nvfp4" and gfx in ("gfx90a", "gfx942"):
        reason = "through petit_nvfp4 on MI250 to MI325X"
        return Support(Status.PARTIAL, reason, SGLANG_DOCS)
    status = _LETTERS[instinct]
    if status is Status.NO:
        reason = f"SGLang does not run {canonical} on AMD: use llama.cpp (HIP) or another format"
        return Support(status, reason, SGLANG_DOCS)
    if gfx not in ("gfx942", "gfx950"):
        reason = "documented for MI300X, MI325X and MI350X; nothing is said of this device"
        return Support(Status.UNKNOWN, reason, SGLANG_DOCS)
    limit = "experimental on AMD" if status is Status.PARTIAL else "documented for AMD Instinct"
    return Support(status, limit, SGLANG_DOCS)


def _transformers(canonical: str, family: str, device: AcceleratorTraits) -> Support:
    column = _transformers_column(device)
    capability = device.compute_capability
    row = TRANSFORMERS.get(family)
    if row is None or column is None:
        reason = f"the documentation of transformers says nothing of {canonical} on this device"
        return Support(Status.UNKNOWN, reason, TRANSFORMERS_DOCS)
    status = _LETTERS[row.split()[TRANSFORMERS_COLUMNS.index(column)]]
    least = _transformers_least(canonical, family)
    if column == "cuda" and status is Status.YES and least is not None:
        if capability is None:
            return _no_capability(TRANSFORMERS_DOCS)
        if capability < least:
            return _too_old(canonical, family, least)
    return Support(
        status, _transformers_reason(canonical, family, column, status), TRANSFORMERS_DOCS
    )


def _transformers_column(device: AcceleratorTraits) -> str | None:
    if device.kind == "cpu":
        return "cpu"
    if device.kind == "apple":
        return "metal"
    return {"nvidia": "cuda", "amd": "rocm"}.get(device.vendor.lower())


def _transformers_least(canonical: str, family: str) -> Capability | None:
    if family == "bf16":
        return (8, 0)
    # Without Marlin transformers has no weight-only FP8.
    if family in ("fp8", "fp8-block"):
        return (8, 9)
    row = LAYOUTS.get(canonical)
    return row.min_compute_capability if row else None


def _too_old(canonical: str, family: str, least: Capability) -> Support:
    needed = f"{least[0]}.{least[1]}"
    if family == "bf16":
        reason = f"no bfloat16 before {needed}: load it as float16"
        return Support(Status.PARTIAL, reason, TRANSFORMERS_DOCS)
    reason = f"{canonical} needs compute capability {needed}: take a GGUF file with llama.cpp"
    return Support(Status.NO, reason, TRANSFORMERS_DOCS)


def _transformers_reason(canonical: str, family: str, column: str, status: Status) -> str:
    if family == "gguf" and status is Status.PARTIAL:
        return "transformers dequantizes GGUF to 16 or 32 bits in memory: no memory is saved"
    match status:
        case Status.YES:
            return f"documented for {column}"
        case Status.PARTIAL:
            return f"documented as partial on {column}"
        case Status.NO:
            return f"transformers does not run {canonical} on {column}: use llama.cpp with GGUF"
        case Status.UNKNOWN:
            return f"the documentation says nothing of {canonical} on {column}"


def _no_capability(source: str) -> Support:
    return Support(
        Status.UNKNOWN, "the compute capability of this NVIDIA device is not known", source
    )


_ENGINES: Final[dict[str, Callable[[str, str, AcceleratorTraits], Support]]] = {
    "llama.cpp": _llama_cpp,
    "ollama": _llama_cpp,
    "vllm": _vllm,
    "sglang": _sglang,
    "transformers": _transformers,
    "mlx": _mlx,
}
ENGINES: Final = tuple(_ENGINES)
"""The engines, by the names the tools use."""
