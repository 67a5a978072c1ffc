"""Element types of the KV cache: bits per element, and which engine takes which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from whichweights.planning.formats._sources import AS_OF
from whichweights_schemas.errors import InvalidArgument

__all__ = ["KV_TYPES", "KvType", "default_kv_type", "kv_type"]


@dataclass(frozen=True, slots=True)
class KvType:
    """One element type. fp8 and int8 scales are per tensor or head: not counted, they vanish."""

    name: str
    bits_per_element: float
    engines: tuple[str, ...]
    quantized: bool = False
    note: str = ""
    source: str = "ggml block layout; documentation of the engines"
    date: str = AS_OF

    def bytes_for(self, elements: int) -> int:
        """Bytes of that many cache elements, rounded up to whole bytes."""
        return -(-elements * round(self.bits_per_element * 2) // 16)

    def needs_flash_attention(self, engine: str) -> bool:
        """True where this type for V works only with flash attention (llama.cpp and ollama)."""
        return self.quantized and engine in ("llama.cpp", "ollama")


_FLASH = "in llama.cpp a quantized V cache needs flash attention"
_FLOAT_ENGINES = ("llama.cpp", "vllm", "sglang", "transformers", "mlx")

_ROWS: Final = (
    KvType("f32", 32, ("llama.cpp", "transformers")),
    KvType("f16", 16, ("llama.cpp", "ollama", "vllm", "sglang", "transformers", "mlx")),
    KvType("bf16", 16, _FLOAT_ENGINES),
    KvType("fp8", 8, ("vllm", "sglang"), True, "e4m3 or e5m2 plus scales; also TensorRT-LLM"),
    KvType("q8_0", 8.5, ("llama.cpp", "ollama"), True, _FLASH),
    KvType("q5_1", 6, ("llama.cpp",), True, _FLASH),
    KvType("q5_0", 5.5, ("llama.cpp",), True, _FLASH),
    KvType("q4_1", 5, ("llama.cpp",), True, _FLASH),
    KvType("q4_0", 4.5, ("llama.cpp", "ollama"), True, _FLASH),
    KvType("iq4_nl", 4.5, ("llama.cpp",), True, _FLASH),
    KvType("int8", 8, (), True, "TensorRT-LLM and others, none of the engines planned here"),
    KvType("nvfp4", 4.5, (), True, "TensorRT-LLM on Blackwell, calibrated with ModelOpt"),
)

KV_TYPES: Final = {row.name: row for row in _ROWS}
"""Every element type by name."""

_ALIASES: Final = {
    "fp16": "f16",
    "float16": "f16",
    "fp32": "f32",
    "float32": "f32",
    "bfloat16": "bf16",
    "fp8_e4m3": "fp8",
    "fp8_e5m2": "fp8",
}


def kv_type(name: str, engine: str | None = None) -> KvType:
    """The element type of that name, in any case; with `engine`, only if that engine takes it.

    Raises:
        InvalidArgument: no such type, or the engine does not take it (the ones it takes follow).
    """
    key = name.strip().lower().replace("-", "_")
    found = KV_TYPES.get(_ALIASES.get(key, key))
    taken = tuple(row.name for row in _ROWS if engine is None or engine in row.engines)
    if found is None:
        message = f"'{name}' is not a KV cache type"
    elif engine is not None and engine not in found.engines:
        message = f"{engine} has no {found.name} KV cache"
    else:
        return found
    raise InvalidArgument(
        message, field="kv_cache_type", hint=f"Use one of {', '.join(taken)}.", suggestions=taken
    )


def default_kv_type(engine: str, model_dtype: str = "bfloat16") -> KvType:
    """What the engine uses when nobody asks: f16 in llama.cpp and ollama, else the model's."""
    if engine in ("llama.cpp", "ollama"):
        return KV_TYPES["f16"]
    return KV_TYPES["f16" if model_dtype in ("float16", "f16", "fp16") else "bf16"]
