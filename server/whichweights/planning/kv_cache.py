"""Bytes of the KV cache: what the architecture needs, and what an engine allocates for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from whichweights.planning.engine_versions import (
    LLAMA_CPP_MLA,
    LLAMA_CPP_MLA_KEYS_ONLY,
    LLAMA_CPP_WINDOWS,
    OLLAMA_WINDOWS,
    TRANSFORMERS_CURRENT,
    TRANSFORMERS_WINDOWS,
    before,
    before_build,
    is_fork,
)
from whichweights.planning.formats.kv_types import KvType, kv_type
from whichweights.planning.memory_types import Settings
from whichweights_schemas.attention import (
    Attention,
    ChunkedAttention,
    CompressedAttention,
    CrossAttention,
    FullAttention,
    LatentAttention,
    ParallelMixers,
    SlidingAttention,
)
from whichweights_schemas.evidence import Basis
from whichweights_schemas.models import ModelSpec

__all__ = [
    "VLLM_BLOCK_TOKENS",
    "CacheBytes",
    "CacheRow",
    "cache_bytes",
    "cache_rows",
    "growth_per_token",
]

_GGML_BLOCK: Final = 32
"""All quantized cache types of llama.cpp share blocks of 32 elements; a row holds whole ones."""

_CELL_PADDING: Final = 256
"""llama.cpp pads the number of cells to this (llama-kv-cache.cpp)."""

_IMAGE_TOKENS: Final = 4 * 1601
"""Keys of one image in mllama's cross layers where the model does not say: four tiles of 1,600
patches and a class token (transformers, modeling_mllama.py)."""

_MLX_STEP: Final = 256
"""mlx-lm grows a cache in steps of this many tokens (mlx_lm/models/cache.py)."""

VLLM_BLOCK_TOKENS: Final = 16
"""Tokens of one page of vLLM's cache (its --block-size default)."""

_PRIOR_BYTES: Final = (0.07, 1.2, 6.6)
"""Cache bytes per token over sqrt(parameters): p5, median, p95 of 320 open models, 16-bit cache."""


@dataclass(frozen=True, slots=True)
class CacheRow:
    """What one kind of layer caches: `elements` in rows of key and value, for every `ratio` tokens.

    `cap` tokens at most (None = every token); `constant` tokens whatever the context. `latent`
    rows are whole on every rank of a tensor-parallel group; `heads` are the KV heads of others.
    """

    layers: int
    keys: int
    values: int = 0
    block: int = 0
    cap: int | None = None
    ratio: int = 1
    constant: int | None = None
    latent: bool = False
    heads: int = 1
    full_heads: int = 0
    transposed: int = 0
    uncertain: bool = False


@dataclass(frozen=True, slots=True)
class CacheBytes:
    """The cache of the whole workload in bytes, all sequences, one copy.

    `needs` follows from the architecture, `allocated` is what the engine's own rule makes of it;
    `low`/`high` bound `allocated`. `copies` is what tensor parallelism stores on top, because a
    rank holds whole heads and whole MLA rows. `per_layer` is `allocated` of one layer of each
    block; empty where the layers are not known.
    """

    needs: int
    allocated: int
    low: int
    high: int
    copies: int
    per_layer: tuple[int, ...]
    basis: Basis
    source: str
    note: str | None = None


def cache_rows(spec: ModelSpec) -> tuple[CacheRow, ...] | None:
    """The caching layers of a model by kind; None when its layers are not known."""
    if not spec.layout:
        return None
    found: list[CacheRow] = []
    for index, block in enumerate(spec.blocks):
        rows = _rows(block.attention, spec.layout.count(index))
        found.extend(replace(row, block=index) for row in rows if row.layers)
    return tuple(found)


def _rows(attention: Attention, layers: int) -> tuple[CacheRow, ...]:
    match attention:
        case FullAttention() | SlidingAttention() | ChunkedAttention() | CrossAttention():
            return _softmax_rows(attention, layers)
        case LatentAttention():
            heads = attention.query_heads
            full = heads * (attention.nope_head_dim + attention.rope_head_dim)
            full += heads * attention.value_head_dim
            width = attention.kv_lora_rank + attention.rope_head_dim
            row = CacheRow(
                layers,
                width,
                latent=True,
                full_heads=full,
                transposed=attention.kv_lora_rank,
            )
            if attention.indexer is None:
                return (row,)
            return (row, CacheRow(layers, attention.indexer.head_dim, latent=True))
        case CompressedAttention():
            return _compressed_rows(attention, layers)
        case ParallelMixers():
            return _softmax_rows(attention.attention, layers)
        case _:
            return ()


def _softmax_rows(
    attention: FullAttention | SlidingAttention | ChunkedAttention | CrossAttention, layers: int
) -> tuple[CacheRow, ...]:
    if attention.shares_kv:
        return ()
    heads = attention.kv_heads
    keys, values = heads * attention.head_dim, heads * attention.value_dim
    match attention:
        case SlidingAttention():
            return (CacheRow(layers, keys, values, cap=attention.window, heads=heads),)
        case ChunkedAttention():
            return (CacheRow(layers, keys, values, cap=attention.chunk, heads=heads),)
        case CrossAttention():
            image = attention.image_tokens or _IMAGE_TOKENS
            return (CacheRow(layers, keys, values, constant=image, heads=heads),)
        case FullAttention():
            return (CacheRow(layers, keys, values, heads=heads),)


def _compressed_rows(attention: CompressedAttention, layers: int) -> tuple[CacheRow, ...]:
    """One key per `ratio` tokens and a short window; engines differ, so the rows are uncertain."""
    size = attention.head_dim
    rows = [CacheRow(layers, size, cap=attention.window, latent=True, uncertain=True)]
    if attention.ratio:
        rows.append(CacheRow(layers, size, ratio=attention.ratio, latent=True, uncertain=True))
        if attention.indexer is not None:
            width = attention.indexer.head_dim
            rows.append(CacheRow(layers, width, ratio=attention.ratio, latent=True, uncertain=True))
    return tuple(rows)


def _row_bytes(elements: int, kind: KvType) -> int:
    """Bytes of one row; block-quantized rows are whole blocks."""
    if kind.quantized and kind.name != "fp8":
        elements = -(-elements // _GGML_BLOCK) * _GGML_BLOCK
    return kind.bytes_for(elements)


def _entry_bytes(row: CacheRow, kind: KvType) -> int:
    size = _row_bytes(row.keys, kind)
    return size + _row_bytes(row.values, kind) if row.values else size


def _needed_tokens(row: CacheRow, context: int) -> int:
    if row.constant is not None:
        return row.constant
    tokens = context if row.cap is None else min(context, row.cap)
    return -(-tokens // row.ratio)


def _up(value: int, step: int) -> int:
    return -(-value // step) * step


def _allocated_tokens(row: CacheRow, settings: Settings) -> int:
    """Cells of one layer and one sequence under the engine's rule."""
    context = settings.context_tokens
    needed = _needed_tokens(row, context)
    if row.constant is not None or row.ratio > 1:
        return needed
    version = settings.engine_version
    match settings.engine:
        case "llama.cpp" | "ollama":
            cells = _up(context, _CELL_PADDING)
            if row.cap is None or _keeps_windows_whole(settings):
                return cells
            batch = settings.ubatch_tokens or 0
            if settings.engine == "ollama":
                # One cache for all sequences: the batch stands beside their windows once.
                batch = -(-batch // settings.concurrent_sequences)
            return min(cells, _up(row.cap + batch, _CELL_PADDING))
        case "transformers" if row.cap is not None and before(version, TRANSFORMERS_WINDOWS):
            return context
        case "mlx" if row.cap is None:
            return _up(context, _MLX_STEP)
        case "vllm":
            return _up(needed, VLLM_BLOCK_TOKENS)
        case _:
            return needed


def _keeps_windows_whole(settings: Settings) -> bool:
    """Whether llama.cpp, or the engine of this ollama release, gives window layers every cell."""
    if settings.full_window_cache:
        return True
    if settings.engine == "ollama":
        return before(settings.engine_version, OLLAMA_WINDOWS)
    return before_build(settings.engine, settings.engine_version, LLAMA_CPP_WINDOWS)


def _engine_entry(row: CacheRow, kind: KvType, settings: Settings) -> int:
    """Bytes of one cell under the engine's rule: early llama.cpp builds keep more of an MLA row,
    and so does transformers 4 ("naive" attention, its docs on deepseek_v3)."""
    size = _entry_bytes(row, kind)
    engine, version = settings.engine, settings.engine_version
    if row.full_heads and engine == "transformers" and before(version, TRANSFORMERS_CURRENT):
        return _row_bytes(row.full_heads, kind)
    if not row.full_heads or engine not in ("llama.cpp", "ollama") or is_fork(version):
        return size
    if before_build(engine, version, LLAMA_CPP_MLA):
        return _row_bytes(row.full_heads, kind)
    if before_build(engine, version, LLAMA_CPP_MLA_KEYS_ONLY) or settings.flash_attention is False:
        return size + _row_bytes(row.transposed, kind)
    return size


def growth_per_token(spec: ModelSpec, settings: Settings) -> int | None:
    """Bytes one more token of one sequence adds at this context, all layers; None if unknown."""
    kind = kv_type(settings.kv_cache_type)
    rows = cache_rows(spec)
    if rows is not None:
        return sum(
            row.layers * _entry_bytes(row, kind) // row.ratio
            for row in rows
            if row.constant is None and (row.cap is None or settings.context_tokens < row.cap)
        )
    figure = spec.cache_figure
    if figure is None:
        return None
    size = figure.bytes_per_token
    if settings.context_tokens < (figure.window_tokens or 0):
        size += figure.windowed_bytes_per_token
    return _scaled(size, kind)


def _scaled(sixteen_bit_bytes: int, kind: KvType) -> int:
    return kind.bytes_for(-(-sixteen_bit_bytes // 2))


def cache_bytes(
    spec: ModelSpec, settings: Settings, rows: tuple[CacheRow, ...] | None = None
) -> CacheBytes:
    """The cache of all sequences of this workload, in bytes; `rows` saves listing them again.

    Formula: layers x tokens x (key + value elements) x bytes per element, tokens capped by the
    window; checked against public tables at 8,192 and 131,072 tokens, and llama.cpp's rule
    (window + micro-batch, padded to 256 cells) against printed KV buffers.
    """
    if spec.kind == "encoder":
        return CacheBytes(
            *(0, 0, 0, 0, 0),
            (0,) * len(spec.blocks),
            "computed",
            "architecture",
            "an encoder caches nothing between tokens",
        )
    rows = cache_rows(spec) if rows is None else rows
    if rows is None:
        return _without_layers(spec, settings)
    return _from_rows(rows, len(spec.blocks), settings)


def _from_rows(rows: tuple[CacheRow, ...], blocks: int, settings: Settings) -> CacheBytes:
    kind, sequences = kv_type(settings.kv_cache_type), settings.concurrent_sequences
    needs = allocated = copies = low = high = 0
    per_layer = [0] * blocks
    for row in rows:
        if row.constant is not None and not settings.load_vision:
            continue
        tokens = _needed_tokens(row, settings.context_tokens)
        need = row.layers * sequences * tokens * _entry_bytes(row, kind)
        one = sequences * _allocated_tokens(row, settings) * _engine_entry(row, kind, settings)
        held = row.layers * one
        per_layer[row.block] += one
        needs += need
        allocated += held
        low += held // 2 if row.uncertain else held
        high += 2 * held if row.uncertain else held
        copies += _copies(row, held, settings.tensor_parallel)
    uncertain = any(row.uncertain for row in rows)
    windows = any(row.cap is not None for row in rows)
    return CacheBytes(
        needs,
        allocated,
        low,
        high,
        copies,
        tuple(per_layer),
        "fitted" if uncertain else "computed",
        "layers x tokens x cached elements x bytes per element",
        _engine_note(settings, windows, uncertain, allocated > needs),
    )


def _copies(row: CacheRow, held: int, ranks: int) -> int:
    """Bytes that tensor parallelism stores on top of one copy: a rank holds whole heads."""
    if ranks == 1:
        return 0
    if row.latent:
        return held * (ranks - 1)
    per_rank = -(-row.heads // ranks)
    return held * (ranks * per_rank - row.heads) // row.heads


def _engine_note(settings: Settings, windows: bool, uncertain: bool, more: bool) -> str | None:
    if uncertain:
        return "compressed attention: engines lay the cache out differently, hence the range"
    match settings.engine:
        case "llama.cpp" | "ollama" if more:
            return "allocated in padded cells; window layers get window + micro-batch"
        case "vllm" if more and not windows:
            return "allocated in pages of 16 tokens"
        case "vllm" if windows:
            return "vLLM may page window layers together with full ones and charge them in full"
        case "transformers" if more and not windows:
            return "transformers 4 caches the keys and values of every head, not the compressed row"
        case "transformers" if more:
            return "this version keeps window layers at full length"
        case _:
            return None


def _without_layers(spec: ModelSpec, settings: Settings) -> CacheBytes:
    kind, tokens = kv_type(settings.kv_cache_type), settings.context_tokens
    sequences, figure = settings.concurrent_sequences, spec.cache_figure
    if figure is not None:
        windowed = min(tokens, figure.window_tokens or 0) * figure.windowed_bytes_per_token
        size = sequences * _scaled(tokens * figure.bytes_per_token + windowed, kind)
        least, note = size, None
        if figure.upper_bound:
            least = size // 6
            note = "at most: the layer schedule is not known, every layer was counted as full"
        return CacheBytes(
            *(size, size, least, size, 0), (), "published", "published cache figure", note
        )
    parameters = spec.parameters.language or spec.parameters.total or 0
    low, middle, high = (
        sequences * _scaled(round(tokens * share * parameters**0.5), kind) for share in _PRIOR_BYTES
    )
    return CacheBytes(
        *(middle, middle, low, high, 0),
        (),
        "prior",
        "cache of open models by size",
        "the layers of this model are not known: models of one size differ widely",
    )
