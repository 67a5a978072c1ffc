"""What the metadata of a GGUF file says of each layer: heads, windows, states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from whichweights_plugins.formats._gguf_tensors import LayerFacts
from whichweights_plugins.formats._malformed import malformed
from whichweights_plugins.formats.gguf_header import GgufHeader

_MAX: Final = 2**40

_PATTERNS: Final[Mapping[str, int]] = {
    "gemma2": 2,
    "gemma3": 6,
    "gemma3n": 5,
    "gpt-oss": 2,
    "cohere2": 4,
    "exaone4": 4,
    "exaone-moe": 4,
    "olmo2": 4,
    "afmoe": 4,
    "llama4": 4,
}
"""Every n-th layer sees everything, where the file has no pattern (llama.cpp, llama-model.cpp)."""

_CHUNKED: Final = {"llama4": 8192}
"""Chunk in tokens where the file has none (llama.cpp, llama-model.cpp)."""

_ENCODERS: Final = ("bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "modern-bert")


class LayerReader:
    """Reads the metadata of the layers one by one; what they share is read once.

    Raises:
        MalformedFile: a number is out of range.
    """

    def __init__(self, header: GgufHeader, hidden: int) -> None:
        self._header = header
        self._pattern = _pattern(header)
        self._window = _window_tokens(header)
        layers = header.integer(f"{header.architecture}.block_count") or 0
        self._first_shared = layers - _number(header, "attention.shared_kv_layers")
        self._head_dims = (
            _number(header, "attention.key_length") or None,
            _number(header, "attention.key_length_swa") or None,
        )
        self._common = LayerFacts(
            hidden=hidden,
            heads=0,
            key_heads=0,
            head_dim=None,
            chunked=header.architecture in _CHUNKED,
            causal=_causal(header),
            kv_lora_rank=_number(header, "attention.kv_lora_rank") or None,
            indexer_top_k=_number(header, "attention.indexer.top_k"),
            indexer_heads=_number(header, "attention.indexer.head_count"),
            ssm_inner=_number(header, "ssm.inner_size"),
            ssm_state=_number(header, "ssm.state_size"),
            ssm_kernel=_number(header, "ssm.conv_kernel"),
            ssm_groups=_number(header, "ssm.group_count"),
            ssm_rank=_number(header, "ssm.time_step_rank"),
            convolution=_number(header, "shortconv.l_cache"),
        )

    def layer(self, index: int) -> LayerFacts:
        """The facts of one layer."""
        heads = _at(self._header, "attention.head_count", index) or 0
        key_heads = _at(self._header, "attention.head_count_kv", index)
        window = self._window_of(index)
        full, windowed = self._head_dims
        return replace(
            self._common,
            heads=heads,
            key_heads=heads if key_heads is None else key_heads,
            head_dim=(windowed or full) if window else full,
            window=window,
            shares_kv=index >= self._first_shared,
            experts_used=_at(self._header, "expert_used_count", index) or 0,
        )

    def _window_of(self, index: int) -> int | None:
        """Tokens layer `index` sees; None = everything."""
        pattern = self._pattern
        if not self._window or pattern is None:
            return None
        if isinstance(pattern, tuple):
            return self._window if index < len(pattern) and pattern[index] else None
        return None if pattern and (index + 1) % pattern == 0 else self._window


def window_note(header: GgufHeader) -> str | None:
    """Says so where the file names a window that is not taken into account."""
    window = _number(header, "attention.sliding_window")
    context = _number(header, "context_length")
    if not window or window >= context > 0 or _pattern(header) is not None:
        return None
    return f"the file names a window of {window:,} tokens, but not its layers: counted as full"


def _causal(header: GgufHeader) -> bool:
    stated = header.metadata.get(f"{header.architecture}.attention.causal")
    return stated if isinstance(stated, bool) else header.architecture not in _ENCODERS


def _window_tokens(header: GgufHeader) -> int:
    """Tokens of the window; 0 = none."""
    if f"{header.architecture}.attention.sliding_window" not in header.metadata:
        return _CHUNKED.get(header.architecture, 0)
    return _number(header, "attention.sliding_window")


def _pattern(header: GgufHeader) -> int | tuple[bool, ...] | None:
    """A flag for every layer, or n where every n-th sees everything; None where none is known."""
    key = f"{header.architecture}.attention.sliding_window_pattern"
    flags = header.values(key)
    if flags:
        return tuple(bool(flag) for flag in flags)
    stated = header.integer(key)
    return stated if stated is not None else _PATTERNS.get(header.architecture)


def _number(header: GgufHeader, key: str) -> int:
    """A number of the architecture; 0 where it is absent, the largest of an array."""
    full = f"{header.architecture}.{key}"
    values = header.values(full)
    if values is not None:
        return max((_checked(value, full) for value in values), default=0)
    stated = header.integer(full)
    return 0 if stated is None else _checked(stated, full)


def _at(header: GgufHeader, key: str, index: int) -> int | None:
    """A number that may differ from layer to layer; None where it is absent."""
    full = f"{header.architecture}.{key}"
    values = header.values(full)
    if values is None:
        stated = header.integer(full)
        return None if stated is None else _checked(stated, full)
    return _checked(values[index], full) if index < len(values) else None


def _checked(value: object, key: str) -> int:
    if not isinstance(value, int) or not 0 <= value <= _MAX:
        raise malformed(f"the GGUF key {key[:80]!r} is out of range")
    return int(value)
